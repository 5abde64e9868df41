package labs

// NodeSpec is an entry of nodes.
type NodeSpec struct {
	Place
	Name       At[string]           `yaml:"name" doc:"name of the node, a DNS label"`
	Cluster    At[bool]             `yaml:"cluster" doc:"member of the cluster; default true in a lab with pods, services or a network section"`
	Interfaces List[InterfaceSpec]  `yaml:"interfaces" doc:"default: one called eth0 on the only bridge"`
	PodSubnet  Several[string]      `yaml:"podSubnet" doc:"range of the node's pods, inside subnet pods; a list holds one for each address family"`
	Routes     List[RouteSpec]      `yaml:"routes" doc:"static routes"`
	Rules      List[RuleSpec]       `yaml:"rules" doc:"policy routing rules"`
	Sysctls    Map[Loose]           `yaml:"sysctls" doc:"kernel parameters under net., such as net.ipv4.ip_forward: 1"`
	Masquerade List[MasqueradeSpec] `yaml:"masquerade" doc:"rewrites the source of what leaves through an interface"`
}

// InterfaceSpec is an entry of a node's interfaces.
type InterfaceSpec struct {
	Place
	Name   At[string]      `yaml:"name" doc:"name in the kernel, at most 15 characters"`
	Bridge At[string]      `yaml:"bridge" doc:"bridge it is plugged into; default the only one"`
	Peer   At[string]      `yaml:"peer" doc:"NODE:INTERFACE at the other end of a cable without a bridge"`
	IP     Several[string] `yaml:"ip" doc:"address, with its length on a cable; a list holds one for each address family; default the next free one of the bridge's subnet"`
}

// RouteSpec is an entry of a node's routes.
type RouteSpec struct {
	Place
	To     At[string]      `yaml:"to" doc:"destination: prefix, address or default"`
	Via    Several[string] `yaml:"via" doc:"next hop, or a list of equal ones"`
	Dev    At[string]      `yaml:"dev" doc:"interface of the node"`
	Src    At[string]      `yaml:"src" doc:"address of the node that packets start with"`
	Metric At[int]         `yaml:"metric" doc:"the lower is preferred; default 0"`
	Table  At[string]      `yaml:"table" doc:"routing table, a number or main; default main"`
	OnLink At[bool]        `yaml:"onlink" doc:"true: via is reached through dev although no address of it says so"`
}

// RuleSpec is an entry of a node's rules.
type RuleSpec struct {
	Place
	From     At[string] `yaml:"from" doc:"source prefix or address; default any"`
	To       At[string] `yaml:"to" doc:"destination prefix or address; default any"`
	Iif      At[string] `yaml:"iif" doc:"interface the packet came in through; default any"`
	Table    At[string] `yaml:"table" doc:"routing table to look in, a number or main"`
	Priority At[int]    `yaml:"priority" doc:"the lower comes first; default 1000, 1001 and so on in the order of the list"`
	IPv6     At[bool]   `yaml:"ipv6" doc:"true: a rule for IPv6; needed only where neither from nor to says so"`
}

// MasqueradeSpec is an entry of a node's masquerade.
type MasqueradeSpec struct {
	Place
	From At[string] `yaml:"from" doc:"source prefix or address"`
	Out  At[string] `yaml:"out" doc:"interface of the node that packets leave through"`
}
