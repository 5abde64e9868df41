package probe

import (
	"net/netip"
	"testing"

	"netlab/labs"
	"netlab/verify"
)

// TestApart: others may be listened for before a refusal is in only where no
// listener can answer in its place.
func TestApart(t *testing.T) {
	pod := &verify.End{Name: "default/web", Kind: labs.RefPod, NS: "lab.web", Addrs: []netip.Addr{netip.MustParseAddr("10.0.0.2")}}
	service := &verify.End{Name: "svc default/web:80", Kind: labs.RefService, Addrs: []netip.Addr{netip.MustParseAddr("10.96.0.1")}}
	at := func(kind verify.Kind, to *verify.End, addr string, port uint16) verify.Check {
		return verify.Check{Kind: kind, From: pod, To: to, Addr: netip.MustParseAddr(addr), Port: port, Want: labs.Refused}
	}
	listens := at(verify.TCP, pod, "10.0.0.2", 8080)
	listens.Want, listens.More = labs.Reachable, &verify.More{Listen: []verify.Server{{On: pod, At: netip.MustParseAddrPort("10.0.0.2:8080")}}}
	for _, tc := range []struct {
		name  string
		check verify.Check
		want  bool
	}{
		{"another port", at(verify.TCP, pod, "10.0.0.2", 9090), true},
		{"another port of UDP", at(verify.UDP, pod, "10.0.0.2", 9090), true},
		{"the port of a listener", at(verify.TCP, pod, "10.0.0.2", 8080), false},
		{"a port that the kernel may choose", at(verify.TCP, pod, "10.0.0.2", 40000), false},
		{"any port", at(verify.TCP, pod, "10.0.0.2", 0), false},
		{"a service, behind which may be a listener", at(verify.TCP, service, "10.96.0.1", 9090), false},
		{"an address that is not the pod's", at(verify.TCP, pod, "10.0.0.3", 9090), false},
		{"a ping", at(verify.ICMP, pod, "10.0.0.2", 9090), false},
		{"nobody", at(verify.TCP, nil, "10.0.0.2", 9090), false},
	} {
		r := &run{checks: []verify.Check{listens, tc.check}}
		if got := r.apart([]int{1}); got != tc.want {
			t.Errorf("%s: apart is %v, want %v", tc.name, got, tc.want)
		}
	}
}
