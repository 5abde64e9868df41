package verify_test

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"netlab/labs"
	"netlab/verify"
)

// kept is what is seen where a promise is kept.
func kept(c verify.Check) verify.Observation {
	o := verify.Observation{Outcome: c.Want, Present: true}
	if c.Want == verify.NoAnswer {
		o.Outcome = labs.Timeout
	}
	switch c.Kind {
	case verify.ICMP:
		o.TTL = c.TTL
		keptExtra(c, &o)
	case verify.TCP, verify.UDP:
		switch {
		case c.Want != labs.Reachable:
		case c.More != nil && c.More.Sample != nil:
			o.Hits = hits(c.More.Sample)
		case c.More != nil && len(c.More.Behind) > 0:
			for _, s := range c.More.Behind {
				o.Answers = append(o.Answers, answerOf(s))
			}
		case c.More != nil && len(c.More.Listen) == 1:
			a := answerOf(c.More.Listen[0])
			if a != (verify.Answer{}) {
				a.Client = c.Src
			}
			o.Answers = []verify.Answer{a}
		default:
			o.Answers = []verify.Answer{{NS: c.To.NS, Server: netip.AddrPortFrom(c.Addr, c.Port), Client: c.Src}}
		}
		if c.More != nil && c.More.Track != nil {
			o.Tracked = true
			if len(c.More.Behind) > 0 {
				o.Track = verify.Translation{Server: c.More.Behind[0].At, Client: netip.AddrPortFrom(c.More.Behind[0].Src, 1)}
			}
			if list := c.More.Track.Servers; len(list) > 0 {
				o.Track.Server = list[0]
			}
			if list := c.More.Track.Clients; len(list) > 0 {
				o.Track.Client = netip.AddrPortFrom(list[0], 1)
			}
		}
		keptExtra(c, &o)
	case verify.Ask:
		for _, q := range c.More.Asks {
			if q.Answer != (labs.MAC{}) {
				o.Entries = append(o.Entries, verify.Entry{IP: q.For, MAC: q.Answer})
			}
		}
	case verify.Expire:
		o.TTL, o.Trail = c.TTL, c.More.Routers
	case verify.Size:
		o.Sizes = verify.Sizes{Largest: c.More.Size, Pieces: true, Tried: 2 * c.More.Size}
	case verify.Route:
		if len(c.More.Hops) > 0 {
			o.Hop = c.More.Hops[0]
		}
	case verify.Neigh, verify.Table:
		o.Entries = c.More.Must
	case verify.Device:
		o.Device = c.More.Device
	case verify.Control:
		o.Value = c.More.Value
	case verify.Process:
		o.Process = verify.ProcessInfo{Ready: true, State: "Running"}
	}
	return o
}

// keptExtra is what is seen where an expectation that asks for more is kept.
func keptExtra(c verify.Check, o *verify.Observation) {
	if c.More == nil || c.More.Extra == nil {
		return
	}
	x := c.More.Extra
	o.Slowest, o.RTT, o.Sent = x.Within, x.Within, x.Count
	if x.Count > 0 && c.Want == labs.Reachable {
		o.Lost = int(float64(x.Count) * x.Loss.Most)
	}
	if x.Rate != nil {
		o.Rate = x.Rate.Least
	}
	if x.HTTP != nil {
		o.Status, o.Body = x.HTTP.Status, "<"+x.HTTP.Body+">"
	}
	if len(x.Sources) > 0 {
		for i := range o.Answers {
			o.Answers[i].Client = x.Sources[0]
		}
	}
}

