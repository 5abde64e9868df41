package netfilter_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"netlab/provision/netfilter"
)

func TestPieces(t *testing.T) {
	script := "*nat\n:A - [0:0]\n:B - [0:0]\n:C - [0:0]\n-A A -j B\n-A B -j C\n-A C -j RETURN\nCOMMIT\n*filter\n:D - [0:0]\nCOMMIT\n"
	var got []string
	for _, p := range netfilter.Pieces([]byte(script), 2) {
		got = append(got, string(p))
	}
	want := []string{
		"*nat\n:A - [0:0]\n:B - [0:0]\n:C - [0:0]\nCOMMIT\n",
		"*nat\n-A A -j B\n-A B -j C\nCOMMIT\n",
		"*nat\n-A C -j RETURN\nCOMMIT\n",
		"*filter\n:D - [0:0]\nCOMMIT\n",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("pieces (-want +got):\n%s", diff)
	}
	if whole := netfilter.Pieces([]byte(script), 100); strings.Join([]string{string(whole[0]), string(whole[1])}, "") != script {
		t.Errorf("a script that fits is changed: %q", whole)
	}
}
