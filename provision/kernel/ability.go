package kernel

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"syscall"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"netlab/provision"
	"netlab/provision/netns"
)

// Ability is something that labs may need of a kernel, with how to get it.
type Ability struct {
	Name     string
	Remedy   string
	Optional bool // no lab needs it: some command does
	try      func(h *Host) error
	kind     string // of links, if it is one
}

// Abilities are what [Host.Try] can try, those first that others need.
var Abilities = []Ability{
	{Name: "network namespaces", Remedy: "run netlab as root, or raise the limit with \"sysctl -w user.max_net_namespaces=15000\"", try: func(*Host) error {
		return netns.Fresh(func() error { return nil })
	}},
	{Name: "veth devices", Remedy: "load the module with \"modprobe veth\"", kind: "veth", try: func(*Host) error { return tryLink("veth", nil) }},
	{Name: "bridges", Remedy: "load the module with \"modprobe bridge\"", kind: "bridge", try: func(*Host) error { return tryLink("bridge", nil) }},
	{Name: "VXLAN devices", Remedy: "load the module with \"modprobe vxlan\"", kind: "vxlan", try: func(*Host) error {
		data := nl.NewRtAttr(nl.IFLA_INFO_DATA, nil)
		data.AddRtAttr(nl.IFLA_VXLAN_ID, nl.Uint32Attr(1))
		return tryLink("vxlan", data)
	}},
	{Name: "br_netfilter", Remedy: "load the module with \"modprobe br_netfilter\"", try: (*Host).loadBridgeNetfilter},
	{Name: "iptables", Remedy: "install it with \"apt-get install iptables\", or whatever your distribution calls it", try: tryIPTables},
	{Name: "user namespaces", Optional: true, Remedy: "labs without root need them: allow them with \"sysctl -w user.max_user_namespaces=15000\"", try: func(*Host) error { return tryUserNamespace() }},
	{Name: "nft trace", Optional: true, Remedy: "netlab trace shows rules only with it: load the module with \"modprobe nf_tables\"", try: func(*Host) error { return tryTrace() }},
	{Name: "netem", Optional: true, Remedy: "\"tc qdisc add ... netem\" needs it: load the module with \"modprobe sch_netem\"", try: func(*Host) error { return tryNetem() }},
}

// Try tries an ability, in a network namespace that nobody else sees and that
// goes again.
func (h *Host) Try(a Ability) error { return a.try(h) }

// tryLink makes a link of a kind.
func tryLink(kind string, data *nl.RtAttr) error {
	return fresh(unix.NETLINK_ROUTE, func(c *conn) error {
		info := nl.NewRtAttr(unix.IFLA_LINKINFO, nil)
		info.AddRtAttr(nl.IFLA_INFO_KIND, nl.NonZeroTerminated(kind))
		if data != nil {
			info.AddChild(data)
		}
		return c.do(request(unix.RTM_NEWLINK, unix.NLM_F_CREATE|unix.NLM_F_EXCL, ifinfo(0, false), nameAttr("try0"), info), nil)
	})
}

// knowsLink reports whether the kernel makes links of a kind, without having it
// make one: it looks for the kind, and loads the module, before it finds that
// nothing can have such an address. Where it answers anything else it may know
// the kind nevertheless.
func knowsLink(c *conn, kind string) bool {
	info := nl.NewRtAttr(unix.IFLA_LINKINFO, nil)
	info.AddRtAttr(nl.IFLA_INFO_KIND, nl.NonZeroTerminated(kind))
	err := c.do(request(unix.RTM_NEWLINK, unix.NLM_F_CREATE|unix.NLM_F_EXCL, ifinfo(0, false),
		nameAttr("try0"), nl.NewRtAttr(unix.IFLA_ADDRESS, []byte{1, 0, 0, 0, 0, 0}), info), nil)
	return errors.Is(err, unix.EADDRNOTAVAIL)
}

// fresh runs fn with a socket in a namespace of its own.
func fresh(family int, fn func(c *conn) error) error {
	return netns.Fresh(func() error {
		c, err := dialFamily(family)
		if err != nil {
			return err
		}
		defer c.close()
		return fn(c)
	})
}

