package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"netlab/labs"
)

var (
	chaosRounds = flag.Int("chaos", 0, "how many rounds of chaos; 0 is as many as fit into -chaos-time")
	chaosTime   = flag.Duration("chaos-time", 15*time.Second, "how long the rounds of chaos may take when their number is not given")
	chaosSeed   = flag.Uint64("chaos-seed", 0, "the number of the first round of chaos")
)

// roundsOfALab is how many rounds one lab lives before another one comes.
const roundsOfALab = 10

// chaosCount is what a run of chaos found.
type chaosCount struct {
	rounds, damages, kills, edits     int
	repaired, unrepaired              int
	leftOver, touched, lost, survived int
}

// TestPrivilegedChaos breaks labs at random with ip, bridge, sysctl, iptables,
// nft and kill, kills netlab at random moments, and edits labs under open
// connections. After every round netlab up must have made the lab what it is
// when it is made anew, as the usual tools show it; nothing else may have been
// touched, no connection lost that could be kept, and nothing left by down.
func TestPrivilegedChaos(t *testing.T) {
	requireRoot(t)
	c := &chaos{t: t, name: fmt.Sprintf("t%d-c%d", os.Getpid(), *chaosSeed%100000), golden: map[string]map[string]string{}, servers: map[string]*echoServer{}}
	c.setUpBystanders()
	begun := time.Now()
	defer func() {
		n := c.count
		t.Logf("%d rounds in %v, first seed %d: %d damages, %d netlabs killed, %d edits; repaired %d, not repaired %d, left over %d, foreign objects touched %d, connections lost %d of %d",
			n.rounds, time.Since(begun).Round(time.Second), *chaosSeed, n.damages, n.kills, n.edits, n.repaired, n.unrepaired, n.leftOver, n.touched, n.lost, n.lost+n.survived)
	}()
	for seed := *chaosSeed; ; seed++ {
		if n := c.count.rounds; n == *chaosRounds && n > 0 || *chaosRounds == 0 && time.Since(begun) > *chaosTime {
			break
		}
		c.round(seed)
		if t.Failed() && *chaosRounds == 0 {
			break
		}
	}
	c.tearDown()
}

// chaos is a run. A lab lives for some rounds, unless there is a fault: what a
// round does depends on the seed with which its lab began.
type chaos struct {
	t      *testing.T
	name   string
	count  chaosCount
	golden map[string]map[string]string // pictures of labs made anew, by their text

	rng     *rand.Rand
	seed    uint64 // of this round
	first   uint64 // of the first round of this lab
	world   chaosWorld
	lab     *labs.Lab
	file    string
	up      bool
	conns   []openConn
	servers map[string]*echoServer // of the lab's pods
	story   []string               // of this round
	told    []string               // of the rounds of this lab before

	bystander *labs.Lab
	guard     []openConn // connections of the bystander
	foreign   map[string]string
}

// openConn is a connection that is to live, and what it stands on.
type openConn struct {
	name   string
	conn   net.Conn
	reader *bufio.Reader
	spaces []string // namespaces whose loss it need not survive
	addrs  string   // of both ends
	nat    bool
}

func (c *chaos) say(format string, args ...any) {
	c.story = append(c.story, fmt.Sprintf(format, args...))
}

func (c *chaos) fault(counter *int, format string, args ...any) {
	*counter++
	c.t.Errorf("round %d (again with -chaos-seed %d -chaos %d): %s\nafter\n    %s\nwith the lab\n%s",
		c.seed, c.first, c.seed-c.first+1, fmt.Sprintf(format, args...), strings.Join(append(slices.Clone(c.told), c.story...), "\n    "), c.world.text(c.name))
}

// setUpBystanders makes what must not be touched: another lab with connections,
// a namespace of somebody, and what the host has.
func (c *chaos) setUpBystanders() {
	t := c.t
	world := chaosWorld{name: c.name + "by", mode: "vxlan", pause: true, mtu: 1500, vni: 1, extras: []string{"{name: x0, node: b, containers: [{name: c, serve: {tcp: 80}}]}"}}
	file, lab := writeLab(t, world.text(world.name))
	bringUp(t, file, lab)
	c.bystander = lab
	guards := map[string]*echoServer{}
	c.guard = c.connect(lab, guards, nil)
	t.Cleanup(func() {
		for _, s := range guards {
			s.close()
		}
	})
	ns := c.name + "-foreign"
	sh(t, "ip netns add "+ns+"; ip -n "+ns+" link set lo up; ip -n "+ns+" link add cni0 type bridge; ip -n "+ns+" addr add 10.244.1.1/24 dev cni0; ip -n "+ns+" link set cni0 up; "+
		"ip netns exec "+ns+" iptables -t nat -N KUBE-SERVICES; mkdir -p /etc/netns/"+ns+" && echo mine >/etc/netns/"+ns+"/hosts")
	t.Cleanup(func() { sh(t, "ip netns del "+ns+"; rm -r /etc/netns/"+ns) })
	c.foreign = c.others()
}

func sh(t *testing.T, command string) {
	t.Helper()
	if out, err := tool(t, "sh", "-c", command); err != nil {
		t.Fatalf("%s: %v\n%s", command, err, out)
	}
}

