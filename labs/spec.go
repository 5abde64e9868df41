package labs

// Spec is a lab file as the author wrote it: nothing filled in, nothing
// checked but its shape.
//
// The structs of a Spec are the format of a lab file. Their tags hold the key
// and a line about it; the decoder, the schema and the help are made of them.
type Spec struct {
	Place
	File string // path as the author gave it

	APIVersion  At[string]        `yaml:"apiVersion" doc:"version of the format: netlab/v1"`
	Name        At[string]        `yaml:"name" doc:"name of the lab, a DNS label; prefix of every network namespace"`
	Description At[string]        `yaml:"description" doc:"one line for lists"`
	Subnets     List[SubnetSpec]  `yaml:"subnets" doc:"named ranges of addresses; underlay, pods and services have defaults"`
	Bridges     List[BridgeSpec]  `yaml:"bridges" doc:"switches outside the nodes; default: one called fabric on subnet underlay"`
	Network     NetworkSpec       `yaml:"network" doc:"the data plane of the cluster"`
	Nodes       List[NodeSpec]    `yaml:"nodes" doc:"machines: members of the cluster, hosts and routers"`
	Pods        List[PodSpec]     `yaml:"pods" doc:"pods, each on a node"`
	Services    List[ServiceSpec] `yaml:"services" doc:"stable addresses in front of pods"`
	DNS         At[bool]          `yaml:"dns" doc:"true: a DNS server for the lab, as service kube-system/kube-dns"`
	Pause       At[bool]          `yaml:"pause" doc:"true: every pod is held by a pause process, also one without containers"`
	Verify      List[VerifySpec]  `yaml:"verify" doc:"what must hold, besides what is checked anyway"`

	Policies    Reserved `yaml:"policies" doc:"reserved for later"`
	CNI         Reserved `yaml:"cni" doc:"reserved for later"`
	Manifests   Reserved `yaml:"manifests" doc:"reserved for later"`
	Impairments Reserved `yaml:"impairments" doc:"reserved for later"`
	Exercises   Reserved `yaml:"exercises" doc:"reserved for later"`

	found      Diagnostics // by Parse
	unreadable bool        // the file is no YAML, or no map: there is nothing to resolve
}

// SubnetSpec is an entry of subnets.
type SubnetSpec struct {
	Place
	Name At[string]      `yaml:"name" doc:"name of the subnet; underlay, pods and services replace the defaults"`
	CIDR Several[string] `yaml:"cidr" doc:"address/length, or a list with one for each address family"`
}

// BridgeSpec is an entry of bridges.
type BridgeSpec struct {
	Place
	Name   At[string] `yaml:"name" doc:"name of the bridge, a DNS label"`
	Subnet At[string] `yaml:"subnet" doc:"subnet whose addresses are used on it; default underlay if it is the only bridge"`
	Uplink At[bool]   `yaml:"uplink" doc:"true: joined to the host's network, with masquerading"`
}

// NetworkSpec is the section network.
type NetworkSpec struct {
	Place
	Mode  At[string] `yaml:"mode" doc:"how pods of different nodes reach each other: vxlan, flat, routed or none; default vxlan"`
	MTU   At[int]    `yaml:"mtu" doc:"bytes, of the underlay's links; pods get what is left; default 1500"`
	VXLAN VXLANSpec  `yaml:"vxlan" doc:"settings of mode vxlan"`
}

// VXLANSpec is the section network.vxlan.
type VXLANSpec struct {
	Place
	VNI  At[int] `yaml:"vni" doc:"VXLAN network identifier, 1 to 16777215; default 1"`
	Port At[int] `yaml:"port" doc:"UDP port of the tunnel; default 8472"`
}

// VerifySpec is an entry of verify.
type VerifySpec struct {
	Place
	From   At[string] `yaml:"from" doc:"pod, node or bridge the traffic starts at"`
	To     At[string] `yaml:"to" doc:"pod, service, node, bridge or address it goes to, with :PORT and /UDP where they are meant"`
	Expect At[string] `yaml:"expect" doc:"reachable, refused, timeout or unreachable; default reachable"`
}
