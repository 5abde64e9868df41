package main

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"
)

const udpLab = `name: NAME
nodes: [{name: node-a}, {name: node-b}, {name: laptop, cluster: false}]
pods:
  - {name: client, node: node-a}
  - {name: old, node: node-a, labels: {app: OLD}, containers: [{name: c, serve: {udp: 5353, tcp: 7000}}]}
  - {name: new, node: node-b, labels: {app: NEW}, containers: [{name: c, serve: {udp: 5353, tcp: 7000}}]}
  - {name: other, node: node-b, labels: {app: other}, containers: [{name: c, serve: {udp: 5353, tcp: 7000}}]}
services:
  - name: echo
    type: NodePort
    clusterIP: 10.96.0.50
    selector: {app: echo}
    ports:
      - {name: udp, port: 53, protocol: UDP, targetPort: 5353, nodePort: 30053}
      - {name: tcp, port: 53, targetPort: 7000, nodePort: 30053}
  - {name: untouched, clusterIP: 10.96.0.51, selector: {app: other}, ports: [{name: t, port: 7, targetPort: 7000}, {name: u, port: 7, protocol: UDP, targetPort: 5353}]}
`

func udpText(t *testing.T, old, next string) string {
	name := fmt.Sprintf("t%d-%s", os.Getpid(), strings.ToLower(t.Name()[len("TestPrivileged"):]))
	return strings.NewReplacer("NAME", name, "OLD", old, "NEW", next).Replace(udpLab)
}

// TestPrivilegedUDPMoves moves the endpoint of a service while clients with
// fixed source ports talk to it: UDP flows follow, TCP connections stay, and
// nothing happens to another service.
func TestPrivilegedUDPMoves(t *testing.T) {
	requireRoot(t)
	text := udpText(t, "echo", "spare")
	file, lab := writeLab(t, text)
	bringUp(t, file, lab)
	inside, outside := caller{lab.Pod("default", "client").NS}, caller{lab.Node("laptop").NS}
	vip, nodePort := "10.96.0.50:53", lab.Node("node-a").Addrs()[0].String()+":30053"

	a, b, c := inside.socket(t, 12345), outside.socket(t, 12345), inside.socket(t, 12346)
	talk := func(when, want string) {
		t.Helper()
		for _, flow := range []struct {
			name string
			ask  func() (answer, error)
			want string
		}{
			{"pod to VIP", func() (answer, error) { return ask(a, vip, patience) }, want},
			{"host to NodePort", func() (answer, error) { return ask(b, nodePort, patience) }, want},
			{"another service", func() (answer, error) { return ask(c, "10.96.0.51:7", patience) }, "other"},
		} {
			if got, err := flow.ask(); err != nil || got.pod != flow.want {
				t.Errorf("%s, %s: %q answers (%v), want %q", when, flow.name, got.pod, err, flow.want)
			}
		}
	}
	talk("at first", "old")
	edited, who, err := inside.dial(vip, patience)
	if err != nil || who.pod != "old" {
		t.Fatalf("TCP: %q answers, %v", who.pod, err)
	}
	defer edited.Close()
	untouched, _, err := inside.dial("10.96.0.51:7", patience)
	if err != nil {
		t.Fatal(err)
	}
	defer untouched.Close()

	rewrite(t, file, udpText(t, "spare", "echo"))
	talk("after the edit", "new")
	for name, conn := range map[string]net.Conn{"the edited service": edited, "the untouched one": untouched} {
		if err := echo(conn, "as ever"); err != nil {
			t.Errorf("the TCP connection through %s broke: %v", name, err)
		}
	}
	if who, err := inside.tcp(vip, patience); err != nil || who.pod != "new" {
		t.Errorf("a new TCP connection is answered by %q (%v), want new", who.pod, err)
	}

	// Without any endpoint nothing is ended.
	rewrite(t, file, udpText(t, "spare", "spare"))
	entries := in(t, lab.Node("node-a").NS, "conntrack", "-L", "-p", "udp", "--orig-dst", "10.96.0.50")
	if !strings.Contains(entries, "sport=12345") {
		t.Errorf("the flow of a service without endpoints is gone:\n%s", entries)
	}
	if _, err := inside.udp(vip, patience); err == nil || isTimeout(err) {
		t.Errorf("a new flow to a service without endpoints: %v, want refused", err)
	}
}

// TestPrivilegedUDPFreed starts a flow before there is a service to translate
// it. The kernel would never look at the rules for it again.
func TestPrivilegedUDPFreed(t *testing.T) {
	requireRoot(t)
	text := udpText(t, "echo", "echo")
	before, _, _ := strings.Cut(text, "services:")
	file, lab := writeLab(t, before)
	bringUp(t, file, lab)
	client := caller{lab.Pod("default", "client").NS}
	conn := client.socket(t, 12345)
	if got, err := ask(conn, "10.96.0.50:53", 100*time.Millisecond); !isTimeout(err) {
		t.Fatalf("without the service %q answers, %v", got.pod, err)
	}
	entries := in(t, lab.Node("node-a").NS, "conntrack", "-L", "-p", "udp", "--orig-dst", "10.96.0.50")
	if !strings.Contains(entries, "[UNREPLIED] src=10.96.0.50") {
		t.Fatalf("the flow left no entry that is in the way:\n%s", entries)
	}
	rewrite(t, file, text)
	if got, err := ask(conn, "10.96.0.50:53", patience); err != nil || (got.pod != "old" && got.pod != "new") {
		t.Errorf("with the service %q answers, %v", got.pod, err)
	}
}

// TestPrivilegedUDPMoves6 moves the endpoint of a flow over IPv6.
func TestPrivilegedUDPMoves6(t *testing.T) {
	requireRoot(t)
	dual := `subnets:
  - {name: underlay, cidr: [172.30.0.0/24, "fd00:30::/64"]}
  - {name: pods, cidr: [10.244.0.0/16, "fd00:244::/48"]}
  - {name: services, cidr: [10.96.0.0/16, "fd00:96::/112"]}
nodes:`
	text := func(old, next string) string { return strings.Replace(udpText(t, old, next), "nodes:", dual, 1) }
	file, lab := writeLab(t, text("echo", "spare"))
	bringUp(t, file, lab)
	conn := caller{lab.Pod("default", "client").NS}.socket(t, 12345)
	vip := netip.AddrPortFrom(lab.Service("default", "echo").ClusterIPs[1], 53).String()
	if got, err := ask(conn, vip, patience); err != nil || got.pod != "old" {
		t.Fatalf("at first %q answers, %v", got.pod, err)
	}
	rewrite(t, file, text("spare", "echo"))
	if got, err := ask(conn, vip, patience); err != nil || got.pod != "new" {
		t.Errorf("after the edit %q answers, %v", got.pod, err)
	}
}
