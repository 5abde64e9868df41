package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"netlab/labs"
)

// damage is one thing that somebody does to a lab.
type damage struct {
	command string   // for sh
	lost    []string // namespaces whose connections it may cost
}

// vandal damages a lab at random.
type vandal struct {
	rng *rand.Rand
	lab *labs.Lab
}

func (v vandal) ns() string { return pick(v.rng, namespacesIn(v.lab)...) }

func (v vandal) node() string { return v.lab.Nodes[v.rng.IntN(len(v.lab.Nodes))].NS }

func (v vandal) pod() *labs.Pod { return &v.lab.Pods[v.rng.IntN(len(v.lab.Pods))] }

// links lists the interfaces of a namespace as they are now, without lo.
func (v vandal) links(ns string) []string {
	var names []string
	for _, l := range jsonOf(ns, "ip", "-j", "link") {
		if name, _ := l["ifname"].(string); name != "lo" && name != "" {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return []string{"none"}
	}
	return names
}

// jsonOf is what a command prints in a namespace; nothing if it fails.
func jsonOf(ns string, argv ...string) []map[string]any {
	out, err := exec.Command("ip", append([]string{"netns", "exec", ns}, argv...)...).Output()
	var list []map[string]any
	if err != nil || json.Unmarshal(out, &list) != nil {
		return nil
	}
	return list
}

// lines is what ip prints about a namespace, a thing a line.
func (v vandal) lines(ns string, argv ...string) []string {
	out, _ := exec.Command("ip", append([]string{"-n", ns}, argv...)...).Output()
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(lines) == 1 && lines[0] == "" {
		return []string{"default"}
	}
	return lines
}

// mac is one that nobody has.
func (v vandal) mac() string { return fmt.Sprintf("02:00:00:00:00:%02x", 0x90+v.rng.IntN(16)) }

// any is something that somebody does to the lab.
func (v vandal) any() damage {
	return pick(v.rng, v.link, v.link, v.address, v.route, v.route, v.neighbour, v.port, v.bridge, v.tunnel, v.parameter, v.rule, v.netfilter, v.netfilter, v.namespace, v.process, v.file)()
}

func (v vandal) link() damage {
	ns := v.ns()
	dev := pick(v.rng, v.links(ns)...)
	n := v.rng.IntN(90)
	return damage{command: pick(v.rng,
		fmt.Sprintf("ip -n %s link set %s down", ns, dev),
		fmt.Sprintf("ip -n %s link set %s mtu %d", ns, dev, 1280+v.rng.IntN(200)),
		fmt.Sprintf("ip -n %s link set %s address %s", ns, dev, v.mac()),
		fmt.Sprintf("ip -n %s link set %s alias mine%d", ns, dev, n),
		fmt.Sprintf("ip -n %s link set %s down; ip -n %s link set %s name y%d", ns, dev, ns, dev, n),
		fmt.Sprintf("ip -n %s link set %s down; ip -n %s link set %s name y%d; ip -n %s link set y%d up", ns, dev, ns, dev, n, ns, n),
		fmt.Sprintf("ip -n %s link del %s", ns, dev),
		fmt.Sprintf("ip -n %s link set %s netns %s name z%d", ns, dev, v.ns(), n),
		fmt.Sprintf("ip -n %s link set %s arp off", ns, dev),
		fmt.Sprintf("ip -n %s link set %s multicast off", ns, dev),
		fmt.Sprintf("ip -n %s link set %s nomaster", ns, dev),
		fmt.Sprintf("ip -n %s link set %s protodown on", ns, dev),
		fmt.Sprintf("tc -n %s qdisc add dev %s root pfifo limit 1", ns, dev),
		fmt.Sprintf("tc -n %s qdisc add dev %s root tbf rate 8kbit burst 2000 latency 50ms", ns, dev),
		fmt.Sprintf("ip -n %s link property add dev %s altname other%d", ns, dev, n),
		fmt.Sprintf("ip -n %s link add q%d type dummy; ip -n %s link set q%d up", ns, n, ns, n),
		fmt.Sprintf("ip -n %s link add q%d type veth peer name r%d netns %s", ns, n, n, v.ns()),
		fmt.Sprintf("ip -n %s link add q%d type bridge; ip -n %s link set %s master q%d; ip -n %s link set q%d up", ns, n, ns, dev, n, ns, n),
		fmt.Sprintf("ip -n %s link del %s; ip -n %s link add %s type dummy", ns, dev, ns, dev),
		fmt.Sprintf("ip -n %s link set lo %s", ns, pick(v.rng, "down", "mtu 1000", "alias mine", "alias ''")),
	)}
}

func (v vandal) address() damage {
	ns := v.ns()
	dev := pick(v.rng, v.links(ns)...)
	is := "10.9.9.9/24"
	for _, line := range v.lines(ns, "-o", "addr", "show", "dev", dev) {
		if f := strings.Fields(line); len(f) > 3 {
			is = f[3]
		}
	}
	bare, _, _ := strings.Cut(is, "/")
	n := 2 + v.rng.IntN(200)
	return damage{command: pick(v.rng,
		fmt.Sprintf("ip -n %s addr del %s dev %s", ns, is, dev),
		fmt.Sprintf("ip -n %s addr flush dev %s", ns, dev),
		fmt.Sprintf("ip -n %s addr add 10.99.0.%d/24 dev %s", ns, n, dev),
		fmt.Sprintf("ip -n %s addr add 10.244.1.%d/24 dev %s", ns, 50+n, dev),
		fmt.Sprintf("ip -n %s addr del %s dev %s; ip -n %s addr add %s/%d dev %s", ns, is, dev, ns, bare, 8+v.rng.IntN(17), dev),
		fmt.Sprintf("ip -n %s addr add %s/%d dev %s", ns, bare, 8+v.rng.IntN(17), dev),
		fmt.Sprintf("ip -n %s addr change %s dev %s valid_lft 100 preferred_lft 50", ns, is, dev),
		fmt.Sprintf("ip -n %s addr add fd99::%x/64 dev %s nodad", ns, n, dev),
		fmt.Sprintf("ip -n %s -6 addr flush dev %s", ns, dev),
		fmt.Sprintf("ip -n %s addr del 127.0.0.1/8 dev lo", ns),
		fmt.Sprintf("ip -n %s addr add 10.98.0.%d/32 dev lo", ns, n),
	)}
}

func (v vandal) route() damage {
	ns := v.ns()
	family := pick(v.rng, "", "", "-6 ")
	dev := pick(v.rng, v.links(ns)...)
	lines := v.lines(ns, append(strings.Fields(family), "route", "show", "table", "all")...)
	// What is printed behind the destination and its table is mostly what ip takes.
	is := strings.Fields(strings.TrimSpace(pick(v.rng, lines...)))
	n := v.rng.IntN(200)
	return damage{command: pick(v.rng,
		fmt.Sprintf("ip -n %s %sroute del %s", ns, family, strings.Join(is, " ")),
		fmt.Sprintf("ip -n %s %sroute del %s", ns, family, strings.Join(is, " ")),
		fmt.Sprintf("ip -n %s %sroute flush table main", ns, family),
		fmt.Sprintf("ip -n %s %sroute flush table local dev %s", ns, family, dev),
		fmt.Sprintf("ip -n %s route replace default dev %s", ns, dev),
		fmt.Sprintf("ip -n %s route replace %s dev %s metric %d", ns, is[0], dev, n),
		fmt.Sprintf("ip -n %s route replace blackhole 10.%d.0.0/16", ns, n),
		fmt.Sprintf("ip -n %s route add unreachable 10.244.%d.0/24 metric %d", ns, v.rng.IntN(4), n),
		fmt.Sprintf("ip -n %s route add 10.%d.0.0/16 dev %s table %d", ns, n, dev, 100+n),
		fmt.Sprintf("ip -n %s route add local 10.%d.0.1 dev lo", ns, n),
		fmt.Sprintf("ip -n %s route add default dev %s tos 0x10", ns, dev),
		fmt.Sprintf("ip -n %s -6 route add fd%02x::/64 dev %s", ns, n, dev),
		fmt.Sprintf("ip -n %s route change default via 172.30.0.99 dev %s onlink", ns, dev),
	)}
}

func (v vandal) rule() damage {
	ns := v.ns()
	n := v.rng.IntN(200)
	return damage{command: pick(v.rng,
		fmt.Sprintf("ip -n %s rule del pref %d", ns, pick(v.rng, 0, 1000, 32766, 32767)),
		fmt.Sprintf("ip -n %s rule flush", ns),
		fmt.Sprintf("ip -n %s rule add from 10.244.0.0/16 prohibit pref %d", ns, 1+n),
		fmt.Sprintf("ip -n %s rule add fwmark %d lookup %d pref %d", ns, 1+n, 100+n, 500+n),
		fmt.Sprintf("ip -n %s -6 rule add from fd44::/16 blackhole pref %d", ns, 1+n),
		fmt.Sprintf("ip -n %s -6 rule del pref %d", ns, pick(v.rng, 0, 32766)),
		fmt.Sprintf("ip -n %s rule add iif lo lookup 300 pref %d", ns, 700+n),
	)}
}

func (v vandal) neighbour() damage {
	ns := v.ns()
	if v.rng.IntN(2) == 0 {
		ns = v.node()
	}
	dev := pick(v.rng, v.links(ns)...)
	is := strings.Fields(pick(v.rng, v.lines(ns, "neigh", "show", "nud", "permanent")...))
	fdb := strings.Fields(pick(v.rng, v.bridgeLines(ns, "fdb", "show", "dev", dev)...))
	n := v.rng.IntN(200)
	return damage{command: pick(v.rng,
		fmt.Sprintf("ip -n %s neigh flush all nud permanent", ns),
		fmt.Sprintf("ip -n %s neigh del %s dev %s", ns, is[0], dev),
		fmt.Sprintf("ip -n %s neigh replace %s lladdr %s dev %s nud permanent", ns, is[0], v.mac(), dev),
		fmt.Sprintf("ip -n %s neigh replace 10.244.1.%d lladdr %s dev %s nud permanent", ns, n, v.mac(), dev),
		fmt.Sprintf("ip -n %s neigh replace 172.30.0.%d lladdr %s dev %s nud permanent", ns, 1+n%5, v.mac(), dev),
		fmt.Sprintf("bridge -n %s fdb del %s dev %s", ns, strings.Join(fdb, " "), dev),
		fmt.Sprintf("bridge -n %s fdb add %s dev %s dst 172.30.0.%d self permanent", ns, v.mac(), dev, 2+n%5),
		fmt.Sprintf("bridge -n %s fdb replace %s dev %s dst 172.30.0.99 self permanent", ns, fdb[0], dev),
		fmt.Sprintf("bridge -n %s fdb add %s dev %s master static", ns, v.mac(), dev),
		fmt.Sprintf("bridge -n %s fdb append 00:00:00:00:00:00 dev %s dst 172.30.0.3", ns, dev),
	)}
}

func (v vandal) bridgeLines(ns string, argv ...string) []string {
	out, _ := exec.Command("bridge", append([]string{"-n", ns}, argv...)...).Output()
	if text := strings.TrimSpace(string(out)); text != "" {
		return strings.Split(text, "\n")
	}
	return []string{"02:00:00:00:00:01"}
}

func (v vandal) port() damage {
	ns := v.ns()
	dev := pick(v.rng, v.links(ns)...)
	setting := pick(v.rng, "hairpin", "isolated", "learning", "flood", "mcast_flood", "guard", "root_block", "neigh_suppress", "locked", "bcast_flood")
	return damage{command: pick(v.rng,
		fmt.Sprintf("bridge -n %s link set dev %s %s %s", ns, dev, setting, pick(v.rng, "on", "off")),
		fmt.Sprintf("bridge -n %s link set dev %s state %d", ns, dev, v.rng.IntN(4)),
		fmt.Sprintf("ip -n %s link set %s nomaster", ns, dev),
		fmt.Sprintf("ip -n %s link set %s master %s", ns, dev, pick(v.rng, v.links(ns)...)),
	)}
}

func (v vandal) bridge() damage {
	ns, dev := v.node(), "cni0"
	if v.rng.IntN(2) == 0 {
		ns, dev = v.lab.Bridges[0].NS, "br0"
	}
	return damage{command: pick(v.rng,
		fmt.Sprintf("ip -n %s link set %s type bridge stp_state 1", ns, dev),
		fmt.Sprintf("ip -n %s link set %s type bridge ageing_time 0", ns, dev),
		fmt.Sprintf("ip -n %s link set %s type bridge mcast_snooping 1", ns, dev),
		fmt.Sprintf("ip -n %s link set %s type bridge nf_call_iptables 1", ns, dev),
		fmt.Sprintf("ip -n %s link set %s type bridge group_fwd_mask 8", ns, dev),
		fmt.Sprintf("ip -n %s link set %s type bridge forward_delay 1500", ns, dev),
		fmt.Sprintf("ip -n %s link set %s down", ns, dev),
		fmt.Sprintf("ip -n %s link del %s", ns, dev),
	)}
}

func (v vandal) tunnel() damage {
	ns, dev := v.node(), v.lab.Network.VXLANIface
	if dev == "" {
		dev = "vxlan1"
	}
	anew := fmt.Sprintf("ip -n %s link del %s; ip -n %s link add %s type vxlan", ns, dev, ns, dev)
	return damage{command: pick(v.rng,
		fmt.Sprintf("%s id 9 local 172.30.0.2 dev eth0 dstport 8472 nolearning; ip -n %s link set %s up", anew, ns, dev),
		fmt.Sprintf("%s id 1 local 172.30.0.2 dev eth0 dstport 4789 nolearning", anew),
		fmt.Sprintf("%s id 1 local 172.30.0.9 dev eth0 dstport 8472", anew),
		fmt.Sprintf("ip -n %s link set %s type vxlan id 1 learning", ns, dev),
		fmt.Sprintf("ip -n %s link set %s type vxlan id 1 local 172.30.0.9", ns, dev),
		fmt.Sprintf("ip -n %s link set %s type vxlan id 1 ttl 1", ns, dev),
		fmt.Sprintf("ip -n %s link set %s type vxlan id 1 remote 172.30.0.3", ns, dev),
		fmt.Sprintf("ip -n %s link set %s down", ns, dev),
		fmt.Sprintf("ip -n %s link add vxlan99 type vxlan id 99 dev eth0 dstport 8472", ns),
	)}
}

func (v vandal) parameter() damage {
	ns := v.ns()
	dev := pick(v.rng, append(v.links(ns), "all", "default")...)
	name := pick(v.rng,
		"net.ipv4.ip_forward", "net.bridge.bridge-nf-call-iptables",
		"net.ipv4.conf.DEV.rp_filter", "net.ipv4.conf.DEV.forwarding", "net.ipv4.conf.DEV.proxy_arp", "net.ipv4.conf.DEV.arp_ignore",
		"net.ipv4.conf.DEV.arp_filter", "net.ipv4.conf.DEV.arp_announce", "net.ipv4.conf.DEV.route_localnet", "net.ipv4.conf.DEV.accept_local",
		"net.ipv6.conf.DEV.forwarding", "net.ipv6.conf.DEV.disable_ipv6", "net.ipv4.icmp_echo_ignore_all", "net.ipv4.ip_default_ttl")
	name = strings.ReplaceAll(name, "DEV", dev)
	return damage{command: fmt.Sprintf("ip netns exec %s sysctl -qw %s=%d", ns, name, v.rng.IntN(3))}
}

// netfilter changes rules that are the lab's. What is people's own stays by up,
// and has no place here.
func (v vandal) netfilter() damage {
	ns := v.node()
	in := "ip netns exec " + ns + " "
	table := pick(v.rng, "nat", "nat", "filter")
	out, _ := exec.Command("ip", "netns", "exec", ns, "iptables", "-t", table, "-S").Output()
	var rules, chains []string
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		switch {
		case len(f) > 1 && strings.HasPrefix(f[1], "KUBE-") && f[0] == "-N":
			chains = append(chains, f[1])
		case len(f) > 1 && f[0] == "-A":
			rules = append(rules, strings.TrimSpace(line[2:]))
		}
	}
	if len(rules) == 0 || len(chains) == 0 {
		return damage{command: in + "iptables -P FORWARD DROP"}
	}
	rule, chain := pick(v.rng, rules...), pick(v.rng, chains...)
	return damage{command: pick(v.rng,
		in+"iptables -P FORWARD DROP",
		in+"iptables -P "+pick(v.rng, "INPUT", "OUTPUT")+" DROP",
		in+"iptables -t "+table+" -F",
		in+"iptables -t "+table+" -F "+chain,
		in+"iptables -t "+table+" -D "+rule,
		in+"iptables -t "+table+" -D "+rule,
		in+"iptables -t "+table+" -D "+rule+"; "+in+"iptables -t "+table+" -A "+rule,
		in+"iptables -t "+table+" -A "+rule,
		in+"iptables -t "+table+" -I "+chain+" -s 10.0.0.0/8 -j RETURN",
		in+"iptables -t "+table+" -N KUBE-EXTRA",
		in+"nft flush ruleset",
		in+"nft delete table ip "+table,
		in+"nft delete table ip6 "+table,
		in+"nft flush chain ip "+table+" "+chain,
	)}
}

