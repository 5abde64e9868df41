package verify

import (
	"netlab/labs"
)

// Topic is a part of what stands in a namespace: what a check of kind [State]
// compares with the lab file.
type Topic string

// The topics.
const (
	TopicLinks      Topic = "links"       // interfaces, ports of bridges, addresses
	TopicMTU        Topic = "mtu"         // of interfaces
	TopicNeighbours Topic = "permanent"   // neighbours that somebody wrote down
	TopicRoutes     Topic = "routes"      // of all tables
	TopicFDB        Topic = "fdb"         // permanent entries of bridges and VXLAN devices
	TopicRules      Topic = "rules"       // routing rules, and netfilter rules that are the lab's
	TopicSysctls    Topic = "sysctls"     // kernel parameters that the lab sets
	TopicFiles      Topic = "files"       // of the lab: names of its things, records of its DNS server
	TopicUplink     Topic = "uplink"      // what an uplink puts on the host
	TopicProcesses  Topic = "supervision" // what holds pods, and who looks after containers
)

// state adds the checks that what stands in each namespace is what the lab
// file says: nothing missing, nothing changed, nothing added that up would
// remove.
func (b *builder) state(topics ...Topic) {
	for _, topic := range topics {
		for _, e := range b.spaces() {
			b.add(Check{Kind: State, From: e, Want: labs.Reachable, More: &More{Label: string(topic)}})
		}
	}
}

// wholeLab is what is in no namespace of the lab.
const wholeLab = "the lab"

// stateOfLab is state for what is in no namespace of the lab.
func (b *builder) stateOfLab(topic Topic) {
	if all := b.spaces(); len(all) > 0 {
		whole := &End{Name: wholeLab, NS: all[0].NS}
		b.add(Check{Kind: State, From: whole, Want: labs.Reachable, More: &More{Label: string(topic)}})
	}
}

// spaces returns everything that has a namespace.
func (b *builder) spaces() []*End {
	var all []*End
	for i := range b.lab.Bridges {
		all = append(all, b.bridgeEnd[b.lab.Bridges[i].Name])
	}
	for i := range b.lab.Nodes {
		all = append(all, b.nodeEnd[b.lab.Nodes[i].Name])
	}
	return append(all, b.podEnds...)
}

// links promises that every interface is there, plugged in, up, and has its
// addresses.
func (b *builder) links() { b.state(TopicLinks) }

// rules promises the routing rules and the netfilter rules of the lab.
func (b *builder) rules() { b.state(TopicRules) }

// names promises that the lab's things are known by their names.
func (b *builder) names() { b.stateOfLab(TopicFiles) }

// fdb promises the entries of tunnels and bridges that are written down.
func (b *builder) fdb() {
	b.tunnels(TableNeighbours, TableFDB)
	b.state(TopicFDB)
}

// uplinks promises what joins bridges to the host's network.
func (b *builder) uplinks() {
	for i := range b.lab.Bridges {
		if b.lab.Bridges[i].Uplink {
			b.stateOfLab(TopicUplink)
			return
		}
	}
}
