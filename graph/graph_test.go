package graph

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"netlab/labs"
	"netlab/provision/netfilter"
)

var update = flag.Bool("update", false, "rewrite golden files; read the diff before you commit")

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; run go test ./graph -update", err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

func written(t testing.TB, write func(io.Writer) error) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := write(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// brokenLab is what somebody saw of two-node after breaking web.
func brokenLab(lab *labs.Lab) *Live {
	return &Live{
		State: "drifted", Checks: "2 of 55 checks fail",
		Spaces: map[string]Finding{
			"two-node.fabric": {}, "two-node.node-a": {Checks: 20}, "two-node.client": {Checks: 20, Failed: 1},
			"two-node.node-b": {Checks: 20, Differences: []string{"~ link two-node.node-b/veth-web: state is down, lab says up"}},
			"two-node.web":    {Checks: 20, Failed: 12},
		},
		Devices:  map[Device]Finding{{lab.Pods[1].NS, "eth0"}: {Differences: []string{"~ link two-node.node-b/veth-web: state is down, lab says up"}}},
		Services: map[string]Finding{"default/web": {Checks: 4, Failed: 1}},
		Causes:   []Cause{{Fault: "two-node.node-b: link veth-web: state is down, lab says up", Evidence: []string{"ip -n two-node.node-b link show veth-web: state DOWN"}, Remedy: "netlab up two-node", Checks: 2}},
		Failures: []Failure{
			{Check: "icmp default/client -> default/web (10.244.2.2)", Reason: "no answer within 1s", Ends: []string{"two-node.client", "two-node.web"}},
			{Check: "tcp default/client -> svc default/web:80 (10.96.0.80:80)", Reason: "no answer within 1s", Ends: []string{"two-node.client", "default/web"}},
		},
	}
}

// TestGolden pins the formats that are text.
func TestGolden(t *testing.T) {
	all := Options{Addresses: true, MACs: true, Interfaces: true}
	two := shipped(t, "two-node")
	for name, p := range map[string]*Topology{
		"two-node": New(two, Options{}, nil), "two-node-all": New(two, all, nil), "two-node-broken": New(two, Options{}, brokenLab(two)),
		"router": New(shipped(t, "router"), Options{Addresses: true}, nil), "dns": New(shipped(t, "dns"), Options{}, nil),
		"odd": New(load(t, oddLab), all, nil), "routed": New(shipped(t, "routed"), Options{Interfaces: true}, nil),
	} {
		golden(t, name+".txt", written(t, p.WriteText))
		golden(t, name+".mmd", written(t, p.WriteMermaid))
		golden(t, name+".dot", written(t, p.WriteDot))
	}
	c := chainsOf(two, two.Node("node-a"))
	golden(t, "chains.txt", written(t, c.WriteText))
	golden(t, "chains.mmd", written(t, c.WriteMermaid))
	golden(t, "chains.dot", written(t, c.WriteDot))
}

// TestChainsLeadToEndpoints follows jumps in the picture from each hook that
// has to do with services to the DNAT rules of the endpoints.
func TestChainsLeadToEndpoints(t *testing.T) {
	lab := shipped(t, "three-node")
	c := chainsOf(lab, lab.Node("node-b"))
	for _, tbl := range c.tables {
		for _, ch := range tbl.chains {
			if tbl.name != "nat" || ch.name != "PREROUTING" && ch.name != "OUTPUT" {
				continue
			}
			for _, want := range []string{"= web-1", "= web-2", "= web-3", "= echo"} {
				if !leadsTo(ch, want, 0) {
					t.Errorf("no way from %s to a rule that says %q", ch.name, want)
				}
			}
			if leadsTo(ch, "= client", 0) {
				t.Errorf("a way from %s to client, which is no endpoint", ch.name)
			}
		}
	}
}

func leadsTo(ch *chain, text string, depth int) bool {
	return depth < 9 && slices.ContainsFunc(ch.rules, func(r *rule) bool {
		return strings.HasPrefix(r.does, "DNAT") && strings.HasSuffix(r.does, text) || r.to != nil && leadsTo(r.to, text, depth+1)
	})
}

// TestChainsShowDrift draws rules that somebody took away or put in.
func TestChainsShowDrift(t *testing.T) {
	lab := shipped(t, "two-node")
	sets := chainsOf(lab, lab.Node("node-a")).sets
	want := sets[0].Rules
	line := want.Chain("nat", "KUBE-SERVICES")[0]
	changed := strings.Replace(string(want), line+"\n", "-A KUBE-SERVICES -s 10.0.0.1/32 -j RETURN\n", 1)
	sets[0].Rules, sets[0].Wanted = netfilter.Text(changed), &want
	sets[0].Others = []string{"-A FORWARD -j DROP"}
	c := NewChains(lab, "node-a", sets, Options{})
	text := string(written(t, c.WriteText))
	for _, s := range []string{"2 rules differ from the lab file", "[! extra]  from 10.0.0.1: RETURN", "[x missing]  to 10.96.0.80, tcp, port 80 → KUBE-SVC-", "-A FORWARD -j DROP"} {
		if !strings.Contains(text, s) {
			t.Errorf("no %q in:\n%s", s, text)
		}
	}
	for _, write := range []func(io.Writer) error{c.WriteSVG, c.WriteHTML, c.WriteDot} {
		for _, word := range []string{"extra", "missing"} {
			if out := string(written(t, write)); !strings.Contains(out, ">"+word+"<") {
				t.Errorf("no word %q in the picture", word)
			}
		}
	}
}

// TestSVGIsWellFormed reads pictures as XML, and looks for what their lines
// join.
func TestSVGIsWellFormed(t *testing.T) {
	lab := load(t, oddLab)
	two := shipped(t, "two-node")
	for name, write := range map[string]func(io.Writer) error{
		"odd": New(lab, Options{Addresses: true}, seen(lab, rand.New(rand.NewPCG(1, 1)))).WriteSVG, "big": New(shipped(t, "big"), Options{}, nil).WriteSVG,
		"chains": chainsOf(two, two.Node("node-a")).WriteSVG,
	} {
		ids, joined := map[string]bool{}, map[string]bool{}
		d := xml.NewDecoder(bytes.NewReader(written(t, write)))
		for {
			tok, err := d.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			start, ok := tok.(xml.StartElement)
			if !ok {
				continue
			}
			for _, a := range start.Attr {
				switch a.Name.Local {
				case "data-of":
					ids[a.Value] = true
				case "data-joins":
					for _, id := range strings.Fields(a.Value) {
						joined[id] = true
					}
				}
			}
		}
		for id := range joined {
			if !ids[id] {
				t.Errorf("%s: a line joins %s, which is nowhere", name, id)
			}
		}
		if len(joined) == 0 {
			t.Errorf("%s: no line joins anything", name)
		}
	}
}

// TestMermaidLimits keeps large labs within what Mermaid draws by default.
func TestMermaidLimits(t *testing.T) {
	lab := load(t, wideLab(50, 8))
	all := Options{Addresses: true, MACs: true, Interfaces: true}
	edge := regexp.MustCompile(`(?m) (---|===|-\.-|-->)`)
	for name, write := range map[string]func(io.Writer) error{
		"lab": New(lab, all, nil).WriteMermaid, "chains": chainsOf(lab, &lab.Nodes[0]).WriteMermaid,
	} {
		text := written(t, write)
		if n := len(edge.FindAll(text, -1)); n == 0 || n > 500 {
			t.Errorf("%s: %d edges; Mermaid draws 500", name, n)
		}
		if len(text) > 50000 {
			t.Errorf("%s: %d characters; Mermaid takes 50000", name, len(text))
		}
	}
}

// TestDotIsAccepted lets Graphviz lay pictures out.
func TestDotIsAccepted(t *testing.T) {
	program, err := exec.LookPath("dot")
	if err != nil {
		t.Skip("dot is not installed; it is in Debian's package graphviz")
	}
	lab, two := load(t, oddLab), shipped(t, "two-node")
	for name, write := range map[string]func(io.Writer) error{
		"two-node": New(two, Options{Addresses: true}, brokenLab(two)).WriteDot, "odd": New(lab, Options{Interfaces: true}, seen(lab, rand.New(rand.NewPCG(1, 1)))).WriteDot,
		"chains": chainsOf(two, two.Node("node-a")).WriteDot, "big": New(shipped(t, "big"), Options{}, nil).WriteDot,
	} {
		cmd := exec.CommandContext(t.Context(), program, "-Tplain")
		cmd.Stdin = bytes.NewReader(written(t, write))
		var complaints strings.Builder
		cmd.Stderr = &complaints
		out, err := cmd.Output()
		if err != nil || complaints.Len() > 0 {
			t.Errorf("%s: dot: %v\n%s", name, err, complaints.String())
		}
		if !bytes.Contains(out, []byte("\nnode ")) || !bytes.Contains(out, []byte("\nedge ")) {
			t.Errorf("%s: dot draws no nodes or no edges", name)
		}
	}
}
