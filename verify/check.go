package verify

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"netlab/labs"
)

// Group is a set of checks that belong together, as --only names it.
type Group string

// The groups.
const (
	Containers Group = "containers" // what runs in pods
	Isolation  Group = "isolation"  // who has a network namespace of its own, and what must not be reached
	Localhost  Group = "localhost"  // within one namespace: containers of a pod reach each other
	Links      Group = "links"      // interfaces, bridge ports and addresses
	Pods       Group = "pods"       // every pod to every pod
	Nodes      Group = "nodes"      // nodes to pods, nodes to nodes
	External   Group = "external"   // machines outside the cluster, labs without pods
	Services   Group = "services"   // pods and nodes to services
	NAT        Group = "nat"        // what connection tracking says about translated traffic
	TTL        Group = "ttl"        // which routers packets cross
	MTU        Group = "mtu"        // how large packets may be
	ARP        Group = "arp"        // who answers for an address, and what was learned
	Routes     Group = "routes"     // where pods and nodes send packets
	VXLAN      Group = "vxlan"      // the overlay's device and routes
	FDB        Group = "fdb"        // behind which machine or port a MAC is
	Rules      Group = "rules"      // routing rules and netfilter rules
	Sysctls    Group = "sysctls"    // kernel parameters that traffic depends on
	Names      Group = "names"      // of the lab's things
	Lab        Group = "lab"        // what the lab's verify section asks
	Up         Group = "up"         // that the lab comes up at all, where that is to be found out
)

// Groups returns all groups, in the order of a report.
func Groups() []Group {
	return []Group{
		Containers, Isolation, Localhost, Links, Pods, Nodes, External, Services, NAT, TTL, MTU,
		ARP, Routes, VXLAN, FDB, Rules, Sysctls, Names, Lab,
	}
}

// Kind says what is done for a check and which part of an [Observation] it
// is judged by.
type Kind string

// The kinds.
const (
	ICMP    Kind = "icmp"    // ping Addr: Outcome, TTL, Twice
	TCP     Kind = "tcp"     // connect to Addr and Port: Outcome, Answers
	UDP     Kind = "udp"     // ask Addr and Port: Outcome, Answers
	Expire  Kind = "ttl"     // ping Addr with TTL 1, 2, ...: Trail, Outcome, TTL
	Size    Kind = "size"    // ping Addr with packets of about More.Size bytes: Sizes
	Route   Kind = "route"   // look up the way to Addr: Outcome, Hop
	Ask     Kind = "ask"     // ask by ARP who has the addresses of More.Asks: Entries
	Neigh   Kind = "arp"     // ping More.Stir, then read the neighbour table: Entries
	Device  Kind = "device"  // read the VXLAN device More.Device.Name: Device
	Table   Kind = "table"   // read the entries of More.Table: Entries
	Control Kind = "sysctl"  // read the kernel parameter More.Name: Value, Present
	Space   Kind = "netns"   // compare the namespace with those of More.Watch: Same
	Doors   Kind = "doors"   // look where the cables of the namespace lead: nowhere but to More.Watch, More.Uplink: the host: Doors
	Process Kind = "process" // look up container More.Name: Process
	Raise   Kind = "up"      // bring the lab up, and take it down again
	State   Kind = "state"   // compare what stands in the namespace with the lab file, of topic More.Label: Differs
)

// NoAnswer is what is wanted where something must not be reached, however that
// shows: by silence, a refusal, or because there is no way.
const NoAnswer labs.Outcome = "no answer"

// Check is one promise of a lab. It is plain data, safe to copy and not changed
// after it was made; what it points to is shared with other checks. There is
// one for each pair of pods, so it is kept small: what few checks need is in
// More.
type Check struct {
	Group Group
	Kind  Kind
	From  *End          // who asks, or whose table it is
	To    *End          // who is asked; nil where it is nobody in particular
	Addr  netip.Addr    // destination; the zero Addr for the kinds that read tables
	Port  uint16        // TCP and UDP; 0: any port, the prober chooses one and listens there
	TTL   uint8         // of the answer to a ping; 0: not looked at
	Src   netip.Addr    // address the server is to see; the zero Addr: not looked at
	Want  labs.Outcome  // traffic and routes
	Wait  time.Duration // how long an answer may take. Until then silence is no answer
	More  *More         // never nil for the kinds that read tables
}

// End is a namespace of the lab, or a service, as one end of checks.
type End struct {
	Name  string // as people say it: default/web-1, node-a, svc default/web:80
	Kind  labs.RefKind
	NS    string       // network namespace; "" for a service
	Node  string       // node of a pod; the name of a node itself
	Host  *End         // that node; nil for anything but a pod
	Addrs []netip.Addr // those by which it is known
	Pos   labs.Pos     // in the lab file

	// Gateways are the addresses a pod sends to what is not on its own link,
	// and Bridged says that pods of its node are on one link with it.
	Gateways []netip.Addr
	Bridged  bool
}

