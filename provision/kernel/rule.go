package kernel

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"netlab/provision"
)

// ruleEntry is what the kernel says about a rule, and how it said it.
type ruleEntry struct {
	rule provision.Rule // without NS
	raw  []byte
}

// allRules lists the rules of c's namespace, the kernel's own included.
func allRules(c *conn) ([]ruleEntry, error) {
	header := &nl.RtMsg{RtMsg: unix.RtMsg{Family: unix.AF_UNSPEC}}
	var raw copies
	return dump(c, unix.RTM_GETRULE, header, func(m []byte) (ruleEntry, bool) {
		r, ok := decodeRule(m)
		if !ok {
			return ruleEntry{}, false
		}
		return ruleEntry{r, raw.of(m)}, true
	})
}

// kernelRules are the rules that a fresh namespace has.
func kernelRules() []provision.Rule {
	return []provision.Rule{
		{Priority: 0, Table: unix.RT_TABLE_LOCAL},
		{Priority: 32766, Table: unix.RT_TABLE_MAIN},
		{Priority: 32767, Table: unix.RT_TABLE_DEFAULT},
		{Priority: 0, Table: unix.RT_TABLE_LOCAL, IPv6: true},
		{Priority: 32766, Table: unix.RT_TABLE_MAIN, IPv6: true},
	}
}

// missingRules returns the rules that the kernel made and somebody deleted. A
// kernel without IPv6 misses none of IPv6.
func missingRules(entries []ruleEntry) []provision.Rule {
	missing := kernelRules()
	for _, e := range entries {
		missing = slices.DeleteFunc(missing, func(r provision.Rule) bool { return r == e.rule })
	}
	if !hasIPv6() {
		missing = slices.DeleteFunc(missing, func(r provision.Rule) bool { return r.IPv6 })
	}
	return missing
}

// describeRules returns "default" or which of the kernel's rules are missing.
func describeRules(missing []provision.Rule) string {
	if len(missing) == 0 {
		return "default"
	}
	names := map[int]string{unix.RT_TABLE_LOCAL: "local", unix.RT_TABLE_MAIN: "main", unix.RT_TABLE_DEFAULT: "default"}
	var words []string
	for _, r := range missing {
		word := "lookup " + names[r.Table]
		if r.IPv6 {
			word += " (v6)"
		}
		words = append(words, word)
	}
	return "without " + strings.Join(words, ", ")
}

// addedRules returns the rules that are not the kernel's.
func addedRules(ns string, entries []ruleEntry) []provision.Rule {
	var added []provision.Rule
	for _, e := range entries {
		if slices.Contains(kernelRules(), e.rule) {
			continue
		}
		r := e.rule
		r.NS = ns
		added = append(added, r)
	}
	return added
}

// What nl does not name.
const (
	ruleInvert = 0x2 // FIB_RULE_INVERT
	fraDSCP    = 25  // FRA_DSCP, since Linux 6.13
)

