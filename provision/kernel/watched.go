package kernel

import (
	"errors"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"netlab/provision"
)

// Parameters that no lab need ask for, and with which people can stop traffic:
// they are observed if they are neither harmless nor what a namespace begins
// with.

// watchedFiles are those of a namespace. What stands under default counts for
// interfaces that are made later.
var watchedFiles = []watchedFile{
	{"net.ipv4.icmp_echo_ignore_all", "0", "/proc/sys/net/ipv4/icmp_echo_ignore_all"},
	{"net.ipv4.ip_default_ttl", "64", "/proc/sys/net/ipv4/ip_default_ttl"},
	{"net.ipv4.icmp_ratelimit", "1000", "/proc/sys/net/ipv4/icmp_ratelimit"},
	{"net.ipv4.icmp_ratemask", "6168", "/proc/sys/net/ipv4/icmp_ratemask"},
	{"net.ipv4.ip_local_port_range", "32768 60999", "/proc/sys/net/ipv4/ip_local_port_range"},
	{"net.ipv4.ipfrag_high_thresh", "4194304", "/proc/sys/net/ipv4/ipfrag_high_thresh"},
	{"net.ipv4.tcp_rmem", roomy, "/proc/sys/net/ipv4/tcp_rmem"},
	{"net.ipv4.tcp_wmem", roomy, "/proc/sys/net/ipv4/tcp_wmem"},
	{"net.ipv4.tcp_notsent_lowat", "4294967295", "/proc/sys/net/ipv4/tcp_notsent_lowat"},
	{"net.ipv4.conf.all.rp_filter", "0", "/proc/sys/net/ipv4/conf/all/rp_filter"},
	{"net.ipv4.conf.all.arp_ignore", "0", "/proc/sys/net/ipv4/conf/all/arp_ignore"},
	{"net.ipv4.conf.all.arp_filter", "0", "/proc/sys/net/ipv4/conf/all/arp_filter"},
	{"net.ipv4.conf.all.proxy_arp", "0", "/proc/sys/net/ipv4/conf/all/proxy_arp"},
	{"net.ipv4.conf.all.route_localnet", "0", "/proc/sys/net/ipv4/conf/all/route_localnet"},
	{"net.ipv4.conf.default.rp_filter", "0", "/proc/sys/net/ipv4/conf/default/rp_filter"},
	{"net.ipv4.conf.default.arp_ignore", "0", "/proc/sys/net/ipv4/conf/default/arp_ignore"},
	{"net.ipv4.conf.default.arp_filter", "0", "/proc/sys/net/ipv4/conf/default/arp_filter"},
	{"net.ipv4.conf.default.proxy_arp", "0", "/proc/sys/net/ipv4/conf/default/proxy_arp"},
}

type watchedFile struct{ name, harmless, path string }

// roomy stands for sizes of buffers that hold a segment. What a namespace begins
// with depends on the memory of the host.
const roomy = "roomy"

// ParameterFiles returns, by namespace, the files under /proc/sys that
// [Host.Observe] opens where all is as want says. What rtnetlink tells at less
// cost it does not open.
func ParameterFiles(want provision.State) map[string][]string {
	w := newWish(want)
	files := map[string][]string{}
	ports := map[provision.Key]bool{}
	add := func(s provision.Sysctl) {
		path, err := sysctlPath(s)
		if _, told := netconfOf[s.Name]; err == nil && !told && !slices.Contains(files[s.NS], path) {
			files[s.NS] = append(files[s.NS], path)
		}
	}
	for o := range want.All() {
		switch o := o.(type) {
		case provision.Port:
			ports[provision.Link{NS: o.NS, Name: o.Dev}.Key()] = true
		case provision.Namespace:
			for _, s := range w.sysctls[o.Name] {
				add(s)
			}
			watched := watchedFiles
			if w.rulesets[o.Name] {
				watched = slices.Concat(watched, watchedTracking)
			}
			for _, f := range watched {
				add(provision.Sysctl{NS: o.Name, Name: f.name})
			}
		}
	}
	for o := range want.All() {
		switch o.(type) {
		case provision.Veth, provision.Bridge:
		default:
			continue
		}
		for _, k := range o.Claims() {
			if k.Kind != provision.KindLink || ports[k] {
				continue
			}
			for name := range watchedNeigh {
				add(provision.Sysctl{NS: k.NS, Name: "net.ipv4.neigh." + k.Name + "." + name, Dev: k.Name})
			}
		}
	}
	return files
}

