package netfilter

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// state returns the state of the packet's connection.
func (p *Packet) state() string {
	if p.State == "" {
		return "NEW"
	}
	return p.State
}

// matches returns the chance that a packet matches a rule: 0 or 1 unless the
// rule draws lots.
func (w *Walker) matches(r *rule, p *Packet, dnat bool) (float64, error) {
	for _, o := range r.general {
		ok, err := p.matchesGeneral(o)
		if err != nil || !ok {
			return 0, err
		}
	}
	chance := 1.0
	for i := range r.matches {
		m := &r.matches[i]
		if m.name == "statistic" {
			o, _ := m.get("--probability")
			f, err := strconv.ParseFloat(o.arg(), 64)
			if err != nil {
				return 0, fmt.Errorf("match statistic cannot be judged")
			}
			if o.not {
				f = 1 - f
			}
			chance *= f
			continue
		}
		if m.name == "recent" {
			if !p.matchesRecent(m) {
				return 0, nil
			}
			continue
		}
		for _, o := range m.options {
			ok, err := w.matchesOption(m.name, o, p, dnat)
			if err != nil || ok == o.not {
				return 0, err
			}
		}
	}
	return chance, nil
}

// matchesGeneral judges what stands before the matches.
func (p *Packet) matchesGeneral(o option) (bool, error) {
	var ok bool
	switch o.name {
	case "-s", "-d":
		prefix, err := netip.ParsePrefix(o.arg())
		if err != nil {
			return false, err
		}
		addr := p.Src.Addr()
		if o.name == "-d" {
			addr = p.Dst.Addr()
		}
		ok = prefix.Contains(addr)
	case "-p":
		ok = p.Proto == o.arg()
	case "-i":
		ok = sameInterface(o.arg(), p.In)
	case "-o":
		ok = sameInterface(o.arg(), p.Out)
	case "-f":
		ok = false
	}
	return ok != o.not, nil
}

// sameInterface compares a name with a pattern that may end in +.
func sameInterface(pattern, name string) bool {
	if stem, wild := strings.CutSuffix(pattern, "+"); wild {
		return name != "" && strings.HasPrefix(name, stem)
	}
	return name == pattern
}

// matchesOption judges one option of a match, whether negated or not.
func (w *Walker) matchesOption(match string, o option, p *Packet, dnat bool) (bool, error) {
	switch o.name {
	case "--comment":
		return true, nil
	case "--sport", "--sports":
		return inPorts(o.arg(), p.Src.Port())
	case "--dport", "--dports":
		return inPorts(o.arg(), p.Dst.Port())
	case "--mark":
		v, mask, err := markMask(o.arg())
		return p.Mark&mask == v, err
	case "--src-type":
		return w.hasType(o.arg(), p.Src.Addr())
	case "--dst-type":
		return w.hasType(o.arg(), p.Dst.Addr())
	case "--ctstate", "--state":
		states := strings.Split(o.arg(), ",")
		return slices.Contains(states, p.state()) || dnat && slices.Contains(states, "DNAT"), nil
	}
	return false, fmt.Errorf("match %s %s cannot be judged", match, o.name)
}

// matchesRecent judges the recent match: setting always succeeds, the others
// ask whether the source is on the list.
func (p *Packet) matchesRecent(m *extension) bool {
	if m.has("--set") {
		return true
	}
	name, _ := m.get("--name")
	on := slices.Contains(p.Recent, name.arg())
	for _, how := range []string{"--rcheck", "--update", "--remove"} {
		if o, ok := m.get(how); ok && o.not {
			return !on
		}
	}
	return on
}

// hasType judges a type of address.
func (w *Walker) hasType(t string, a netip.Addr) (bool, error) {
	if t != "LOCAL" {
		return false, fmt.Errorf("address type %s cannot be judged", t)
	}
	return w.isLocal(a), nil
}

// inPorts looks a port up in a list of ports and ranges.
func inPorts(list string, port uint16) (bool, error) {
	for part := range strings.SplitSeq(list, ",") {
		low, high, isRange := strings.Cut(part, ":")
		if !isRange {
			high = low
		}
		l, err := strconv.ParseUint(low, 10, 16)
		if err != nil {
			return false, fmt.Errorf("port %q: %w", part, err)
		}
		h, err := strconv.ParseUint(high, 10, 16)
		if err != nil {
			return false, fmt.Errorf("port %q: %w", part, err)
		}
		if uint64(port) >= l && uint64(port) <= h {
			return true, nil
		}
	}
	return false, nil
}
