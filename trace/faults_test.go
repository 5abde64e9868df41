package trace_test

import (
	"fmt"
	"strings"
	"testing"

	"netlab/provision"
	"netlab/provision/netfilter"
	"netlab/trace"
)

// change returns a state in which f was applied to every object. f returns nil
// for an object that is to go.
func change(s provision.State, f func(provision.Object) provision.Object) provision.State {
	var objects []provision.Object
	for o := range s.All() {
		if o = f(o); o != nil {
			objects = append(objects, o)
		}
	}
	return provision.NewState(s.Lab, objects...)
}

func without(key string) func(provision.Object) provision.Object {
	return func(o provision.Object) provision.Object {
		if o.Key().String() == key {
			return nil
		}
		return o
	}
}

func sysctl(ns, name, value string) func(provision.Object) provision.Object {
	return func(o provision.Object) provision.Object {
		if s, ok := o.(provision.Sysctl); ok && s.NS == ns && s.Name == name {
			s.Value = value
			return s
		}
		return o
	}
}

func rules(ns, old, now string) func(provision.Object) provision.Object {
	return func(o provision.Object) provision.Object {
		if r, ok := o.(provision.Ruleset); ok && r.NS == ns {
			r.Text = netfilter.Text(strings.Replace(string(r.Text), old, now, 1))
			return r
		}
		return o
	}
}

// policyDrop is what Docker does to a host: nothing passes that no rule lets.
func policyDrop(o provision.Object) provision.Object {
	o = rules("paper.node-a", "*filter\n", "*filter\n:FORWARD DROP\n")(o)
	return rules("paper.node-a", `-A FORWARD -m comment --comment "flanneld forward" -j FLANNEL-FWD`+"\n", "")(o)
}

// TestFaults breaks a lab on paper and wants the last line to name the fault.
func TestFaults(t *testing.T) {
	lab := loadLab(t, fmt.Sprintf(labText, "vxlan"))
	desired := provision.Desired(lab)
	vtep := lab.Node("node-b").VXLANMAC.String()
	for _, tt := range []struct {
		name, to string
		fault    func(provision.Object) provision.Object
		want     string
	}{
		{"fdb", "pod/web", without("fdb paper.node-a " + vtep + " dev vxlan1"), "stops on node-a: vxlan1 has no forwarding entry that says behind which node " + vtep + " is: the forwarding entry of " + vtep + " on vxlan1, to 172.30.0.3, is missing"},
		{"neighbour", "pod/web", without("neigh paper.node-a 10.244.2.0 dev vxlan1"), "the permanent neighbour 10.244.2.0 on vxlan1 is missing"},
		{"route", "pod/web", without("route paper.node-a 10.244.2.0/24"), "stops on node-a: route lookup for 10.244.2.2 chose default via 172.30.0.1 dev eth0: the route 10.244.2.0/24 dev vxlan1 is missing"},
		{"way back", "pod/web", without("route paper.node-b 10.244.1.0/24"), "stops on node-b: route lookup for 10.244.1.2 chose default via 172.30.0.1 dev eth0: the route 10.244.1.0/24 dev vxlan1 is missing"},
		{"pod's route", "pod/web", without("route paper.client default"), "stops on client: route lookup for 10.244.2.2: network is unreachable: the route default dev eth0 is missing"},
		{"forwarding", "pod/web", sysctl("paper.node-b", "net.ipv4.ip_forward", "0"), "stops on node-b: the packet is for 10.244.2.2, and this namespace does not forward (net.ipv4.ip_forward is 0): net.ipv4.ip_forward is 0, the lab says 1"},
		{"rule", "svc/web:80", rules("paper.node-a", "-A KUBE-SERVICES -d 10.96.0.80/32", "-A KUBE-SERVICES -d 10.96.0.90/32"), "stops on node-a: its destination is 10.96.0.80:80, not 10.244.2.2:8080: it was not translated as expected: the rules differ"},
		{"policy", "pod/web", policyDrop, "stops on node-a: netfilter drops it: the policy of a chain is DROP: the rules differ: filter FORWARD: policy is DROP, lab says ACCEPT"},
		{"port", "pod/web", without("port paper.node-b/" + lab.Pod("default", "web").HostIface), "the port " + lab.Pod("default", "web").HostIface + " of cni0 is missing"},
		{"address", "pod/web", without("addr paper.web eth0 10.244.2.2/24"), "the address 10.244.2.2/24 on eth0 is missing"},
		{"namespace", "pod/web", without("namespace paper.web"), "the namespace paper.web is missing"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			observed := change(desired, tt.fault)
			r := onPaper(t, lab, "client", tt.to)
			broken := trace.Expected(observed, question(t, lab, "client", tt.to))[0]
			r.Trace.There, r.Trace.Back = broken.There, broken.Back
			r.Trace.Result.State = trace.Lost
			r.Judge()
			if r.AsExpected() {
				t.Error("the broken lab counts as one that is as expected")
			}
			r.Diagnose(desired, observed, question(t, lab, "client", tt.to))
			if got := r.LastLine(); !strings.Contains(got, tt.want) {
				t.Errorf("the last line is\n%s\nand lacks\n%s", got, tt.want)
			}
		})
	}
}
