package main

import (
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"

	"netlab/labs"
	"netlab/provision/runtime"
)

// labView is a lab as the commands show it. Its JSON is part of the interface.
type labView struct {
	Name        string        `json:"name"`
	Description string        `json:"description,omitempty"`
	Mode        string        `json:"mode"`
	State       string        `json:"state,omitempty"`       // up, drifted, partial or down; status only
	Changes     int           `json:"changes,omitempty"`     // what up would change; status only
	Differences []string      `json:"differences,omitempty"` // the same one by one, as plan writes them
	Bridges     []bridgeView  `json:"bridges"`
	Nodes       []nodeView    `json:"nodes"`
	Pods        []podView     `json:"pods"`
	Services    []serviceView `json:"services"`

	People peopleView `json:"people"` // what is in it and not the lab's
}

type bridgeView struct {
	Name      string   `json:"name"`
	Namespace string   `json:"netns"`
	Subnet    []string `json:"subnet"`
	Gateway   []string `json:"gateway,omitempty"`
	Health    string   `json:"health,omitempty"`
}

type nodeView struct {
	Name       string          `json:"name"`
	Namespace  string          `json:"netns"`
	Cluster    bool            `json:"cluster"`
	Interfaces []interfaceView `json:"interfaces"`
	PodSubnets []string        `json:"podSubnets,omitempty"`
	Health     string          `json:"health,omitempty"`
}

type interfaceView struct {
	Name      string   `json:"name"`
	MAC       string   `json:"mac"`
	Addresses []string `json:"addresses"`
	Bridge    string   `json:"bridge,omitempty"`
	Peer      string   `json:"peer,omitempty"`
}

type podView struct {
	Name         string            `json:"name"`
	K8sNamespace string            `json:"namespace"`
	Namespace    string            `json:"netns"`
	Node         string            `json:"node"`
	Addresses    []string          `json:"addresses"`
	MAC          string            `json:"mac"`
	HostIface    string            `json:"hostInterface"`
	Labels       map[string]string `json:"labels,omitempty"`
	Ready        bool              `json:"ready"`

	Containers []runtime.ContainerState `json:"containers,omitempty"` // status only
	Health     string                   `json:"health,omitempty"`
}

type serviceView struct {
	Name         string            `json:"name"`
	K8sNamespace string            `json:"namespace"`
	Type         string            `json:"type"`
	ClusterIPs   []string          `json:"clusterIPs"`
	Ports        []servicePortView `json:"ports"`
}

type servicePortView struct {
	Name      string   `json:"name,omitempty"`
	Protocol  string   `json:"protocol"`
	Port      uint16   `json:"port"`
	NodePort  uint16   `json:"nodePort,omitempty"`
	Endpoints []string `json:"endpoints"`
}

// viewOf shows lab. health says how each namespace is; nil leaves it out.
func viewOf(lab *labs.Lab, health func(ns string) string) labView {
	if health == nil {
		health = func(string) string { return "" }
	}
	v := labView{
		Name: lab.Name, Description: lab.Description, Mode: string(lab.Network.Mode),
		Bridges: []bridgeView{}, Nodes: []nodeView{}, Pods: []podView{}, Services: []serviceView{},
	}
	for _, b := range lab.Bridges {
		view := bridgeView{Name: b.Name, Namespace: b.NS, Gateway: texts(b.Gateways), Health: health(b.NS)}
		for _, s := range lab.Subnets {
			if s.Name == b.Subnet {
				view.Subnet = texts(s.Prefixes)
			}
		}
		v.Bridges = append(v.Bridges, view)
	}
	for _, n := range lab.Nodes {
		view := nodeView{Name: n.Name, Namespace: n.NS, Cluster: n.Cluster, PodSubnets: texts(n.PodSubnets), Health: health(n.NS)}
		for _, i := range n.Interfaces {
			iv := interfaceView{Name: i.Name, MAC: i.MAC.String(), Addresses: texts(i.Addrs), Bridge: i.Bridge}
			if i.PeerNode != "" {
				iv.Peer = i.PeerNode + ":" + i.PeerIface
			}
			view.Interfaces = append(view.Interfaces, iv)
		}
		v.Nodes = append(v.Nodes, view)
	}
	for _, p := range lab.Pods {
		v.Pods = append(v.Pods, podView{
			Name: p.Name, K8sNamespace: p.Namespace, Namespace: p.NS, Node: p.Node, Addresses: texts(p.Addrs),
			MAC: p.MAC.String(), HostIface: p.HostIface, Labels: p.Labels, Ready: p.Ready, Health: health(p.NS),
		})
	}
	for _, s := range lab.Services {
		v.Services = append(v.Services, viewService(s))
	}
	return v
}