// extraFaults are the ways in which more than an outcome may be wrong.
func extraFaults(c verify.Check, add func(name, word string, change func(o *verify.Observation))) {
	x := c.More.Extra
	if x.Within > 0 {
		add("too slow", "at most", func(o *verify.Observation) { o.Slowest = 2 * x.Within })
	}
	if x.Count > 0 {
		add("all are lost", "got no answer", func(o *verify.Observation) { o.Lost = o.Sent })
		add("one too many is lost", "got no answer", func(o *verify.Observation) { o.Lost++ })
		add("nothing was sent", "nothing was sent", func(o *verify.Observation) { o.Sent, o.Lost = 0, 0 })
		if x.Loss.Least > 0 {
			add("too little is lost", "got no answer", func(o *verify.Observation) { o.Lost = 0 })
		}
	}
	if x.Rate != nil {
		add("too slow a link", "carries 1kbit", func(o *verify.Observation) { o.Rate = 1000 })
		if x.Rate.Most < 1e12 {
			add("too fast a link", "carries 1e+03gbit", func(o *verify.Observation) { o.Rate = 1e12 })
		}
	}
	if x.HTTP != nil {
		add("no HTTP", "does not speak HTTP", func(o *verify.Observation) { o.Status = 0 })
		add("another status", "has status 418", func(o *verify.Observation) { o.Status = 418 })
		if x.HTTP.Body != "" {
			add("another body", "does not contain", func(o *verify.Observation) { o.Body = "teapot" })
		}
	}
	if len(x.Sources) > 0 {
		add("another source", "saw 192.0.2.99", func(o *verify.Observation) { o.Answers[0].Client = stranger })
		add("an unknown source", "does not say whom it saw", func(o *verify.Observation) { o.Answers[0].Client = netip.Addr{} })
	}
}

// expectations is a lab whose verify section has everything that one may have.
const expectations = `
name: expectations
nodes: [{name: a}, {name: b}, {name: out, cluster: false}]
pods:
  - {name: client, node: a}
  - {name: near, node: a}
  - {name: web, node: b, labels: {app: web}, containers: [{name: c, serve: {http: 8080}}]}
  - {name: raw, node: b}
services:
  - {name: web, type: NodePort, selector: {app: web}, ports: [{port: 80, targetPort: 8080, nodePort: 30080}]}
verify:
  - {from: client, to: svc/web, http: {path: /healthz, body: ok}, source: client}
  - {from: client, to: "pod/raw:80", source: client, within: 1s}
  - {from: client, to: pod/raw, count: 100, loss: 5%, within: 1s}
  - {from: client, to: pod/raw, count: 100, loss: 5%-10%}
  - {from: client, to: "pod/raw:77/UDP", count: 20}
  - {from: client, to: "pod/raw:77", count: 20, expect: refused}
  - {from: client, to: pod/raw, rate: 10mbit}
  - {from: client, to: pod/raw, rate: 8mbit-12mbit}
  - {from: client, to: 10.244.1.1, arp: a}
  - {from: a, to: out, arp: "02:00:00:00:00:07"}
  - {from: client, to: raw, arp: none}
  - {from: client, to: raw, route: {via: 10.244.1.1, dev: eth0, src: 10.244.1.2}}
  - {from: client, to: near, route: {via: none, dev: eth0}}
  - {from: out, to: client, expect: unreachable, route: {}}
  - {from: client, to: svc/web, nat: {destination: "pod/web:8080", source: none}}
  - {from: out, to: "node/a:30080", nat: {at: a, source: a}}
  - {from: client, to: "pod/raw:80", nat: {destination: none, source: none}}
`

// answerOf is what a server says to the client that the lab says it sees.
func answerOf(s verify.Server) verify.Answer {
	switch {
	case !s.Program.Introduces():
		return verify.Answer{}
	case s.Program.BuiltIn():
		return verify.Answer{Pod: s.On.Name, Server: s.At, Client: s.Src}
	}
	return verify.Answer{NS: s.On.NS, Server: s.At, Client: s.Src}
}

// hits is what a sample of a good service shows.
func hits(s *verify.Sample) []verify.Hit {
	var list []verify.Hit
	for i, client := range s.Clients {
		n := len(client.Behind)
		switch s.Aim {
		case verify.Affinity:
			list = append(list, verify.Hit{Client: i, Answer: answerOf(client.Behind[i%n]), Times: s.Tries / len(s.Clients)})
		case verify.Balance:
			for _, srv := range client.Behind {
				list = append(list, verify.Hit{Client: i, Answer: answerOf(srv), Times: s.Tries/len(s.Clients)/n + 1})
			}
		default:
			for _, srv := range client.Behind {
				list = append(list, verify.Hit{Client: i, Answer: answerOf(srv), Times: 1})
			}
		}
	}
	return list
}

