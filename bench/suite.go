package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"netlab/labs"
	"netlab/provision"
	"netlab/verify"
)

// suite is one run of the benchmark.
type suite struct {
	netlab, base string // programs; base is "" unless two of them are compared
	bare         string
	dir          string // for lab files and recipes
	rounds       int
	quick        bool
	history      map[string]string // cells of the history
}

// files are what a size is made from.
type files struct {
	lab, moved, recipe, batch, rules string
	parsed                           *labs.Lab
}

func (b *suite) prepare(s size, container string) (files, error) {
	dir, err := os.MkdirTemp(b.dir, "")
	if err != nil {
		return files{}, err
	}
	f := files{
		lab: filepath.Join(dir, "bench.yaml"), moved: filepath.Join(dir, "moved.yaml"), recipe: filepath.Join(dir, "recipe"),
		batch: filepath.Join(dir, "batch"), rules: filepath.Join(dir, "rules"),
	}
	if f.parsed, err = s.lab(); err != nil {
		return f, err
	}
	text, err := recipe(f.parsed)
	if err != nil {
		return f, err
	}
	err = errors.Join(os.WriteFile(f.lab, []byte(s.text(container, 0)), 0o600), os.WriteFile(f.moved, []byte(s.text(container, 1)), 0o600),
		os.WriteFile(f.recipe, []byte(text), 0o600), os.Mkdir(f.rules, 0o700))
	for o := range provision.Desired(f.parsed).All() {
		if set, ok := o.(provision.Ruleset); ok {
			err = errors.Join(err, os.WriteFile(filepath.Join(f.rules, set.NS), []byte(set.Text), 0o600))
		}
	}
	return f, errors.Join(err, os.WriteFile(f.batch, []byte(script(provision.Diff(provision.State{Lab: labName}, provision.Desired(f.parsed)))), 0o600))
}

// script returns the commands that make a lab by hand, as input for a shell: each
// tool that takes several commands at once gets as many as possible.
func script(plan provision.Plan) string {
	var b strings.Builder
	tool := ""
	for _, s := range plan.Steps {
		if _, rules := s.Object.(provision.Ruleset); rules {
			continue
		}
		for _, c := range provision.Commands(s) {
			words := strings.Fields(c)
			next := "sh"
			if words[0] == "ip" || words[0] == "bridge" {
				next = words[0]
			}
			if next == "ip" && (words[1] == "netns" && words[2] == "exec") {
				next = "sh"
			}
			inside := ""
			if next != "sh" && words[1] == "-n" {
				inside, words = words[2], append(words[:1:1], words[3:]...)
			}
			if here := next + " " + inside; here != tool || next == "sh" {
				if tool != "" && !strings.HasPrefix(tool, "sh") {
					b.WriteString("EOF\n")
				}
				tool = here
				switch {
				case next != "sh" && inside != "":
					fmt.Fprintf(&b, "%s -n %s -batch - <<'EOF'\n", next, inside)
				case next != "sh":
					fmt.Fprintf(&b, "%s -batch - <<'EOF'\n", next)
				}
			}
			if next == "sh" {
				b.WriteString(c + "\n")
			} else {
				b.WriteString(strings.Join(words[1:], " ") + "\n")
			}
		}
	}
	if tool != "" && !strings.HasPrefix(tool, "sh") {
		b.WriteString("EOF\n")
	}
	return b.String()
}

