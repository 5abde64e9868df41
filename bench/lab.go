package main

import (
	"fmt"
	"strings"

	"netlab/labs"
)

// size is a lab to measure.
type size struct{ pods, nodes, services, endpoints int }

// String names a size in tables.
func (s size) String() string {
	if s.services == 0 {
		return fmt.Sprintf("%d pods, %d nodes", s.pods, s.nodes)
	}
	return fmt.Sprintf("%d pods, %d nodes, %d services of %d", s.pods, s.nodes, s.services, s.endpoints)
}

const labName = "bench"

// text returns the lab file. Pod i is on node i modulo nodes. Where there are
// not enough pods for selectors to tell services apart, services name their
// endpoints. Moved is how far the endpoint of the first service is moved.
func (s size) text(container string, moved int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "name: %s\nnodes:\n", labName)
	for n := range s.nodes {
		fmt.Fprintf(&b, "  - {name: node-%d}\n", n)
	}
	b.WriteString("pods:\n")
	selected := s.services*s.endpoints <= s.pods
	for p := range s.pods {
		app := "none"
		if selected && s.services > 0 && p/s.endpoints < s.services {
			app = fmt.Sprintf("app-%d", p/s.endpoints)
		}
		fmt.Fprintf(&b, "  - {name: p%d, node: node-%d, labels: {app: %s}%s}\n", p, p%s.nodes, app, container)
	}
	if s.services > 0 {
		b.WriteString("services:\n")
	}
	for v := range s.services {
		fmt.Fprintf(&b, "  - {name: s%d, %s, ports: [{port: 80, targetPort: 8080}]}\n", v, s.backends(v, selected, moved))
	}
	return b.String()
}

func (s size) backends(service int, selected bool, moved int) string {
	if selected {
		return fmt.Sprintf("selector: {app: app-%d}", service)
	}
	var list []string
	for e := range s.endpoints {
		p := (service*s.endpoints + e) % s.pods
		if service == 0 && e == 0 {
			p = (p + moved*s.endpoints) % s.pods
		}
		list = append(list, fmt.Sprintf("{ip: 10.244.%d.%d, port: 8080}", p%s.nodes+1, p/s.nodes+2))
	}
	return "endpoints: [" + strings.Join(list, ", ") + "]"
}

// lab returns the lab as netlab understands it.
func (s size) lab() (*labs.Lab, error) {
	lab, found := labs.Load("bench.yaml", []byte(s.text("", 0)))
	if lab == nil {
		return nil, found
	}
	return lab, nil
}