// fault is something that goes wrong, and a word that the reason has to have.
type fault struct {
	name string
	o    verify.Observation
	word string
}

var (
	stranger    = netip.MustParseAddr("192.0.2.99")
	strangerMAC = labs.MAC{2, 0, 0, 0, 0, 99}
)

// faults are the ways in which a check may find its promise broken.
func faults(c verify.Check) []fault {
	var list []fault
	add := func(name, word string, change func(o *verify.Observation)) {
		o := kept(c)
		o.Hits = slices.Clone(o.Hits)
		o.Entries, o.Answers = slices.Clone(o.Entries), slices.Clone(o.Answers)
		change(&o)
		list = append(list, fault{name, o, word})
	}
	outcome := func(what labs.Outcome) func(*verify.Observation) {
		return func(o *verify.Observation) { o.Outcome, o.Answers = what, nil }
	}
	switch c.Kind {
	case verify.ICMP, verify.TCP, verify.UDP:
		for _, what := range []labs.Outcome{labs.Reachable, labs.Refused, labs.Timeout, labs.Unreachable, ""} {
			if c.More != nil && c.More.Extra != nil && c.More.Extra.Count > 0 && c.Want == labs.Reachable {
				break // what counts is how many are lost
			}
			if what != c.Want && (c.Want != verify.NoAnswer || what == labs.Reachable || what == "") {
				add("outcome "+string(what), c.Addr.String(), outcome(what))
			}
		}
		if c.Want != labs.Reachable {
			break
		}
		if c.More != nil && c.More.Extra != nil {
			extraFaults(c, add)
			if c.More.Extra.Count > 0 || c.More.Extra.HTTP != nil {
				break // single questions have no say, and an HTTP server says what it likes
			}
		}
		if c.Kind == verify.ICMP {
			add("two answers", "more than once", func(o *verify.Observation) { o.Twice = 1 })
			if c.TTL != 0 {
				add("another way", "TTL 61", func(o *verify.Observation) { o.TTL = 61 })
			}
			break
		}
		if c.More != nil && c.More.Sample != nil {
			sampleFaults(c, add)
			break
		}
		if servers := listeners(c); len(servers) > 0 && servers[0].Program.BuiltIn() && servers[0].Program.Introduces() {
			add("a stranger", "is not the", func(o *verify.Observation) { o.Answers = []verify.Answer{{}} })
			if len(servers) == 1 {
				add("a crash", "is not there", outcome(labs.Refused))
			}
		}
		add("nobody said anything", "not known", func(o *verify.Observation) { o.Answers = nil })
		if c.Src.IsValid() {
			add("masqueraded", "saw 192.0.2.99, the lab says "+c.Src.String(), func(o *verify.Observation) { o.Answers[0].Client = stranger })
		}
		if c.To.NS != "" {
			add("an impostor", "answered as", func(o *verify.Observation) { o.Answers[0].NS, o.Answers[0].Pod = "lab.impostor", "" })
			add("another pod", "answered as", func(o *verify.Observation) { o.Answers[0].Pod = "default/impostor" })
		}
		if c.More != nil && c.More.Track != nil {
			add("not tracked", "has no entry", func(o *verify.Observation) { o.Tracked = false })
			add("another server", "translates", func(o *verify.Observation) { o.Track.Server = netip.AddrPortFrom(stranger, 7) })
			if o := kept(c); o.Track.Client.Addr().IsValid() {
				add("another client", "appear as 192.0.2.99", func(o *verify.Observation) { o.Track.Client = netip.AddrPortFrom(stranger, 7) })
			}
			if len(c.More.Behind) > 0 {
				add("not translated", "does not translate", func(o *verify.Observation) { o.Track.Server = netip.AddrPortFrom(c.Addr, c.Port) })
			}
		}
		if c.More == nil || len(c.More.Behind) == 0 {
			break
		}
		add("a strange endpoint", "not behind", func(o *verify.Observation) { o.Answers[0].Server = netip.AddrPortFrom(stranger, 1) })
		if last := len(c.More.Behind) - 1; c.More.Behind[last].Src.IsValid() {
			add("not masqueraded", "saw 192.0.2.99", func(o *verify.Observation) { o.Answers[last].Client = stranger })
		}
	case verify.Expire:
		add("no answer", "no answer", outcome(labs.Timeout))
		add("one router more", "router ", func(o *verify.Observation) { o.Trail = append(slices.Clone(o.Trail), stranger) })
		if c.TTL != 0 {
			add("a way back of its own", "TTL 33", func(o *verify.Observation) { o.TTL = 33 })
		}
		if len(c.More.Routers) > 0 {
			add("one router less", "the lab says", func(o *verify.Observation) { o.Trail = o.Trail[1:] })
			add("another router", "is 192.0.2.99", func(o *verify.Observation) {
				o.Trail = slices.Clone(o.Trail)
				o.Trail[0] = stranger
			})
			add("a silent router", "is silent", func(o *verify.Observation) {
				o.Trail = slices.Clone(o.Trail)
				o.Trail[0] = netip.Addr{}
			})
		}
	case verify.Size:
		add("no answer", "no answer", func(o *verify.Observation) { o.Outcome, o.Sizes = labs.Timeout, verify.Sizes{} })
		add("smaller", "has 1200 bytes", func(o *verify.Observation) { o.Sizes.Largest = 1200 })
		add("larger", "of 9000 bytes", func(o *verify.Observation) { o.Sizes.Largest = 9000 })
		add("no fragments", "in fragments", func(o *verify.Observation) { o.Sizes.Pieces = false })
	case verify.Route:
		if c.Want != labs.Reachable {
			add("a route", "no route", func(o *verify.Observation) { o.Outcome, o.Hop = labs.Reachable, verify.Hop{Dev: "eth9"} })
			break
		}
		add("no route", "no route", outcome(labs.Unreachable))
		add("another next hop", "via 192.0.2.99", func(o *verify.Observation) { o.Hop.Via = stranger })
		add("another device", "eth9", func(o *verify.Observation) { o.Hop.Dev = "eth9" })
		if c.More.Hops[0].Src.IsValid() {
			add("another source", "src 192.0.2.99", func(o *verify.Observation) { o.Hop.Src = stranger })
		}
	case verify.Ask:
		for _, q := range c.More.Asks {
			if q.Answer == (labs.MAC{}) {
				add("somebody has "+q.For.String(), "02:00:00:00:00:63", func(o *verify.Observation) {
					o.Entries = append(o.Entries, verify.Entry{IP: q.For, MAC: strangerMAC})
				})
				continue
			}
			at := slices.Index(kept(c).Entries, verify.Entry{IP: q.For, MAC: q.Answer})
			add("nobody has "+q.For.String(), "nobody answers", func(o *verify.Observation) { o.Entries = slices.Delete(o.Entries, at, at+1) })
			add("somebody else has "+q.For.String(), "the lab says", func(o *verify.Observation) { o.Entries[at].MAC = strangerMAC })
			add("two have "+q.For.String(), "2 answers", func(o *verify.Observation) {
				o.Entries = append(o.Entries, verify.Entry{IP: q.For, MAC: strangerMAC})
			})
			add("one answers twice for "+q.For.String(), "2 answers", func(o *verify.Observation) { o.Entries = append(o.Entries, o.Entries[at]) })
		}
	case verify.Neigh:
		add("no gateway", "no entry", func(o *verify.Observation) { o.Entries = nil })
		add("a silent gateway", "does not answer", func(o *verify.Observation) { o.Entries[0].MAC = labs.MAC{} })
		add("a wrong gateway", "the lab says", func(o *verify.Observation) { o.Entries[0].MAC = strangerMAC })
		add("a pod of another node", "not on this link", func(o *verify.Observation) {
			o.Entries = append(o.Entries, verify.Entry{IP: stranger, MAC: strangerMAC})
		})
		if len(c.More.May) > 0 {
			add("a wrong neighbour", "the lab says", func(o *verify.Observation) {
				o.Entries = append(o.Entries, verify.Entry{IP: c.More.May[0].IP, MAC: strangerMAC})
			})
		}
	case verify.Table:
		add("no device", "no interface", func(o *verify.Observation) { o.Present = false })
		add("too many", "too many", func(o *verify.Observation) {
			o.Entries = append(o.Entries, verify.Entry{IP: stranger, MAC: strangerMAC})
		})
		if len(c.More.Must) > 0 {
			add("one missing", "missing", func(o *verify.Observation) { o.Entries = o.Entries[1:] })
			add("one wrong", "missing", func(o *verify.Observation) { o.Entries[0].IP = stranger })
			add("one twice", "too many", func(o *verify.Observation) { o.Entries = append(o.Entries, o.Entries[0]) })
		}
	case verify.Device:
		add("no device", "no interface", func(o *verify.Observation) { o.Present = false })
		add("vni", "vni", func(o *verify.Observation) { o.Device.VNI++ })
		add("port", "port", func(o *verify.Observation) { o.Device.Port++ })
		add("local", "local", func(o *verify.Observation) { o.Device.Local = stranger })
		add("parent", "dev", func(o *verify.Observation) { o.Device.Parent = "eth9" })
		add("learning", "learning", func(o *verify.Observation) { o.Device.Learning = true })
		add("mtu", "mtu", func(o *verify.Observation) { o.Device.MTU-- })
		add("mac", "mac", func(o *verify.Observation) { o.Device.MAC = strangerMAC })
	case verify.Control:
		add("no such parameter", "there is no", func(o *verify.Observation) { o.Present = false })
		add("another value", "is 7", func(o *verify.Observation) { o.Value = "7" })
	case verify.Space:
		add("a shared namespace", "same network namespace as duo.other", func(o *verify.Observation) { o.Same = []string{"duo.other"} })
	case verify.Doors:
		add("a cable out of the lab", "eth7", func(o *verify.Observation) { o.Doors = []string{"eth7 leads to other.web"} })
	case verify.Process:
		add("nobody knows it", "nobody runs", func(o *verify.Observation) { o.Present = false })
		add("a crash", "CrashLoopBackOff", func(o *verify.Observation) { o.Process = verify.ProcessInfo{State: "CrashLoopBackOff, exit code 1"} })
		add("in another namespace", "is not in network namespace", func(o *verify.Observation) { o.Process.Outside = "the pause process" })
		if c.More.Restart == labs.RestartAlways {
			add("over", "Completed", func(o *verify.Observation) { o.Process = verify.ProcessInfo{Over: true, State: "Completed"} })
		}
	case verify.State:
		add("something is missing", "missing: route", func(o *verify.Observation) { o.Differs = []string{"missing: route x"} })
	}
	return list
}

