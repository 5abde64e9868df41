package labs

// ServiceSpec is an entry of services.
type ServiceSpec struct {
	Place
	Name                  At[string]            `yaml:"name" doc:"name of the service, unique in its namespace" default:"required" example:"web" match:"label"`
	Namespace             At[string]            `yaml:"namespace" doc:"Kubernetes namespace" default:"default" example:"shop" match:"label"`
	Type                  At[string]            `yaml:"type" doc:"how it is reached: at its own address only, or at a port of every node as well" default:"ClusterIP" example:"NodePort" enum:"ClusterIP,NodePort"`
	ClusterIP             At[string]            `yaml:"clusterIP" doc:"an address in subnet services, or None for a headless service" default:"~next free one of subnet services, from the eleventh on" example:"10.96.0.80" match:"clusterIP"`
	ClusterIPs            List[At[string]]      `yaml:"clusterIPs" doc:"the same as a list, one for each family" default:"~by clusterIP" example:"[10.96.0.80, \"fd00:96::80\"]" match:"clusterIP"`
	ExternalIPs           List[At[string]]      `yaml:"externalIPs" doc:"further addresses at which nodes accept traffic; outside of pods and services" default:"none" example:"[203.0.113.9]" match:"address"`
	Selector              Map[string]           `yaml:"selector" doc:"labels of the pods behind it, in its own namespace" default:"~none" example:"{app: web}"`
	Endpoints             List[EndpointSpec]    `yaml:"endpoints" doc:"addresses behind it, in place of a selector" default:"none" example:"[{ip: 192.0.2.7, port: 5432}]"`
	Ports                 List[ServicePortSpec] `yaml:"ports" doc:"ports at which it is reached" default:"~required, unless headless" example:"[{name: http, port: 80, targetPort: 8080}]"`
	SessionAffinity       At[string]            `yaml:"sessionAffinity" doc:"ClientIP: a client stays with its endpoint" default:"None" example:"ClientIP" enum:"None,ClientIP"`
	SessionAffinityConfig AffinityConfigSpec    `yaml:"sessionAffinityConfig" doc:"settings of sessionAffinity: ClientIP" default:"~timeoutSeconds 10800" example:"{clientIP: {timeoutSeconds: 60}}"`
	InternalTrafficPolicy At[string]            `yaml:"internalTrafficPolicy" doc:"Local: from inside, only endpoints of the client's node" default:"Cluster" example:"Local" enum:"Cluster,Local"`
	ExternalTrafficPolicy At[string]            `yaml:"externalTrafficPolicy" doc:"Local: from outside, only endpoints of the node that was asked, which see the client's address. With NodePort or externalIPs" default:"Cluster" example:"Local" enum:"Cluster,Local"`
}

// ServicePortSpec is an entry of a service's ports.
type ServicePortSpec struct {
	Place
	Name       At[string] `yaml:"name" doc:"needed where there are several" default:"~none" example:"http" match:"label"`
	Port       At[int]    `yaml:"port" doc:"port of the service" default:"required" example:"80" range:"1-65535"`
	TargetPort At[string] `yaml:"targetPort" doc:"a number, or the name of a container port, looked up in each pod" default:"~the same as port" example:"8080" range:"1-65535" match:"targetPort"`
	NodePort   At[int]    `yaml:"nodePort" doc:"port of every node; type NodePort only" default:"~next free one from 30000" example:"30080" range:"30000-32767"`
	Protocol   At[string] `yaml:"protocol" doc:"transport protocol" default:"TCP" example:"UDP" enum:"TCP,UDP"`
}

// EndpointSpec is an entry of a service's endpoints.
type EndpointSpec struct {
	Place
	IP    At[string] `yaml:"ip" doc:"address of the endpoint" default:"required" example:"192.0.2.7" match:"address"`
	Port  At[int]    `yaml:"port" doc:"port of the endpoint" default:"~the targetPort" example:"5432" range:"1-65535"`
	Ports Map[int]   `yaml:"ports" doc:"port for each of the service's ports by name, where it has several" default:"~none" example:"{http: 8080}" range:"1-65535"`
}

// AffinityConfigSpec is a service's sessionAffinityConfig.
type AffinityConfigSpec struct {
	Place
	ClientIP ClientIPSpec `yaml:"clientIP" doc:"settings of sessionAffinity: ClientIP" default:"~timeoutSeconds 10800" example:"{timeoutSeconds: 60}"`
}

// ClientIPSpec is a service's sessionAffinityConfig.clientIP.
type ClientIPSpec struct {
	Place
	TimeoutSeconds At[int] `yaml:"timeoutSeconds" doc:"how long a client is remembered" default:"10800" example:"60" range:"1-86400"`
}
