package kubeproxy_test

import (
	"net/netip"
	"testing"

	"netlab/provision/kubeproxy"
)

func TestChainNames(t *testing.T) {
	named := func(ns, name, port string) *kubeproxy.ServicePort {
		return &kubeproxy.ServicePort{Namespace: ns, Service: name, Name: port, Protocol: "tcp"}
	}
	for got, want := range map[string]string{
		named("ns1", "svc1", "p80").SVC():                                         "KUBE-SVC-XPGD46QRK7WJZT7O",
		named("ns1", "svc1", "p80").SVL():                                         "KUBE-SVL-XPGD46QRK7WJZT7O",
		named("ns1", "svc1", "p80").EXT():                                         "KUBE-EXT-XPGD46QRK7WJZT7O",
		named("ns1", "svc1", "").SVC():                                            "KUBE-SVC-AQI2S6QIMU7PVVRP",
		named("ns5", "svc5", "p80").FW():                                          "KUBE-FW-NUKIZ6OKUXPJNT4C",
		named("ns1", "svc1", "p80").SEP(netip.MustParseAddrPort("10.180.0.1:80")): "KUBE-SEP-SXIVWICOYRO3J4NJ",
		named("ns4", "svc4", "p80").SEP(netip.MustParseAddrPort("10.180.0.4:80")): "KUBE-SEP-UKSFD7AGPMPPLUHC",
		named("ns1", "svc1", "p80").SEP(netip.MustParseAddrPort("[ff06::c1]:80")): "KUBE-SEP-LIGRYQQLSZN4UWQ5",
	} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		if len(got) > 28 {
			t.Errorf("%s is longer than iptables takes", got)
		}
	}
}
