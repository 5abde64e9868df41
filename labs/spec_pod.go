package labs

// PodSpec is an entry of pods.
type PodSpec struct {
	Place
	Name          At[string]          `yaml:"name" doc:"name of the pod, unique in its namespace" default:"required" example:"web-1" match:"label"`
	Namespace     At[string]          `yaml:"namespace" doc:"Kubernetes namespace" default:"default" example:"shop" match:"label"`
	Node          At[string]          `yaml:"node" doc:"node it runs on, a member of the cluster" default:"required" example:"node-b" match:"label"`
	Labels        Map[string]         `yaml:"labels" doc:"labels that selectors look at" default:"none" example:"{app: web}"`
	IP            Several[string]     `yaml:"ip" doc:"an address, or a list with one for each family" default:"~next free one of the node's pod subnet, from the second on" example:"10.244.2.7" match:"ip"`
	Ready         At[bool]            `yaml:"ready" doc:"false: no endpoint of any service" default:"true" example:"false"`
	RestartPolicy At[string]          `yaml:"restartPolicy" doc:"when a container that ended is started again" default:"Always" example:"OnFailure" enum:"Always,OnFailure,Never"`
	Containers    List[ContainerSpec] `yaml:"containers" doc:"processes of the pod" default:"none" example:"[{name: web, serve: {http: 8080}}]"`
}

// ContainerSpec is an entry of a pod's containers.
type ContainerSpec struct {
	Place
	Name           At[string]              `yaml:"name" doc:"name of the container, unique in the pod" default:"required" example:"web" match:"label"`
	Command        List[At[string]]        `yaml:"command" doc:"program and its first arguments, a list of texts. A container has serve or command" default:"~none" example:"[sh, -c]" least:"1"`
	Args           List[At[string]]        `yaml:"args" doc:"further arguments, a list of texts" default:"none" example:"[sleep 1d]"`
	Env            Map[Loose]              `yaml:"env" doc:"environment variables" default:"none" example:"{GREETING: hello}"`
	WorkingDir     At[string]              `yaml:"workingDir" doc:"directory the program starts in" default:"/" example:"/tmp" match:"path"`
	User           At[int]                 `yaml:"user" doc:"numeric user id" default:"~65534 where netlab runs as root, else the one it runs with" example:"0" range:"0-2147483647"`
	Serve          Map[int]                `yaml:"serve" doc:"built-in servers: http, tcp, udp with a port each. A container has serve or command" default:"~none" example:"{http: 8080}" keys:"http,tcp,udp" range:"1-65535" least:"1"`
	Ports          List[ContainerPortSpec] `yaml:"ports" doc:"ports with names that a service's targetPort may refer to" default:"none" example:"[{name: web, containerPort: 8080}]"`
	ReadinessProbe ProbeSpec               `yaml:"readinessProbe" doc:"when the container is ready: one of tcp, http, tcpSocket and httpGet" default:"~ready as soon as it runs" example:"{tcp: 8080, periodSeconds: 2}"`
}

// ContainerPortSpec is an entry of a container's ports.
type ContainerPortSpec struct {
	Place
	Name          At[string] `yaml:"name" doc:"name of the port, at most 15 characters; unique in the pod" default:"~none" example:"web" match:"port"`
	ContainerPort At[int]    `yaml:"containerPort" doc:"the port" default:"required" example:"8080" range:"1-65535"`
	Protocol      At[string] `yaml:"protocol" doc:"transport protocol" default:"TCP" example:"UDP" enum:"TCP,UDP"`
}

// ProbeSpec is a container's readinessProbe.
type ProbeSpec struct {
	Place
	TCP                 At[int]       `yaml:"tcp" doc:"ready when this port accepts a connection" default:"~none" example:"8080" range:"1-65535"`
	HTTP                At[int]       `yaml:"http" doc:"ready when this port answers GET / with 2xx or 3xx" default:"~none" example:"8080" range:"1-65535"`
	TCPSocket           TCPSocketSpec `yaml:"tcpSocket" doc:"as tcp, in Kubernetes' words" default:"~none" example:"{port: 8080}"`
	HTTPGet             HTTPGetSpec   `yaml:"httpGet" doc:"as http, in Kubernetes' words, with a path" default:"~none" example:"{port: 8080, path: /healthz}"`
	InitialDelaySeconds At[Seconds]   `yaml:"initialDelaySeconds" doc:"time before the first probe; may have decimals" default:"0" example:"1.5" range:"0-86400"`
	PeriodSeconds       At[Seconds]   `yaml:"periodSeconds" doc:"time between probes; may have decimals" default:"10" example:"0.5" range:"0.1-86400"`
	TimeoutSeconds      At[Seconds]   `yaml:"timeoutSeconds" doc:"time a probe may take; may have decimals" default:"1" example:"2" range:"0.1-86400"`
	SuccessThreshold    At[int]       `yaml:"successThreshold" doc:"successes in a row that make it ready" default:"1" example:"2" range:"1-1000"`
	FailureThreshold    At[int]       `yaml:"failureThreshold" doc:"failures in a row that make it unready" default:"3" example:"1" range:"1-1000"`
}

// TCPSocketSpec is a probe's tcpSocket.
type TCPSocketSpec struct {
	Place
	Port At[int] `yaml:"port" doc:"port to connect to" default:"required" example:"8080" range:"1-65535"`
}

// HTTPGetSpec is a probe's httpGet.
type HTTPGetSpec struct {
	Place
	Port At[int]    `yaml:"port" doc:"port to ask" default:"required" example:"8080" range:"1-65535"`
	Path At[string] `yaml:"path" doc:"path to ask for" default:"/" example:"/healthz" match:"path"`
}
