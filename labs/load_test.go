package labs

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// goNames are parts of names of Go and YAML types; no author should read them.
var goNames = []string{"labs.", "yaml.", "!!", "struct", "*string", "reflect", "runtime", "interface {", "%!"}

// check loads a file and reports what must not be, whatever the file holds.
func check(t *testing.T, data []byte) (*Lab, Diagnostics) {
	t.Helper()
	lab, diags := Load("f", data)
	if (lab == nil) != diags.HasErrors() {
		t.Fatalf("lab is nil: %v, there are errors: %v\n%v", lab == nil, diags.HasErrors(), diags)
	}
	for i, d := range diags {
		if i > 0 && d.Pos.before(diags[i-1].Pos) {
			t.Errorf("not in the order of the file: %v after %v", d, diags[i-1])
		}
		for _, name := range goNames {
			if strings.Contains(d.String(), name) && !bytes.Contains(data, []byte(name)) {
				t.Errorf("the name of a type in: %v", d)
			}
		}
		if strings.HasSuffix(d.Message, ".") && !bytes.Contains(data, []byte(".")) {
			t.Errorf("a period at the end of: %v", d)
		}
	}
	if lab != nil {
		checkLab(t, lab)
	}
	return lab, diags
}

// checkLab checks what code that gets a Lab relies on.
func checkLab(t *testing.T, l *Lab) {
	t.Helper()
	addrs, macs, nss := map[netip.Addr]string{}, map[MAC]string{}, map[string]string{}
	ifaces := map[string]string{}
	addr := func(who string, ps ...netip.Prefix) {
		if len(ps) > 2 || len(ps) == 2 && ps[0].Addr().Is4() == ps[1].Addr().Is4() {
			t.Errorf("%s: %v are not one address a family", who, ps)
		}
		for _, p := range ps {
			if !p.IsValid() {
				t.Errorf("%s: invalid address", who)
			}
			distinct(t, "address", addrs, p.Addr(), who)
		}
	}
	iface := func(ns, name, who string) {
		if name == "" || len(name) > maxIface {
			t.Errorf("%s: interface name %q", who, name)
		}
		distinct(t, "interface", ifaces, ns+" "+name, who)
	}
	for _, b := range l.Bridges {
		distinct(t, "namespace", nss, b.NS, "bridge "+b.Name)
		distinct(t, "MAC", macs, b.MAC, "bridge "+b.Name)
		addr("bridge "+b.Name, b.Gateways...)
	}
	for _, n := range l.Nodes {
		who := "node " + n.Name
		distinct(t, "namespace", nss, n.NS, who)
		if n.Cluster {
			distinct(t, "MAC", macs, n.BridgeMAC, who)
			distinct(t, "MAC", macs, n.VXLANMAC, who)
			if len(n.PodSubnets) != len(l.Network.PodCIDRs) || len(n.PodGateways) != len(n.PodSubnets) {
				t.Errorf("%s: pod subnets %v, gateways %v", who, n.PodSubnets, n.PodGateways)
			}
		}
		for _, i := range n.Interfaces {
			addr(who+":"+i.Name, i.Addrs...)
			distinct(t, "MAC", macs, i.MAC, who+":"+i.Name)
			iface(n.NS, i.Name, who)
			if i.Bridge != "" {
				distinct(t, "MAC", macs, i.PortMAC, who+":"+i.Name)
				iface(i.Bridge, i.Port, who)
				if l.Bridge(i.Bridge) == nil {
					t.Errorf("%s: no bridge %q", who, i.Bridge)
				}
			} else if peer := l.Node(i.PeerNode); peer == nil {
				t.Errorf("%s: no peer %q", who, i.PeerNode)
			}
		}
	}
	for _, p := range l.Pods {
		who := "pod " + p.ID()
		n := l.Node(p.Node)
		if n == nil {
			t.Fatalf("%s: no node %q", who, p.Node)
		}
		distinct(t, "namespace", nss, p.NS, who)
		distinct(t, "MAC", macs, p.MAC, who)
		if l.Network.Mode != ModeRouted {
			distinct(t, "MAC", macs, p.HostMAC, who)
		}
		iface(n.NS, p.HostIface, who)
		addr(who, p.Addrs...)
		for k, a := range p.Addrs {
			if !n.PodSubnets[k].Contains(a.Addr()) {
				t.Errorf("%s: %v is not in %v", who, a, n.PodSubnets[k])
			}
		}
	}
	for _, s := range l.Services {
		for _, a := range s.ClusterIPs {
			distinct(t, "address", addrs, a, "service "+s.ID())
		}
		if s.Headless != (len(s.ClusterIPs) == 0) {
			t.Errorf("service %s: headless %v with %v", s.ID(), s.Headless, s.ClusterIPs)
		}
		for _, p := range s.Ports {
			if p.Port == 0 || (p.NodePort != 0) != (s.Type == NodePort) {
				t.Errorf("service %s: port %+v", s.ID(), p)
			}
		}
	}
}

