package verify

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"netlab/labs"
)

func judgeRoute(c *Check, o *Observation) (seen, reason string) {
	switch {
	case c.Want != labs.Reachable && o.Outcome == labs.Reachable:
		return "a route", fmt.Sprintf("%s goes %s, the lab has no route to it", c.Addr, o.Hop)
	case c.Want != labs.Reachable:
		return "", ""
	case o.Outcome != labs.Reachable:
		return "no route", fmt.Sprintf("no route to %s (%s), the lab says %s", c.Addr, o.Detail, hops(c.More.Hops))
	}
	for _, h := range c.More.Hops {
		if (h.Via == o.Hop.Via || c.anyVia()) && (h.Dev == "" || h.Dev == o.Hop.Dev) && (!h.Src.IsValid() || h.Src == o.Hop.Src) {
			return "", ""
		}
	}
	return "another route", fmt.Sprintf("%s goes %s, the lab says %s", c.Addr, o.Hop, c.hops())
}

// anyVia reports whether the next hop of a route is not looked at.
func (c *Check) anyVia() bool { return c.More.Extra != nil && c.More.Extra.AnyVia }

// hops words what a route has to be.
func (c *Check) hops() string {
	if c.More.Extra == nil {
		return hops(c.More.Hops)
	}
	h := c.More.Hops[0]
	text := h.String()
	if h.Dev == "" {
		text = strings.TrimSpace(strings.Replace(text, "dev ", "", 1))
	}
	if !h.Via.IsValid() && !c.anyVia() {
		text = strings.TrimSpace("without a next hop " + text)
	}
	return text
}

func hops(list []Hop) string {
	words := make([]string, len(list))
	for i, h := range list {
		words[i] = h.String()
	}
	return strings.Join(words, " or ")
}

// judgeNeighbours looks at MACs. An entry without one is a question that
// nobody answered: that matters only where there should be an answer.
func judgeNeighbours(c *Check, o *Observation) (seen, reason string) {
	var wrong []string
	found := map[Entry]bool{}
	for _, e := range o.Entries {
		found[e] = true
		if e.MAC == (labs.MAC{}) || slices.Contains(c.More.Must, e) || slices.Contains(c.More.May, e) {
			continue
		}
		right, known := macOf(c, e)
		switch {
		case known:
			wrong = append(wrong, fmt.Sprintf("%s, the lab says %s", e, right))
			found[Entry{IP: e.IP, MAC: right}] = true
		case e.IP.Is6() && e.IP.IsLinkLocalUnicast(): // the kernel's own
		default:
			wrong = append(wrong, fmt.Sprintf("%s, which is not on this link", e))
		}
	}
	for _, e := range c.More.Must {
		switch {
		case found[e]:
		case found[Entry{IP: e.IP}]:
			wrong = append(wrong, fmt.Sprintf("%s does not answer, the lab has it at %s", e.IP, e.MAC))
		default:
			wrong = append(wrong, fmt.Sprintf("no entry for %s", e))
		}
	}
	return list("neighbours", wrong)
}

// macOf returns the MAC that e's address has in the lab.
func macOf(c *Check, e Entry) (labs.MAC, bool) {
	for _, some := range [][]Entry{c.More.Must, c.More.May} {
		for _, right := range some {
			if right.IP == e.IP {
				return right.MAC, true
			}
		}
	}
	return labs.MAC{}, false
}

// judgeAsked looks at who answered which question. Each answer that came is an
// entry; more answers than questions are entries that are there twice.
func judgeAsked(c *Check, o *Observation) (seen, reason string) {
	var wrong []string
	for _, q := range c.More.Asks {
		var macs []string
		right := false
		for _, e := range o.Entries {
			if e.IP == q.For {
				macs = append(macs, e.MAC.String())
				right = right || e.MAC == q.Answer
			}
		}
		said := strings.Join(macs, " and ")
		switch {
		case q.Answer == (labs.MAC{}) && len(macs) > 0 && q.Own:
			wrong = append(wrong, fmt.Sprintf("somebody else answers for its own address %s: %s", q.For, said))
		case q.Answer == (labs.MAC{}) && len(macs) > 0:
			wrong = append(wrong, fmt.Sprintf("%s answers for %s, the lab says nobody does on this link", said, q.For))
		case q.Answer == (labs.MAC{}):
		case len(macs) == 0:
			wrong = append(wrong, fmt.Sprintf("nobody answers for %s, the lab has it at %s", q.For, q.Answer))
		case len(macs) > 1:
			wrong = append(wrong, fmt.Sprintf("%d answers for %s: %s, the lab says %s", len(macs), q.For, said, q.Answer))
		case !right:
			wrong = append(wrong, fmt.Sprintf("%s answers for %s, the lab says %s", said, q.For, q.Answer))
		}
	}
	return list("answers", wrong)
}