func (v vandal) namespace() damage {
	ns := v.ns()
	lost := v.standsOn(ns)
	file := "/run/netns/" + ns
	return pick(v.rng,
		damage{"ip netns del " + ns, lost},
		damage{"umount " + file, lost},
		damage{fmt.Sprintf("umount %s; mount --bind /run/netns/%s %s", file, v.ns(), file), lost},
		damage{"ip netns del " + ns + "; touch " + file, lost},
		damage{"touch /run/netns/" + v.lab.Name + ".crashed", nil},
		damage{fmt.Sprintf("ip netns add %s.more; ip -n %s.more link set lo alias netlab:%s:node:more", v.lab.Name, v.lab.Name, v.lab.Name), nil},
		damage{"ip -n " + ns + " link set lo alias ''", nil},
		damage{fmt.Sprintf("ip -n %s link set lo alias ''; rm -f /run/netlab/%s/witness/%s", v.pod().NS, v.lab.Name, "no-such"), nil},
	)
}

// standsOn lists the namespaces whose connections a namespace carries.
func (v vandal) standsOn(ns string) []string {
	lost := []string{ns}
	for _, p := range v.lab.Pods {
		if v.lab.Node(p.Node).NS == ns {
			lost = append(lost, p.NS)
		}
	}
	return lost
}

