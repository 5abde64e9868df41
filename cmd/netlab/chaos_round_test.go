package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"netlab/labs"
	"netlab/provision/netns"
	"netlab/provision/runtime"
)

// echoServer answers lines in a namespace.
type echoServer struct {
	inode    string
	listener net.Listener

	mu    sync.Mutex
	conns []net.Conn
}

// echoIn has a server listen in a namespace, once for each namespace that had
// the name.
func echoIn(t *testing.T, servers map[string]*echoServer, ns string) {
	t.Helper()
	fi, err := os.Stat("/run/netns/" + ns)
	if err != nil {
		t.Fatal(err)
	}
	if s := servers[ns]; s != nil {
		if s.inode == inodeText(fi) {
			return
		}
		s.close()
	}
	s := &echoServer{inode: inodeText(fi)}
	if err := netns.Do(ns, func() (err error) {
		s.listener, err = net.Listen("tcp", fmt.Sprintf(":%d", chaosPort))
		return err
	}); err != nil {
		t.Fatal(err)
	}
	servers[ns] = s
	go s.serve()
}

func (s *echoServer) serve() {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.conns = append(s.conns, conn)
		s.mu.Unlock()
		go func() { _, _ = io.Copy(conn, conn) }()
	}
}

// close ends the server and forgets its connections at once: what is left of
// one would keep its namespace.
func (s *echoServer) close() {
	s.listener.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, conn := range s.conns {
		abort(conn)
	}
}

func abort(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	conn.Close()
}

// open opens a connection from a namespace.
func (c caller) open(to string) (conn net.Conn, err error) {
	for deadline := time.Now().Add(chaosPatience); ; {
		err = netns.Do(c.ns, func() (err error) {
			conn, err = (&net.Dialer{Deadline: deadline}).Dial("tcp", to)
			return err
		})
		// The kernel gives a neighbour up that does not answer for three seconds.
		if !errors.Is(err, unix.EHOSTUNREACH) || time.Now().After(deadline) {
			return conn, err
		}
	}
}

// round damages the lab, has it mended, and looks.
func (c *chaos) round(seed uint64) {
	c.seed = seed
	if !c.up || seed-c.first >= roundsOfALab {
		c.newLab()
	}
	c.count.rounds++
	c.told = append(append(c.told, c.story...), "-- and up")
	c.story = nil
	switch n := c.rng.IntN(100); {
	case n < 35:
		c.damage()
	case n < 55:
		c.damage()
		c.killed("up", c.file)
	case n < 70:
		c.edit()
	case n < 80:
		c.edit()
		c.damage()
		c.killed("up", c.file)
		if c.rng.IntN(2) == 0 {
			c.edit()
		}
	case n < 85:
		c.edit()
		c.together()
	case n < 90:
		c.damage()
		c.lose(namespacesIn(c.lab))
		c.hangUp()
		c.killed("reset", c.file)
		c.netlab("reset", c.file, "-q")
	case n < 95:
		c.damage()
		c.resetOne()
	default:
		c.hangUp()
		c.damage()
		c.killed("down", c.name)
		if c.rng.IntN(2) == 0 {
			c.say("down")
			if c.netlab("down", c.name, "-q") {
				c.checkGone()
			}
		}
	}
	c.mend()
}

// damage does a few things to the lab.
func (c *chaos) damage() {
	v := vandal{c.rng, c.lab}
	for range 1 + c.rng.IntN(4) {
		d := v.any()
		told := strings.Join(c.story, "\n")
		// What neither the mark nor the witness says to be netlab's is not, and up
		// has to leave it.
		if strings.Contains(d.command, "lo alias") && strings.Contains(told, "/witness") || strings.Contains(d.command, "/witness") && strings.Contains(told, "lo alias") {
			continue
		}
		c.say("%s", d.command)
		ctx, cancel := contextFor(c.t, patience)
		_ = exec.CommandContext(ctx, "sh", "-c", d.command).Run() // not all can be done
		cancel()
		c.count.damages++
		c.lose(d.lost)
	}
}

// killed runs netlab and kills it at a random moment, some times.
func (c *chaos) killed(args ...string) {
	for range 1 + c.rng.IntN(3) {
		after := time.Duration(c.rng.Int64N(int64(250 * time.Millisecond)))
		if killAfter(c.t, after, append(args, "-q")...) {
			c.count.kills++
		}
		c.say("netlab %s killed after %v", strings.Join(args, " "), after)
	}
}

// edit changes the lab file. Connections of pods that keep their addresses are
// to live.
func (c *chaos) edit() {
	next, did := c.world.edited(c.rng)
	c.say("edit: %s", did)
	c.count.edits++
	if next.mode != c.world.mode {
		c.say("mode %s becomes %s", c.world.mode, next.mode)
	}
	c.write(next)
}

// together has several netlabs work on the lab at the same time.
func (c *chaos) together() {
	c.say("three netlabs at a time")
	var all sync.WaitGroup
	for _, args := range [][]string{{"up", c.file, "-q"}, {"plan", c.file}, {"up", c.file, "-q", "--lock-timeout", "60s"}} {
		all.Go(func() { _ = exec.Command("netlab", args...).Run() })
	}
	all.Wait()
}