// suspicious reports whether value is not harmless.
func (f watchedFile) suspicious(value string) bool {
	if f.harmless != roomy {
		return value != f.harmless
	}
	const segment = 4096 // and what the kernel makes of it
	return slices.ContainsFunc(strings.Fields(value), func(size string) bool {
		n, err := strconv.Atoi(size)
		return err == nil && n < segment
	})
}

// watchedDefaults are those that an interface would begin with, and that take a
// while to read: where one is missing.
var watchedDefaults = func() []watchedFile {
	var list []watchedFile
	for _, name := range watchedConf {
		f := watchedFile{"net.ipv4.conf.default." + name, "0", "/proc/sys/net/ipv4/conf/default/" + name}
		if !slices.Contains(watchedFiles, f) {
			list = append(list, f)
		}
	}
	return append(list, watchedSwitches[1])
}()

// disableIPv6 is what switches IPv6 off for an interface, under that name.
const disableIPv6 = "disable_ipv6"

// watchedSwitches are what does so for a namespace and for interfaces that are
// made later. They are read where an interface says that it is off.
var watchedSwitches = []watchedFile{
	{"net.ipv6.conf.all.disable_ipv6", "0", "/proc/sys/net/ipv6/conf/all/disable_ipv6"},
	{"net.ipv6.conf.default.disable_ipv6", "0", "/proc/sys/net/ipv6/conf/default/disable_ipv6"},
}

// forwardingOf says what decides whether new interfaces forward, by what decides
// it for a namespace.
var forwardingOf = map[string]string{
	"net.ipv4.ip_forward": "net.ipv4.conf.default.forwarding", "net.ipv6.conf.all.forwarding": "net.ipv6.conf.default.forwarding",
}

// watchedConf are those of an interface, by their place in what rtnetlink tells
// (include/uapi/linux/ip.h, IPV4_DEVCONF_* less one). Zero is harmless.
var watchedConf = map[int]string{
	2: "proxy_arp", 7: "rp_filter", 12: "arp_filter", 17: "arp_announce", 18: "arp_ignore",
	22: "accept_local", 24: "proxy_arp_pvlan", 25: "route_localnet", 29: "drop_unicast_in_l2_multicast",
}

// watchedConf6 are those of IPv6 (DEVCONF_*), and what is harmless.
var watchedConf6 = []struct {
	at       int
	name     string
	harmless uint32
}{{1, "hop_limit", 64}, {22, "proxy_ndp", 0}, {conf6Disable, disableIPv6, 0}}

// watchedTracking are how long connections are remembered, in seconds, and what is
// harmless. They count where rules look at connections: in namespaces for which
// the lab has any.
var watchedTracking = func() []watchedFile {
	var list []watchedFile
	for name, harmless := range map[string]string{
		"generic_timeout": "600", "icmp_timeout": "30", "icmpv6_timeout": "30", "udp_timeout": "30", "udp_timeout_stream": "120",
		"tcp_timeout_syn_sent": "120", "tcp_timeout_syn_recv": "60", "tcp_timeout_established": "432000", "tcp_timeout_fin_wait": "120",
		"tcp_timeout_close_wait": "60", "tcp_timeout_last_ack": "30", "tcp_timeout_time_wait": "120", "tcp_timeout_close": "10",
		"tcp_timeout_max_retrans": "300", "tcp_timeout_unacknowledged": "300",
	} {
		list = append(list, watchedFile{"net.netfilter.nf_conntrack_" + name, harmless, "/proc/sys/net/netfilter/nf_conntrack_" + name})
	}
	return list
}()

// watchedNeigh are those by which nobody is asked who has an address, and what is
// harmless. No dump tells them of one interface, so that they are read of those
// that ask: with a cable or a bridge, and no port.
var watchedNeigh = map[string]string{"mcast_solicit": "3", "app_solicit": "0"}

// asks reports whether d finds its neighbours by asking.
func (d device) asks() bool {
	return d.master == 0 && (d.kind == "veth" || d.kind == "bridge")
}

// Where others stand there, and in what is told of IPv6.
const (
	conf4Forwarding = 0
	conf6Forwarding = 0
	conf6Disable    = 26
)

// deviceConf are the parameters of an interface that are watched.
type deviceConf struct {
	forwarding4, forwarding6 string
	ipv6                     bool              // spoken, as far as the interface is concerned
	silent6                  bool              // it gets no link-local address
	others, others6          map[string]string // those that are not harmless, by the last part of their name
}