// tryIPTables looks for the programs.
func tryIPTables(h *Host) error {
	for _, name := range []string{"iptables-restore", "iptables-save"} {
		if _, err := h.tables.path(name); err != nil {
			return fmt.Errorf("there is no program %s", name)
		}
	}
	return nil
}

// tryUserNamespace makes a process in a user namespace of its own.
func tryUserNamespace() error {
	pid, err := syscall.ForkExec("/bin/true", []string{"true"}, &syscall.ProcAttr{
		Dir: "/", Env: []string{}, Sys: &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER},
	})
	if err != nil {
		return err
	}
	var status unix.WaitStatus
	for {
		if _, err := unix.Wait4(pid, &status, 0, nil); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// tryTrace makes a table of nftables and listens to what the kernel tells about
// packets.
func tryTrace() error {
	return fresh(unix.NETLINK_NETFILTER, func(c *conn) error {
		header := &nl.Nfgenmsg{NfgenFamily: unix.NFPROTO_INET, Version: nl.NFNETLINK_V0}
		err := c.batch(unix.NFNL_SUBSYS_NFTABLES, request(unix.NFNL_SUBSYS_NFTABLES<<8|unix.NFT_MSG_NEWTABLE, unix.NLM_F_CREATE, header,
			nl.NewRtAttr(unix.NFTA_TABLE_NAME, nl.ZeroTerminated("try"))))
		if err != nil {
			return err
		}
		const traceGroup = 9 // NFNLGRP_NFTRACE
		return unix.SetsockoptInt(c.fd, unix.SOL_NETLINK, unix.NETLINK_ADD_MEMBERSHIP, traceGroup)
	})
}

// tryNetem puts netem onto lo.
func tryNetem() error {
	return fresh(unix.NETLINK_ROUTE, func(c *conn) error {
		const root = 0xffffffff     // TC_H_ROOT
		options := make([]byte, 24) // struct tc_netem_qopt
		options[4] = 100            // limit
		return c.do(request(unix.RTM_NEWQDISC, unix.NLM_F_CREATE|unix.NLM_F_EXCL, tcHeader{loIndex, root},
			nl.NewRtAttr(nl.TCA_KIND, nl.ZeroTerminated("netem")), nl.NewRtAttr(nl.TCA_OPTIONS, options)), nil)
	})
}

// Lack says that a lab needs what this host does not have.
type Lack struct {
	Ability Ability
	Reason  error
}

// Error implements [error].
func (l *Lack) Error() string {
	return fmt.Sprintf("this host lacks %s: %v\n    hint: %s", l.Ability.Name, l.Reason, l.Ability.Remedy)
}

// Unwrap returns the reason.
func (l *Lack) Unwrap() error { return l.Reason }

// Lacks returns a [*Lack] for everything that steps of plan need and this host
// does not have. It tries what is needed and takes a few milliseconds.
func (h *Host) Lacks(plan provision.Plan) error {
	need := map[string]bool{}
	for _, s := range plan.Steps {
		if s.Op != provision.Create {
			continue
		}
		switch o := s.Object.(type) {
		case provision.Namespace:
			need["network namespaces"] = true
		case provision.Veth:
			need["veth devices"] = true
		case provision.Bridge:
			need["bridges"] = true
		case provision.VXLAN:
			need["VXLAN devices"] = true
		case provision.Ruleset:
			need["iptables"] = true
		case provision.Sysctl:
			if _, err := os.Stat(bridgeSysctls); err != nil && o.Name == "net.bridge.bridge-nf-call-iptables" {
				need["br_netfilter"] = true
			}
		}
	}
	// One namespace in which nothing is made shows nearly all of it. To make links
	// takes longer, and the kernel removes them while the lab is being made.
	var known []string
	if fresh(unix.NETLINK_ROUTE, func(c *conn) error {
		known = append(known, "network namespaces")
		for _, a := range Abilities {
			if need[a.Name] && a.kind != "" && knowsLink(c, a.kind) {
				known = append(known, a.Name)
			}
		}
		return nil
	}) != nil {
		known = nil
	}
	var lacks []error
	for _, a := range Abilities {
		if !need[a.Name] || slices.Contains(known, a.Name) {
			continue
		}
		if err := h.Try(a); err != nil {
			lacks = append(lacks, &Lack{a, err})
		}
	}
	return errors.Join(lacks...)
}
