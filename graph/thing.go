package graph

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"netlab/labs"
)

// kinds of things, also their names in style sheets.
const (
	kindBridge  = "bridge"
	kindNode    = "node"
	kindHost    = "host"
	kindRouter  = "router"
	kindPod     = "pod"
	kindService = "service"
	kindSwitch  = "switch" // the bridge of a node
	kindRoutes  = "routes" // what stands in its place in mode routed
	kindTunnel  = "tunnel" // a tunnel's device on a node
)

// thing is one box of a picture.
type thing struct {
	id    string // unique in a picture: letters, digits and _
	kind  string
	name  string
	lines []string // details that were asked for
	facts []fact   // all that is known, asked for or not
	seen  Finding
	level level
}

// fact is a detail with its name.
type fact struct{ Name, Value string }

// marks are the words about what is not well.
func (t *thing) marks() []string {
	if t.level <= well {
		return nil
	}
	return t.seen.words()
}

// slug turns a name of a lab into an identifier. Names are DNS labels, so that
// different names stay different.
func slug(parts ...string) string {
	var b strings.Builder
	for i, p := range parts {
		if i > 0 {
			b.WriteString("__")
		}
		for _, c := range p {
			switch {
			case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
				b.WriteRune(c)
			case c == '-':
				b.WriteByte('_')
			default:
				fmt.Fprintf(&b, "_%x_", c)
			}
		}
	}
	return b.String()
}

// plainName leaves out the namespace that goes without saying.
func plainName(namespace, name string) string {
	if namespace == "default" {
		return name
	}
	return namespace + "/" + name
}

func prefixText(list []netip.Prefix) []string {
	words := make([]string, len(list))
	for i, p := range list {
		words[i] = p.String()
	}
	return words
}

func addrText(list []netip.Addr) []string {
	words := make([]string, len(list))
	for i, a := range list {
		words[i] = a.String()
	}
	return words
}

func joined[T any](list []T, text func([]T) []string) string { return strings.Join(text(list), " ") }

func nodeKind(n *labs.Node) string {
	switch {
	case n.Cluster:
		return kindNode
	case len(n.Interfaces) > 1:
		return kindRouter
	}
	return kindHost
}

// portText writes a port of a service: what it is reached by, and where it
// leads.
func portText(p *labs.ServicePort) string {
	s := strconv.Itoa(int(p.Port)) + "/" + string(p.Protocol)
	if target := p.TargetPort; target != "" && target != strconv.Itoa(int(p.Port)) {
		s += " to " + target
	}
	if p.NodePort != 0 {
		s += ", node port " + strconv.Itoa(int(p.NodePort))
	}
	return s
}
