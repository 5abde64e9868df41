package graph

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"netlab/labs"
	"netlab/provision"
	"netlab/provision/kerneltest"
)

func load(t testing.TB, text string) *labs.Lab {
	t.Helper()
	lab, found := labs.Load("lab.yaml", []byte(text))
	if found.HasErrors() {
		t.Fatal(found)
	}
	return lab
}

func shipped(t testing.TB, name string) *labs.Lab {
	t.Helper()
	data, ok := labs.ShippedFile(name)
	if !ok {
		t.Fatalf("no lab %s", name)
	}
	return load(t, string(data))
}

// wideLab is a lab of n nodes with pods on each, and services over all of them.
func wideLab(n, pods int) string {
	var b strings.Builder
	b.WriteString("name: wide\nnodes:\n")
	for i := range n {
		fmt.Fprintf(&b, "  - name: worker-%02d\n", i+1)
	}
	b.WriteString("  - {name: laptop, cluster: false}\npods:\n")
	for i := range n {
		for k := range pods + i%3 {
			fmt.Fprintf(&b, "  - {name: app-%d-%d, node: worker-%02d, labels: {app: app-%d}}\n", k, i, i+1, k%12)
		}
	}
	b.WriteString("services:\n")
	for k := range 12 {
		fmt.Fprintf(&b, "  - {name: app-%d, selector: {app: app-%d}, ports: [{port: 80, targetPort: 8080}]}\n", k, k)
	}
	return b.String()
}

// oddLab has everything that is drawn in a way of its own: two bridges on one
// node, cables to neighbours and to others, long names, an uplink, endpoints
// that are no pods.
const oddLab = `name: odd
subnets:
  - {name: underlay, cidr: [172.30.0.0/24, "fd00:30::/64"]}
  - {name: pods, cidr: [10.244.0.0/16, "fd00:244::/48"]}
  - {name: services, cidr: [10.96.0.0/16, "fd00:96::/112"]}
  - {name: dmz, cidr: 10.50.0.0/24}
  - {name: lonely, cidr: 10.60.0.0/24}
bridges:
  - {name: fabric, subnet: underlay, uplink: true}
  - {name: dmz, subnet: dmz}
  - {name: lonely, subnet: lonely}
nodes:
  - {name: node-a, interfaces: [{name: eth0, bridge: fabric}, {name: eth1, bridge: dmz}]}
  - {name: node-b, interfaces: [{name: eth0, bridge: fabric}, {name: eth1, peer: "gw:eth1", ip: 10.9.1.2/30}, {name: eth2, peer: "gw:eth2", ip: 10.9.2.2/30}]}
  - {name: node-c, interfaces: [{name: eth0, bridge: fabric}, {name: eth1, bridge: dmz}, {name: eth2, peer: "far:eth0", ip: 10.9.0.1/30}]}
  - {name: gw, cluster: false, interfaces: [{name: eth0, bridge: dmz}, {name: eth1, peer: "node-b:eth1", ip: 10.9.1.1/30}, {name: eth2, peer: "node-b:eth2", ip: 10.9.2.1/30}]}
  - {name: far, cluster: false, interfaces: [{name: eth0, peer: "node-c:eth2", ip: 10.9.0.2/30}]}
pods:
  - {name: client, node: node-a}
  - {name: web-with-a-rather-long-name, node: node-b, labels: {app: web}}
  - {name: web-2, node: node-b, labels: {app: web}}
  - {name: db, node: node-c, labels: {app: db}, namespace: shop, ready: false}
services:
  - {name: web, selector: {app: web}, ports: [{name: http, port: 80, targetPort: 8080}, {name: https, port: 443, targetPort: 8443}]}
  - {name: again, type: NodePort, selector: {app: web}, ports: [{port: 80, nodePort: 30080}]}
  - {name: out, endpoints: [{ip: 172.30.0.1, port: 80}], ports: [{port: 80}]}
  - {name: db, namespace: shop, clusterIP: None, selector: {app: db}, ports: [{port: 5432}]}
`