// others is a picture of everything that is not the lab's.
func (c *chaos) others() map[string]string {
	all := picture(c.bystander)
	ns := c.name + "-foreign"
	all[ns] = look(ns)
	hosts, _ := os.ReadFile("/etc/netns/" + ns + "/hosts")
	all["foreign hosts"] = string(hosts)
	var host strings.Builder
	for line := range strings.Lines(hostState(c.t)) {
		if !strings.Contains(line, "/"+c.name+".") && !strings.Contains(line, "/"+c.name+"/") {
			host.WriteString(line)
		}
	}
	all["host"] = host.String()
	var pids []string
	for _, pid := range runningOf(c.bystander.Name) {
		pids = append(pids, fmt.Sprint(pid))
	}
	all["processes"] = strings.Join(pids, "\n")
	return all
}

// connect opens connections in a lab.
func (c *chaos) connect(lab *labs.Lab, servers map[string]*echoServer, only func(name string) bool) []openConn {
	t := c.t
	client, near, web := lab.Pod("default", "client"), lab.Pod("default", "near"), lab.Pod("default", "web")
	to := func(p *labs.Pod, i int) string {
		return net.JoinHostPort(p.Addrs[i].Addr().String(), fmt.Sprint(chaosPort))
	}
	type end struct {
		name, to string
		server   *labs.Pod
		nat      bool
	}
	ends := []end{{"to a pod beside", to(near, 0), near, false}, {"to a pod of another node", to(web, 0), web, false}, {"to a service", "10.96.0.80:80", web, true}}
	if len(web.Addrs) > 1 {
		ends = append(ends, end{"to a pod of another node by IPv6", to(web, 1), web, false})
	}
	var conns []openConn
	for _, e := range ends {
		if only != nil && !only(e.name) {
			continue
		}
		echoIn(t, servers, e.server.NS)
		conn, err := caller{client.NS}.open(e.to)
		if err != nil {
			c.fault(&c.count.lost, "a new connection %s: %v\n%s", e.name, err, c.traces())
			continue
		}
		t.Cleanup(func() { conn.Close() })
		conns = append(conns, openConn{e.name, conn, bufio.NewReader(conn), []string{client.NS, e.server.NS}, fmt.Sprint(client.Addrs[0], e.to), e.nat})
	}
	return conns
}

// chaosPatience is how long TCP has to repeat what was lost while a lab was
// broken, and a machine that is busy with other things to pass packets on.
const chaosPatience = time.Minute

// alive sends a line through a connection and waits for it.
func (o openConn) alive(line string) error {
	if err := o.conn.SetDeadline(time.Now().Add(chaosPatience)); err != nil {
		return err
	}
	if _, err := fmt.Fprintln(o.conn, line); err != nil {
		return err
	}
	for {
		got, err := o.reader.ReadString('\n')
		if err != nil || got == line+"\n" {
			return err
		}
	}
}

// netlab runs a netlab and reports whether it did what was asked.
func (c *chaos) netlab(args ...string) bool {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.t.Context()), 2*time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, "netlab", args...).CombinedOutput()
	if err != nil {
		c.fault(&c.count.unrepaired, "netlab %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return err == nil
}

func (c *chaos) write(w chaosWorld) {
	c.world = w
	text := w.text(c.name)
	lab, diagnostics := labs.Load("lab", []byte(text))
	if lab == nil {
		c.t.Fatalf("round %d: %v\n%s", c.seed, diagnostics, text)
	}
	c.lab = lab
	if err := os.WriteFile(c.file, []byte(text), 0o600); err != nil {
		c.t.Fatal(err)
	}
}

// newLab ends the lab that was and begins another.
func (c *chaos) newLab() {
	c.tearDown()
	c.rng = rand.New(rand.NewPCG(c.seed, 1))
	c.first = c.seed
	c.file, _ = writeLab(c.t, "name: x\nnodes: [{name: a}]\n")
	c.write(newWorld(c.rng, c.name))
	c.t.Cleanup(c.tearDown)
	c.told, c.story = nil, []string{"up"}
	c.netlab("up", c.file, "-q")
	c.up = true
	c.reconnect()
}

// tearDown takes the lab down and looks at what is left.
func (c *chaos) tearDown() {
	if !c.up {
		return
	}
	c.up = false
	c.hangUp()
	c.story = append(c.story, "down")
	c.netlab("down", c.name, "-q")
	c.checkGone()
}

func (c *chaos) checkGone() {
	if left := leftOf(c.t, c.name); len(left) > 0 {
		c.fault(&c.count.leftOver, "left:\n%s", strings.Join(left, "\n"))
	}
}

// hangUp ends all connections and servers.
func (c *chaos) hangUp() {
	for _, o := range c.conns {
		o.conn.Close()
	}
	c.conns = nil
	for _, s := range c.servers {
		s.close()
	}
	clear(c.servers)
}

// reconnect opens the connections that are not open.
func (c *chaos) reconnect() {
	c.conns = append(c.conns, c.connect(c.lab, c.servers, func(name string) bool {
		return !slices.ContainsFunc(c.conns, func(o openConn) bool { return o.name == name })
	})...)
}

// lose gives up connections that stand on what was lost.
func (c *chaos) lose(spaces []string) {
	c.conns = slices.DeleteFunc(c.conns, func(o openConn) bool {
		gone := slices.ContainsFunc(o.spaces, func(s string) bool { return slices.Contains(spaces, s) })
		if gone {
			o.conn.Close()
		}
		return gone
	})
}

func contextFor(t *testing.T, d time.Duration) (context.Context, context.CancelFunc) {
	t.Helper()
	return context.WithTimeout(context.WithoutCancel(t.Context()), d)
}
