package labs

import (
	"bytes"
	"fmt"
	"net/netip"
	"time"
)

// Lab is a lab file with nothing left to decide. It is built by [Resolve] and
// not changed afterwards; it is safe for concurrent reading.
//
// All slices keep the order of the lab file. Every reference by name inside a
// Lab names something that exists.
type Lab struct {
	Name        string // DNS label; prefix of every namespace of the lab
	Description string // one line for lists, may be empty
	File        string // path the lab was read from, as the author gave it

	Subnets  []Subnet
	Bridges  []Bridge
	Network  Network
	Nodes    []Node
	Pods     []Pod
	Services []Service
	DNS      bool // the lab runs a DNS server
	Pause    bool // every pod has a pause process, also one without containers
	Verify   []Expectation

	bare bool // nothing of it may run

	index *index // nil in a Lab that Resolve has not made
	text  []byte // of the lab file, nil if the lab is not just what it says
}

// MadeOf reports whether l is what Resolve makes of exactly this text, under l's
// name.
func (l *Lab) MadeOf(text []byte) bool { return l.text != nil && bytes.Equal(l.text, text) }

// Subnet is a named range of addresses, one prefix for each address family.
type Subnet struct {
	Name     string
	Prefixes []netip.Prefix // one or two, masked, of different families, IPv4 first
}

// Bridge is a switch outside the nodes. It lives in a namespace of its own and
// is called br0 there.
type Bridge struct {
	Name   string
	NS     string // network namespace, <lab>.<name>
	Subnet string // name of the subnet its ports have addresses in
	MAC    MAC    // of br0
	Uplink bool   // joined to the host's network

	// Gateways are the addresses that br0 holds, with the subnet's length. The
	// bridge is the end of the road: it forwards nothing unless it has an
	// uplink. Empty where a router of the lab holds the gateway address, and
	// on a bridge that neither cluster nodes nor an uplink use.
	Gateways []netip.Prefix
	Pos      Pos
}

// Mode says how pods of different nodes reach each other.
type Mode string

// The modes.
const (
	ModeVXLAN  Mode = "vxlan"  // as flannel's VXLAN backend
	ModeFlat   Mode = "flat"   // as flannel's host-gw backend
	ModeRouted Mode = "routed" // as Calico without encapsulation
	ModeNone   Mode = "none"   // nothing is wired across nodes
)

// Network is the data plane of the cluster.
type Network struct {
	Mode         Mode
	MTU          int            // bytes, of underlay links
	PodMTU       int            // bytes, of pod links, cni0 and the VXLAN device: MTU less what the mode adds
	VNI          uint32         // 24 bits; mode vxlan only
	VXLANPort    uint16         // UDP; mode vxlan only
	VXLANIface   string         // "vxlan<vni>"
	PodCIDRs     []netip.Prefix // all pods of the cluster lie in these, one a family
	ServiceCIDRs []netip.Prefix // all cluster addresses of services lie in these, one a family
	Pos          Pos            // of the mode, or of the section, or none
}

// MAC is an Ethernet address. The zero MAC means "none given".
type MAC [6]byte

