package dns_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	mdns "github.com/miekg/dns"

	"netlab/labs"
	"netlab/provision/dns"
)

const file = `name: names
dns: true
subnets:
  - {name: pods, cidr: [10.244.0.0/16, "fd00:244::/48"]}
  - {name: services, cidr: [10.96.0.0/16, "fd00:96::/112"]}
nodes: [{name: node-a}, {name: node-b}]
pods:
  - {name: client, node: node-a, ip: 10.244.1.9}
  - name: web-0
    node: node-a
    ip: [10.244.1.2, "fd00:244:0:1::2"]
    labels: {app: web}
    containers: [{name: c, serve: {http: 8080}, ports: [{name: http, containerPort: 8080}]}]
  - name: web-1
    node: node-b
    ip: [10.244.2.2, "fd00:244:0:2::2"]
    labels: {app: web}
    containers: [{name: c, serve: {http: 8081}, ports: [{name: http, containerPort: 8081}]}]
  - {name: web-2, node: node-b, ip: 10.244.2.3, labels: {app: web}, ready: false}
  - {name: cart, namespace: shop, node: node-a, ip: 10.244.1.3, labels: {app: cart}}
services:
  - {name: web, clusterIP: 10.96.0.80, selector: {app: web}, ports: [{name: http, port: 80, targetPort: http}]}
  - {name: set, clusterIP: None, selector: {app: web}, ports: [{name: http, port: 80, targetPort: http}]}
  - {name: bare, clusterIP: None, selector: {app: web}}
  - {name: nobody, clusterIP: None, selector: {app: none}, ports: [{port: 80}]}
  - {name: idle, clusterIP: 10.96.0.81, ports: [{port: 80}]}
  - {name: cart, namespace: shop, clusterIP: 10.96.0.82, selector: {app: cart}, ports: [{name: a, port: 53}, {name: b, port: 53, protocol: UDP}]}
  - {name: outside, clusterIP: None, endpoints: [{ip: 192.0.2.7}, {ip: "fd00::7"}], ports: [{port: 5432}]}
`

func handler(t *testing.T) *dns.Handler {
	t.Helper()
	lab, diagnostics := labs.Load("names.yaml", []byte(file))
	if lab == nil {
		t.Fatal(diagnostics)
	}
	names, err := dns.Parse([]byte(dns.NamesOf(lab).String()))
	if err != nil {
		t.Fatal(err)
	}
	return dns.New(names)
}

func question(name, kind string) *mdns.Msg {
	m := new(mdns.Msg)
	m.SetQuestion(name, mdns.StringToType[kind])
	return m
}

// short writes records without TTL and class, sorted.
func short(records []mdns.RR) string {
	var lines []string
	for _, rr := range records {
		if _, opt := rr.(*mdns.OPT); !opt {
			h := rr.Header()
			lines = append(lines, fmt.Sprintf("%s %s%s", h.Name, mdns.TypeToString[h.Rrtype], strings.TrimPrefix(rr.String(), h.String())))
		}
	}
	slices.Sort(lines)
	return strings.ReplaceAll(strings.Join(lines, "\n"), "\t", " ")
}

const (
	noSuchName = "NXDOMAIN"
	noData     = "NODATA"
	refused    = "REFUSED"
)