// build measures what a size takes to come up, to be looked at and to go.
func (b *suite) build(s size) error {
	f, err := b.prepare(s, "")
	if err != nil {
		return err
	}
	if err := b.compareObjects(f, s.pods <= 10); err != nil {
		return err
	}
	var m series
	verifies := s.pods <= 100
	for round := range b.rounds {
		steps := []func() error{
			func() error { return m.take("bare up", b.bare, "up", f.recipe) },
			func() error { return m.take("iptables-restore", b.bare, "rules", f.rules) },
			func() error { return m.take("bare dump", b.bare, "dump", f.recipe, "save") },
			func() error {
				return m.take("bare dump and parameters", b.bare, "dump", f.recipe, "save", "parameters")
			},
			func() error { return m.parts("bare down", []string{"call", "release"}, b.bare, "down", f.recipe) },
		}
		if s.pods <= 300 && round == 0 {
			steps = append(steps, func() error { return m.take("ip -batch", "sh", f.batch) },
				func() error { _, err := run(b.bare, "down", f.recipe); return err })
		}
		steps = append(steps, b.turn(&m, "", b.netlab, f, verifies)...)
		if b.base != "" {
			steps = append(steps, b.turn(&m, "base ", b.base, f, verifies)...)
		}
		for _, step := range steps {
			if err := step(); err != nil {
				return err
			}
		}
	}
	bounds := map[string]bound{
		"up":             {map[string]float64{"bare up": 1, "iptables-restore": 1.25 / 1.5}, 1.5},
		"no-op up":       {map[string]float64{"bare dump": 1}, 2},
		"plan":           {map[string]float64{"bare dump": 1}, 2},
		"up after drift": {map[string]float64{"no-op up": 1}, 1.1},
		"down":           {map[string]float64{"bare down": 1}, 1.5},
		"ip -batch":      {map[string]float64{"bare up": 1}, 0},
	}
	if b.base != "" {
		for _, name := range []string{"up", "no-op up", "plan", "up after drift", "reset", "status", "verify", "down"} {
			bounds[name] = bound{map[string]float64{"base " + name: 1}, 0}
		}
	}
	// The same once more, beside a program that reads all that netlab reads.
	for _, name := range []string{"no-op up", "plan"} {
		all := name + ", parameters counted"
		m.again(all, name)
		bounds[all] = bound{map[string]float64{"bare dump and parameters": 1}, 2}
	}
	ratios := m.print(os.Stdout, s.String(), bounds)
	if s.services == 0 {
		for _, name := range []string{"up", "no-op up", "down"} {
			b.history[fmt.Sprintf("%s %d", name, s.pods)] = fmt.Sprintf("%.2f", ratios[name])
		}
	}
	return nil
}

// parts keeps, beside the whole of a run, parts of which it printed how long
// they took.
func (s *series) parts(name string, words []string, args ...string) error {
	one, err := run(args...)
	if err != nil {
		return err
	}
	s.keep(name, one)
	for _, w := range words {
		s.keep(name+": "+w, sample{wall: part(one.output, w)})
	}
	return nil
}

// turn is what one netlab does in a round.
func (b *suite) turn(m *series, prefix, program string, f files, verify bool) []func() error {
	pod := labName + ".p0"
	steps := []func() error{
		func() error { return m.take(prefix+"up", program, "up", f.lab) },
		func() error { return m.take(prefix+"no-op up", program, "up", f.lab) },
		func() error { return m.take(prefix+"plan", program, "plan", f.lab) },
		func() error { _, err := run("ip", "-n", pod, "link", "set", "eth0", "mtu", "1400"); return err },
		func() error { return m.take(prefix+"up after drift", program, "up", f.lab) },
		func() error { return m.take(prefix+"reset", program, "reset", f.lab) },
		func() error { return m.take(prefix+"status", program, "status", labName) },
	}
	if verify {
		steps = append(steps, func() error { return m.take(prefix+"verify", program, "verify", labName) })
	}
	return append(steps, func() error { return m.take(prefix+"down", program, "down", labName) })
}

