package labs

import (
	"net/netip"
	"strconv"
)

// RefKind is the kind of thing that a reference names.
type RefKind string

// The kinds, as they are written in a reference.
const (
	RefPod     RefKind = "pod"
	RefNode    RefKind = "node"
	RefBridge  RefKind = "bridge"
	RefService RefKind = "svc"
	RefAddr    RefKind = "addr" // a bare address
)

// Ref names one thing of a lab, or an address.
type Ref struct {
	Kind      RefKind
	Namespace string     // Kubernetes namespace; pods and services only
	Name      string     // empty for an address
	Addr      netip.Addr // an address only
}

// String writes r so that it can be parsed again: pod/web-1, kube-system/svc/dns, 10.0.0.1.
func (r Ref) String() string {
	switch {
	case r.Kind == RefAddr:
		return r.Addr.String()
	case r.Namespace != "" && r.Namespace != "default":
		return r.Namespace + "/" + string(r.Kind) + "/" + r.Name
	}
	return string(r.Kind) + "/" + r.Name
}

// Target is an end that traffic is sent to.
type Target struct {
	Ref      Ref
	Port     uint16   // 0: the target is pinged
	Protocol Protocol // meaningful with Port
}

// String writes t so that it can be parsed again: svc/web:80, pod/dns:53/UDP, node/node-a.
func (t Target) String() string {
	s := t.Ref.String()
	if t.Ref.Kind == RefAddr && t.Ref.Addr.Is6() && t.Port != 0 {
		s = "[" + s + "]"
	}
	if t.Port != 0 {
		s += ":" + strconv.Itoa(int(t.Port))
	}
	if t.Protocol == UDP {
		s += "/UDP"
	}
	return s
}
