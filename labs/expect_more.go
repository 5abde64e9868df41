package labs

import (
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Limits of what an expectation may ask for.
const (
	maxWithin = time.Minute
	maxCount  = 1000
)

// expectMore resolves what an expectation says beyond from, to and expect.
func (r *resolver) expectMore(spec *VerifySpec, e *Expectation) {
	r.together(spec, e)
	e.Within = r.duration(spec.Within, maxWithin)
	e.Count = r.inRange(spec.Count, 0, 1, maxCount)
	if spec.Loss.OK() {
		e.Loss = r.percent(spec.Loss)
	}
	if spec.Rate.OK() {
		e.Rate = r.bits(spec.Rate)
	}
	e.Source = r.identity(spec.Source, false)
	if spec.HTTP.Written() {
		e.HTTP = r.expectHTTP(&spec.HTTP)
	}
	if spec.ARP.OK() {
		e.ARP = r.expectARP(spec.ARP)
	}
	if spec.Route.Written() {
		e.Route = r.expectRoute(&spec.Route, e)
	}
	if spec.NAT.Written() {
		e.NAT = r.expectNAT(&spec.NAT)
	}
}

// together reports keys that make no sense beside each other.
func (r *resolver) together(spec *VerifySpec, e *Expectation) {
	type key struct {
		name string
		at   Place
	}
	var all []key
	for _, k := range []key{
		{"within", spec.Within.Place}, {"count", spec.Count.Place}, {"loss", spec.Loss.Place}, {"rate", spec.Rate.Place},
		{"source", spec.Source.Place}, {"http", spec.HTTP.Place}, {"arp", spec.ARP.Place}, {"route", spec.Route.Place}, {"nat", spec.NAT.Place},
	} {
		if k.at.Written() {
			all = append(all, k)
		}
	}
	beside := func(name string, allowed ...string) {
		for _, k := range all {
			if k.name == name {
				for _, other := range all {
					if other.name != name && !has(allowed, other.name) {
						r.errorf(other.at, "write two entries", "%s and %s are not asked together", name, other.name)
					}
				}
			}
		}
	}
	switch {
	case spec.ARP.Written():
		beside("arp")
	case spec.Route.Written():
		beside("route")
	case spec.Rate.Written():
		beside("rate")
	case spec.Loss.Written() && !spec.Count.Written():
		r.errorf(spec.Loss.Place, "write count: 100", "loss needs a count")
	}
	needs := func(at Place, name string, ok bool, what, hint string) {
		if at.Written() && !ok {
			r.errorf(at, hint, "%s needs %s", name, what)
		}
	}
	for _, k := range all {
		if k.name != "within" && k.name != "count" && k.name != "route" {
			needs(k.at, k.name, e.Expect == Reachable, "expect: reachable", "leave one of them out")
		}
		if k.name == "arp" || k.name == "route" {
			needs(spec.To.Place, k.name, !spec.To.OK() || e.To.Port == 0 || e.To.Ref.Kind == RefService, "an address", "leave the port out")
		}
	}
	if !spec.To.OK() || e.To == (Target{}) {
		return
	}
	needs(spec.Source.Place, "source", e.To.Port != 0, "a port: a ping does not say whom it saw", "write to: NAME:PORT")
	needs(spec.NAT.Place, "nat", e.To.Port != 0, "a port", "write to: NAME:PORT")
	needs(spec.HTTP.Place, "http", e.To.Port != 0 && e.To.Protocol == TCP, "a TCP port", "write to: NAME:PORT")
	needs(spec.Rate.Place, "rate", e.To.Protocol != UDP, "TCP", "leave /UDP out")
	needs(spec.ARP.Place, "arp", e.To.Ref.Kind != RefService, "something that has an interface", "a service has none")
}

func has(list []string, s string) bool {
	for _, one := range list {
		if one == s {
			return true
		}
	}
	return false
}

// duration parses a duration above zero.
func (r *resolver) duration(a At[string], most time.Duration) time.Duration {
	if !a.OK() {
		return 0
	}
	d, err := time.ParseDuration(a.Value)
	switch {
	case err != nil:
		r.errorf(a.Place, "write it with its unit, such as 50ms or 2s", "%s is not a duration", quote(a.Value))
	case d <= 0 || d > most:
		r.errorf(a.Place, "", "%s should be above 0 and at most %v", quote(a.Value), most)
	default:
		return d
	}
	return 0
}

var percents = newPattern(`^([0-9]+(?:\.[0-9]+)?)%?(?:-([0-9]+(?:\.[0-9]+)?)%)?$`)

// percent parses what is lost: at most, or from to.
func (r *resolver) percent(a At[string]) Range {
	m := percents.FindStringSubmatch(a.Value)
	if m == nil {
		r.errorf(a.Place, "write 10% for at most, or 5%-15%", "%s is not a share in percent", quote(a.Value))
		return Range{}
	}
	first, _ := strconv.ParseFloat(m[1], 64)
	if m[2] == "" {
		m[1], m[2], first = "0", m[1], 0
	}
	second, _ := strconv.ParseFloat(m[2], 64)
	if first > second || second > 100 {
		r.errorf(a.Place, "", "%s should go up, and to 100%% at most", quote(a.Value))
		return Range{}
	}
	return Range{first / 100, second / 100}
}

var (
	rates = newPattern(`^([0-9]+(?:\.[0-9]+)?)([kmg]?)bit(?:-([0-9]+(?:\.[0-9]+)?)([kmg]?)bit)?$`)
	units = map[string]float64{"": 1, "k": 1e3, "m": 1e6, "g": 1e9}
)

// maxBits is above what anything carries.
const maxBits = 1e15

// bits parses a throughput in the words of tc: at least, or from to.
func (r *resolver) bits(a At[string]) *Range {
	m := rates.FindStringSubmatch(strings.ToLower(a.Value))
	if m == nil {
		r.errorf(a.Place, "write 10mbit for at least, or 8mbit-12mbit; units are bit, kbit, mbit and gbit", "%s is not a throughput", quote(a.Value))
		return nil
	}
	first, _ := strconv.ParseFloat(m[1], 64)
	found := Range{first * units[m[2]], maxBits}
	if m[3] != "" {
		second, _ := strconv.ParseFloat(m[3], 64)
		found.Most = second * units[m[4]]
	}
	if found.Least > found.Most {
		r.errorf(a.Place, "", "%s should go up", quote(a.Value))
		return nil
	}
	return &found
}

// identity parses who somebody appears as.
func (r *resolver) identity(a At[string], port bool) *Identity {
	if !a.OK() {
		return nil
	}
	t, err := r.lab.target(a.Value, !r.guessed())
	if err != nil {
		r.reference(a.Place, err)
		return nil
	}
	switch {
	case t.Ref.Kind == RefService:
		r.errorf(a.Place, "name a pod, a node or an address", "%s is a service", quote(a.Value))
	case t.Port != 0 && !port:
		r.errorf(a.Place, "leave the port out", "%s has a port", quote(a.Value))
	default:
		return &Identity{t.Ref, t.Port}
	}
	return nil
}

func (r *resolver) expectHTTP(spec *HTTPExpectSpec) *HTTPExpectation {
	h := &HTTPExpectation{Path: spec.Path.Or("/"), Status: r.inRange(spec.Status, 200, 100, 599), Body: spec.Body.Or("")}
	if spec.Path.OK() && (!strings.HasPrefix(h.Path, "/") || strings.ContainsAny(h.Path, " \r\n\t")) {
		r.errorf(spec.Path.Place, "write /"+strings.TrimLeft(strings.Map(printable, h.Path), "/"), "%s is not a path", quote(h.Path))
	}
	return h
}

// printable drops white space.
func printable(c rune) rune {
	if strings.ContainsRune(" \r\n\t", c) {
		return -1
	}
	return c
}

func (r *resolver) expectARP(a At[string]) *ARPExpectation {
	if a.Value == "none" {
		return &ARPExpectation{Nobody: true}
	}
	if mac, err := net.ParseMAC(a.Value); err == nil && len(mac) == len(MAC{}) {
		return &ARPExpectation{MAC: MAC(mac)}
	}
	by, err := r.lab.findPlace(a.Value, !r.guessed())
	if err != nil {
		if err.Hint == "" {
			err.Hint = "write a MAC, a pod, node or bridge, or none"
		}
		r.reference(a.Place, err)
		return nil
	}
	return &ARPExpectation{By: by}
}

func (r *resolver) expectRoute(spec *RouteExpectSpec, e *Expectation) *RouteExpectation {
	found := &RouteExpectation{Dev: spec.Dev.Or("")}
	if spec.Via.OK() {
		if found.Direct = spec.Via.Value == "none"; !found.Direct {
			found.Via = r.anyAddress(spec.Via)
		}
	}
	if spec.Src.OK() {
		found.Src = r.anyAddress(spec.Src)
	}
	for _, part := range []At[string]{spec.Via, spec.Dev, spec.Src} {
		switch {
		case !part.Written():
		case e.Expect == Unreachable:
			r.errorf(part.Place, "write route: {}", "there is to be no route, so it has no parts")
		case e.Expect != Reachable:
			r.errorf(part.Place, "with route, expect is reachable or unreachable", "a route does not say that it is %s", e.Expect)
		}
	}
	return found
}

func (r *resolver) expectNAT(spec *NATExpectSpec) *NATExpectation {
	found := &NATExpectation{}
	if spec.At.OK() {
		at, err := r.lab.findPlace(spec.At.Value, !r.guessed())
		switch {
		case err != nil:
			r.reference(spec.At.Place, err)
		case at.Kind != RefNode:
			r.errorf(spec.At.Place, "", "%s is no node", quote(spec.At.Value))
		default:
			found.At = at
		}
	}
	if found.KeepsDestination = spec.Destination.OK() && spec.Destination.Value == "none"; !found.KeepsDestination {
		found.Destination = r.identity(spec.Destination, true)
	}
	if found.KeepsSource = spec.Source.OK() && spec.Source.Value == "none"; !found.KeepsSource {
		found.Source = r.identity(spec.Source, false)
	}
	if !spec.Destination.Written() && !spec.Source.Written() && !spec.mayHave("destination", "source") {
		r.errorf(spec.Place, "write destination: or source:", "says nothing about the translation")
	}
	return found
}

// anyAddress parses an address that need not be one of the lab's.
func (r *resolver) anyAddress(a At[string]) netip.Addr {
	addr, err := netip.ParseAddr(a.Value)
	if err != nil || addr.Zone() != "" {
		r.errorf(a.Place, "write it as 10.0.0.1 or fd00::1", "%s is not an address", quote(a.Value))
		return netip.Addr{}
	}
	return addr
}