// TestAnswer goes through the specification of Kubernetes' DNS (kubernetes/dns,
// docs/specification.md), section by section.
func TestAnswer(t *testing.T) {
	h := handler(t)
	const zone = ".svc.cluster.local."
	for _, tt := range []struct{ name, question, want string }{
		{"2.2 schema version", "dns-version.cluster.local. TXT", `dns-version.cluster.local. TXT"1.1.0"`},

		{"2.3.1 cluster address", "web.default" + zone + " A", "web.default" + zone + " A10.96.0.80"},
		{"2.3.1 IPv6", "web.default" + zone + " AAAA", "web.default" + zone + " AAAAfd00:96::b"},
		{"2.3.1 another namespace", "cart.shop" + zone + " A", "cart.shop" + zone + " A10.96.0.82"},
		{"2.3.1 without endpoints", "idle.default" + zone + " A", "idle.default" + zone + " A10.96.0.81"},
		{"2.3.2 named port", "_http._tcp.web.default" + zone + " SRV", "_http._tcp.web.default" + zone + " SRV0 100 80 web.default" + zone},
		{"2.3.2 one number, two protocols", "_b._udp.cart.shop" + zone + " SRV", "_b._udp.cart.shop" + zone + " SRV0 100 53 cart.shop" + zone},
		{"2.3.2 the other protocol", "_b._tcp.cart.shop" + zone + " SRV", noSuchName},
		{"2.3.2 unnamed port", "_80._tcp.idle.default" + zone + " SRV", noSuchName},
		{"2.3.2 all ports", "idle.default" + zone + " SRV", "idle.default" + zone + " SRV0 100 80 idle.default" + zone},
		{"2.3.3 reverse", "80.0.96.10.in-addr.arpa. PTR", "80.0.96.10.in-addr.arpa. PTRweb.default" + zone},
		{"2.3.3 reverse IPv6", "b.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.6.9.0.0.0.0.d.f.ip6.arpa. PTR", "b.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.6.9.0.0.0.0.d.f.ip6.arpa. PTRweb.default" + zone},
		{"2.3.3 reverse IPv6 of nobody", "f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.6.9.0.0.0.0.d.f.ip6.arpa. PTR", noSuchName},

		{"2.4.1 headless, all ready", "set.default" + zone + " A", "set.default" + zone + " A10.244.1.2\nset.default" + zone + " A10.244.2.2"},
		{"2.4.1 headless IPv6", "set.default" + zone + " AAAA", "set.default" + zone + " AAAAfd00:244:0:1::2\nset.default" + zone + " AAAAfd00:244:0:2::2"},
		{"2.4.1 without ports", "bare.default" + zone + " A", "bare.default" + zone + " A10.244.1.2\nbare.default" + zone + " A10.244.2.2"},
		{"2.4.1 nobody ready", "nobody.default" + zone + " A", noSuchName},
		{"2.4.1 endpoints written out", "outside.default" + zone + " A", "outside.default" + zone + " A192.0.2.7"},
		{"2.4.1 hostname", "web-1.set.default" + zone + " A", "web-1.set.default" + zone + " A10.244.2.2"},
		{"2.4.1 hostname IPv6", "web-1.set.default" + zone + " AAAA", "web-1.set.default" + zone + " AAAAfd00:244:0:2::2"},
		{"2.4.1 hostname of who is not ready", "web-2.set.default" + zone + " A", noSuchName},
		{"2.4.1 hostname without pod", "192-0-2-7.outside.default" + zone + " A", "192-0-2-7.outside.default" + zone + " A192.0.2.7"},
		{
			"2.4.2 headless SRV, with the port of each", "_http._tcp.set.default" + zone + " SRV",
			"_http._tcp.set.default" + zone + " SRV0 50 8080 web-0.set.default" + zone + "\n_http._tcp.set.default" + zone + " SRV0 50 8081 web-1.set.default" + zone,
		},
		{
			"2.4.3 reverse of an endpoint", "2.2.244.10.in-addr.arpa. PTR",
			"2.2.244.10.in-addr.arpa. PTR10-244-2-2.web.default" + zone + "\n2.2.244.10.in-addr.arpa. PTRweb-1.bare.default" + zone + "\n2.2.244.10.in-addr.arpa. PTRweb-1.set.default" + zone,
		},
		{"reverse of a pod without service", "9.1.244.10.in-addr.arpa. PTR", "9.1.244.10.in-addr.arpa. PTR10-244-1-9.default.pod.cluster.local."},
		{"reverse of a pod that is not ready", "3.2.244.10.in-addr.arpa. PTR", "3.2.244.10.in-addr.arpa. PTR10-244-2-3.default.pod.cluster.local."},
		{"reverse of nobody", "1.2.0.192.in-addr.arpa. PTR", noSuchName},
		{"above reverse names", "10.in-addr.arpa. PTR", noData},

		{"2.6 pod", "10-244-1-2.default.pod.cluster.local. A", "10-244-1-2.default.pod.cluster.local. A10.244.1.2"},
		{"2.6 any address", "192-0-2-1.shop.pod.cluster.local. A", "192-0-2-1.shop.pod.cluster.local. A192.0.2.1"},
		{"2.6 IPv6", "fd00-244-0-1--2.default.pod.cluster.local. AAAA", "fd00-244-0-1--2.default.pod.cluster.local. AAAAfd00:244:0:1::2"},
		{"2.6 wrong family", "10-244-1-2.default.pod.cluster.local. AAAA", noData},
		{"2.6 no namespace", "10-244-1-2.nowhere.pod.cluster.local. A", noSuchName},
		{"2.6 no address", "10-244-1-256.default.pod.cluster.local. A", noSuchName},
		{"2.6 below", "x.10-244-1-2.default.pod.cluster.local. A", noSuchName},

		{"case", "WeB.DeFault.SVC.Cluster.LOCAL. A", "WeB.DeFault.SVC.Cluster.LOCAL. A10.96.0.80"},
		{"other type", "web.default" + zone + " MX", noData},
		{"no such service", "wab.default" + zone + " A", noSuchName},
		{"no such namespace", "web.nowhere" + zone + " A", noSuchName},
		{"a namespace", "shop" + zone + " A", noData},
		{"all services", "svc.cluster.local. A", noData},
		{"the zone", "cluster.local. A", noData},
		{"the zone's server", "cluster.local. NS", "cluster.local. NSns.dns.cluster.local."},
		{"the server", "ns.dns.cluster.local. A", "ns.dns.cluster.local. A10.96.0.10"},
		{"a name with search list", "example.com.default" + zone + " A", noSuchName},
		{"outside", "example.com. A", refused},
		{"short", "web. A", refused},
		{"root", ". NS", refused},
		{"all of the zone", "cluster.local. AXFR", refused},
	} {
		t.Run(tt.name, func(t *testing.T) {
			name, kind, _ := strings.Cut(tt.question, " ")
			m := h.Answer(question(name, kind), true)
			if _, err := m.Pack(); err != nil {
				t.Fatal(err)
			}
			got := short(m.Answer)
			switch {
			case m.Rcode != mdns.RcodeSuccess:
				got = mdns.RcodeToString[m.Rcode]
			case got == "":
				got = noData
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tt.question, diff)
			}
			if negative := got == noSuchName || got == noData; negative != (len(m.Ns) == 1 && m.Ns[0].Header().Rrtype == mdns.TypeSOA) {
				t.Errorf("%s: authority is %v", tt.question, m.Ns)
			}
			if m.Authoritative == (got == refused) || m.RecursionAvailable || m.Question[0].Name != name {
				t.Errorf("%s: the header is %v", tt.question, m.MsgHdr)
			}
		})
	}
}