// More is what few checks need.
type More struct {
	Label  string     // distinguishes checks of one kind and From: "remote pod", "net.ipv4.ip_forward"; State: the Topic
	Name   string     // of a kernel parameter
	Value  string     // it has to have
	Stir   []*End     // Neigh: who is pinged first, so that there are entries
	Table  TableName  // Table: which table
	Must   []Entry    // Neigh, Table: entries that have to be there
	May    []Entry    // Neigh: entries that may be there. In a Table nothing but Must may
	Hops   []Hop      // Route: any of these is right
	Device DeviceInfo // Device

	Asks  []Query // Ask
	Iface string  // Ask: interface of From on whose link it asks

	// Track is the machine that translates a connection, and what it has to
	// remember of it; nil: not looked at.
	Track *Track

	// Extra is nil unless the lab file asks for more than an outcome.
	Extra *Extra

	Routers []netip.Addr // Expire: on the way, by the addresses of their ICMP errors
	Size    int          // Size: bytes of the largest packet that may pass unfragmented

	// Behind says who may answer a check of a service, and Tries how often to
	// ask at most until all of them did; 0: once.
	Behind []Server
	Tries  int
	Sample *Sample // nil: nothing is counted

	// Listen are the servers that the check needs. Where the lab runs none, a
	// prober provides it for as long as the check takes, unless somebody else
	// holds the port.
	Listen []Server

	// Watch are namespaces between the two ends. Where one of them still looks
	// for a neighbour when Wait is over, silence proves nothing yet.
	Watch []string

	Uplink bool // Doors: one may lead to the host

	Restart labs.RestartPolicy // Process: whether the container may be over

	Pos  labs.Pos // of the promise in the lab file, if it was written there
	Path string   // such as verify[0]
}

// TableName names a table of the kernel.
type TableName string

// The tables.
const (
	TableRoutes     TableName = "routes"     // through the VXLAN device
	TableNeighbours TableName = "neighbours" // permanent, of the VXLAN device
	TableFDB        TableName = "fdb"        // permanent, of the VXLAN device
)

// Entry is a line of a table. Each table uses the fields it has.
type Entry struct {
	To  netip.Prefix // route
	IP  netip.Addr   // next hop of a route, address of a neighbour, VTEP of an FDB entry
	MAC labs.MAC     // of a neighbour, of an FDB entry; zero: not known (yet)
}

// String writes e as ip and bridge do.
func (e Entry) String() string {
	switch {
	case e.To.IsValid():
		return e.To.String() + " via " + e.IP.String()
	case e.MAC == labs.MAC{}:
		return e.IP.String() + " without an answer"
	}
	return e.IP.String() + " at " + e.MAC.String()
}

// Hop is the first step of a way.
type Hop struct {
	Via netip.Addr // zero: on the link
	Dev string
	Src netip.Addr // address that packets get; zero in a check: not looked at
}

// String writes h as ip route get does.
func (h Hop) String() string {
	var words []string
	if h.Via.IsValid() {
		words = append(words, "via "+h.Via.String())
	}
	words = append(words, "dev "+h.Dev)
	if h.Src.IsValid() {
		words = append(words, "src "+h.Src.String())
	}
	return strings.Join(words, " ")
}

// Query is a question by ARP and its only right answer.
type Query struct {
	For    netip.Addr
	Answer labs.MAC // zero: nobody is to answer
	Own    bool     // the address of who asks: the question is one for duplicates
}

// Track is what connection tracking of a machine has to say about a connection
// that passes it: to whom it leads instead of where it was sent, and under which
// address of the client.
type Track struct {
	At      *End
	Clients []netip.Addr     // any of these; none: as the server of More.Behind has it
	Servers []netip.AddrPort // any of these, whatever the port where that is 0; none: one of More.Behind
}

// Extra is what an expectation of the lab file asks for besides an outcome.
type Extra struct {
	Within  time.Duration // in which an answer has to come; 0: not looked at
	Count   int           // how often to ask, each time once; 0: once, with further tries
	Loss    labs.Range    // share of Count that may stay without an answer
	Rate    *labs.Range   // bits per second; nil: not measured
	Sources []netip.Addr  // client that the server is to see, any of these
	HTTP    *labs.HTTPExpectation
	AnyVia  bool // of a route: the next hop is not looked at
}

// DeviceInfo is what matters about a VXLAN device.
type DeviceInfo struct {
	Name     string
	VNI      uint32
	Port     uint16
	Local    netip.Addr
	Parent   string // interface of the node it sends through
	Learning bool
	MTU      int
	MAC      labs.MAC
}

// ID names the check: readable, unique within a lab and the same in every run.
func (c *Check) ID() string {
	id := string(c.Kind) + " " + c.From.Name
	if c.More != nil && c.More.Sample != nil {
		id = string(c.More.Sample.Aim) + " " + id
	}
	switch c.Kind {
	case Neigh, Space, Doors, Raise:
	case Ask:
		id += " " + c.More.Iface
	case Process:
		id += " " + c.More.Name
	case Device, Table, Control, State:
		id += " " + c.More.Label
	case Route:
		id += " -> " + c.More.Label + " (" + c.Addr.String() + ")"
	default:
		id += " -> " + c.target()
	}
	if c.More != nil && c.More.Track != nil {
		id = "nat " + c.More.Track.At.Name + ": " + id
	}
	if c.Group == Lab && c.Kind == Ask {
		return fmt.Sprintf("%s %s: %s", c.More.Path, id, c.More.Asks[0].For)
	}
	if c.Group == Lab {
		return fmt.Sprintf("%s %s: %s", c.More.Path, id, c.Want)
	}
	return id
}

// target names where the traffic of c goes.
func (c *Check) target() string {
	addr := c.Addr.String()
	if c.Port != 0 {
		addr = netip.AddrPortFrom(c.Addr, c.Port).String()
	}
	if c.To == nil || c.To.Name == c.Addr.String() {
		return addr
	}
	return c.To.Name + " (" + addr + ")"
}

// Place returns where the lab file says what c checks: the promise itself, or
// the pod, node or service it is about.
func (c *Check) Place() labs.Pos {
	if c.More != nil && c.More.Pos.Line > 0 {
		return c.More.Pos
	}
	if c.To != nil && c.To.Kind == labs.RefService && c.To.Pos.Line > 0 {
		return c.To.Pos
	}
	return c.From.Pos
}
