package netfilter_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"netlab/provision/netfilter"
)

func TestParseRule(t *testing.T) {
	const line = `-A KUBE-SEP-X ! -s 10.244.2.2/32 -p tcp -m comment --comment "default/web:http it's" -m tcp --dport 80 -j DNAT --to-destination 10.244.2.2:8080`
	got, err := netfilter.ParseRule(line)
	if err != nil {
		t.Fatal(err)
	}
	want := netfilter.Rule{
		Chain: "KUBE-SEP-X", Comment: "default/web:http it's", Target: "DNAT",
		Match: []netfilter.Option{{Not: true, Name: "-s", Args: []string{"10.244.2.2/32"}}, {Name: "-p", Args: []string{"tcp"}}, {Module: "tcp", Name: "--dport", Args: []string{"80"}}},
		With:  []netfilter.Option{{Module: "DNAT", Name: "--to-destination", Args: []string{"10.244.2.2:8080"}}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if s := got.Match[0].String(); s != "! -s 10.244.2.2/32" {
		t.Errorf("option: %s", s)
	}
	for _, wrong := range []string{"", "KUBE-X -j ACCEPT", "-A X ACCEPT", `-A X -m comment --comment "open`} {
		if _, err := netfilter.ParseRule(wrong); err == nil {
			t.Errorf("%q is taken for a rule", wrong)
		}
	}
}

func TestTablesAndChains(t *testing.T) {
	text := netfilter.Text("*nat\n:KUBE-B -\n:KUBE-A -\n-A KUBE-A -j KUBE-B\n-A OUTPUT -j KUBE-A\n-A PREROUTING -j KUBE-A\nCOMMIT\n*filter\n:KUBE-C -\nCOMMIT\n")
	if diff := cmp.Diff([]string{"nat", "filter"}, text.Tables()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"PREROUTING", "OUTPUT", "KUBE-A", "KUBE-B"}, text.AllChains("nat")); diff != "" {
		t.Error(diff)
	}
}