func viewService(s labs.Service) serviceView {
	v := serviceView{Name: s.Name, K8sNamespace: s.Namespace, Type: string(s.Type), ClusterIPs: texts(s.ClusterIPs), Ports: []servicePortView{}}
	for _, p := range s.Ports {
		pv := servicePortView{Name: p.Name, Protocol: string(p.Protocol), Port: p.Port, NodePort: p.NodePort, Endpoints: []string{}}
		for _, e := range p.Endpoints {
			pv.Endpoints = append(pv.Endpoints, netip.AddrPortFrom(e.Addr, e.Port).String())
		}
		v.Ports = append(v.Ports, pv)
	}
	return v
}

// texts renders addresses or prefixes; never nil, so that JSON has a list.
func texts[T fmt.Stringer](list []T) []string {
	out := make([]string, len(list))
	for i, x := range list {
		out[i] = x.String()
	}
	return out
}

// tableOptions say which columns a table of a lab has.
type tableOptions struct {
	health bool
	wide   bool
}

// maxRows is how many rows of a kind a table shows before it sums up.
const maxRows = 40

// writeTable lists what exists: machines and pods, and then services.
func (v labView) writeTable(w io.Writer, opts tableOptions) error {
	t := newTable(w)
	header := table.Row{"NAME", "KIND", "NODE", "ADDRESS", "NETWORK NAMESPACE"}
	if opts.wide {
		header = append(header, "MAC", "DETAIL")
	}
	if opts.health {
		header = append(header, "HEALTH")
	}
	t.AppendHeader(header)
	for _, row := range v.rows() {
		cells := table.Row{row.name, row.kind, row.node, row.address, row.netns}
		if opts.wide {
			cells = append(cells, row.mac, row.detail)
		}
		if opts.health {
			cells = append(cells, row.health)
		}
		t.AppendRow(cells)
	}
	text := render(t)
	if len(v.Services) > 0 {
		t := newTable(w)
		t.AppendHeader(table.Row{"SERVICE", "TYPE", "ADDRESS", "ENDPOINTS"})
		for _, s := range v.Services {
			t.AppendRows(s.rows())
		}
		text += "\n" + render(t)
	}
	_, err := io.WriteString(w, text)
	return err
}

type row struct{ name, kind, node, address, netns, mac, detail, health string }

func (v labView) rows() []row {
	var rows []row
	for _, b := range v.Bridges {
		address := strings.Join(b.Gateway, " ")
		if address == "" {
			address = strings.Join(b.Subnet, " ")
		}
		rows = append(rows, row{name: b.Name, kind: "bridge", address: address, netns: b.Namespace, health: b.Health})
	}
	for _, n := range v.Nodes {
		kind := "node"
		switch {
		case !n.Cluster && len(n.Interfaces) > 1:
			kind = "router"
		case !n.Cluster:
			kind = "host"
		}
		for i, f := range n.Interfaces {
			r := row{address: strings.Join(f.Addresses, " "), mac: f.MAC, detail: f.Name + " on " + f.Bridge}
			if f.Peer != "" {
				r.detail = f.Name + " to " + f.Peer
			}
			if i == 0 {
				r.name, r.kind, r.netns, r.health = n.Name, kind, n.Namespace, n.Health
				if len(n.PodSubnets) > 0 {
					r.detail += ", pods " + strings.Join(n.PodSubnets, " ")
				}
			}
			rows = append(rows, r)
		}
	}
	for i, p := range v.Pods {
		if i == maxRows && len(v.Pods) > maxRows+1 {
			rows = append(rows, row{name: fmt.Sprintf("… %d more", len(v.Pods)-maxRows), kind: "pods"})
			break
		}
		name := p.Name
		if p.K8sNamespace != "default" {
			name = p.K8sNamespace + "/" + name
		}
		detail := p.HostIface
		if !p.Ready {
			detail += ", not ready"
		}
		rows = append(rows, row{name: name, kind: "pod", node: p.Node, address: strings.Join(p.Addresses, " "), netns: p.Namespace, mac: p.MAC, detail: detail, health: p.Health})
	}
	return rows
}

func (s serviceView) rows() []table.Row {
	name, kind := s.Name, s.Type
	if s.K8sNamespace != "default" {
		name = s.K8sNamespace + "/" + name
	}
	var rows []table.Row
	for _, p := range s.Ports {
		port := ":" + strconv.Itoa(int(p.Port)) + "/" + p.Protocol
		address := "headless" + port
		for i, vip := range s.ClusterIPs {
			if strings.Contains(vip, ":") {
				vip = "[" + vip + "]"
			}
			if i == 0 {
				address = vip + port
			} else {
				address += " " + vip + port
			}
		}
		if p.NodePort != 0 {
			address += " node port " + strconv.Itoa(int(p.NodePort))
		}
		to := "none"
		if n := len(p.Endpoints); n > 3 {
			to = fmt.Sprintf("%s and %d more", strings.Join(p.Endpoints[:2], " "), n-2)
		} else if n > 0 {
			to = strings.Join(p.Endpoints, " ")
		}
		rows = append(rows, table.Row{name, kind, address, to})
		name, kind = "", ""
	}
	return rows
}
