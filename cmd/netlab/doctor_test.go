package main

import (
	"strings"
	"testing"
)

// TestPrivilegedEarly wants up to say what a host lacks before it touches
// anything, in doctor's words.
func TestPrivilegedEarly(t *testing.T) {
	const lab = `cat >/run/lab.yaml <<'END'
name: early
nodes: [{name: a}, {name: b}]
pods: [{name: p, node: a}]
services: [{name: s, ports: [{port: 80}]}]
END
`
	for _, tt := range []struct{ name, script, says string }{
		{"no iptables", `for d in $(echo $PATH | tr : ' ') /usr/sbin /sbin; do for f in $d/ip*tables-*save $d/ip*tables-*restore; do [ ! -f $f ] || mount --bind /dev/null $f; done; done
netlab up /run/lab.yaml; echo "exit code $?"`,
			"lab early: this host lacks iptables: there is no program iptables-restore\n    hint: install it with \"apt-get install iptables\""},
		{"few namespaces", `unshare --user --map-root-user --net --mount sh -c 'echo 8 >/proc/sys/user/max_net_namespaces; netlab up /run/lab.yaml; echo "exit code $?"'`,
			"lab early: network namespaces: limit 8, 8 in use, the lab needs up to 4\n    hint: raise it with \"sysctl -w user.max_net_namespaces=24\""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			out := aside(t, lab+tt.script+`
ls -A /run/netns /run/netlab 2>/dev/null`)
			if !strings.Contains(out, tt.says) || !strings.HasSuffix(out, "exit code 1\n") {
				t.Errorf("want %q and nothing left, got\n%s", tt.says, out)
			}
		})
	}
}