// What nl does not name: in IFLA_AF_SPEC, by family.
const (
	iflaInetConf  = 1
	iflaInet6Conf = 2
)

// Ways in which the kernel makes link-local addresses
// (include/uapi/linux/if_link.h).
const (
	genEUI64 = 0
	genNone  = 1
)

func (c *deviceConf) decode(spec []byte) {
	for family, v := range attributes(spec) {
		for kind, list := range attributes(v) {
			switch {
			case family == unix.AF_INET && kind == iflaInetConf:
				for i := 0; len(list) >= 4; i, list = i+1, list[4:] {
					value := u32(list)
					if i == conf4Forwarding {
						c.forwarding4 = strconv.Itoa(int(value))
					}
					if name := watchedConf[i]; name != "" && value != 0 {
						if c.others == nil {
							c.others = map[string]string{}
						}
						c.others[name] = strconv.Itoa(int(int32(value)))
					}
				}
			case family == unix.AF_INET6 && kind == unix.IFLA_INET6_ADDR_GEN_MODE && len(list) > 0:
				c.silent6 = list[0] == genNone
			case family == unix.AF_INET6 && kind == iflaInet6Conf && len(list) >= 4*(conf6Forwarding+1):
				c.ipv6 = len(list) >= 4*(conf6Disable+1) && u32(list[4*conf6Disable:]) == 0
				c.forwarding6 = strconv.Itoa(int(u32(list[4*conf6Forwarding:])))
				for _, w := range watchedConf6 {
					if len(list) < 4*(w.at+1) || u32(list[4*w.at:]) == w.harmless {
						continue
					}
					if c.others6 == nil {
						c.others6 = map[string]string{}
					}
					c.others6[w.name] = strconv.Itoa(int(int32(u32(list[4*w.at:]))))
				}
			}
		}
	}
}

// watch returns the watched parameters of a namespace that people have changed.
// known are those that were read because the lab has them, or had them.
func (h *Host) watch(p *parameters, v *view, w wish, known []provision.Sysctl) ([]provision.Sysctl, error) {
	values := map[string]string{}
	for _, s := range known {
		values[s.Name] = s.Value
	}
	for _, s := range w.sysctls[v.name] {
		if _, ok := values[s.Name]; !ok {
			values[s.Name] = ""
		}
	}
	files := watchedFiles
	if slices.ContainsFunc(w.links[v.name], func(name string) bool { return v.byName[name].index == 0 }) {
		files = slices.Concat(files, watchedDefaults)
	}
	if slices.ContainsFunc(v.devices, func(d device) bool { return d.conf.others6[disableIPv6] != "" }) {
		files = slices.Concat(watchedSwitches, slices.DeleteFunc(slices.Clone(files), func(f watchedFile) bool { return slices.Contains(watchedSwitches, f) }))
	}
	if w.rulesets[v.name] {
		files = slices.Concat(files, watchedTracking)
	}
	suspects, err := watchFiles(files, p, v.name, values)
	if err != nil {
		return nil, err
	}
	// A new interface forwards if its namespace does.
	for all, name := range forwardingOf {
		if values[all] == "" || values[name] != "" {
			continue
		}
		if value, ok := p.told.value(p.conn, name); ok && value != values[all] {
			suspects = append(suspects, provision.Sysctl{NS: v.name, Name: name, Value: value, Unset: values[all]})
		}
	}
	for _, d := range v.devices {
		if d.index == loIndex { // of the rest it has what the host gives it
			d.conf = deviceConf{others6: only(d.conf.others6, disableIPv6)}
		} else if d.kind != "veth" && !w.claimed[provision.Link{NS: v.name, Name: d.name}.Key()] {
			continue // it goes; the end of a cable may get another name, and keeps them
		}
		suspects = append(suspects, d.suspects(v.name, values)...)
		if !d.asks() {
			continue
		}
		asking, err := d.watchNeigh(p, v.name, values)
		if err != nil {
			return nil, err
		}
		suspects = append(suspects, asking...)
	}
	var changed []provision.Sysctl
	for _, s := range suspects {
		if s.Unset == "" {
			s.Unset = wantedDefault(w, s)
		}
		if s.Unset == "" {
			if s.Unset, err = h.fresh.value(s); err != nil {
				return nil, err
			}
		}
		if s.Value != s.Unset {
			changed = append(changed, s)
		}
	}
	return changed, nil
}