// seen is what somebody saw of a lab: something of everything.
func seen(lab *labs.Lab, rng *rand.Rand) *Live {
	l := &Live{State: "drifted", Checks: "3 of 55 checks fail", Spaces: map[string]Finding{}, Devices: map[Device]Finding{}, Services: map[string]Finding{}}
	random := func() Finding {
		switch rng.IntN(4) {
		case 0:
			return Finding{Missing: true}
		case 1:
			return Finding{Checks: 20, Failed: 1 + rng.IntN(20)}
		case 2:
			return Finding{Differences: []string{"~ link: mtu is 1400, lab says 1450", "+ addr"}, Checks: 20, Failed: rng.IntN(2)}
		}
		return Finding{Checks: 20}
	}
	for _, n := range lab.Nodes {
		l.Spaces[n.NS] = random()
		l.Devices[Device{n.NS, "cni0"}], l.Devices[Device{n.NS, lab.Network.VXLANIface}] = random(), random()
		for _, i := range n.Interfaces {
			l.Devices[Device{n.NS, i.Name}] = random()
		}
	}
	for _, b := range lab.Bridges {
		l.Spaces[b.NS] = random()
	}
	for _, p := range lab.Pods {
		l.Spaces[p.NS], l.Devices[Device{p.NS, "eth0"}] = random(), random()
	}
	for _, s := range lab.Services {
		l.Services[s.ID()] = random()
	}
	return l
}

// TestNothingOverlaps draws labs in every manner and looks at where things
// came to stand.
func TestNothingOverlaps(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	all := map[string]*labs.Lab{"odd": load(t, oddLab), "wide": load(t, wideLab(50, 6)), "full": load(t, wideLab(3, 40))}
	for _, name := range labs.Shipped() {
		all[name] = shipped(t, name)
	}
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 7))
		all[fmt.Sprintf("random %d", seed)] = load(t, kerneltest.RandomLab(r, "lab"))
	}
	for name, lab := range all {
		for i := range 8 {
			if len(lab.Pods) > 99 && i != 0 && i != 7 || len(lab.Pods) > 200 && i != 7 {
				continue // the largest take long
			}
			opt := Options{Addresses: i&1 != 0, MACs: i&2 != 0, Interfaces: i&4 != 0}
			for _, live := range []*Live{nil, seen(lab, rng)} {
				s := New(lab, opt, live).draw(i == 3)
				if faults := s.faults(); len(faults) > 0 {
					t.Errorf("lab %s, %+v, live %t:\n%s", name, opt, live != nil, strings.Join(faults[:min(4, len(faults))], "\n"))
				}
			}
		}
	}
}

// TestChainsDoNotOverlap does the same to the chains of nodes.
func TestChainsDoNotOverlap(t *testing.T) {
	for _, name := range labs.Shipped() {
		lab := shipped(t, name)
		for i := range lab.Nodes[:min(2, len(lab.Nodes))] {
			c := chainsOf(lab, &lab.Nodes[i])
			if faults := c.draw(false).faults(); len(faults) > 0 {
				t.Errorf("lab %s, node %s:\n%s", name, lab.Nodes[i].Name, strings.Join(faults[:min(4, len(faults))], "\n"))
			}
		}
	}
}

func chainsOf(lab *labs.Lab, n *labs.Node) *Chains {
	state := provision.Desired(lab)
	var sets []Ruleset
	for _, six := range []bool{false, true} {
		if o, ok := state.Get(provision.Ruleset{NS: n.NS, IPv6: six}.Key()); ok {
			sets = append(sets, Ruleset{IPv6: six, Rules: o.(provision.Ruleset).Text})
		}
	}
	return NewChains(lab, n.Name, sets, Options{})
}

type area struct{ x, y, w, h int }

func (s *shape) area() area {
	x, y, w, h := s.box()
	return area{x, y, w, h}
}

func (a area) apart(b area) bool {
	return a.x+a.w <= b.x || b.x+b.w <= a.x || a.y+a.h <= b.y || b.y+b.h <= a.y
}

func (a area) inside(b area) bool {
	return a.x >= b.x && a.y >= b.y && a.x+a.w <= b.x+b.w && a.y+a.h <= b.y+b.h
}

// small reports whether a rect is an ornament that may lie on others' edges.
func (s *shape) small() bool {
	return slices.Contains([]string{"socket", "sign", "chip"}, strings.Fields(s.class)[0])
}

// covers reports whether a rect hides lines behind it and lets none end within.
func (s *shape) covers() bool {
	return slices.Contains([]string{"pod", "service", "device", "switch", "chain"}, strings.Fields(s.class)[0])
}

