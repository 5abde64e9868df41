package main

import (
	"cmp"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"netlab/labs"
	"netlab/provision"
	"netlab/provision/netns"
	"netlab/provision/runtime"
	"netlab/trace"
	"netlab/trace/capture"
	"netlab/verify"
	"netlab/verify/explain"
	"netlab/verify/probe"
)

// explainFailures says why checks of a lab that is up failed, where any did.
func (sys system) explainFailures(ctx context.Context, lab *labs.Lab, report *verify.Report, out output) error {
	if report.Counts().Well() {
		return nil
	}
	h, err := sys.open(lab.Name)
	if err != nil {
		return err
	}
	defer h.Close()
	return explainOn(ctx, h, lab, report, out)
}

// How often what nothing explains is looked at again, and for how long at most.
const (
	mostLooks    = 3
	againTimeout = 10 * time.Second
)

// explainOn is explainFailures for a machine that is open. What failed and
// cannot be explained may have been lost by chance, on a host that was busy for a
// while: it is looked at again.
func explainOn(ctx context.Context, h host, lab *labs.Lab, report *verify.Report, out output) error {
	if report.Counts().Well() {
		return nil
	}
	out.clock.start("explain")
	defer out.clock.stop()
	var err error
	for range mostLooks {
		var open []int
		if open, err = explainOnce(ctx, h, lab, report); len(open) == 0 || err != nil {
			return err
		}
		short, cancel := context.WithTimeout(ctx, againTimeout)
		full := tablesFull()
		passed := report.Again(short, prober(h, lab), open)
		cancel()
		report.Obstacle = cmp.Or(obstacle(full), report.Obstacle)
		if report.Counts().Well() {
			report.Explanations = nil
			return nil
		}
		if passed == 0 && report.Obstacle == "" {
			return nil
		}
	}
	if report.Obstacle == "" {
		return nil
	}
	// What the host lost says nothing about the lab.
	open, err := explainOnce(ctx, h, lab, report)
	report.Unsure(open, report.Obstacle)
	return err
}

// explainOnce explains failures, and returns those that nothing explains.
func explainOnce(ctx context.Context, h host, lab *labs.Lab, report *verify.Report) ([]int, error) {
	lab = asReady(h, lab) // what ended in the meantime is no endpoint any more
	want := provision.Desired(lab)
	want = want.After(previous(h, lab, want))
	have, err := h.Observe(ctx, want.Hint())
	if err != nil {
		return nil, fmt.Errorf("observe lab %s: %w", lab.Name, err)
	}
	subject := explain.Subject{Lab: lab, Desired: want, Observed: have, Down: notRunning(h, lab)}
	return explain.Failures(ctx, report, subject, eyes{h})
}

// obstacle says what of the host may have lost packets since its neighbour
// tables were full so often, "" if nothing.
func obstacle(before int) string {
	if n := tablesFull() - before; n > 0 && before >= 0 {
		return fmt.Sprintf("the kernel's neighbour table, which all namespaces of the host share, was full %d times while the checks were made (net.ipv4.neigh.default.gc_thresh3)", n)
	}
	return ""
}

// tablesFull returns how often a neighbour table of the host was full since it
// booted, -1 if that is not known.
func tablesFull() int {
	n, err := probe.TablesFull()
	if err != nil {
		return -1
	}
	return n
}

// notRunning lists the containers that do not run and should.
func notRunning(h host, lab *labs.Lab) map[string]explain.Container {
	list, err := processes(h, lab)
	if err != nil {
		return nil // the checks have said so
	}
	down := map[string]explain.Container{}
	for _, p := range list {
		for i := range lab.Pods {
			if pod := &lab.Pods[i]; p.Container != "" && !p.Ready && !p.Over && pod.ID() == p.Pod {
				down[pod.NS] = explain.Container{Pod: p.Pod, Name: p.Container, Reason: fmt.Sprintf("container %s is not ready: %s", p.Container, p.State)}
			}
		}
	}
	return down
}

// eyes look closer at a lab, for explanations.
type eyes struct{ host host }

// traceWait is how long a packet is waited for that tells why others are lost.
const traceWait = 400 * time.Millisecond

// Trace implements [explain.Eyes].
func (e eyes) Trace(ctx context.Context, q trace.Question, watch []string, listeners []explain.Listener) (trace.Evidence, error) {
	var list []capture.Listener
	ports := []uint16{}
	for _, l := range listeners {
		list = append(list, capture.Listener{NS: l.NS, At: l.At, Proto: l.Proto})
		ports = append(ports, l.At.Port())
	}
	if q.Proto != trace.ProtoUDP {
		ports = nil
	} else {
		ports = append(ports, q.Dst.Port())
	}
	return capture.Run(ctx, capture.Request{
		From: q.NS, To: q.Dst, Proto: q.Proto, Wait: traceWait, Watch: watch,
		VXLANPort: q.VXLANPort, AnswerPorts: ports, Listen: list, Rules: saveRules, Forget: true,
	})
}