// String renders m as six pairs of hexadecimal digits.
func (m MAC) String() string {
	return fmt.Sprintf("%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5])
}

// Node is a machine: a member of the cluster, a host or a router.
type Node struct {
	Name       string
	NS         string // network namespace, <lab>.<name>
	Cluster    bool   // runs pods, has the services' rules and a pod subnet
	Interfaces []Interface

	// Of a cluster node only.
	PodSubnets  []netip.Prefix // one a family, inside Network.PodCIDRs
	PodGateways []netip.Addr   // first address of each pod subnet; cni0 holds it in the bridged modes
	BridgeMAC   MAC            // of cni0
	VXLANMAC    MAC            // of the VXLAN device

	Routes     []Route
	Rules      []Rule
	Sysctls    []Sysctl
	Masquerade []Masquerade
	Pos        Pos
}

// Addrs returns the addresses by which n is known: those of its first
// interface that has any, at most one a family.
func (n *Node) Addrs() []netip.Addr {
	for _, i := range n.Interfaces {
		if len(i.Addrs) > 0 {
			addrs := make([]netip.Addr, len(i.Addrs))
			for k, p := range i.Addrs {
				addrs[k] = p.Addr()
			}
			return addrs
		}
	}
	return nil
}

// Forwards reports whether n forwards packets unless its sysctls say otherwise:
// members of the cluster and routers, that is nodes with several interfaces, do.
func (n *Node) Forwards() bool { return n.Cluster || len(n.Interfaces) > 1 }

// Interface is one end of a cable at a node.
type Interface struct {
	Name  string
	MAC   MAC
	Addrs []netip.Prefix // with the length of the subnet; at most one a family
	MTU   int            // bytes

	// Plugged into a bridge: the bridge and its port, which is the other end
	// of the cable in the namespace of the bridge. Otherwise empty.
	Bridge  string
	Port    string
	PortMAC MAC

	// Plugged into another node: that node and its interface. Both ends
	// describe the cable. Otherwise empty.
	PeerNode  string
	PeerIface string

	Pos Pos
}

// Route is a static route of a node.
type Route struct {
	To     netip.Prefix // 0.0.0.0/0 or ::/0 for default
	Via    []netip.Addr // next hops; several make an ECMP route, none a route to a directly connected network
	Dev    string       // interface; "" means the kernel finds it through Via
	Src    netip.Addr   // preferred source, or the zero Addr
	Metric int          // 0 is the kernel's default
	Table  int          // 254 is main
	OnLink bool
	Pos    Pos
}

// Rule is a policy routing rule of a node.
type Rule struct {
	From     netip.Prefix // zero Prefix: any
	To       netip.Prefix // zero Prefix: any
	IPv6     bool         // family of the rule, also where From and To are any
	Iif      string       // incoming interface, "" any
	Table    int
	Priority int // unique within the node and family
	Pos      Pos
}

// Sysctl is one kernel parameter of a node's namespace.
type Sysctl struct {
	Name  string // dotted, such as net.ipv4.ip_forward
	Value string
	Pos   Pos
}

// Masquerade rewrites the source of what leaves through Out.
type Masquerade struct {
	From netip.Prefix
	Out  string // interface of the node
	Pos  Pos
}

// RestartPolicy says when a container that ended is started again.
type RestartPolicy string

// The restart policies, as in Kubernetes.
const (
	RestartAlways    RestartPolicy = "Always"
	RestartOnFailure RestartPolicy = "OnFailure"
	RestartNever     RestartPolicy = "Never"
)

// Pod is a network namespace attached to a node, and the containers in it.
type Pod struct {
	Name      string
	Namespace string // Kubernetes namespace, "default" unless the author says otherwise
	NS        string // network namespace, <lab>.<name> or <lab>.<namespace>.<name>
	Node      string
	Labels    map[string]string
	Ready     bool // false: no endpoint of any service

	Addrs     []netip.Prefix // with the length of the node's pod subnet (/32 and /128 in mode routed), one a family
	MAC       MAC            // of eth0 in the pod
	HostIface string         // the other end, in the node's namespace
	HostMAC   MAC

	RestartPolicy RestartPolicy
	Containers    []Container
	Pos           Pos
}

// ID returns NAMESPACE/NAME.
func (p *Pod) ID() string { return p.Namespace + "/" + p.Name }

// Container is a process of a pod.
type Container struct {
	Name       string
	Command    []string
	Args       []string
	Env        []EnvVar
	WorkingDir string
	User       int // numeric user id; -1 where the author does not say
	Serve      []Serve
	Ports      []ContainerPort
	Readiness  *Probe // nil: ready as soon as it runs
	Pos        Pos
}

// EnvVar is one variable of a container's environment.
type EnvVar struct{ Name, Value string }

// Serve is a built-in server.
type Serve struct {
	Kind string // "http", "tcp", "udp" or ServeDNS
	Port uint16
}

// ServeDNS is the kind of the lab's DNS server, which listens on UDP and TCP.
// Only dns: true makes one.
const ServeDNS = "dns"

// ContainerPort gives a port a name that a service's targetPort may refer to.
type ContainerPort struct {
	Name     string
	Port     uint16
	Protocol Protocol
}

// Probe tells whether a container is ready.
type Probe struct {
	TCP  uint16 // connect to this port, or 0
	HTTP *HTTPProbe

	InitialDelay     time.Duration
	Period           time.Duration
	Timeout          time.Duration
	SuccessThreshold int
	FailureThreshold int
}

// HTTPProbe is a GET request whose answer must be 2xx or 3xx.
type HTTPProbe struct {
	Port uint16
	Path string
}

// Protocol is a transport protocol, in Kubernetes' capitals.
type Protocol string

// The protocols.
const (
	TCP Protocol = "TCP"
	UDP Protocol = "UDP"
)

// ServiceType says how a service is reached.
type ServiceType string

// The service types.
const (
	ClusterIP ServiceType = "ClusterIP"
	NodePort  ServiceType = "NodePort"
)

// Service is a stable address in front of pods.
type Service struct {
	Name      string
	Namespace string
	Type      ServiceType
	Headless  bool // clusterIP: None

	ClusterIPs  []netip.Addr // one a family of Network.ServiceCIDRs; empty if headless
	ExternalIPs []netip.Addr
	Selector    map[string]string // nil when the endpoints are written out
	Ports       []ServicePort

	Affinity      bool          // sessionAffinity: ClientIP
	AffinityFor   time.Duration // meaningful with Affinity
	InternalLocal bool          // internalTrafficPolicy: Local
	ExternalLocal bool          // externalTrafficPolicy: Local
	Pos           Pos
}

// ID returns NAMESPACE/NAME.
func (s *Service) ID() string { return s.Namespace + "/" + s.Name }

// ServicePort is one port of a service together with the endpoints behind it.
type ServicePort struct {
	Name       string // may be empty when it is the only one
	Protocol   Protocol
	Port       uint16
	NodePort   uint16 // 0 unless the service is of type NodePort
	TargetPort string // as written: a number or the name of a container port
	Endpoints  []Endpoint
}

// Endpoint is one address behind a service port. Only ready pods are
// endpoints.
type Endpoint struct {
	Addr netip.Addr
	Port uint16
	Pod  string // ID of the pod, "" for an endpoint that was written out
	Node string // node of the pod, "" where unknown
}

// Outcome is what a client is to see.
type Outcome string

// The outcomes.
const (
	Reachable   Outcome = "reachable"   // an answer comes back
	Refused     Outcome = "refused"     // the connection is refused at once
	Timeout     Outcome = "timeout"     // nothing comes back
	Unreachable Outcome = "unreachable" // there is no way, and the kernel or a router says so
)
