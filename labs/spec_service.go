package labs

// ServiceSpec is an entry of services.
type ServiceSpec struct {
	Place
	Name                  At[string]            `yaml:"name" doc:"name of the service, a DNS label"`
	Namespace             At[string]            `yaml:"namespace" doc:"Kubernetes namespace; default \"default\""`
	Type                  At[string]            `yaml:"type" doc:"ClusterIP or NodePort; default ClusterIP"`
	ClusterIP             At[string]            `yaml:"clusterIP" doc:"address in subnet services, or None for a headless service; default the next free one"`
	ClusterIPs            List[At[string]]      `yaml:"clusterIPs" doc:"the same, one for each address family"`
	ExternalIPs           List[At[string]]      `yaml:"externalIPs" doc:"further addresses at which nodes accept traffic for it"`
	Selector              Map[string]           `yaml:"selector" doc:"labels of the pods behind it"`
	Endpoints             List[EndpointSpec]    `yaml:"endpoints" doc:"addresses behind it, in place of a selector"`
	Ports                 List[ServicePortSpec] `yaml:"ports" doc:"ports at which it is reached"`
	SessionAffinity       At[string]            `yaml:"sessionAffinity" doc:"ClientIP: a client stays with its endpoint; default None"`
	SessionAffinityConfig AffinityConfigSpec    `yaml:"sessionAffinityConfig" doc:"settings of sessionAffinity"`
	InternalTrafficPolicy At[string]            `yaml:"internalTrafficPolicy" doc:"Local: from inside, only endpoints of the client's node; default Cluster"`
	ExternalTrafficPolicy At[string]            `yaml:"externalTrafficPolicy" doc:"Local: from outside, only endpoints of the node that was asked, which see the client's address; default Cluster"`
}

// ServicePortSpec is an entry of a service's ports.
type ServicePortSpec struct {
	Place
	Name       At[string] `yaml:"name" doc:"name of the port; needed where there are several"`
	Port       At[int]    `yaml:"port" doc:"port of the service"`
	TargetPort At[string] `yaml:"targetPort" doc:"port of the pods, a number or the name of a container port; default the same as port"`
	NodePort   At[int]    `yaml:"nodePort" doc:"port of every node, 30000 to 32767; type NodePort only; default the next free one"`
	Protocol   At[string] `yaml:"protocol" doc:"TCP or UDP; default TCP"`
}

// EndpointSpec is an entry of a service's endpoints.
type EndpointSpec struct {
	Place
	IP    At[string] `yaml:"ip" doc:"address"`
	Port  At[int]    `yaml:"port" doc:"port; default the targetPort of the service"`
	Ports Map[int]   `yaml:"ports" doc:"port for each of the service's ports by name, where it has several"`
}

// AffinityConfigSpec is a service's sessionAffinityConfig.
type AffinityConfigSpec struct {
	Place
	ClientIP ClientIPSpec `yaml:"clientIP" doc:"settings of sessionAffinity: ClientIP"`
}

// ClientIPSpec is a service's sessionAffinityConfig.clientIP.
type ClientIPSpec struct {
	Place
	TimeoutSeconds At[int] `yaml:"timeoutSeconds" doc:"how long a client is remembered, 1 to 86400; default 10800"`
}
