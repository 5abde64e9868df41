package trace

import (
	"net/netip"
	"strings"
)

// object is a JSON object with the keys that a kind of fact has.
type object map[string]any

// factOf returns the JSON form of a fact. Empty values are left out.
func factOf(f Fact) jsonFact {
	kind, data := "", object{}
	switch f := f.(type) {
	case Routed:
		kind = "route"
		data = object{
			"destination": addrText(f.Dst), "local": f.Answer.Local, "error": f.Answer.Err, "via": addrText(f.Answer.Via), "dev": f.Answer.Dev,
			"src": addrText(f.Answer.Src), "nextHop": addrText(f.NextHop), "table": f.Answer.Route.Table, "route": routeText(f.Answer), "masks": masksOf(f.Masks),
		}
	case Resolved:
		kind = "neighbour"
		data = object{"address": addrText(f.IP), "dev": f.Dev, "mac": macText(f.MAC), "state": f.State, "asked": f.Asked, "answered": f.Heard}
	case Bridged:
		kind = "bridge"
		data = object{"bridge": f.Bridge, "mac": f.MAC.String(), "port": f.Port, "known": f.Known}
	case Filtered:
		kind = "netfilter"
		data = object{"rules": stepsView(f.Steps), "paper": f.Paper}
	case Translated:
		kind = "nat"
		what := "destination"
		if f.Source {
			what = "source"
		}
		data = object{"what": what, "from": endText(f.From), "to": endText(f.To), "by": f.By}
	case Connected:
		kind = "conntrack"
		t := f.Tracked
		data = object{"protocol": t.Proto, "original": tupleOf(t.Orig), "reply": tupleOf(t.Reply), "state": t.TCPState, "status": t.Status, "mark": t.Mark}
	case Encapsulated:
		kind = "encapsulation"
		data = object{"dev": f.Dev, "vni": f.VNI, "mac": f.MAC.String(), "vtep": addrText(f.VTEP)}
	case Decapsulated:
		kind = "decapsulation"
		data = object{"dev": f.Dev, "vni": f.VNI, "from": addrText(f.From)}
	}
	for k, v := range data {
		if v == "" || v == false || v == 0 || v == uint32(0) {
			delete(data, k)
		}
	}
	var lines []string
	for _, l := range describe(f) {
		lines = append(lines, l.text)
	}
	return jsonFact{kind, strings.Join(lines, "\n"), data}
}

func routeText(a Answer) string {
	if a.Err != "" && !a.Route.To.IsValid() {
		return ""
	}
	return a.Route.text()
}

func tupleOf(ends [2]netip.AddrPort) object {
	return object{"src": endText(ends[0]), "dst": endText(ends[1])}
}

func masksOf(masks []Mask) []object {
	list := []object{}
	for _, m := range masks {
		list = append(list, object{"prefix": m.To.String(), "dev": m.Dev, "via": addrText(m.Via), "and": m.And.String(), "match": m.Match})
	}
	return list
}

func stepsView(steps []FilterStep) []object {
	list := []object{}
	for _, s := range steps {
		o := object{"family": s.Family, "table": s.Table, "chain": s.Chain, "verdict": s.Verdict}
		if s.Number > 0 {
			o["rule"] = s.Number
		}
		if s.Rule != "" {
			o["text"] = s.Rule
		}
		if s.Target != "" {
			o["target"] = s.Target
		}
		list = append(list, o)
	}
	return list
}