func decodeRule(m []byte) (provision.Rule, bool) {
	if len(m) < unix.SizeofRtMsg || (m[0] != unix.AF_INET && m[0] != unix.AF_INET6) {
		return provision.Rule{}, false
	}
	r := provision.Rule{IPv6: m[0] == unix.AF_INET6, Table: int(m[4])}
	srcBits, dstBits, tos, action, flags := int(m[2]), int(m[1]), m[3], m[7], u32(m[8:])
	var other []string
	say := func(format string, args ...any) { other = append(other, fmt.Sprintf(format, args...)) }
	if flags&ruleInvert != 0 {
		say("not")
	}
	if tos != 0 {
		say("tos %#x", tos)
	}
	var mark, mask uint32
	var target string
	for kind, v := range attributes(m[unix.SizeofRtMsg:]) {
		switch kind {
		case nl.FRA_SRC:
			r.From = prefixOf(v, srcBits)
		case nl.FRA_DST:
			r.To = prefixOf(v, dstBits)
		case nl.FRA_PRIORITY:
			r.Priority = int(u32(v))
		case nl.FRA_TABLE:
			r.Table = int(u32(v))
		case nl.FRA_IIFNAME:
			r.Iif = text(v)
		case nl.FRA_OIFNAME:
			say("oif %s", text(v))
		case nl.FRA_FWMARK:
			mark = u32(v)
		case nl.FRA_FWMASK:
			mask = u32(v)
		case nl.FRA_IP_PROTO:
			say("ipproto %d", v[0])
		case nl.FRA_SPORT_RANGE:
			say("sport %s", ports(v))
		case nl.FRA_DPORT_RANGE:
			say("dport %s", ports(v))
		case nl.FRA_UID_RANGE:
			say("uidrange %d-%d", u32(v), u32(v[min(4, len(v)):]))
		case nl.FRA_SUPPRESS_PREFIXLEN:
			if n := int32(u32(v)); n >= 0 {
				say("suppress_prefixlength %d", n)
			}
		case nl.FRA_SUPPRESS_IFGROUP:
			if n := int32(u32(v)); n >= 0 {
				say("suppress_ifgroup %d", n)
			}
		case nl.FRA_L3MDEV:
			if len(v) > 0 && v[0] != 0 {
				say("l3mdev")
			}
		case nl.FRA_TUN_ID:
			say("tun_id %d", binary.BigEndian.Uint64(v))
		case nl.FRA_FLOW:
			say("realms %d", u32(v))
		case fraDSCP:
			say("dscp %d", v[0])
		case nl.FRA_GOTO:
			target = strconv.Itoa(int(u32(v)))
		}
	}
	if mark != 0 || mask != 0 {
		if mask == ^uint32(0) {
			say("fwmark %#x", mark)
		} else {
			say("fwmark %#x/%#x", mark, mask)
		}
	}
	switch action {
	case nl.FR_ACT_TO_TBL:
	case nl.FR_ACT_GOTO:
		say("goto %s", target)
	case nl.FR_ACT_NOP:
		say("nop")
	case nl.FR_ACT_BLACKHOLE:
		say("blackhole")
	case nl.FR_ACT_UNREACHABLE:
		say("unreachable")
	case nl.FR_ACT_PROHIBIT:
		say("prohibit")
	default:
		say("action %d", action)
	}
	r.Other = strings.Join(other, " ")
	return r, true
}

func prefixOf(v []byte, bits int) netip.Prefix {
	a, _ := netip.AddrFromSlice(v)
	return netip.PrefixFrom(a, bits)
}

func ports(v []byte) string {
	if len(v) < 4 {
		return "?"
	}
	from, to := binary.NativeEndian.Uint16(v), binary.NativeEndian.Uint16(v[2:])
	if from == to {
		return strconv.Itoa(int(from))
	}
	return fmt.Sprintf("%d-%d", from, to)
}

func doRule(sp *space, op provision.Op, r provision.Rule) error {
	if op != provision.Delete {
		return sp.addRule(r, unix.RTPROT_STATIC)
	}
	entries, err := allRules(sp.conn)
	if err != nil {
		return err
	}
	for _, e := range entries {
		found := e.rule
		found.NS = r.NS
		if found != r {
			continue
		}
		if err := goneIs(unix.ENOENT, sp.conn.do(repeated(unix.RTM_DELRULE, e.raw), nil)); err != nil {
			return err
		}
	}
	return nil
}

// addRule adds a rule that looks a table up. One that is there is left alone.
// maker says who is to have made it.
func (sp *space) addRule(r provision.Rule, maker byte) error {
	if r.Other != "" {
		return fmt.Errorf("%q is nothing that a lab can ask for", r.Other)
	}
	h := &nl.RtMsg{RtMsg: unix.RtMsg{Family: unix.AF_INET, Type: nl.FR_ACT_TO_TBL}}
	if r.IPv6 {
		h.Family = unix.AF_INET6
	}
	req := request(unix.RTM_NEWRULE, unix.NLM_F_CREATE|unix.NLM_F_EXCL, h,
		nl.NewRtAttr(nl.FRA_PRIORITY, nl.Uint32Attr(uint32(r.Priority))),
		nl.NewRtAttr(nl.FRA_TABLE, nl.Uint32Attr(uint32(r.Table))),
		nl.NewRtAttr(nl.FRA_PROTOCOL, []byte{maker}))
	if r.From.IsValid() {
		h.Src_len = uint8(r.From.Bits())
		req.AddData(nl.NewRtAttr(nl.FRA_SRC, r.From.Addr().AsSlice()))
	}
	if r.To.IsValid() {
		h.Dst_len = uint8(r.To.Bits())
		req.AddData(nl.NewRtAttr(nl.FRA_DST, r.To.Addr().AsSlice()))
	}
	if r.Iif != "" {
		req.AddData(nl.NewRtAttr(nl.FRA_IIFNAME, nl.ZeroTerminated(r.Iif)))
	}
	if err := sp.conn.do(req, nil); !errors.Is(err, unix.EEXIST) {
		return err
	}
	return nil
}
