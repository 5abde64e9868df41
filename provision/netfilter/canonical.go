package netfilter

import (
	"fmt"
	"math"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// family is an address family.
type family bool

const (
	familyIPv4 family = false
	familyIPv6 family = true
)

// host is the mask of a single address.
func (f family) host() string {
	if f == familyIPv6 {
		return "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"
	}
	return "255.255.255.255"
}

// reject is how REJECT answers when nothing is said.
func (f family) reject() string {
	if f == familyIPv6 {
		return "icmp6-port-unreachable"
	}
	return "icmp-port-unreachable"
}

// canonicalise brings every part of r into the form that iptables-save
// prints.
func (r *rule) canonicalise(f family) error {
	general := r.general[:0]
	for _, o := range r.general {
		switch o.name {
		case "-s", "-d":
			o.args[0] = canonicalPrefix(o.arg())
		case "-p":
			o.args[0] = protocolName(o.arg())
		}
		if a := o.arg(); !o.not && (a == "0.0.0.0/0" || a == "::/0" || o.name == "-p" && (a == "all" || a == "0")) {
			continue // matches everything
		}
		general = append(general, o)
	}
	r.general = general
	sortAs(r.general, generalOrder())

	for i := range r.matches {
		if err := r.matches[i].canonicalise(f); err != nil {
			return err
		}
	}
	return r.target.canonicalise(f)
}

func (e *extension) canonicalise(f family) error {
	switch e.name {
	case "REJECT":
		e.orElse("--reject-with", f.reject())
	case "recent":
		e.orElse("--name", "DEFAULT")
		e.orElse("--mask", f.host())
		if !e.has("--rdest") {
			e.orElse("--rsource")
		}
	case "statistic":
		if e.has("--every") {
			e.orElse("--packet", "0")
		}
	}
	for i := range e.options {
		o, err := canonicalOption(e.name, e.options[i])
		if err != nil {
			return fmt.Errorf("%s %s: %w", e.name, o.name, err)
		}
		e.options[i] = o
	}
	if e.name == "CONNMARK" && (e.has("--restore-mark") || e.has("--save-mark")) {
		e.orElse("--nfmask", "0xffffffff")
		e.orElse("--ctmask", "0xffffffff")
	}
	sortAs(e.options, savedOrder(e.name))
	return nil
}

// orElse adds an option that is not there.
func (e *extension) orElse(name string, args ...string) {
	if !e.has(name) {
		e.options = append(e.options, option{name: name, args: args})
	}
}

// canonicalOption brings one option of an extension into its saved form.
func canonicalOption(extension string, o option) (option, error) {
	switch {
	case extension == "MARK" || extension == "CONNMARK":
		return canonicalMark(o)
	case o.name == "--mark" && len(o.args) == 1:
		v, mask, err := markMask(o.arg())
		o.args = []string{hexMark(v, mask)}
		return o, err
	case o.name == "--syn":
		o.name, o.args = "--tcp-flags", []string{"FIN,SYN,RST,ACK", "SYN"}
	case o.name == "--ctstate" || o.name == "--state":
		o.args = []string{orderStates(o.arg())}
	case o.name == "--probability":
		p, err := strconv.ParseFloat(o.arg(), 64)
		const one = 1 << 31 // the kernel counts in parts of 2^31
		o.args = []string{fmt.Sprintf("%.11f", math.Round(p*one)/one)}
		return o, err
	case o.name == "--ctorigsrc" || o.name == "--ctorigdst" || o.name == "--ctreplsrc" || o.name == "--ctrepldst":
		o.args = []string{trimHost(canonicalPrefix(o.arg()))}
	}
	return o, nil
}

// orderStates sorts the states of a connection as iptables-save does.
func orderStates(list string) string {
	order := []string{"INVALID", "NEW", "RELATED", "ESTABLISHED", "UNTRACKED", "SNAT", "DNAT"}
	states := strings.Split(strings.ToUpper(list), ",")
	slices.SortStableFunc(states, func(a, b string) int { return slices.Index(order, a) - slices.Index(order, b) })
	return strings.Join(slices.Compact(states), ",")
}

// canonicalMark turns every way of setting a mark into --set-xmark.
func canonicalMark(o option) (option, error) {
	if len(o.args) != 1 || !strings.HasSuffix(o.name, "mark") {
		return o, nil
	}
	v, mask, err := markMask(o.arg())
	switch o.name {
	case "--set-mark":
		mask |= v
	case "--or-mark":
		mask = v
	case "--xor-mark":
		mask = 0
	case "--and-mark":
		v, mask = 0, ^v
	case "--set-xmark":
	default:
		return o, err
	}
	o.name, o.args = "--set-xmark", []string{fmt.Sprintf("%#x/%#x", v, mask)}
	return o, err
}

// markMask reads VALUE[/MASK].
func markMask(s string) (v, mask uint32, err error) {
	value, m, masked := strings.Cut(s, "/")
	n, err := strconv.ParseUint(value, 0, 32)
	if err != nil {
		return 0, 0, err
	}
	v, mask = uint32(n), math.MaxUint32
	if masked {
		n, err = strconv.ParseUint(m, 0, 32)
		mask = uint32(n)
	}
	return v, mask, err
}

// hexMark writes a mark to compare with.
func hexMark(v, mask uint32) string {
	if mask == math.MaxUint32 {
		return fmt.Sprintf("%#x", v)
	}
	return fmt.Sprintf("%#x/%#x", v, mask)
}

// canonicalPrefix adds the length to an address and clears the host part.
// What it cannot read it leaves alone.
func canonicalPrefix(s string) string {
	addr, length, _ := strings.Cut(s, "/")
	a, err := netip.ParseAddr(addr)
	if err != nil {
		return s
	}
	bits := a.BitLen()
	if m, err := netip.ParseAddr(length); err == nil {
		ones, size := net.IPMask(m.AsSlice()).Size()
		if size == 0 {
			return s // not a prefix
		}
		bits = ones
	} else if n, err := strconv.Atoi(length); err == nil {
		bits = n
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return s
	}
	return p.String()
}

// trimHost takes the length off the prefix of a single address.
func trimHost(s string) string {
	if p, err := netip.ParsePrefix(s); err == nil && p.IsSingleIP() {
		return p.Addr().String()
	}
	return s
}