// compareObjects holds what the bare program makes to what netlab makes.
func (b *suite) compareObjects(f files, everything bool) error {
	looks := map[string]string{}
	for _, who := range []struct {
		name     string
		up, down []string
	}{
		{"bare", []string{b.bare, "up", f.recipe}, []string{b.bare, "down", f.recipe}},
		{"netlab", []string{b.netlab, "up", f.lab}, []string{b.netlab, "down", labName}},
	} {
		if _, err := run(who.up...); err != nil {
			return err
		}
		var err error
		if who.name == "bare" {
			if _, err = run(b.bare, "rules", f.rules); err == nil {
				err = honest(f.parsed)
			}
		}
		if err == nil && everything {
			looks[who.name], err = look(f.parsed)
		}
		_, downErr := run(who.down...)
		if err := errors.Join(err, downErr); err != nil {
			return err
		}
	}
	if looks["bare"] != looks["netlab"] {
		return fmt.Errorf("ip and bridge see a difference between what bare and netlab made:\n%s", firstDifference(looks["bare"], looks["netlab"]))
	}
	return nil
}

func firstDifference(a, b string) string {
	x, y := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range x {
		if i >= len(y) || x[i] != y[i] {
			return "bare:   " + x[i] + "\nnetlab: " + strings.Join(y[min(i, len(y)-1):min(i+1, len(y))], "")
		}
	}
	return ""
}

// services measures many services: up, no-op, and one endpoint that moves.
func (b *suite) services(s size) error {
	f, err := b.prepare(s, "")
	if err != nil {
		return err
	}
	var m series
	for range b.rounds {
		for _, step := range []func() error{
			func() error { return m.take("bare up", b.bare, "up", f.recipe) },
			func() error { return m.take("iptables-restore", b.bare, "rules", f.rules) },
			func() error { return m.take("bare dump", b.bare, "dump", f.recipe, "save") },
			func() error { return m.take("bare down", b.bare, "down", f.recipe) },
			func() error { return m.take("up", b.netlab, "up", f.lab) },
			func() error { return m.take("no-op up", b.netlab, "up", f.lab) },
			func() error { return m.take("one endpoint changed", b.netlab, "up", f.moved) },
			func() error { return m.take("down", b.netlab, "down", labName) },
		} {
			if err := step(); err != nil {
				return err
			}
		}
	}
	m.print(os.Stdout, s.String(), map[string]bound{
		"up":                   {map[string]float64{"bare up": 1, "iptables-restore": 1.25 / 1.5}, 1.5},
		"no-op up":             {map[string]float64{"bare dump": 1}, 2},
		"one endpoint changed": {map[string]float64{"no-op up": 1}, 0},
	})
	return nil
}

// containers measures pods with a server each, beside the same processes forked
// by hand.
func (b *suite) containers(s size) error {
	f, err := b.prepare(s, ", containers: [{name: web, serve: {http: 8080}}]")
	if err != nil {
		return err
	}
	var m series
	for range b.rounds {
		for _, step := range []func() error{
			func() error { return m.take("bare up", b.bare, "up", f.recipe) },
			func() error { return m.parts("bare servers", []string{"servers", "memory"}, b.bare, "serve", f.recipe) },
			func() error { return m.take("bare down", b.bare, "down", f.recipe) },
			func() error { return m.take("up", b.netlab, "up", f.lab) },
			func() error { m.keep("up: memory", sample{wall: labMemory()}); return nil },
			func() error { return m.take("down", b.netlab, "down", labName) },
		} {
			if err := step(); err != nil {
				return err
			}
		}
	}
	m.print(os.Stdout, s.String()+", a server in each (memory in MB, of all processes)", map[string]bound{
		"up":         {map[string]float64{"bare up": 1, "bare servers: servers": 1}, 0},
		"up: memory": {map[string]float64{"bare servers: memory": 1}, 0},
	})
	return nil
}

// pings measures all pairs beside the bare prober, which knows neither limits nor
// retries, on the same lab.
func (b *suite) pings(s size) error {
	if err := b.pingAll(s, bound{map[string]float64{"bare ping": 1}, 0}); err != nil {
		return err
	}
	restore, err := raiseNeighbours()
	if err != nil {
		return err
	}
	return errors.Join(b.pingAll(s, bound{map[string]float64{"bare ping": 1}, 2}), restore())
}