func distinct[K comparable](t *testing.T, kind string, seen map[K]string, key K, who string) {
	t.Helper()
	if other, twice := seen[key]; twice {
		t.Errorf("%s and %s have the same %s %v", who, other, kind, key)
	}
	seen[key] = who
}

// FuzzLoad feeds Load anything. It must not panic, and keep what checkLab and
// check say.
func FuzzLoad(f *testing.F) {
	for _, seed := range seeds(f) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) { check(t, data) })
}

// TestMutations loads files that are nearly right: lines are dropped, doubled
// or swapped, and words replaced by words of other files.
func TestMutations(t *testing.T) {
	files := seeds(t)
	word := regexp.MustCompile(`[A-Za-z0-9_./-]+`)
	var words []string
	for _, f := range files {
		words = append(words, word.FindAllString(string(f), 500)...)
	}
	for seed := range uint64(1000) {
		rng := rand.New(rand.NewPCG(seed, 0))
		text := string(files[rng.IntN(len(files))])
		for range 1 + rng.IntN(4) {
			lines := strings.SplitAfter(text, "\n")
			i, j := rng.IntN(len(lines)), rng.IntN(len(lines))
			switch rng.IntN(4) {
			case 0:
				lines = slices.Delete(lines, i, i+1)
			case 1:
				lines = slices.Insert(lines, i, lines[j])
			case 2:
				lines[i], lines[j] = lines[j], lines[i]
			case 3:
				if at := word.FindAllStringIndex(lines[i], -1); len(at) > 0 {
					w := at[rng.IntN(len(at))]
					lines[i] = lines[i][:w[0]] + words[rng.IntN(len(words))] + lines[i][w[1]:]
				}
			}
			text = strings.Join(lines, "")
		}
		check(t, []byte(text))
		if t.Failed() {
			t.Fatalf("seed %d:\n%s", seed, text)
		}
	}
}

// TestLoadDeterministic resolves each seed twice and compares.
func TestLoadDeterministic(t *testing.T) {
	for _, seed := range seeds(t) {
		lab1, diags1 := Load("f", seed)
		lab2, diags2 := Load("f", seed)
		if !reflect.DeepEqual(lab1, lab2) {
			t.Errorf("two labs of one file:\n%s", seed)
		}
		if diff := cmp.Diff(diags1.Error(), diags2.Error()); diff != "" {
			t.Errorf("two diagnoses of one file:\n%s\n%s", seed, diff)
		}
	}
}

// TestLabNameChangesPrefixOnly gives a lab another name: only namespaces change.
func TestLabNameChangesPrefixOnly(t *testing.T) {
	for _, name := range Shipped() {
		data, _ := ShippedFile(name)
		spec, _ := Parse("f", data)
		one, _ := Resolve(spec, Options{})
		two, diags := Resolve(spec, Options{Name: "student-07"})
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		text := func(l *Lab) string { return fmt.Sprint(l.Nodes, l.Bridges, l.Pods, l.Services, l.Network) }
		if got := strings.ReplaceAll(text(two), "student-07.", name+"."); got != text(one) {
			t.Errorf("%s:\n%s", name, cmp.Diff(text(one), got))
		}
	}
	spec, _ := Parse("f", []byte("name: a\nnodes: [{name: b}]\n"))
	if lab, diags := Resolve(spec, Options{Name: "Not A Name"}); lab != nil || !diags.HasErrors() {
		t.Errorf("a wrong name is accepted: %v", diags)
	}
}

// TestAppendDisturbsNothing adds a node, a pod and a service at the end.
func TestAppendDisturbsNothing(t *testing.T) {
	const head = "name: a\nnodes: [{name: n1}, {name: n2}%s]\npods: [{name: p1, node: n1}, {name: p2, node: n2}%s]\nservices: [{name: s1, ports: [{port: 80}]}%s]\n"
	before, _ := check(t, fmt.Appendf(nil, head, "", "", ""))
	after, diags := check(t, fmt.Appendf(nil, head, ", {name: n3}", ", {name: p3, node: n1}", ", {name: s2, ports: [{port: 80}]}"))
	if before == nil || after == nil {
		t.Fatal(diags)
	}
	for i := range before.Nodes {
		if diff := cmp.Diff(fmt.Sprint(before.Nodes[i]), fmt.Sprint(after.Nodes[i])); diff != "" {
			t.Error(diff)
		}
	}
	for i := range before.Pods {
		if diff := cmp.Diff(fmt.Sprint(before.Pods[i]), fmt.Sprint(after.Pods[i])); diff != "" {
			t.Error(diff)
		}
	}
	if diff := cmp.Diff(fmt.Sprint(before.Services[0]), fmt.Sprint(after.Services[0])); diff != "" {
		t.Error(diff)
	}
}

