package main

import (
	"fmt"
	"io"
	"maps"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"

	"netlab/labs"
	"netlab/provision/netns"
)

const disturbLab = `name: LAB
network: {mode: vxlan}
nodes: [{name: a}, {name: b}]
pods:
  - {name: client, node: a}
  - {name: near, node: a}
  - {name: web, node: b, labels: {app: web}}
services:
  - {name: web, clusterIP: 10.96.0.80, selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
  - {name: other, clusterIP: 10.96.0.81, ports: [{port: 80}]}
`

// serveEcho answers every line on a port of a namespace with the same line.
func serveEcho(t *testing.T, ns, addr string) {
	t.Helper()
	var l net.Listener
	if err := netns.Do(ns, func() (err error) {
		l, err = net.Listen("tcp", addr)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(c, c); c.Close() }()
		}
	}()
}

// call opens a connection that stays open for the rest of the test.
func call(t *testing.T, ns, to string) net.Conn {
	t.Helper()
	var c net.Conn
	if err := netns.Do(ns, func() (err error) {
		c, err = (&net.Dialer{Timeout: patience}).Dial("tcp", to)
		return err
	}); err != nil {
		t.Fatalf("from %s to %s: %v", ns, to, err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// TestPrivilegedConnectionsSurvive keeps TCP connections open while a lab is
// edited, broken and mended around them.
func TestPrivilegedConnectionsSurvive(t *testing.T) {
	requireRoot(t)
	text := strings.ReplaceAll(disturbLab, "LAB", fmt.Sprintf("t%d-disturb", os.Getpid()))
	file, lab := writeLab(t, text)
	bringUp(t, file, lab)
	client, near, web := lab.Pod("default", "client"), lab.Pod("default", "near"), lab.Pod("default", "web")
	at := func(p *labs.Pod) string { return netip.AddrPortFrom(p.Addrs[0].Addr(), 8080).String() }
	serveEcho(t, web.NS, ":8080")
	serveEcho(t, near.NS, ":8080")
	conns := map[string]net.Conn{
		"to a pod of the same node": call(t, client.NS, at(near)),
		"to a pod of another node":  call(t, client.NS, at(web)),
		"to a service":              call(t, client.NS, "10.96.0.80:80"),
	}
	// A node speaks to pods of others under the address of its VXLAN device, which
	// other modes do not have.
	ofNodes := map[string]net.Conn{
		"from a node to a pod":         call(t, lab.Node("a").NS, at(web)),
		"from a node to a service":     call(t, lab.Node("a").NS, "10.96.0.80:80"),
		"from the far node to the pod": call(t, lab.Node("b").NS, at(near)),
	}
	edit := func(old, replacement string) string {
		if !strings.Contains(text, old) {
			t.Fatalf("%q is not in\n%s", old, text)
		}
		return strings.Replace(text, old, replacement, 1)
	}
	sh := func(command string) func(t *testing.T) {
		return func(t *testing.T) {
			if out, err := tool(t, "sh", "-c", strings.ReplaceAll(command, "LAB", lab.Name)); err != nil {
				t.Errorf("%s: %v\n%s", command, err, out)
			}
			must(t, exitOK, "up", file)
		}
	}
	become := func(text string) func(t *testing.T) { return func(t *testing.T) { rewrite(t, file, text) } }
	for _, tt := range []struct {
		name string
		do   func(t *testing.T)
		pods bool // only connections of pods are kept
	}{
		{"an up that changes nothing", sh("true"), false},
		{"another pod's cable is mended", sh("ip -n LAB.near link set eth0 mtu 1300; ip -n LAB.b route del default; ip -n LAB.a link set veth-near nomaster"), false},
		{"a pod comes", become(edit("services:", "  - {name: more, node: a}\nservices:")), false},
		{"a pod goes", become(text), false},
		{"a node comes", become(edit("{name: b}]", "{name: b}, {name: c}]")), false},
		{"a node goes", become(text), false},
		{"a service comes", become(text + "  - {name: third, ports: [{port: 81}]}\n"), false},
		{"a service changes", become(edit("10.96.0.81", "10.96.0.82")), false},
		{"a service goes", become(text), false},
		{"an endpoint comes", become(edit("services:", "  - {name: web-2, node: a, labels: {app: web}}\nservices:")), false},
		{"an endpoint goes", become(text), false},
		{"flat", become(edit("mode: vxlan", "mode: flat")), true},
		{"routed", become(edit("mode: vxlan", "mode: routed")), true},
		{"vxlan", become(text), true},
		{"routed at once", become(edit("mode: vxlan", "mode: routed")), true},
		{"flat after routed", become(edit("mode: vxlan", "mode: flat")), true},
		{"another MTU and VNI", become(edit("{mode: vxlan}", "{mode: vxlan, mtu: 1400, vxlan: {vni: 7}}")), true},
		{"as it was", become(text), true},
		{"the rules are mended", sh("ip netns exec LAB.a iptables -t nat -F"), true},
		{"the bridge is mended", sh("ip -n LAB.a link del cni0"), true},
		{"the VXLAN device is mended", sh("ip -n LAB.b link del vxlan1"), true},
		{"the interface of a node is mended", sh("ip -n LAB.b link del eth0"), true},
		{"its own cable is mended", sh("ip -n LAB.client link del eth0"), true},
		{"all routes are mended", sh("ip -n LAB.a route flush table main"), true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.do(t)
			alive := maps.Clone(conns)
			if !tt.pods {
				maps.Copy(alive, ofNodes)
			}
			for name, c := range alive {
				if err := echo(c, tt.name); err != nil {
					t.Errorf("the connection %s: %v", name, err)
				}
			}
		})
	}
}

// TestPrivilegedModesKeepTheCables switches the mode of the network and wants
// the pods' interfaces to be the ones they were.
func TestPrivilegedModesKeepTheCables(t *testing.T) {
	requireRoot(t)
	text := strings.ReplaceAll(disturbLab, "LAB", fmt.Sprintf("t%d-cables", os.Getpid()))
	file, lab := writeLab(t, text)
	bringUp(t, file, lab)
	index := func() string {
		var all []string
		for _, p := range lab.Pods {
			all = append(all, in(t, p.NS, "cat", "/sys/class/net/eth0/ifindex"))
		}
		return strings.Join(all, " ")
	}
	before := index()
	for _, mode := range []string{"routed", "flat", "routed", "vxlan"} {
		rewrite(t, file, strings.Replace(text, "mode: vxlan", "mode: "+mode, 1))
		if now := index(); now != before {
			t.Errorf("in mode %s the interfaces are %s, not %s", mode, now, before)
		}
		must(t, exitOK, "plan", file, "--exit-code")
		must(t, exitOK, "verify", file)
	}
}