// TestAdditional wants the addresses of what an answer leads to.
func TestAdditional(t *testing.T) {
	m := handler(t).Answer(question("_http._tcp.set.default.svc.cluster.local.", "SRV"), false)
	want := `web-0.set.default.svc.cluster.local. A10.244.1.2
web-0.set.default.svc.cluster.local. AAAAfd00:244:0:1::2
web-1.set.default.svc.cluster.local. A10.244.2.2
web-1.set.default.svc.cluster.local. AAAAfd00:244:0:2::2`
	if diff := cmp.Diff(want, short(m.Extra)); diff != "" {
		t.Errorf("additional (-want +got):\n%s", diff)
	}
}

// TestSize makes a service with many endpoints and looks at what comes back
// over UDP.
func TestSize(t *testing.T) {
	var names dns.Names
	for i := range 250 {
		names.Records = append(names.Records, fmt.Sprintf("many.default.svc.cluster.local. 30 IN A 10.0.0.%d", i))
	}
	h := dns.New(names)
	for _, tt := range []struct {
		name      string
		udp       bool
		edns      int // 0: none
		largest   int
		truncated bool
	}{
		{"plain", true, 0, 512, true},
		{"small", true, 100, 512, true},
		{"larger", true, 1400, 1400, true},
		{"enough", true, 4096, 4096, false},
		{"huge", true, 65535, 4096, false},
		{"TCP", false, 0, mdns.MaxMsgSize, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			q := question("many.default.svc.cluster.local.", "A")
			if tt.edns > 0 {
				q.SetEdns0(uint16(tt.edns), false)
			}
			m := h.Answer(q, tt.udp)
			text, err := m.Pack()
			if err != nil || len(text) > tt.largest || m.Truncated != tt.truncated || (tt.edns > 0) != (m.IsEdns0() != nil) {
				t.Errorf("%d bytes, truncated %t, EDNS %v, %v", len(text), m.Truncated, m.IsEdns0(), err)
			}
			if tt.truncated && len(text) < tt.largest-100 {
				t.Errorf("%d bytes are few", len(text))
			}
		})
	}
}

