package labs

import (
	"strings"
	"testing"
)

const findLab = `
name: find
nodes: [{name: node-a}, {name: db}]
pods:
  - {name: web-1, node: node-a, containers: [{name: c, serve: {udp: 53, http: 8080}, ports: [{name: dns, containerPort: 53, protocol: UDP}]}]}
  - {name: web, node: node-a}
  - {name: dns, namespace: kube-system, node: node-a}
services:
  - {name: web, ports: [{name: http, port: 80}, {name: quic, port: 80, protocol: UDP}]}
  - {name: one, ports: [{port: 53, protocol: UDP}]}
  - {name: one, namespace: shop, ports: [{port: 1}]}
  - {name: shop, namespace: shop, ports: [{name: p, port: 1}]}
`

func TestFind(t *testing.T) {
	lab, diags := Load("f", []byte(findLab))
	if lab == nil {
		t.Fatal(diags)
	}
	tests := []struct{ text, want string }{
		{"node-a", "node/node-a"},
		{"node/node-a", "node/node-a"},
		{"fabric", "bridge/fabric"},
		{"web-1", "pod/web-1"},
		{"default/pod/web-1", "pod/web-1"},
		{"svc/web", "svc/web"},
		{"service/web", "svc/web"},
		{"shop", "shop/svc/shop"},
		{"kube-system/pod/dns", "kube-system/pod/dns"},
		{"10.0.0.1", "10.0.0.1"},
		{"fd00::1", "fd00::1"},
		{"web", `"web" could be pod/web or svc/web; write one of these`},
		{"one", `"one" could be svc/one or shop/svc/one; write one of these`},
		{"dns", `nothing in the lab is called "dns"; there is kube-system/pod/dns`},
		{"node-b", `nothing in the lab is called "node-b"; did you mean "node-a"?`},
		{"pod/web-2", `there is no pod "web-2"; did you mean "web-1"?`},
		{"pod/node-a", `there is no pod "node-a"; there is node/node-a`},
		{"shop/pod/x", `there is no pod "x" in namespace "shop"; there is web-1, web, dns`},
		{"", `"" is not a reference; write pod/NAME`},
		{"/", `"/" is not a reference`},
		{"pod/", `"pod/" is not a reference`},
		{"x/y", `there is no kind of thing called "x"; there are pod, svc, node and bridge`},
		{"shop/node/db", `a node is in no namespace; write node/db`},
	}
	for _, test := range tests {
		ref, err := lab.Find(test.text)
		got := ref.String()
		if err != nil {
			got = strings.ReplaceAll(err.Error(), "\n    hint: ", "; ")
		}
		if got != test.want && (err == nil || !strings.HasPrefix(got, test.want)) {
			t.Errorf("Find(%q) = %s, want %s", test.text, got, test.want)
		}
		if err == nil {
			if again, err := lab.Find(got); err != nil || again != ref {
				t.Errorf("Find(%q) = %v, %v, want %v", got, again, err, ref)
			}
		}
	}
}

