package labs

// NodeSpec is an entry of nodes.
type NodeSpec struct {
	Place
	Name       At[string]           `yaml:"name" doc:"name of the node" default:"required" example:"node-a" match:"label"`
	Cluster    At[bool]             `yaml:"cluster" doc:"member of the cluster: runs pods and has the services' rules" default:"~true in a lab that has pods, services, dns: true, a podSubnet or a network section" example:"false"`
	Interfaces List[InterfaceSpec]  `yaml:"interfaces" doc:"its network cards; [] is a node without any" default:"~one eth0 on the only bridge" example:"[{name: eth0, bridge: fabric, ip: 172.30.0.12}]"`
	PodSubnet  Several[string]      `yaml:"podSubnet" doc:"range of the node's pods; a list holds one for each address family" default:"~next block of subnet pods" example:"10.244.2.0/24" match:"cidr"`
	Routes     List[RouteSpec]      `yaml:"routes" doc:"static routes" default:"none" example:"[{to: 10.1.0.0/16, via: 10.9.0.2}]"`
	Rules      List[RuleSpec]       `yaml:"rules" doc:"policy routing rules" default:"none" example:"[{from: 10.5.0.0/16, table: 300}]"`
	Sysctls    Map[Loose]           `yaml:"sysctls" doc:"kernel parameters whose names begin with net., written with dots" default:"none" example:"{net.ipv4.conf.all.rp_filter: 2}" match:"sysctl"`
	Masquerade List[MasqueradeSpec] `yaml:"masquerade" doc:"rewrites the source address of what leaves through an interface" default:"none" example:"[{from: 10.0.0.0/24, out: eth0}]"`
}

// InterfaceSpec is an entry of a node's interfaces.
type InterfaceSpec struct {
	Place
	Name   At[string]      `yaml:"name" doc:"name in the kernel, at most 15 characters; not lo, and on nodes of the cluster not cni0 or what begins with vxlan, veth- or cali" default:"required" example:"eth0" match:"interface"`
	Bridge At[string]      `yaml:"bridge" doc:"bridge it is plugged into" default:"~the only one" example:"fabric" match:"label"`
	Peer   At[string]      `yaml:"peer" doc:"NODE:INTERFACE at the other end of a cable without a bridge" default:"~none" example:"r2:eth1" match:"peer"`
	IP     Several[string] `yaml:"ip" doc:"an address, or a list with one for each family; on a cable with its length" default:"~next free one of the bridge's subnet" example:"172.30.0.12" match:"ip"`
}

// RouteSpec is an entry of a node's routes.
type RouteSpec struct {
	Place
	To     At[string]      `yaml:"to" doc:"prefix, address or default" default:"required" example:"10.1.0.0/16" match:"destination"`
	Via    Several[string] `yaml:"via" doc:"next hop; a list makes an ECMP route. On a subnet of the node, unless onlink" default:"~none" example:"172.30.0.3" match:"address"`
	Dev    At[string]      `yaml:"dev" doc:"interface of the node; needed without via" default:"~found by via" example:"eth0"`
	Src    At[string]      `yaml:"src" doc:"address of the node that packets start with" default:"~none" example:"172.30.0.2" match:"address"`
	Metric At[int]         `yaml:"metric" doc:"the lower is preferred" default:"0" example:"100" range:"0-2147483647"`
	Table  At[string]      `yaml:"table" doc:"a number or main" default:"main" example:"300"`
	OnLink At[bool]        `yaml:"onlink" doc:"true: via is reached through dev although no address says so" default:"false" example:"true"`
}

// RuleSpec is an entry of a node's rules.
type RuleSpec struct {
	Place
	From     At[string] `yaml:"from" doc:"source, prefix or address" default:"~any" example:"10.5.0.0/16" match:"range"`
	To       At[string] `yaml:"to" doc:"destination, prefix or address" default:"~any" example:"10.6.0.0/16" match:"range"`
	Iif      At[string] `yaml:"iif" doc:"interface the packet came in through; lo for those of the node itself" default:"~any" example:"eth1"`
	Table    At[string] `yaml:"table" doc:"a number or main" default:"required" example:"300"`
	Priority At[int]    `yaml:"priority" doc:"the lower comes first" default:"~1000, 1001, … in order" example:"500" range:"1-32765"`
	IPv6     At[bool]   `yaml:"ipv6" doc:"true: a rule for IPv6, where neither from nor to says so" default:"~by from and to" example:"true"`
}

// MasqueradeSpec is an entry of a node's masquerade.
type MasqueradeSpec struct {
	Place
	From At[string] `yaml:"from" doc:"source, prefix or address" default:"required" example:"10.0.0.0/24" match:"range"`
	Out  At[string] `yaml:"out" doc:"interface of the node that packets leave through" default:"required" example:"eth0"`
}
