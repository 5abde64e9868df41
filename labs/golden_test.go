package labs

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

// TestResolved compares the labs in testdata/resolved, and those that ship,
// with their text form. Section want of a file, or the file NAME.txt of a lab
// that ships, holds it.
func TestResolved(t *testing.T) {
	for _, name := range Shipped() {
		t.Run(name, func(t *testing.T) {
			data, _ := ShippedFile(name)
			file := filepath.Join("testdata", "shipped", name+".txt")
			got := resolved(t, data)
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("lab (-want +got), go test -update accepts it:\n%s", diff)
			}
		})
	}
	files, err := filepath.Glob("testdata/resolved/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files (err=%v)", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			ar, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := resolved(t, ar.Files[0].Data)
			if *update {
				ar.Files[1].Data = []byte(got)
				if err := os.WriteFile(file, txtar.Format(ar), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(string(ar.Files[1].Data), got); diff != "" {
				t.Errorf("lab (-want +got), go test -update accepts it:\n%s", diff)
			}
		})
	}
}

// resolved loads a lab and writes it for people, a line for each thing.
func resolved(t *testing.T, data []byte) string {
	t.Helper()
	l, diags := check(t, data)
	if l == nil {
		t.Fatal(diags)
	}
	var b strings.Builder
	for _, d := range diags {
		fmt.Fprintln(&b, d)
	}
	fmt.Fprintf(&b, "lab %s dns=%t pause=%t\n", l.Name, l.DNS, l.Pause)
	for _, s := range l.Subnets {
		fmt.Fprintln(&b, "subnet", s.Name, s.Prefixes, "gateway", l.Gateway(s.Name))
	}
	for _, br := range l.Bridges {
		fmt.Fprintf(&b, "bridge %s ns=%s subnet=%s mac=%v uplink=%t gateways=%v\n", br.Name, br.NS, br.Subnet, br.MAC, br.Uplink, br.Gateways)
	}
	n := l.Network
	fmt.Fprintf(&b, "network %s mtu=%d podMTU=%d vni=%d port=%d iface=%s pods=%v services=%v\n",
		n.Mode, n.MTU, n.PodMTU, n.VNI, n.VXLANPort, n.VXLANIface, n.PodCIDRs, n.ServiceCIDRs)
	for i := range l.Nodes {
		writeNode(&b, &l.Nodes[i])
	}
	for _, p := range l.Pods {
		fmt.Fprintf(&b, "pod %s ns=%s node=%s %v mac=%v host=%s/%v labels=%v ready=%t restart=%s\n",
			p.ID(), p.NS, p.Node, p.Addrs, p.MAC, p.HostIface, p.HostMAC, labelText(p.Labels), p.Ready, p.RestartPolicy)
		for _, c := range p.Containers {
			fmt.Fprintf(&b, "  container %s command=%q args=%q env=%v dir=%q user=%d serve=%v ports=%v", c.Name, c.Command, c.Args, c.Env, c.WorkingDir, c.User, c.Serve, c.Ports)
			if c.Readiness != nil {
				p := *c.Readiness
				fmt.Fprintf(&b, " ready tcp=%d", p.TCP)
				if p.HTTP != nil {
					fmt.Fprintf(&b, " http=%+v", *p.HTTP)
				}
				fmt.Fprintf(&b, " delay=%v period=%v timeout=%v thresholds=%d/%d", p.InitialDelay, p.Period, p.Timeout, p.SuccessThreshold, p.FailureThreshold)
			}
			fmt.Fprintln(&b)
		}
	}
	for _, s := range l.Services {
		fmt.Fprintf(&b, "service %s %s headless=%t %v external=%v selector=%v affinity=%t/%v local=%t/%t\n", s.ID(), s.Type, s.Headless,
			s.ClusterIPs, s.ExternalIPs, labelText(s.Selector), s.Affinity, s.AffinityFor, s.InternalLocal, s.ExternalLocal)
		for _, p := range s.Ports {
			fmt.Fprintf(&b, "  port %q %d/%s -> %s node=%d\n", p.Name, p.Port, p.Protocol, p.TargetPort, p.NodePort)
			for _, e := range p.Endpoints {
				fmt.Fprintf(&b, "    %s pod=%s node=%s\n", hostPort(e), e.Pod, e.Node)
			}
		}
	}
	for _, v := range l.Verify {
		fmt.Fprintf(&b, "verify %s -> %s %s\n", v.From, v.To, v.Expect)
	}
	return b.String()
}

func writeNode(b *strings.Builder, n *Node) {
	fmt.Fprintf(b, "node %s ns=%s cluster=%t forwards=%t addrs=%v", n.Name, n.NS, n.Cluster, n.Forwards(), n.Addrs())
	if n.Cluster {
		fmt.Fprintf(b, " pods=%v gateways=%v cni0=%v vxlan=%v", n.PodSubnets, n.PodGateways, n.BridgeMAC, n.VXLANMAC)
	}
	fmt.Fprintln(b)
	for _, i := range n.Interfaces {
		fmt.Fprintf(b, "  %s %v mac=%v mtu=%d", i.Name, i.Addrs, i.MAC, i.MTU)
		if i.Bridge != "" {
			fmt.Fprintf(b, " bridge=%s port=%s/%v", i.Bridge, i.Port, i.PortMAC)
		} else {
			fmt.Fprintf(b, " peer=%s:%s", i.PeerNode, i.PeerIface)
		}
		fmt.Fprintln(b)
	}
	for _, r := range n.Routes {
		fmt.Fprintf(b, "  route %v via=%v dev=%q src=%v metric=%d table=%d onlink=%t\n", r.To, r.Via, r.Dev, r.Src, r.Metric, r.Table, r.OnLink)
	}
	for _, r := range n.Rules {
		fmt.Fprintf(b, "  rule %d from=%v to=%v iif=%q ipv6=%t table=%d\n", r.Priority, r.From, r.To, r.Iif, r.IPv6, r.Table)
	}
	for _, s := range n.Sysctls {
		fmt.Fprintf(b, "  sysctl %s=%s\n", s.Name, s.Value)
	}
	for _, m := range n.Masquerade {
		fmt.Fprintf(b, "  masquerade %v out=%s\n", m.From, m.Out)
	}
}

func labelText(m map[string]string) string {
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, k+"="+m[k])
	}
	return strings.Join(parts, ",")
}