// watchFiles reads files of the whole namespace, and returns those that are not
// harmless.
func watchFiles(files []watchedFile, p *parameters, ns string, known map[string]string) ([]provision.Sysctl, error) {
	var suspects []provision.Sysctl
	for _, f := range files {
		if _, ok := known[f.name]; ok {
			continue
		}
		value, suspicious, err := p.suspicious(f)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if suspicious {
			suspects = append(suspects, provision.Sysctl{NS: ns, Name: f.name, Value: value})
		}
	}
	return suspects, nil
}

// watchNeigh returns the parameters by which d asks for neighbours, as far as
// they are not harmless. Those of IPv6 count where the lab speaks it.
func (d device) watchNeigh(p *parameters, ns string, known map[string]string) ([]provision.Sysctl, error) {
	var suspects []provision.Sysctl
	for _, family := range []string{"net.ipv4", "net.ipv6"} {
		if _, spoken := known["net.ipv6.conf."+d.name+".disable_ipv6"]; family == "net.ipv6" && !spoken {
			continue
		}
		for name, harmless := range watchedNeigh {
			s := provision.Sysctl{NS: ns, Name: family + ".neigh." + d.name + "." + name, Dev: d.name}
			path, err := p.proc.path(s)
			if err != nil {
				return nil, err
			}
			found, err := watchFiles([]watchedFile{{s.Name, harmless, path}}, p, ns, known)
			if err != nil {
				return nil, err
			}
			for i := range found {
				found[i].Dev = d.name
			}
			suspects = append(suspects, found...)
		}
	}
	return suspects, nil
}

// suspects returns the parameters of d that are not harmless. An interface
// forwards if its namespace does.
func (d device) suspects(ns string, known map[string]string) []provision.Sysctl {
	var list []provision.Sysctl
	add := func(prefix, name, value, unset string) {
		full := prefix + d.name + "." + name
		if _, ok := known[full]; !ok {
			list = append(list, provision.Sysctl{NS: ns, Name: full, Dev: d.name, Value: value, Unset: unset})
		}
	}
	const conf4, conf6 = "net.ipv4.conf.", "net.ipv6.conf."
	if all := known["net.ipv4.ip_forward"]; all != "" && d.conf.forwarding4 != "" && d.conf.forwarding4 != all {
		add(conf4, "forwarding", d.conf.forwarding4, all)
	}
	if all := known["net.ipv6.conf.all.forwarding"]; all != "" && d.conf.forwarding6 != "" && d.conf.forwarding6 != all {
		add(conf6, "forwarding", d.conf.forwarding6, all)
	}
	for name, value := range d.conf.others {
		add(conf4, name, value, "")
	}
	for name, value := range d.conf.others6 {
		add(conf6, name, value, "")
	}
	return list
}

// only returns the entry of m that has a key, if there is one.
func only(m map[string]string, key string) map[string]string {
	if v, ok := m[key]; ok {
		return map[string]string{key: v}
	}
	return nil
}

// wantedDefault is what the lab says that new interfaces get, or "" if it does not.
func wantedDefault(w wish, s provision.Sysctl) string {
	wanted := func(name string) string {
		o, ok := w.state.Get(provision.Sysctl{NS: s.NS, Name: name}.Key())
		if !ok {
			return ""
		}
		return o.(provision.Sysctl).Value
	}
	// This one is written to all interfaces and to what new ones get.
	if all := wanted("net.ipv6.conf.all.disable_ipv6"); all != "" && strings.HasSuffix(s.Name, "."+disableIPv6) {
		return all
	}
	if s.Dev == "" {
		return ""
	}
	return wanted(strings.Replace(s.Name, "."+s.Dev+".", ".default.", 1))
}

// unset returns what a parameter is where no lab sets it, in a namespace whose
// other parameters are as they should be.
func (h *Host) unset(s provision.Sysctl) (string, error) {
	if s.Unset != "" {
		return s.Unset, nil
	}
	if s.Dev == "" || !strings.HasSuffix(s.Name, ".forwarding") {
		return h.fresh.value(s)
	}
	// An interface gets what the namespace has when forwarding is switched.
	all := provision.Sysctl{NS: s.NS, Name: strings.Replace(s.Name, "."+s.Dev+".", ".all.", 1)}
	path, err := sysctlPath(all)
	if err != nil {
		return "", err
	}
	value := ""
	err = h.pool.Do(s.NS, func() (err error) {
		value, err = readSysctl(path)
		return err
	})
	return value, err
}
