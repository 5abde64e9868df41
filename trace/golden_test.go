package trace_test

import (
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"netlab/labs"
	"netlab/provision"
	"netlab/trace"
)

var update = flag.Bool("update", false, "rewrite golden files; read the diff before you commit")

// golden compares got with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; run go test ./trace -update", err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

// Addresses in these labs: node-a and node-b are 172.30.0.2 and .3, their pods
// 10.244.1.0/24 and 10.244.2.0/24; client, and where it exists near, is on
// node-a, web on node-b.
const labText = `name: paper
network: {mode: %s}
nodes: [{name: node-a}, {name: node-b}, {name: laptop, cluster: false}]
pods:
  - {name: client, node: node-a}
  - {name: web, node: node-b, labels: {app: web}}
services:
  - {name: web, type: NodePort, clusterIP: 10.96.0.80, selector: {app: web}, ports: [{port: 80, targetPort: 8080, nodePort: 30080}]}
  - {name: nobody, clusterIP: 10.96.0.81, ports: [{port: 80}]}
`

func loadLab(t *testing.T, text string) *labs.Lab {
	t.Helper()
	lab, found := labs.Load("lab.yaml", []byte(text))
	if found.HasErrors() {
		t.Fatal(found)
	}
	return lab
}

// question asks for a packet as people type it.
func question(t *testing.T, lab *labs.Lab, from, to string) trace.Question {
	t.Helper()
	ref, err := lab.Find(from)
	if err != nil {
		t.Fatal(err)
	}
	target, err := lab.Target(to)
	if err != nil {
		t.Fatal(err)
	}
	ends, err := trace.EndsOf(lab, ref, target, false)
	if err != nil {
		t.Fatal(err)
	}
	return trace.Question{NS: ends.NS, Dst: ends.Dst, Proto: ends.Proto, SrcPort: sourcePort(ends.Dst), VXLANPort: 8472}
}

func sourcePort(dst netip.AddrPort) uint16 {
	if dst.Port() == 0 {
		return 0
	}
	return 40001
}

// onPaper makes the report of a packet that was followed on paper only.
func onPaper(t *testing.T, lab *labs.Lab, from, to string) trace.Report {
	t.Helper()
	q := question(t, lab, from, to)
	ways := trace.Expected(provision.Desired(lab), q)
	if len(ways) == 0 {
		t.Fatalf("%s → %s: there is no way at all", from, to)
	}
	r := trace.Report{Lab: lab.Name, From: from, To: to, Names: trace.NamesOf(lab), Expected: ways, VXLANPort: 8472}
	r.Trace = trace.Trace{There: ways[0].There, Back: ways[0].Back, Result: trace.Result{State: trace.Answered}}
	if ways[0].There.End.Kind != trace.Delivered || ways[0].Back.End.Kind != trace.Delivered {
		r.Trace.Result.State = trace.Lost
	}
	return r
}

// TestGoldenWays follows packets through labs of every mode.
func TestGoldenWays(t *testing.T) {
	for _, mode := range []string{"vxlan", "flat", "routed", "none"} {
		lab := loadLab(t, fmt.Sprintf(labText, mode))
		for _, way := range []struct{ from, to string }{
			{"client", "pod/web"}, {"client", "svc/web:80"}, {"laptop", "node-a:30080"}, {"node-a", "svc/web:80"}, {"client", "nobody:80"},
		} {
			t.Run(mode+"/"+way.from+"-"+way.to, func(t *testing.T) {
				r := onPaper(t, lab, way.from, way.to)
				var b strings.Builder
				if err := trace.WriteText(&b, r, trace.TextOptions{}); err != nil {
					t.Fatal(err)
				}
				name := strings.NewReplacer("/", "-", ":", "-").Replace(mode + "-" + way.from + "-" + way.to)
				golden(t, "ways/"+name+".txt", b.String())
			})
		}
	}
}

// TestGoldenFormats writes one report in every format.
func TestGoldenFormats(t *testing.T) {
	lab := loadLab(t, fmt.Sprintf(labText, "vxlan"))
	r := onPaper(t, lab, "client", "svc/web:80")
	for _, f := range []struct {
		name  string
		write func(b *strings.Builder) error
	}{
		{"explain.txt", func(b *strings.Builder) error { return trace.WriteText(b, r, trace.TextOptions{Explain: true}) }},
		{"verbose.txt", func(b *strings.Builder) error { return trace.WriteText(b, r, trace.TextOptions{Verbose: true}) }},
		{"color.txt", func(b *strings.Builder) error { return trace.WriteText(b, r, trace.TextOptions{Color: true}) }},
		{"report.json", func(b *strings.Builder) error { return trace.WriteJSON(b, r) }},
		{"way.mmd", func(b *strings.Builder) error { return trace.WriteMermaid(b, r) }},
		{"page.html", func(b *strings.Builder) error { return trace.WriteHTML(b, r) }},
	} {
		t.Run(f.name, func(t *testing.T) {
			var b strings.Builder
			if err := f.write(&b); err != nil {
				t.Fatal(err)
			}
			golden(t, "formats/"+f.name, b.String())
		})
	}
}