func TestTarget(t *testing.T) {
	lab, diags := Load("f", []byte(findLab))
	if lab == nil {
		t.Fatal(diags)
	}
	tests := []struct{ text, want string }{
		{"pod/web-1", "pod/web-1"},
		{"pod/web-1:8080", "pod/web-1:8080"},
		{"web-1:dns", "pod/web-1:53/UDP"},
		{"web-1:53/udp", "pod/web-1:53/UDP"},
		{"svc/web:http", "svc/web:80"},
		{"svc/web:80", "svc/web:80"},
		{"svc/web:80/UDP", "svc/web:80/UDP"},
		{"svc/web/udp", "svc/web:80/UDP"},
		{"svc/one", "svc/one:53/UDP"},
		{"svc/one:53", "svc/one:53/UDP"},
		{"svc/one:54", "svc/one:54"},
		{"shop/svc/shop", "shop/svc/shop:1"},
		{"shop/svc/shop:p/TCP", "shop/svc/shop:1"},
		{"10.0.0.1:80", "10.0.0.1:80"},
		{"10.0.0.1:53/UDP", "10.0.0.1:53/UDP"},
		{"[fd00::1]:53/udp", "[fd00::1]:53/UDP"},
		{"[fd00::1]", "fd00::1"},
		{"fd00::1", "fd00::1"},
		{"node-a:30080", "node/node-a:30080"},
		{"svc/web", "svc/web has several ports; write svc/web:80 or svc/web:80/UDP"},
		{"svc/web:htp", `svc/web has no port called "htp"; did you mean "http"?`},
		{"pod/web:http", `pod/web has no port called "http"; write its number`},
		{"svc/web:0", "port 0 is not from 1 to 65535"},
		{"svc/web:", `"svc/web:" ends in a colon; write a port after it, or leave it out`},
		{"pod/web/udp", "pod/web/UDP needs a port; write pod/web:PORT/UDP"},
		{"[fd00::1", `"[fd00::1" is not an address with a port; write [ADDRESS]:PORT`},
		{"[fd00::1]:", `"[fd00::1]:" is not an address with a port; write [ADDRESS]:PORT`},
	}
	for _, test := range tests {
		target, err := lab.Target(test.text)
		got := target.String()
		if err != nil {
			got = strings.ReplaceAll(err.Error(), "\n    hint: ", "; ")
		}
		if got != test.want {
			t.Errorf("Target(%q) = %s, want %s", test.text, got, test.want)
		}
		if err == nil {
			if again, err := lab.Target(got); err != nil || again != target {
				t.Errorf("Target(%q) = %v, %v, want %v", got, again, err, target)
			}
		}
	}
}

// TestLookup finds things by name, also in a lab that Resolve has not made.
func TestLookup(t *testing.T) {
	made, diags := Load("f", []byte(findLab))
	if made == nil {
		t.Fatal(diags)
	}
	byHand := &Lab{Nodes: made.Nodes, Bridges: made.Bridges, Pods: made.Pods, Services: made.Services}
	for _, lab := range []*Lab{made, byHand} {
		if n := lab.Node("db"); n == nil || n != &lab.Nodes[1] {
			t.Errorf("Node = %v", n)
		}
		if b := lab.Bridge("fabric"); b == nil || b != &lab.Bridges[0] {
			t.Errorf("Bridge = %v", b)
		}
		if p := lab.Pod("kube-system", "dns"); p == nil || p != &lab.Pods[2] {
			t.Errorf("Pod = %v", p)
		}
		if s := lab.Service("shop", "one"); s == nil || s != &lab.Services[2] {
			t.Errorf("Service = %v", s)
		}
		if lab.Node("x") != nil || lab.Pod("default", "dns") != nil {
			t.Error("found what is not there")
		}
	}
}

// TestFindPlace wants a service of a pod's name not to be in the way where
// only a place to run something makes sense.
func TestFindPlace(t *testing.T) {
	lab, diagnostics := Load("lab.yaml", []byte("name: x\nnodes: [{name: n}]\npods: [{name: web, node: n}]\nservices: [{name: web, ports: [{port: 80}]}, {name: api, ports: [{port: 80}]}]\n"))
	if lab == nil {
		t.Fatal(diagnostics)
	}
	for text, want := range map[string]string{"web": "pod/web", "n": "node/n", "pod/web": "pod/web", "fabric": "bridge/fabric"} {
		if ref, err := lab.FindPlace(text); err != nil || ref.String() != want {
			t.Errorf("FindPlace(%q) = %v, %v; want %s", text, ref, err, want)
		}
	}
	for _, text := range []string{"svc/web", "api", "10.0.0.1", "nobody"} {
		if ref, err := lab.FindPlace(text); err == nil {
			t.Errorf("FindPlace(%q) = %v, want an error", text, ref)
		}
	}
}
