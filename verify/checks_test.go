package verify_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"netlab/labs"
	"netlab/verify"
)

// describe writes what a check promises, on one line.
func describe(c verify.Check) string {
	words := []string{string(c.Group), "|", c.ID()}
	if c.Want != labs.Reachable {
		words = append(words, string(c.Want))
	}
	if c.TTL != 0 {
		words = append(words, fmt.Sprintf("ttl %d", c.TTL))
	}
	if c.Src.IsValid() {
		words = append(words, "seen as "+c.Src.String())
	}
	if m := c.More; m != nil {
		for _, s := range m.Behind {
			words = append(words, fmt.Sprintf("behind %s %s seen as %s", s.On.Name, s.At, s.Src))
		}
		if len(m.Behind) == 0 {
			for _, s := range m.Listen {
				words = append(words, "at "+s.String())
			}
		}
		if s := m.Sample; s != nil {
			words = append(words, fmt.Sprintf("%d tries of", s.Tries))
			for _, client := range s.Clients {
				words = append(words, client.From.Name)
			}
		}
		for _, h := range m.Hops {
			words = append(words, h.String())
		}
		for _, e := range m.Must {
			words = append(words, "must "+e.String())
		}
		for _, e := range m.May {
			words = append(words, "may "+e.String())
		}
		if m.Name != "" {
			words = append(words, "= "+m.Value)
		}
		if c.Kind == verify.Device {
			words = append(words, fmt.Sprintf("%+v", m.Device))
		}
	}
	return strings.Join(words, " ")
}

func TestChecksGolden(t *testing.T) {
	for _, name := range []string{"two-node", "three-node", "routed", "flat", "router"} {
		t.Run(name, func(t *testing.T) {
			var b strings.Builder
			for _, c := range verify.Checks(shipped(t, name)) {
				fmt.Fprintln(&b, describe(c))
			}
			golden(t, "checks/"+name+".txt", b.String())
		})
	}
}

func TestChecksHaveUniqueIDs(t *testing.T) {
	for _, name := range labs.Shipped() {
		seen := map[string]bool{}
		for _, c := range verify.Checks(shipped(t, name)) {
			if id := c.ID(); seen[id] {
				t.Errorf("%s: two checks are called %q", name, id)
			}
			seen[c.ID()] = true
			if c.From == nil || c.From.NS == "" {
				t.Errorf("%s: %s starts nowhere", name, c.ID())
			}
		}
	}
}

func TestCheckIsSmall(t *testing.T) {
	if size := unsafe.Sizeof(verify.Check{}); size > 150 {
		t.Errorf("a check takes %d bytes; a lab of 1000 pods has two million", size)
	}
}

// hosts returns the pairs of machines that have a way both ways.
func hosts(lab *labs.Lab) []string {
	var pairs []string
	for _, c := range verify.Checks(lab) {
		if c.Group == verify.External {
			pairs = append(pairs, fmt.Sprintf("%s>%s:%d", c.From.Name, c.To.Name, c.TTL))
		}
	}
	return pairs
}

// TestWays follows routes on paper.
func TestWays(t *testing.T) {
	const lans = `
subnets: [{name: left, cidr: 10.1.0.0/24}, {name: right, cidr: 10.2.0.0/24}]
bridges: [{name: l, subnet: left}, {name: r, subnet: right}]
`
	const router = `
  - {name: gw, cluster: false, interfaces: [{name: eth0, bridge: l, ip: 10.1.0.1}, {name: eth1, bridge: r, ip: 10.2.0.1}]%s}
`
	host := func(name, bridge, rest string) string {
		return fmt.Sprintf("  - {name: %s, cluster: false, interfaces: [{name: eth0, bridge: %s}]%s}\n", name, bridge, rest)
	}
	def := func(via string) string { return ", routes: [{to: default, via: " + via + "}]" }
	both := host("a", "l", def("10.1.0.1")) + host("b", "r", def("10.2.0.1"))
	for _, tt := range []struct {
		name, text string
		want       []string
	}{
		{"through a router", both + fmt.Sprintf(router, ""), []string{"a>b:63", "a>gw:64", "b>a:63", "b>gw:64", "gw>a:64", "gw>b:64"}},
		{"no way back", host("a", "l", def("10.1.0.1")) + host("b", "r", "") + fmt.Sprintf(router, ""),
			[]string{"a>gw:64", "gw>a:64", "gw>b:64"}},
		{"a router that does not forward", both + fmt.Sprintf(router, ", sysctls: {net.ipv4.ip_forward: 0}"),
			[]string{"a>gw:64", "b>gw:64", "gw>a:64", "gw>b:64"}},
		{"a masquerade needs no way back", host("a", "l", def("10.1.0.1")) + host("b", "r", "") +
			fmt.Sprintf(router, ", masquerade: [{from: 10.1.0.0/24, out: eth1}]"),
			[]string{"a>b:63", "a>gw:64", "gw>a:64", "gw>b:64"}},
		{"a rule without a route in its table", both + fmt.Sprintf(router, ", rules: [{from: 10.1.0.0/24, table: 300}], routes: [{to: 10.2.0.0/24, via: 10.1.0.77, table: 300}]"),
			[]string{"a>gw:64", "gw>a:64", "gw>b:64"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			lab := load(t, "ways.yaml", "name: ways\n"+lans+"nodes:\n"+tt.text)
			got := hosts(lab)
			slices.Sort(got)
			if !slices.Equal(got, tt.want) {
				t.Errorf("got  %v\nwant %v", got, tt.want)
			}
		})
	}
}

// TestModeNone: pods of different nodes are checked only where the lab file
// joins their nodes.
func TestModeNone(t *testing.T) {
	const text = `
name: none
network: {mode: none}
nodes:
  - {name: a, routes: [{to: 10.244.2.0/24, via: 172.30.0.3}]}
  - {name: b%s}
  - {name: c}
pods: [{name: p, node: a}, {name: q, node: b}, {name: r, node: c}]
`
	count := func(back string) (n int) {
		for _, c := range verify.Checks(load(t, "none.yaml", fmt.Sprintf(text, back))) {
			if c.Group == verify.Pods {
				n++
			}
		}
		return n
	}
	if n := count(""); n != 0 {
		t.Errorf("%d checks between pods, want none: there is no way back", n)
	}
	if n := count(", routes: [{to: 10.244.1.0/24, via: 172.30.0.2}]"); n != 4 {
		t.Errorf("%d checks between pods, want icmp and tcp, there and back", n)
	}
}

func BenchmarkChecks(b *testing.B) {
	text, _ := labs.ShippedFile("big")
	lab, found := labs.Load("big.yaml", text)
	if found.HasErrors() {
		b.Fatal(found)
	}
	for b.Loop() {
		verify.Checks(lab)
	}
}