// Look implements [explain.Eyes].
func (e eyes) Look(ctx context.Context, ns string) (explain.Scene, error) {
	var s explain.Scene
	var errs []error
	rules, err := e.host.ForeignRules(ctx, ns)
	errs = append(errs, err)
	s.Foreign = rules
	if err := netns.Do(ns, func() error {
		s.Sockets = listening()
		s.Settings = unusual()
		return nil
	}); err != nil {
		errs = append(errs, err)
	}
	inodes, err := inodesOf([]string{ns})
	errs = append(errs, err)
	processes, err := runtime.InNamespaces(inodes)
	errs = append(errs, err)
	for _, p := range processes {
		if stopped(p.PID) && !strings.HasPrefix(p.Command, runtime.PauseName+" ") {
			s.Stopped = append(s.Stopped, fmt.Sprintf("%d %s", p.PID, p.Command))
		}
	}
	return s, errors.Join(errs...)
}

// stopped reports whether a process is stopped by a signal.
func stopped(pid int) bool {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, rest, ok := strings.Cut(string(data), ") ")
	return ok && strings.HasPrefix(rest, "T")
}

// unusual lists the parameters of the calling thread's namespace that are not
// what they are in a new one, as far as packets may be lost by that.
func unusual() []explain.Setting {
	const root = "/proc/sys/"
	type found struct {
		of                   explain.Parameter
		path, value, pattern string
	}
	var all []found
	for _, p := range explain.Parameters {
		pattern := root + strings.ReplaceAll(p.Name, ".", "/")
		paths, _ := filepath.Glob(pattern)
		for _, path := range paths {
			if value, ok := parameter(path); ok && !strings.Contains(path, "/lo/") {
				all = append(all, found{p, path, value, pattern})
			}
		}
	}
	var list []explain.Setting
	err := netns.Fresh(func() error {
		for _, f := range all {
			model := strings.NewReplacer("/neigh/*/", "/neigh/lo/", "*", "default").Replace(f.pattern)
			if fresh, ok := parameter(model); ok && fresh != f.value && f.of.Loses(f.value) {
				name := strings.ReplaceAll(strings.TrimPrefix(f.path, root), "/", ".")
				list = append(list, explain.Setting{Of: f.of, Name: name, Value: f.value, Fresh: fresh})
			}
		}
		return nil
	})
	if err != nil {
		return nil
	}
	return list
}

// parameter reads a kernel parameter, its numbers with one space between them.
func parameter(path string) (string, bool) {
	data, err := os.ReadFile(path)
	return strings.Join(strings.Fields(string(data)), " "), err == nil
}

// listening lists the sockets of the calling thread's namespace that wait for
// connections and packets.
func listening() []explain.Socket {
	var list []explain.Socket
	for _, t := range []struct {
		file  string
		proto trace.Proto
		state string // TCP_LISTEN; UDP has TCP_CLOSE for a socket without a peer
	}{{"tcp", trace.ProtoTCP, "0A"}, {"tcp6", trace.ProtoTCP, "0A"}, {"udp", trace.ProtoUDP, "07"}, {"udp6", trace.ProtoUDP, "07"}} {
		data, err := os.ReadFile("/proc/thread-self/net/" + t.file)
		if err != nil {
			continue // no such family here
		}
		for line := range strings.Lines(string(data)) {
			words := strings.Fields(line)
			if len(words) < 4 || words[3] != t.state {
				continue
			}
			if at, ok := hexEnd(words[1]); ok {
				list = append(list, explain.Socket{Proto: t.proto, At: at})
			}
		}
	}
	return list
}

// hexEnd reads an address and a port as the kernel prints them: words of the
// machine's byte order, in hexadecimal digits.
func hexEnd(s string) (netip.AddrPort, bool) {
	addr, port, _ := strings.Cut(s, ":")
	raw, err := hex.DecodeString(addr)
	number, portErr := strconv.ParseUint(port, 16, 16)
	if err != nil || portErr != nil || len(raw)%4 != 0 {
		return netip.AddrPort{}, false
	}
	for i := 0; i < len(raw); i += 4 {
		binary.BigEndian.PutUint32(raw[i:], binary.NativeEndian.Uint32(raw[i:]))
	}
	a, ok := netip.AddrFromSlice(raw)
	return netip.AddrPortFrom(a.Unmap(), uint16(number)), ok
}
