package main

import (
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestPrivilegedResetContainers resets a lab whose containers run: all of them,
// those of one pod, and by force. It says what people had changed.
func TestPrivilegedResetContainers(t *testing.T) {
	t.Parallel()
	out := aside(t, `cat >/run/lab.yaml <<'END'
name: busy
nodes: [{name: a}]
pods:
  - {name: web, node: a, labels: {app: web}, containers: [{name: c, serve: {http: 80}}, {name: d, command: [sleep, 1d]}]}
  - {name: two, node: a, containers: [{name: e, serve: {tcp: 9000}}]}
  - {name: client, node: a}
services: [{name: web, clusterIP: 10.96.0.80, selector: {app: web}, ports: [{port: 80}]}]
END
pids() { netlab status busy -o json | jq -r '.[0].pods[].containers[]? | "\(.name) \(.pid) \(.restarts) \(.ready)"'; }
compare() { pids >$T/after; join $T/before $T/after | while read name a r1 ready1 b r2 ready2; do [ $a = $b ] && echo "$name goes on" || echo "$name is new, $r2 restarts, ready $ready2"; done; cp $T/after $T/before; }
netlab up /run/lab.yaml -q && pids >$T/before
echo == all
ip -n busy.web link set eth0 mtu 1300
ip netns exec busy.a iptables -A FORWARD -s 10.9.9.9 -j DROP
ip netns exec busy.client sleep 1234 &
until ip netns pids busy.client | grep -q .; do :; done
netlab reset busy; compare
ip netns exec busy.client curl -s -o /dev/null -w '%{http_code}\n' 10.96.0.80
netlab plan busy --exit-code
echo == one pod
ip -n busy.two link set eth0 mtu 1300
ip -n busy.web link set eth0 mtu 1300
netlab reset busy two; compare; netlab plan busy
echo == by force
netlab reset busy web --hard; compare; netlab plan busy --exit-code
netlab reset busy --hard -q; compare; netlab plan busy --exit-code
netlab down busy -q
wait; pgrep -cx sleep`)
	out = regexp.MustCompile(`in \d+ ms`).ReplaceAllString(out, "in 0 ms")
	want := `== all
~ link busy.web/eth0: mtu is 1300, lab says 1450
- rule busy.a: filter: -A FORWARD -s 10.9.9.9/32 -j DROP
lab busy is reset in 0 ms: 2 changes undone, 1 process ended
c is new, 0 restarts, ready true
d is new, 0 restarts, ready true
e is new, 0 restarts, ready true
200
no changes: lab busy is as its file says
== one pod
~ link busy.two/eth0: mtu is 1300, lab says 1450
lab busy is reset in 0 ms: 1 change undone
c goes on
d goes on
e is new, 0 restarts, ready true
~ link busy.web/eth0: mtu is 1300, lab says 1450
1 to update
== by force
~ link busy.web/eth0: mtu is 1300, lab says 1450
lab busy is reset in 0 ms: 1 change undone
c is new, 0 restarts, ready true
d is new, 0 restarts, ready true
e goes on
no changes: lab busy is as its file says
c is new, 0 restarts, ready true
d is new, 0 restarts, ready true
e is new, 0 restarts, ready true
no changes: lab busy is as its file says
0
`
	if diff := cmp.Diff(want, out); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