// TestHostileFiles loads files that are large, deep or more than they seem.
// Each must be answered with few diagnostics, and without delay.
func TestHostileFiles(t *testing.T) {
	const head = "name: a\nnodes: [{name: b}]\n"
	bomb := "name: a\nx0: &a0 [x,x,x,x,x,x,x,x,x]\n"
	for i := 1; i < 12; i++ {
		bomb += fmt.Sprintf("x%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d,", i-1), 9), ","))
	}
	list := "name: a\nnodes:\n- name: b\n  interfaces: &a0 [{name: eth0}]\n"
	merges := "name: a\nnodes:\n- &m0 {name: b}\n"
	for i := 1; i < 40; i++ {
		merges += fmt.Sprintf("- &m%d {<<: [*m%d, *m%d]}\n", i, i-1, i-1)
	}
	used := "name: a\nnodes: [{name: n}]\npods:\n- &p {name: p, node: n, containers: &c ["
	for i := range 500 {
		used += fmt.Sprintf("{name: c%d, serve: {tcp: %d}},", i, i+1)
	}
	used += "]}\n" + strings.Repeat("- {<<: *p}\n", 2000)
	tests := []struct {
		name, data string
		want       string // in the diagnostics
		most       int    // diagnostics
	}{
		{"bomb", bomb, "unknown key", 20},
		{"bomb in a known key", strings.Replace(bomb, "x11: ", "nodes: ", 1), "should be a map", 20000},
		{"nested merges", merges, "exceeds 200000 values", 50},
		{"one pod two thousand times", used, "exceeds 200000 values", 3000},
		{"large comment", head + strings.Repeat("# nothing to see here, go on\n", 10<<20/29), "", 0},
		{"large text", head + "description: " + strings.Repeat("x", 10<<20) + "\n", "", 0},
		{"large name", "name: " + strings.Repeat("x", 10<<20) + "\nnodes: [{name: b}]\n", "more than 40", 1},
		{"many pods", head + "pods:\n" + strings.Repeat("- {name: p, node: b}\n", 70000), "exceeds 200000 values", 100000},
		{"many wrong nodes", head + "pods:\n" + strings.Repeat("- {name: p, node: c}\n", 20000), "there is no node", 100000},
		{"many unknown keys", head + strings.Repeat("xyz: 1\n", 10), "unknown key", 20},
		{"over the limit", strings.Repeat("#", 16<<20) + "\n", "more than the 16777216", 1},
		{"deep lists", head + "pods: " + strings.Repeat("[", 100000), "deep", 1},
		{"deep maps", head + "pods: " + strings.Repeat("{a: ", 100000), "deep", 1},
		{"deep indentation", head + "pods:\n" + deep(3000), "should be a list", 5},
		{"deep and closed", head + "pods: " + strings.Repeat("[", 5000) + strings.Repeat("]", 5000), "should be a map", 5},
		{"zero bytes", strings.Repeat("\x00", 1000), "U+0000", 1},
		{"not UTF-8", head + "description: \xff\xfe\n", "not UTF-8", 1},
		{"UTF-16", "\xff\xfen\x00a\x00", "UTF-16", 1},
		{"byte order mark", "\ufeff" + head, "", 0},
		{"windows line ends", strings.ReplaceAll(head, "\n", "\r\n"), "", 0},
		{"lists", list, "", 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			lab, diags := check(t, []byte(test.data))
			if len(diags) > test.most {
				t.Errorf("%d diagnostics, the first: %v", len(diags), diags[0])
			}
			if test.want == "" && lab == nil {
				t.Error(diags)
			}
			if !strings.Contains(diags.Error(), test.want) {
				t.Errorf("no %q in: %.2000v", test.want, diags)
			}
		})
	}
}

// deep nests maps by indentation.
func deep(levels int) string {
	var b strings.Builder
	for i := range levels {
		b.WriteString(strings.Repeat(" ", i+1) + "a:\n")
	}
	return b.String()
}

// seeds are lab files of all kinds: those that ship, and those that are broken.
func seeds(t testing.TB) [][]byte {
	var seeds [][]byte
	for _, name := range Shipped() {
		data, _ := ShippedFile(name)
		seeds = append(seeds, data)
	}
	seeds = append(seeds, brokenFiles(t)...)
	return slices.Clip(seeds)
}