// resetOne resets a part of the lab, and its connections may go.
func (c *chaos) resetOne() {
	all := slices.Concat(names(c.lab.Nodes, func(n labs.Node) string { return "node/" + n.Name }), names(c.lab.Pods, func(p labs.Pod) string { return p.Namespace + "/pod/" + p.Name }))
	one := pick(c.rng, all...)
	args := []string{"reset", c.file, one}
	if c.rng.IntN(3) == 0 {
		args = append(args, "--hard")
	}
	c.say("netlab %s", strings.Join(args, " "))
	ns, err := namespaceOf(c.lab, one)
	if err != nil {
		c.t.Fatal(err)
	}
	c.lose(vandal{c.rng, c.lab}.standsOn(ns))
	for ns, s := range c.servers { // what is open would keep a namespace that is to go
		if _, there := c.servers[ns]; there && slices.Contains(args, "--hard") {
			s.close()
			delete(c.servers, ns)
			c.lose([]string{ns})
		}
	}
	if c.rng.IntN(2) == 0 {
		c.killed(args...)
	}
	c.netlab(append(args, "-q")...)
}

func names[T any](list []T, name func(T) string) []string {
	var all []string
	for _, x := range list {
		all = append(all, name(x))
	}
	return all
}

// mend brings the lab up and holds it to what it has to be.
func (c *chaos) mend() {
	faults, lost := c.count.unrepaired, c.count.lost
	if !c.netlab("up", c.file, "-q") {
		c.afresh()
		return
	}
	c.awaitReady()
	c.netlab("plan", c.file, "--exit-code")
	if diff := differences(c.goldenPicture(), picture(c.lab)); diff != "" {
		c.fault(&c.count.unrepaired, "the lab is not what it is when it is made anew:\n%s", diff)
	}
	var dead []string
	for _, o := range slices.Concat(c.conns, c.guard) {
		if err := o.alive(fmt.Sprint("round ", c.seed)); err != nil {
			c.fault(&c.count.lost, "the connection %s: %v\n%s", o.name, err, c.traces())
			dead = append(dead, o.spaces...)
		} else {
			c.count.survived++
		}
	}
	c.lose(dead)
	if diff := differences(c.foreign, c.others()); diff != "" {
		c.fault(&c.count.touched, "what is others' was touched:\n%s", diff)
		c.foreign = c.others()
	}
	if c.count.unrepaired == faults {
		c.count.repaired++
		if c.reconnect(); c.count.lost == lost {
			return
		}
	}
	c.afresh()
}

// traces is what the kernel knows of the ways of packets.
func (c *chaos) traces() string {
	out, _ := exec.Command("sh", "-c", strings.ReplaceAll(`for n in client near web a b fabric; do echo "-- $n"; ip -n LAB.$n neigh; ip -n LAB.$n -s -s link | grep -A5 mtu | grep -v lo:;
ip netns exec LAB.$n ss -tnoi | grep -A1 `+fmt.Sprint(chaosPort)+`; ip netns exec LAB.$n conntrack -L 2>/dev/null; bridge -n LAB.$n fdb | grep -v permanent; done`, "LAB", c.name)).CombinedOutput()
	return string(out)
}

// awaitReady waits until all containers run that were killed: the more often one
// was, the later it is started again.
func (c *chaos) awaitReady() {
	var is []struct {
		Pods []struct {
			Containers []runtime.ContainerState `json:"containers"`
		} `json:"pods"`
	}
	deadline := time.Now().Add(chaosPatience)
	for {
		out, err := exec.Command("netlab", "status", c.name, "-o", "json").Output()
		if err != nil || json.Unmarshal(out, &is) != nil {
			c.fault(&c.count.unrepaired, "netlab status: %v\n%s", err, out)
			return
		}
		waiting := 0
		for _, l := range is {
			for _, p := range l.Pods {
				for _, k := range p.Containers {
					if !k.Ready {
						waiting++
					}
				}
			}
		}
		if waiting == 0 {
			return
		}
		if time.Now().After(deadline) {
			c.fault(&c.count.unrepaired, "%d containers are not ready:\n%s", waiting, out)
			return
		}
	}
}

// afresh begins anew after a fault, so that one is not counted twice.
func (c *chaos) afresh() {
	c.hangUp()
	_ = exec.Command("netlab", "down", c.name, "-q").Run()
	c.up = false
}

// goldenPicture is what the lab is when it is made anew, under another name.
func (c *chaos) goldenPicture() map[string]string {
	name := c.name + "ref"
	text := c.world.text(name)
	if p, ok := c.golden[text]; ok {
		return p
	}
	file, lab := writeLab(c.t, text)
	defer func() { _ = exec.Command("netlab", "down", name, "-q").Run() }()
	if out, err := exec.Command("netlab", "up", file, "-q").CombinedOutput(); err != nil {
		c.t.Fatalf("netlab up: %v\n%s\n%s", err, out, text)
	}
	p := picture(lab)
	c.golden[text] = p
	return p
}