// listeners returns the servers that may answer c.
func listeners(c verify.Check) []verify.Server {
	switch {
	case c.More == nil:
		return nil
	case len(c.More.Behind) > 0:
		return c.More.Behind
	}
	return c.More.Listen
}

// sampleFaults are the ways in which a service may treat many clients wrongly.
func sampleFaults(c verify.Check, add func(name, word string, change func(o *verify.Observation))) {
	s := c.More.Sample
	add("a stranger", "is not the", func(o *verify.Observation) { o.Hits[0].Answer = verify.Answer{} })
	add("a strange endpoint", "not behind", func(o *verify.Observation) { o.Hits[0].Answer.Server = netip.AddrPortFrom(stranger, 1) })
	add("an impostor", "answered as", func(o *verify.Observation) { o.Hits[0].Answer.Pod = "default/impostor" })
	add("not masqueraded", "saw 192.0.2.99", func(o *verify.Observation) { o.Hits[0].Answer.Client = stranger })
	switch s.Aim {
	case verify.Balance:
		gone := c.More.Behind[0]
		add("an endpoint never answers", "never answered", func(o *verify.Observation) {
			o.Hits = slices.DeleteFunc(o.Hits, func(h verify.Hit) bool { return h.Answer.Server == gone.At })
			o.Hits[0].Times += s.Tries
		})
		add("one answers always", "never answered", func(o *verify.Observation) {
			o.Hits = []verify.Hit{{Answer: answerOf(s.Clients[0].Behind[0]), Times: s.Tries}}
		})
		add("one answers too often", "the lab says one in", func(o *verify.Observation) { o.Hits[0].Times += s.Tries })
		add("too few answers", "say nothing", func(o *verify.Observation) {
			o.Hits = []verify.Hit{{Answer: answerOf(s.Clients[0].Behind[0]), Times: 1}}
		})
	case verify.Hairpin:
		add("never itself", "never reached itself", func(o *verify.Observation) {
			o.Hits = slices.DeleteFunc(o.Hits, func(h verify.Hit) bool { return h.Answer.Pod == c.From.Name || h.Answer.NS == c.From.NS })
		})
	case verify.Affinity:
		add("a client that wanders", "and then to", func(o *verify.Observation) {
			o.Hits = append(o.Hits, verify.Hit{Answer: answerOf(s.Clients[0].Behind[1]), Times: 1})
		})
		add("a client without an answer", "clients got answers", func(o *verify.Observation) { o.Hits = o.Hits[1:] })
	}
}