// TestOddQuestions asks what no resolver asks.
func TestOddQuestions(t *testing.T) {
	h := handler(t)
	version := question("web.default.svc.cluster.local.", "A")
	version.SetEdns0(1232, false)
	version.IsEdns0().SetVersion(1)
	chaos := question("version.bind.", "TXT")
	chaos.Question[0].Qclass = mdns.ClassCHAOS
	update := new(mdns.Msg).SetUpdate(dns.Zone)
	two := question("web.default.svc.cluster.local.", "A")
	two.Question = append(two.Question, two.Question[0])
	for _, tt := range []struct {
		name string
		req  *mdns.Msg
		want int
	}{
		{"EDNS version", version, mdns.RcodeBadVers},
		{"class", chaos, mdns.RcodeRefused},
		{"update", update, mdns.RcodeNotImplemented},
		{"two questions", two, mdns.RcodeFormatError},
		{"none", new(mdns.Msg), mdns.RcodeFormatError},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := h.Answer(tt.req, true)
			if _, err := m.Pack(); err != nil || m.Rcode != tt.want || !m.Response || m.Id != tt.req.Id {
				t.Errorf("rcode %s, %v", mdns.RcodeToString[m.Rcode], err)
			}
		})
	}
}

// TestTurns wants every address of a name to be the first at some time.
func TestTurns(t *testing.T) {
	h := handler(t)
	first := map[string]bool{}
	for range 4 {
		first[h.Answer(question("set.default.svc.cluster.local.", "A"), true).Answer[0].String()] = true
	}
	if len(first) != 2 {
		t.Errorf("these come first: %v", first)
	}
}

func TestParse(t *testing.T) {
	for _, text := range []string{"", "{", `{"records": 1}`} {
		if _, err := dns.Parse([]byte(text)); err == nil {
			t.Errorf("%q can be read", text)
		}
	}
	// What cannot be read of a file that somebody wrote is left out.
	h := dns.New(dns.Names{Records: []string{"nonsense", "", "a.svc.cluster.local. 30 IN A 1.2.3"}})
	if m := h.Answer(question("a.svc.cluster.local.", "A"), true); m.Rcode != mdns.RcodeNameError {
		t.Errorf("answer is %v", m)
	}
}

// FuzzAnswer sends requests of any kind.
func FuzzAnswer(f *testing.F) {
	lab, _ := labs.Load("names.yaml", []byte(file))
	h := dns.New(dns.NamesOf(lab))
	for _, q := range []string{"web.default.svc.cluster.local.", "10-244-1-2.default.pod.cluster.local.", "80.0.96.10.in-addr.arpa.", "."} {
		text, _ := question(q, "ANY").Pack()
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		req := new(mdns.Msg)
		if req.Unpack(text) != nil {
			return
		}
		for _, udp := range []bool{true, false} {
			if m := h.Answer(req, udp); m == nil || !m.Response {
				t.Errorf("no response to %v", req)
			}
		}
	})
}