// faults lists what lies where it must not: boxes over boxes, text over text
// or over an edge, lines through boxes and text, lines upon lines, anything
// beyond the edge of the picture.
func (s *scene) faults() []string {
	var faults []string
	fault := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	var rects, texts, bars []*shape
	lines := s.layers[layerLine]
	for k := range s.layers {
		for i := range s.layers[k] {
			switch sh := &s.layers[k][i]; sh.what {
			case aRect:
				if !sh.small() {
					rects = append(rects, sh)
				}
				if c := strings.Fields(sh.class)[0]; c == kindBridge || c == "pipe" {
					bars = append(bars, sh)
				}
			case aText:
				texts = append(texts, sh)
			}
		}
	}
	slices.SortFunc(texts, func(a, b *shape) int { return a.y - b.y })
	whole := area{0, 0, s.width, s.height}
	for i, r := range rects {
		if a := r.area(); !a.inside(whole) {
			fault("%s %v is beyond the picture", r.class, a)
		}
		for _, q := range rects[i+1:] {
			if a, b := r.area(), q.area(); !a.apart(b) && !a.inside(b) && !b.inside(a) {
				fault("%s %v and %s %v overlap", r.class, a, q.class, b)
			}
		}
	}
	for i, x := range texts {
		a := x.area()
		if !a.inside(whole) {
			fault("text %q %v is beyond the picture", x.text, a)
		}
		for _, y := range texts[i+1:] {
			if y.y > x.y+40 {
				break // the rest is further down
			}
			if !a.apart(y.area()) {
				fault("texts %q and %q overlap", x.text, y.text)
			}
		}
		for _, r := range rects {
			if b := r.area(); !a.apart(b) && !a.inside(b) {
				fault("text %q %v crosses the edge of %s %v", x.text, a, r.class, b)
			}
		}
		for k := range lines {
			if lines[k].crosses(a) && !slices.ContainsFunc(bars, func(b *shape) bool { return a.inside(b.area()) }) {
				fault("text %q %v is crossed by %s %v", x.text, a, lines[k].class, lines[k].points)
			}
		}
	}
	for _, r := range rects {
		if !r.covers() {
			continue
		}
		a := r.area()
		for k := range lines {
			if lines[k].crosses(area{a.x + 1, a.y + 1, a.w - 2, a.h - 2}) {
				fault("%s %v is crossed by %s %v", r.class, a, lines[k].class, lines[k].points)
			}
		}
	}
	return append(faults, coincident(lines)...)
}

// stretches yields the straight parts of a line; of a curve those that are
// straight.
func (s *shape) stretches() [][2]point {
	var list [][2]point
	for i := 1; i < len(s.points); i++ {
		if s.what == aLine || i%2 == 0 {
			list = append(list, [2]point{s.points[i-1], s.points[i]})
		}
	}
	return list
}

func (s *shape) crosses(a area) bool {
	if a.apart(s.reach()) {
		return false
	}
	for _, p := range s.stretches() {
		b := area{min(p[0].x, p[1].x), min(p[0].y, p[1].y), abs(p[0].x-p[1].x) + 1, abs(p[0].y-p[1].y) + 1}
		if !a.apart(b) {
			return true
		}
	}
	return false
}

func abs(n int) int { return max(n, -n) }

// reach is the room within which a line runs.
func (s *shape) reach() area {
	a := area{s.points[0].x, s.points[0].y, 1, 1}
	for _, p := range s.points {
		x, y := min(a.x, p.x), min(a.y, p.y)
		a = area{x, y, max(a.x+a.w, p.x+1) - x, max(a.y+a.h, p.y+1) - y}
	}
	return a
}

// coincident lists lines that run upon each other for a while. Those of one
// service may.
func coincident(lines []shape) []string {
	var faults []string
	for i := range lines {
		for k := range lines[:i] {
			x, y := &lines[i], &lines[k]
			if x.links == "" || y.links == "" || strings.HasPrefix(x.class, "endpoint") && first(x.links) == first(y.links) || x.reach().apart(y.reach()) {
				continue
			}
			for _, p := range x.stretches() {
				for _, q := range y.stretches() {
					upright := p[0].x == p[1].x && q[0].x == q[1].x && p[0].x == q[0].x && overlap(p[0].y, p[1].y, q[0].y, q[1].y)
					level := p[0].y == p[1].y && q[0].y == q[1].y && p[0].y == q[0].y && overlap(p[0].x, p[1].x, q[0].x, q[1].x)
					if upright || level {
						faults = append(faults, fmt.Sprintf("%s %v and %s %v run upon each other", x.class, x.points, y.class, y.points))
					}
				}
			}
		}
	}
	return faults
}

func first(links string) string {
	a, _, _ := strings.Cut(links, " ")
	return a
}

func overlap(a, b, c, d int) bool {
	return min(max(a, b), max(c, d)) > max(min(a, b), min(c, d))
}
