package labs

// VerifySpec is an entry of verify.
type VerifySpec struct {
	Place
	From   At[string]      `yaml:"from" doc:"reference to a pod, a node or a bridge" default:"required" example:"client"`
	To     At[string]      `yaml:"to" doc:"reference, with :PORT (a number, or a name that the service or pod gives it) and /UDP where meant. Without a port it is pinged; a service with one port needs none" default:"required" example:"svc/web:80"`
	Expect At[string]      `yaml:"expect" doc:"what the sender is to see" default:"reachable" example:"refused" enum:"reachable,refused,timeout,unreachable"`
	Within At[string]      `yaml:"within" doc:"time that an answer may take, at most 1m; with timeout, how long there has to be silence" default:"~2s" example:"50ms"`
	Count  At[int]         `yaml:"count" doc:"ask so often, each time once. Without it the question is repeated until it is answered, as long as within lasts" default:"~once, with further tries" example:"100" range:"1-1000"`
	Loss   At[string]      `yaml:"loss" doc:"how many of count may stay without an answer: 10% is at most, 5%-15% from to" default:"~none" example:"10%"`
	Rate   At[string]      `yaml:"rate" doc:"what one TCP connection carries to a pod or node: 10mbit is at least, 8mbit-12mbit from to; kbit and gbit are units, too. Measured for a second, where netlab listens itself: without a port, or at one where nothing runs" default:"~not measured" example:"10mbit"`
	Source At[string]      `yaml:"source" doc:"whom the server sees: an address, or a pod or node that has it; a node's addresses on its bridge and tunnel are its own. Only servers of netlab say it" default:"~anybody" example:"client"`
	HTTP   HTTPExpectSpec  `yaml:"http" doc:"ask by HTTP, and what has to come back" default:"~not asked by HTTP" example:"{path: /healthz, status: 200, body: ok}"`
	ARP    At[string]      `yaml:"arp" doc:"from asks by ARP who has the address of to: the MAC that answers, or the pod, node or bridge it belongs to, or none. Nobody else may answer. IPv4 only" default:"~not asked" example:"node-a"`
	Route  RouteExpectSpec `yaml:"route" doc:"where the kernel of from sends packets for to. With expect unreachable, {} says that there is no route" default:"~not looked up" example:"{via: 10.244.1.1, dev: eth0}"`
	NAT    NATExpectSpec   `yaml:"nat" doc:"how the connection is translated, as connection tracking remembers it" default:"~not looked up" example:"{destination: \"pod/web:8080\", source: none}"`
}

// HTTPExpectSpec is an expectation's http.
type HTTPExpectSpec struct {
	Place
	Path   At[string] `yaml:"path" doc:"path to ask for" default:"/" example:"/healthz"`
	Status At[int]    `yaml:"status" doc:"status of the answer" default:"200" example:"404" range:"100-599"`
	Body   At[string] `yaml:"body" doc:"text that the body of the answer contains" default:"~any" example:"hello"`
}

// RouteExpectSpec is an expectation's route.
type RouteExpectSpec struct {
	Place
	Via At[string] `yaml:"via" doc:"next hop, or none if to is on the link" default:"~any" example:"10.244.1.1"`
	Dev At[string] `yaml:"dev" doc:"interface" default:"~any" example:"eth0"`
	Src At[string] `yaml:"src" doc:"address that packets start with" default:"~any" example:"10.244.1.2"`
}

// NATExpectSpec is an expectation's nat.
type NATExpectSpec struct {
	Place
	At          At[string] `yaml:"at" doc:"node that translates" default:"~the node of from, or the one that is asked" example:"node-a"`
	Destination At[string] `yaml:"destination" doc:"where the connection leads instead: a pod, node or address, with :PORT if it matters, or none if it stays what it was" default:"~an endpoint of the service" example:"pod/web:8080"`
	Source      At[string] `yaml:"source" doc:"as whom the client appears: a pod, node or address, or none if it keeps its own" default:"~as the service's policies have it" example:"node-a"`
}