// pingAll is pings with the limits as they are.
func (b *suite) pingAll(s size, limit bound) error {
	f, err := b.prepare(s, "")
	if err != nil {
		return err
	}
	var m series
	rounds := b.rounds
	if s.pods > 300 {
		rounds = 1
	}
	connects := limit.target > 0 // where the table is full, connections take minutes
	for range rounds {
		// Each has a lab of its own: the bare prober leaves its entries in a table
		// that all namespaces share.
		steps := []func() error{
			func() error { _, err := run(b.netlab, "up", f.lab); return err },
			func() error { return m.take("verify --only pods", b.netlab, "verify", "--only", "pods", labName) },
			func() error { _, err := run(b.netlab, "down", labName); return err },
			func() error { _, err := run(b.netlab, "up", f.lab); return err },
			func() error {
				return m.parts("bare ping", []string{"ping", "pairs", "answers"}, b.bare, "ping", f.recipe)
			},
			func() error { _, err := run(b.netlab, "down", labName); return err },
		}
		if connects {
			steps = append(steps,
				func() error { _, err := run(b.netlab, "up", f.lab); return err },
				func() error {
					return m.parts("bare ping and connect", []string{"connect"}, b.bare, "ping", f.recipe, strconv.Itoa(verify.MostConnections))
				},
				func() error { _, err := run(b.netlab, "down", labName); return err })
		}
		for _, step := range steps {
			if err := step(); err != nil {
				return err
			}
		}
	}
	const counted = "verify --only pods, connections counted" // once more, beside what makes as many
	if connects {
		m.again(counted, "verify --only pods")
	}
	m.print(os.Stdout, fmt.Sprintf("all pairs of %d pods, limit of the neighbour table %s (pairs and answers are numbers)", s.pods, neighbourLimit()), map[string]bound{
		"verify --only pods": limit, counted: {map[string]float64{"bare ping and connect": 1}, limit.target},
	})
	return nil
}

// neighbourLimits are the parameters that bound the host's neighbour table.
var neighbourLimits = []string{"/proc/sys/net/ipv4/neigh/default/gc_thresh3", "/proc/sys/net/ipv4/neigh/default/gc_thresh2"}

// raiseNeighbours makes room for all neighbours of all pods until restore is
// called.
func raiseNeighbours() (restore func() error, err error) {
	restore, err = keep(neighbourLimits)
	if err != nil {
		return nil, err
	}
	for _, path := range neighbourLimits {
		if err := os.WriteFile(path, []byte("4194304"), 0); err != nil {
			return nil, errors.Join(err, restore())
		}
	}
	return restore, nil
}

// keep reads parameters of the host, which restore writes again.
func keep(paths []string) (restore func() error, err error) {
	values := make([][]byte, len(paths))
	for i, path := range paths {
		if values[i], err = os.ReadFile(path); err != nil {
			return nil, err
		}
	}
	return func() error {
		var errs []error
		for i, path := range paths {
			errs = append(errs, os.WriteFile(path, values[i], 0))
		}
		return errors.Join(errs...)
	}, nil
}

func neighbourLimit() string {
	b, err := os.ReadFile(neighbourLimits[0])
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(b))
}

// small measures what a start costs, and the smallest lab.
func (b *suite) small() error {
	var m series
	for range max(b.rounds, 5) {
		for _, step := range []func() error{
			func() error { return m.take("netlab version", b.netlab, "version") },
			func() error { return m.take("up two-node --no-exec", b.netlab, "up", "two-node", "--no-exec") },
			func() error { return m.take("down two-node", b.netlab, "down", "two-node") },
		} {
			if err := step(); err != nil {
				return err
			}
		}
	}
	m.print(os.Stdout, "a start, and the smallest lab (targets: 10 ms, 60 ms)", nil)
	return nil
}

// machine says where it was measured.
func machine() string {
	release, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	load, _ := os.ReadFile("/proc/loadavg")
	return fmt.Sprintf("Linux %s, %d processors, %s, load %s", strings.TrimSpace(string(release)), runtime.NumCPU(), runtime.Version(), strings.Fields(string(load) + " ?")[0])
}