// TestEveryCheckCanFail takes every check of every lab that ships: it passes
// when its promise is kept, fails when it is broken in any way, and does
// neither when nothing could be seen.
func TestEveryCheckCanFail(t *testing.T) {
	kinds := map[verify.Kind]bool{}
	all := []*labs.Lab{load(t, "expectations.yaml", expectations)}
	for _, name := range labs.Shipped() {
		if name != "big" { // nothing that the others do not have
			all = append(all, shipped(t, name))
		}
	}
	for _, lab := range all {
		for _, c := range verify.Checks(lab) {
			kinds[c.Kind] = true
			if r := verify.Judge(&c, kept(c), nil); r.Verdict != verify.Pass || r.Reason != "" {
				t.Errorf("%s: kept: %s %q", c.ID(), r.Verdict, r.Reason)
			}
			list := faults(c)
			if len(list) == 0 {
				t.Errorf("%s cannot fail", c.ID())
			}
			for _, f := range list {
				if r := verify.Judge(&c, f.o, nil); r.Verdict != verify.Fail || !strings.Contains(r.Reason, f.word) {
					t.Errorf("%s: %s: %s %q, want a failure with %q", c.ID(), f.name, r.Verdict, r.Reason, f.word)
				}
			}
			if r := verify.Judge(&c, kept(c), errors.New("no such namespace")); r.Verdict != verify.Error {
				t.Errorf("%s: not made: %s %q", c.ID(), r.Verdict, r.Reason)
			}
		}
	}
	for _, k := range []verify.Kind{verify.Space, verify.Process, verify.ICMP, verify.TCP, verify.UDP, verify.Route, verify.Neigh, verify.Device, verify.Table, verify.Control, verify.State, verify.Expire, verify.Size, verify.Ask, verify.Doors} {
		if !kinds[k] {
			t.Errorf("no lab has a check of kind %s", k)
		}
	}
}

