package labs

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// TestPin pins every lab there is. The lab stays the same, pinning twice changes
// nothing, and then any entry can go without renumbering another.
func TestPin(t *testing.T) {
	pinned, removals := 0, 0
	for name, data := range labFiles(t) {
		lab, _ := Load(name, data)
		if lab == nil {
			if out, diags := Pin(name, data); out != nil || !diags.HasErrors() {
				t.Errorf("%s: a broken lab is pinned", name)
			}
			continue
		}
		out, diags := Pin(name, data)
		if out == nil {
			if !strings.Contains(diags.Error(), "through an alias") {
				t.Errorf("%s: %v", name, diags)
			}
			continue
		}
		pinned++
		if again, _ := Load(name, out); again == nil || !alike(lab, again) {
			t.Errorf("%s: another lab:\n%s", name, out)
		}
		if twice, _ := Pin(name, out); !bytes.Equal(out, twice) {
			t.Errorf("%s: pinning twice changes something", name)
		}
		checkTidy(t, name+" pinned", out)
		for _, section := range []string{"pods", "services", "nodes"} {
			removals += removeEach(t, name, lab, out, section)
		}
	}
	if pinned < 20 || removals < 100 {
		t.Errorf("only %d labs, %d removals", pinned, removals)
	}
}

// removeEach removes the entries of a section one by one, wherever what is left
// is a lab, and compares what is left with what it was. It returns how many it
// removed.
func removeEach(t *testing.T, name string, lab *Lab, pinned []byte, section string) int {
	t.Helper()
	removed := 0
	for i := 0; ; i++ {
		var doc yaml.Node
		if err := yaml.Unmarshal(pinned, &doc); err != nil {
			t.Fatal(err)
		}
		root := doc.Content[0]
		list := valueOf(root, section)
		if list == nil || i >= len(list.Content) {
			return removed
		}
		if len(lab.Pods) > 50 && i%7 != 0 {
			continue // enough of the large one
		}
		gone := valueOf(follow(list.Content[i]), "name").Value
		list.Content = slices.Delete(list.Content, i, i+1)
		if section == "nodes" {
			if pods := valueOf(root, "pods"); pods != nil {
				pods.Content = slices.DeleteFunc(pods.Content, func(p *yaml.Node) bool { return valueOf(follow(p), "node").Value == gone })
			}
		}
		root.Content = without(root.Content, "verify")
		data, err := yaml.Marshal(&doc)
		if err != nil {
			continue // an anchor went with it
		}
		left, _ := Load(name, data)
		if left == nil {
			continue // something else needs it
		}
		removed++
		compareLeft(t, name+" without "+section+" "+gone, lab, left)
	}
}

func valueOf(m *yaml.Node, key string) *yaml.Node {
	for i := 0; i+1 < len(m.Content); i += 2 {
		if m.Content[i].Value == key {
			return follow(m.Content[i+1])
		}
	}
	return nil
}

func without(content []*yaml.Node, key string) []*yaml.Node {
	for i := 0; i+1 < len(content); i += 2 {
		if content[i].Value == key {
			return slices.Delete(slices.Clone(content), i, i+2)
		}
	}
	return content
}

// compareLeft compares the addresses, MACs and ports of what is left.
func compareLeft(t *testing.T, what string, was, is *Lab) {
	t.Helper()
	for i := range is.Nodes {
		n := &is.Nodes[i]
		before := was.Node(n.Name)
		if before.Cluster != n.Cluster { // it is a cluster because of its pods
			return
		}
		if !slices.Equal(n.PodSubnets, before.PodSubnets) || n.BridgeMAC != before.BridgeMAC || n.VXLANMAC != before.VXLANMAC {
			t.Errorf("%s: node %s has %v, had %v", what, n.Name, n.PodSubnets, before.PodSubnets)
		}
		for _, f := range n.Interfaces {
			if b := before.iface(f.Name); !slices.Equal(f.Addrs, b.Addrs) || f.MAC != b.MAC {
				t.Errorf("%s: %s:%s has %v, had %v", what, n.Name, f.Name, f.Addrs, b.Addrs)
			}
		}
	}
	for i := range is.Pods {
		p := &is.Pods[i]
		if before := was.Pod(p.Namespace, p.Name); p.Namespace != "kube-system" && (!slices.Equal(p.Addrs, before.Addrs) || p.MAC != before.MAC || p.HostIface != before.HostIface) {
			t.Errorf("%s: pod %s has %v, had %v", what, p.Name, p.Addrs, before.Addrs)
		}
	}
	for i := range is.Services {
		s := &is.Services[i]
		before := was.Service(s.Namespace, s.Name)
		if !slices.Equal(s.ClusterIPs, before.ClusterIPs) {
			t.Errorf("%s: service %s has %v, had %v", what, s.Name, s.ClusterIPs, before.ClusterIPs)
		}
		for k := range s.Ports {
			if s.Ports[k].NodePort != before.Ports[k].NodePort {
				t.Errorf("%s: service %s has node port %d, had %d", what, s.Name, s.Ports[k].NodePort, before.Ports[k].NodePort)
			}
		}
	}
}

func TestPinForms(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{
			"block and braces", "name: a\nnodes:\n  - name: n # one\n    cluster: true\n  - {name: m, cluster: true} # two\n",
			"name: a\nnodes:\n  - name: n # one\n    podSubnet: 10.244.1.0/24\n    interfaces: [{name: eth0, bridge: fabric, ip: 172.30.0.2}]\n    cluster: true\n  - {name: m, cluster: true, podSubnet: 10.244.2.0/24, interfaces: [{name: eth0, bridge: fabric, ip: 172.30.0.3}]} # two\n",
		},
		{"no end of line", "name: a\nnodes:\n- name: n", "name: a\nnodes:\n- name: n\n  interfaces: [{name: eth0, bridge: fabric, ip: 172.30.0.2}]"},
		{"trailing comma", "name: a\nnodes: [{name: n,}]\n", "name: a\nnodes: [{name: n, interfaces: [{name: eth0, bridge: fabric, ip: 172.30.0.2}]}]\n"},
		{
			"half of two families", "name: a\nsubnets: [{name: underlay, cidr: [10.0.0.0/24, \"fd00::/64\"]}]\nnodes: [{name: n, interfaces: [{name: eth0, ip: \"fd00::9\"}]}]\n",
			"name: a\nsubnets: [{name: underlay, cidr: [10.0.0.0/24, \"fd00::/64\"]}]\nnodes: [{name: n, interfaces: [{name: eth0, ip: [10.0.0.2, \"fd00::9\"]}]}]\n",
		},
	} {
		got, diags := Pin("a.yaml", []byte(tt.in))
		if string(got) != tt.want {
			t.Errorf("%s: %v\n%s\nwant\n%s", tt.name, diags, got, tt.want)
		}
	}
	_, diags := Pin("a.yaml", []byte("name: a\nnodes:\n  - {name: n, interfaces: &i [{name: eth0, bridge: fabric}]}\n  - {name: m, interfaces: *i}\n"))
	if !strings.Contains(diags.Error(), "a.yaml:3:31: nodes[0].interfaces[0]: is shared through an alias") {
		t.Errorf("an alias: %v", diags)
	}
}