// judgeTrack looks at what a machine remembers of a connection.
func judgeTrack(c *Check, o *Observation) (seen, reason string) {
	t, at := c.More.Track, c.More.Track.At.Name
	if !o.Tracked {
		return "not tracked", fmt.Sprintf("connection tracking of %s has no entry for the connection to %s", at, c.address())
	}
	server, clients := o.Track.Server, t.Clients
	behind := slices.IndexFunc(c.More.Behind, func(s Server) bool { return s.At == server })
	right := behind >= 0
	if len(t.Servers) > 0 {
		right = slices.ContainsFunc(t.Servers, func(s netip.AddrPort) bool {
			return s.Addr() == server.Addr() && (s.Port() == 0 || s.Port() == server.Port())
		})
	}
	kept := server.Addr() == c.Addr && (c.Port == 0 || server.Port() == c.Port)
	switch {
	case right:
	case kept:
		return "not translated", fmt.Sprintf("%s does not translate %s%s", at, c.address(), laid(t.Servers))
	case len(t.Servers) == 0:
		return "translated wrongly", fmt.Sprintf("%s translates %s to %s, which is not behind it", at, c.address(), server)
	default:
		if t.Servers[0].Addr() == c.Addr {
			return "translated", fmt.Sprintf("%s translates %s to %s, the lab says not at all", at, c.address(), server)
		}
		return "translated wrongly", fmt.Sprintf("%s translates %s to %s%s", at, c.address(), server, laid(t.Servers))
	}
	if len(clients) == 0 && behind >= 0 && c.More.Behind[behind].Src.IsValid() {
		clients = []netip.Addr{c.More.Behind[behind].Src}
	}
	if seen := o.Track.Client.Addr(); len(clients) > 0 && !slices.Contains(clients, seen) {
		return "wrong source", fmt.Sprintf("%s lets the client appear as %s to %s, the lab says %s", at, seen, server, anyOf(clients))
	}
	return "", ""
}

// laid says where the lab wants a connection to lead.
func laid(servers []netip.AddrPort) string {
	if len(servers) == 0 {
		return ""
	}
	words := make([]string, len(servers))
	for i, s := range servers {
		if words[i] = s.String(); s.Port() == 0 {
			words[i] = s.Addr().String()
		}
	}
	return ", the lab says to " + strings.Join(words, " or ")
}

func anyOf(addrs []netip.Addr) string {
	words := make([]string, len(addrs))
	for i, a := range addrs {
		words[i] = a.String()
	}
	return strings.Join(words, " or ")
}

func judgeTable(c *Check, o *Observation) (seen, reason string) {
	if !o.Present {
		return "no device", fmt.Sprintf("there is no interface %s", c.More.Device.Name)
	}
	var wrong []string
	for _, e := range c.More.Must {
		if !slices.Contains(o.Entries, e) {
			wrong = append(wrong, fmt.Sprintf("%s is missing", e))
		}
	}
	for i, e := range o.Entries {
		if !slices.Contains(c.More.Must, e) || slices.Contains(o.Entries[:i], e) {
			wrong = append(wrong, fmt.Sprintf("%s is too many", e))
		}
	}
	return list(string(c.More.Table), wrong)
}

func judgeDevice(c *Check, o *Observation) (seen, reason string) {
	want, have := c.More.Device, o.Device
	if !o.Present {
		return "no device", fmt.Sprintf("there is no interface %s of type vxlan", want.Name)
	}
	var wrong []string
	for _, f := range []struct {
		name       string
		have, want any
	}{
		{"vni", have.VNI, want.VNI},
		{"port", have.Port, want.Port},
		{"local", have.Local, want.Local},
		{"dev", have.Parent, want.Parent},
		{"learning", have.Learning, want.Learning},
		{"mtu", have.MTU, want.MTU},
		{"mac", have.MAC, want.MAC},
	} {
		if f.have != f.want {
			wrong = append(wrong, fmt.Sprintf("%s is %v, the lab says %v", f.name, f.have, f.want))
		}
	}
	return list("device", wrong)
}

func judgeSysctl(c *Check, o *Observation) (seen, reason string) {
	// The kernel writes several numbers with tabs between them.
	have, want := strings.Join(strings.Fields(o.Value), " "), strings.Join(strings.Fields(c.More.Value), " ")
	switch {
	case !o.Present:
		return "no such parameter", fmt.Sprintf("there is no %s in this kernel", c.More.Name)
	case have != want:
		return "wrong value", fmt.Sprintf("%s is %s, the lab says %s", c.More.Name, have, want)
	}
	return "", ""
}

// judgeSpace judges whether a namespace is what one name stands for.
func judgeSpace(c *Check, o *Observation) (seen, reason string) {
	if len(o.Same) == 0 {
		return "", ""
	}
	return "shared namespace", fmt.Sprintf("%s is the same network namespace as %s", c.From.NS, strings.Join(o.Same, ", "))
}

func judgeProcess(c *Check, o *Observation) (seen, reason string) {
	switch p := o.Process; {
	case !o.Present:
		return "not there", fmt.Sprintf("nobody runs container %s", c.More.Name)
	case p.Outside != "":
		return "elsewhere", fmt.Sprintf("%s is not in network namespace %s", p.Outside, c.From.NS)
	case !p.Ready && (!p.Over || c.More.Restart == labs.RestartAlways):
		return "not ready", fmt.Sprintf("container %s is not ready: %s", c.More.Name, p.State)
	}
	return "", ""
}

// list words a list of mistakes.
func list(what string, wrong []string) (seen, reason string) {
	if len(wrong) == 0 {
		return "", ""
	}
	const most = 5
	if len(wrong) > most {
		wrong = append(wrong[:most:most], fmt.Sprintf("and %d more", len(wrong)-most))
	}
	return "wrong " + what, strings.Join(wrong, "; ")
}