func TestJudge(t *testing.T) {
	addr := netip.MustParseAddr
	client := &verify.End{Name: "default/client", Kind: labs.RefPod, NS: "duo.client"}
	web := &verify.End{Name: "default/web", Kind: labs.RefPod, NS: "duo.web"}
	svc := &verify.End{Name: "svc default/web:80", Kind: labs.RefService}
	ping := verify.Check{Kind: verify.ICMP, From: client, To: web, Addr: addr("10.244.2.2"), TTL: 62, Want: labs.Reachable, Wait: time.Second}
	tcp := verify.Check{Kind: verify.TCP, From: client, To: web, Addr: ping.Addr, Src: addr("10.244.1.2"), Want: labs.Reachable, Wait: time.Second}
	vip := verify.Check{Kind: verify.TCP, From: client, To: svc, Addr: addr("10.96.0.1"), Port: 80, Want: labs.Reachable, Wait: time.Second,
		More: &verify.More{Behind: []verify.Server{{At: netip.MustParseAddrPort("10.244.2.2:8080"), On: web, Src: addr("10.244.1.2")}}}}
	quiet := vip
	quiet.Want, quiet.More = labs.Timeout, nil
	udp := vip
	udp.Kind = verify.UDP
	foreign := []verify.Answer{{}}
	for _, tt := range []struct {
		name    string
		check   verify.Check
		o       verify.Observation
		err     error
		verdict verify.Verdict
		reason  string
	}{
		{"well", ping, verify.Observation{Outcome: labs.Reachable, TTL: 62}, nil, verify.Pass, ""},
		{"silence", ping, verify.Observation{Outcome: labs.Timeout}, nil, verify.Fail, "no answer from 10.244.2.2 within 1s"},
		{"a router says no", ping, verify.Observation{Outcome: labs.Unreachable, Detail: "icmp: host unreachable from 10.244.1.1"}, nil,
			verify.Fail, "no answer from 10.244.2.2 (icmp: host unreachable from 10.244.1.1)"},
		{"a detour", ping, verify.Observation{Outcome: labs.Reachable, TTL: 61}, nil, verify.Fail, "the answer has TTL 61, the lab says 62: it crossed 3 routers, not 2"},
		{"masqueraded", tcp, verify.Observation{Outcome: labs.Reachable, Answers: []verify.Answer{{NS: "duo.web", Client: addr("10.244.2.1")}}}, nil,
			verify.Fail, "the server saw 10.244.2.1, the lab says 10.244.1.2"},
		{"no endpoint but one", vip, verify.Observation{Outcome: labs.Refused, Detail: "connection refused"}, nil,
			verify.Fail, "10.96.0.1:80 refused (connection refused), the lab says reachable"},
		{"some endpoints", vip, verify.Observation{Outcome: labs.Timeout, Answers: []verify.Answer{{NS: "x"}}}, nil,
			verify.Fail, "no answer from 10.96.0.1:80 within 1s after answers from 1 of 1 endpoints"},
		{"somebody else's server", vip, verify.Observation{Outcome: labs.Reachable, Answers: foreign}, nil, verify.Pass, ""},
		{"isolation broken", quiet, verify.Observation{Outcome: labs.Reachable, Answers: foreign}, nil, verify.Fail, "10.96.0.1:80 answered, the lab says timeout"},
		{"isolation by an error", quiet, verify.Observation{Outcome: labs.Unreachable, Detail: "icmp: prohibited by a filter from 10.0.0.1"}, nil,
			verify.Fail, "no way to 10.96.0.1:80 (icmp: prohibited by a filter from 10.0.0.1), the lab says timeout"},
		{"isolated", quiet, verify.Observation{Outcome: labs.Timeout}, nil, verify.Pass, ""},
		{"a server that need not answer", udp, verify.Observation{Outcome: labs.Timeout, Silent: true}, nil,
			verify.Skip, "a server that is not netlab's holds UDP port 80 and did not answer the question"},
		{"no namespace", quiet, verify.Observation{}, fmt.Errorf("%w: gone", verify.ErrNoNamespace), verify.Fail, "default/client is gone: its namespace duo.client does not exist"},
		{"no probe", quiet, verify.Observation{}, errors.New("operation not permitted"), verify.Error, "cannot look from default/client: operation not permitted"},
		{"an unknown kind", verify.Check{Kind: "smell", From: client}, verify.Observation{}, nil, verify.Error, `nobody knows how to judge a check of kind "smell"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := verify.Judge(&tt.check, tt.o, tt.err)
			if r.Verdict != tt.verdict || r.Reason != tt.reason {
				t.Errorf("got %s %q, want %s %q", r.Verdict, r.Reason, tt.verdict, tt.reason)
			}
		})
	}
}
