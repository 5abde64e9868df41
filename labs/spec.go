package labs

// Spec is a lab file as the author wrote it: nothing filled in, nothing
// checked but its shape.
//
// The structs of a Spec are the format of a lab file. Their tags hold the key
// and a line about it; the decoder, the schema and the help are made of them.
type Spec struct {
	Place
	File string // path as the author gave it

	APIVersion  At[string]        `yaml:"apiVersion" doc:"version of the format" default:"netlab/v1" example:"netlab/v1" enum:"netlab/v1"`
	Name        At[string]        `yaml:"name" doc:"prefix of every network namespace the lab makes: a DNS label of at most 40 characters" default:"required" example:"two-node" match:"lab"`
	Description At[string]        `yaml:"description" doc:"one line for lists" default:"~empty" example:"a client on one node, a server on the other"`
	Subnets     List[SubnetSpec]  `yaml:"subnets" doc:"named ranges of addresses" default:"~underlay 172.30.0.0/24, pods 10.244.0.0/16, services 10.96.0.0/16" example:"[{name: office, cidr: 10.1.0.0/24}]"`
	Bridges     List[BridgeSpec]  `yaml:"bridges" doc:"switches outside the nodes" default:"~one, fabric, on subnet underlay" example:"[{name: fabric, subnet: underlay}]"`
	Network     NetworkSpec       `yaml:"network" doc:"the data plane of the cluster" default:"~mode vxlan" example:"{mode: flat, mtu: 1500}"`
	Nodes       List[NodeSpec]    `yaml:"nodes" doc:"machines: members of the cluster, hosts and routers" default:"required" example:"[{name: node-a}, {name: node-b}]" least:"1"`
	Pods        List[PodSpec]     `yaml:"pods" doc:"pods, each on a node" default:"none" example:"[{name: web, node: node-b, labels: {app: web}}]"`
	Services    List[ServiceSpec] `yaml:"services" doc:"stable addresses in front of pods" default:"none" example:"[{name: web, selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}]"`
	DNS         At[bool]          `yaml:"dns" doc:"true: a DNS server for the lab, as service kube-system/kube-dns, at the tenth address of subnet services" default:"false" example:"true"`
	Pause       At[bool]          `yaml:"pause" doc:"true: every pod is held by a pause process, also one without containers" default:"false" example:"true"`
	Verify      List[VerifySpec]  `yaml:"verify" doc:"what must hold, besides what is checked anyway" default:"none" example:"[{from: client, to: \"svc/web:80\", expect: reachable}]"`

	Policies    Reserved `yaml:"policies" doc:"reserved for later"`
	CNI         Reserved `yaml:"cni" doc:"reserved for later"`
	Manifests   Reserved `yaml:"manifests" doc:"reserved for later"`
	Impairments Reserved `yaml:"impairments" doc:"reserved for later"`
	Exercises   Reserved `yaml:"exercises" doc:"reserved for later"`

	found      Diagnostics // by Parse
	text       []byte      // of the file
	unreadable bool        // the file is no YAML, or no map: there is nothing to resolve
}

// SubnetSpec is an entry of subnets.
type SubnetSpec struct {
	Place
	Name At[string]      `yaml:"name" doc:"underlay, pods and services replace the defaults; other names add subnets" default:"required" example:"office" match:"label"`
	CIDR Several[string] `yaml:"cidr" doc:"address/length, or a list with one for each address family" default:"required" example:"[10.1.0.0/24, \"fd00:1::/64\"]" match:"cidr"`
}

// BridgeSpec is an entry of bridges.
type BridgeSpec struct {
	Place
	Name   At[string] `yaml:"name" doc:"name of the bridge" default:"required" example:"fabric" match:"label"`
	Subnet At[string] `yaml:"subnet" doc:"subnet whose addresses are used on it, and on no other bridge; not pods or services" default:"~underlay if it is the only bridge" example:"underlay" match:"label"`
	Uplink At[bool]   `yaml:"uplink" doc:"true: joined to the host's network, with masquerading" default:"false" example:"true"`
}

// NetworkSpec is the section network.
type NetworkSpec struct {
	Place
	Mode  At[string] `yaml:"mode" doc:"how pods of different nodes reach each other" default:"vxlan" example:"flat" enum:"vxlan,flat,routed,none"`
	MTU   At[int]    `yaml:"mtu" doc:"bytes, of the underlay's links; from 576, with IPv6 from 1280; pods get what is left" default:"1500" example:"9000" range:"576-65535"`
	VXLAN VXLANSpec  `yaml:"vxlan" doc:"settings of mode vxlan" default:"~vni 1, port 8472" example:"{vni: 42, port: 4789}"`
}

// VXLANSpec is the section network.vxlan.
type VXLANSpec struct {
	Place
	VNI  At[int] `yaml:"vni" doc:"VXLAN network identifier" default:"1" example:"42" range:"1-16777215"`
	Port At[int] `yaml:"port" doc:"UDP port of the tunnel" default:"8472" example:"4789" range:"1-65535"`
}
