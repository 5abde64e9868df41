package dns

import (
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/miekg/dns"
)

// Sizes of replies over UDP, in bytes.
const (
	plainSize = 512  // where the client says nothing
	ourSize   = 1232 // what we say that we take: no packet of that size is fragmented
	largest   = 4096 // whatever the client says
)

// Handler answers questions about the names of a lab. It is safe for concurrent
// use.
type Handler struct {
	records    map[string][]dns.RR // by name in lower case
	exists     map[string]bool     // names that have records, or something below them
	namespaces map[string]bool
	turn       atomic.Uint32 // which of several addresses comes first
}

// New returns a Handler for names. Records that cannot be read are left out;
// [NamesOf] makes none.
func New(names Names) *Handler {
	h := &Handler{records: map[string][]dns.RR{}, exists: map[string]bool{}, namespaces: map[string]bool{}}
	for _, zone := range []string{"in-addr.arpa.", "ip6.arpa."} {
		h.add(zone + " 30 IN SOA " + soa(zone))
		h.add(zone + " 30 IN NS ns.dns." + Zone)
	}
	for _, r := range names.Records {
		h.add(r)
	}
	for _, ns := range names.Namespaces {
		h.namespaces[ns] = true
		h.found(ns + ".svc." + Zone)
		h.found(ns + ".pod." + Zone)
	}
	return h
}

func (h *Handler) add(record string) {
	rr, err := dns.NewRR(record)
	if err != nil || rr == nil {
		return
	}
	name := strings.ToLower(rr.Header().Name)
	h.records[name] = append(h.records[name], rr)
	h.found(name)
}

// found notes that a name exists, and all names above it.
func (h *Handler) found(name string) {
	for at := 0; name[at:] != "" && !h.exists[name[at:]]; {
		h.exists[name[at:]] = true
		next, end := dns.NextLabel(name, at)
		if end {
			return
		}
		at = next
	}
}

// zoneOf returns the zone that a name in lower case belongs to, or "".
func zoneOf(name string) string {
	for _, zone := range []string{Zone, "in-addr.arpa.", "ip6.arpa."} {
		if dns.IsSubDomain(zone, name) {
			return zone
		}
	}
	return ""
}

// Answer returns the reply to a request. One that came over UDP gets no more
// than it has room for: what is left out is announced, so that the client asks
// again over TCP.
func (h *Handler) Answer(req *dns.Msg, udp bool) *dns.Msg {
	m := new(dns.Msg)
	m.SetReply(req)
	m.Compress = true
	size := dns.MaxMsgSize
	opt := req.IsEdns0()
	if udp {
		size = plainSize
		if opt != nil {
			size = min(max(int(opt.UDPSize()), plainSize), largest)
		}
	}
	if opt != nil {
		m.SetEdns0(ourSize, opt.Do())
		if opt.Version() != 0 {
			m.SetRcode(req, dns.RcodeBadVers)
			return m
		}
	}
	switch {
	case req.Opcode != dns.OpcodeQuery:
		m.Rcode = dns.RcodeNotImplemented
	case len(req.Question) != 1:
		m.Rcode = dns.RcodeFormatError
	default:
		h.answer(m, req.Question[0])
	}
	m.Truncate(size)
	return m
}

// answer fills in a reply to q. The name in the answer is written as it was
// asked for, capitals included: some clients check that.
func (h *Handler) answer(m *dns.Msg, q dns.Question) {
	name := strings.ToLower(q.Name)
	zone := zoneOf(name)
	if zone == "" || q.Qclass != dns.ClassINET && q.Qclass != dns.ClassANY || q.Qtype == dns.TypeAXFR || q.Qtype == dns.TypeIXFR {
		m.Rcode = dns.RcodeRefused
		return
	}
	m.Authoritative = true
	records, exists := h.lookup(name)
	for _, rr := range records {
		if q.Qtype == dns.TypeANY || rr.Header().Rrtype == q.Qtype {
			rr = dns.Copy(rr)
			rr.Header().Name = q.Name
			m.Answer = append(m.Answer, rr)
			m.Extra = h.withAddresses(m.Extra, rr)
		}
	}
	switch {
	case len(m.Answer) > 0:
		h.rotate(m.Answer)
		return
	case !exists:
		m.Rcode = dns.RcodeNameError
	}
	for _, rr := range h.records[zone] {
		if rr.Header().Rrtype == dns.TypeSOA {
			m.Ns = append(m.Ns, dns.Copy(rr))
		}
	}
}

// lookup returns the records of a name in lower case, and whether it exists.
func (h *Handler) lookup(name string) (records []dns.RR, exists bool) {
	if records := h.records[name]; len(records) > 0 {
		return records, true
	}
	if a, ok := h.podAddress(name); ok {
		hdr := dns.RR_Header{Name: name, Class: dns.ClassINET, Ttl: ttl, Rrtype: dns.TypeAAAA}
		if a.Is4() {
			hdr.Rrtype = dns.TypeA
			return []dns.RR{&dns.A{Hdr: hdr, A: a.AsSlice()}}, true
		}
		return []dns.RR{&dns.AAAA{Hdr: hdr, AAAA: a.AsSlice()}}, true
	}
	return nil, h.exists[name]
}

// podAddress reads names such as 10-244-1-2.default.pod.cluster.local, which
// have the address that they say, whether or not there is such a pod.
func (h *Handler) podAddress(name string) (netip.Addr, bool) {
	rest, ok := strings.CutSuffix(name, ".pod."+Zone)
	text, namespace, both := strings.Cut(rest, ".")
	if !ok || !both || !h.namespaces[namespace] {
		return netip.Addr{}, false
	}
	separator := ":"
	if strings.Count(text, "-") == 3 && !strings.Contains(text, "--") {
		separator = "."
	}
	a, err := netip.ParseAddr(strings.ReplaceAll(text, "-", separator))
	return a, err == nil && !a.Is4In6()
}

// withAddresses adds to extra the addresses of what rr leads to.
func (h *Handler) withAddresses(extra []dns.RR, rr dns.RR) []dns.RR {
	target := ""
	switch rr := rr.(type) {
	case *dns.SRV:
		target = rr.Target
	case *dns.NS:
		target = rr.Ns
	}
	for _, a := range h.records[strings.ToLower(target)] {
		known := slices.ContainsFunc(extra, func(b dns.RR) bool { return dns.IsDuplicate(a, b) })
		if kind := a.Header().Rrtype; !known && (kind == dns.TypeA || kind == dns.TypeAAAA) {
			extra = append(extra, dns.Copy(a))
		}
	}
	return extra
}

// rotate moves the start of a list of addresses on by one for each question, so
// that clients that take the first one are spread.
func (h *Handler) rotate(answer []dns.RR) {
	for _, rr := range answer {
		if kind := rr.Header().Rrtype; kind != dns.TypeA && kind != dns.TypeAAAA {
			return
		}
	}
	if n := len(answer); n > 1 {
		by := int(h.turn.Add(1)-1) % n
		copy(answer, slices.Concat(answer[by:], answer[:by]))
	}
}