func (v vandal) process() damage {
	var pids []string
	for _, pid := range runningOf(v.lab.Name) {
		pids = append(pids, strconv.Itoa(pid))
	}
	if len(pids) == 0 {
		return v.link()
	}
	one := pick(v.rng, pids...)
	return damage{command: pick(v.rng, "kill -9 "+one, "kill -9 "+one, "kill "+one, "kill -9 "+strings.Join(pids, " "))}
}

// runningOf lists what runs of a lab: those in its namespaces, and its
// supervisor.
func runningOf(lab string) []int {
	mine := map[string]bool{}
	spaces, _ := filepath.Glob("/run/netns/" + lab + ".*")
	for _, s := range spaces {
		if fi, err := os.Stat(s); err == nil {
			mine[inodeText(fi)] = true
		}
	}
	var pids []int
	all, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range all {
		pid, _ := strconv.Atoi(filepath.Base(dir))
		line, _ := os.ReadFile(dir + "/cmdline")
		fi, err := os.Stat(dir + "/ns/net")
		if pid != os.Getpid() && (strings.HasPrefix(string(line), "netlab\x00supervise\x00"+lab+"\x00") || err == nil && mine[inodeText(fi)]) {
			pids = append(pids, pid)
		}
	}
	return pids
}

func (v vandal) file() damage {
	dir := "/run/netlab/" + v.lab.Name
	ns := v.ns()
	files, _ := filepath.Glob(dir + "/*")
	files = slices.DeleteFunc(files, func(f string) bool { return strings.HasSuffix(f, "/ns") || strings.HasSuffix(f, "/lock") })
	if len(files) == 0 {
		files = []string{dir + "/none"}
	}
	return damage{command: pick(v.rng,
		"echo 10.9.9.9 evil >>"+dir+"/etc/hosts",
		"rm -f "+dir+"/etc/hosts",
		"chmod 600 "+dir+"/etc/hosts",
		"rm -f "+dir+"/etc/resolv.conf",
		"echo x >"+dir+"/etc/more",
		"rm -f /etc/netns/"+ns,
		"rm -rf "+dir+"/witness",
		"rm -f "+dir+"/lab.yaml",
		"echo : >"+dir+"/lab.yaml",
		"echo '{' >"+dir+"/supervisor/state",
		"rm -rf "+dir+"/supervisor/spec "+dir+"/supervisor/state",
		"rm -rf "+pick(v.rng, files...),
	)}
}
