package labs

// PodSpec is an entry of pods.
type PodSpec struct {
	Place
	Name          At[string]          `yaml:"name" doc:"name of the pod, a DNS label"`
	Namespace     At[string]          `yaml:"namespace" doc:"Kubernetes namespace; default \"default\""`
	Node          At[string]          `yaml:"node" doc:"node the pod runs on"`
	Labels        Map[string]         `yaml:"labels" doc:"labels that a service's selector looks at"`
	IP            Several[string]     `yaml:"ip" doc:"address in the node's pod subnet; a list holds one for each address family; default the next free one"`
	Ready         At[bool]            `yaml:"ready" doc:"false: no endpoint of any service; default true"`
	RestartPolicy At[string]          `yaml:"restartPolicy" doc:"Always, OnFailure or Never; default Always"`
	Containers    List[ContainerSpec] `yaml:"containers" doc:"processes of the pod"`
}

// ContainerSpec is an entry of a pod's containers.
type ContainerSpec struct {
	Place
	Name           At[string]              `yaml:"name" doc:"name of the container, a DNS label"`
	Command        List[At[string]]        `yaml:"command" doc:"program and its first arguments"`
	Args           List[At[string]]        `yaml:"args" doc:"further arguments"`
	Env            Map[Loose]              `yaml:"env" doc:"environment variables"`
	WorkingDir     At[string]              `yaml:"workingDir" doc:"directory the program starts in, from the root"`
	User           At[int]                 `yaml:"user" doc:"numeric user id the program runs with"`
	Serve          Map[int]                `yaml:"serve" doc:"built-in servers: http, tcp or udp with a port"`
	Ports          List[ContainerPortSpec] `yaml:"ports" doc:"ports with names that a service's targetPort may refer to"`
	ReadinessProbe ProbeSpec               `yaml:"readinessProbe" doc:"when the container is ready; default as soon as it runs"`
}

// ContainerPortSpec is an entry of a container's ports.
type ContainerPortSpec struct {
	Place
	Name          At[string] `yaml:"name" doc:"name of the port, at most 15 characters"`
	ContainerPort At[int]    `yaml:"containerPort" doc:"the port"`
	Protocol      At[string] `yaml:"protocol" doc:"TCP or UDP; default TCP"`
}

// ProbeSpec is a container's readinessProbe.
type ProbeSpec struct {
	Place
	TCP                 At[int]       `yaml:"tcp" doc:"ready when this port accepts a connection"`
	HTTP                At[int]       `yaml:"http" doc:"ready when this port answers GET / with 2xx or 3xx"`
	TCPSocket           TCPSocketSpec `yaml:"tcpSocket" doc:"as tcp, in Kubernetes' words"`
	HTTPGet             HTTPGetSpec   `yaml:"httpGet" doc:"as http, in Kubernetes' words, with a path"`
	InitialDelaySeconds At[Seconds]   `yaml:"initialDelaySeconds" doc:"time before the first probe; default 0"`
	PeriodSeconds       At[Seconds]   `yaml:"periodSeconds" doc:"time between probes; default 10"`
	TimeoutSeconds      At[Seconds]   `yaml:"timeoutSeconds" doc:"time a probe may take; default 1"`
	SuccessThreshold    At[int]       `yaml:"successThreshold" doc:"successes in a row that make it ready; default 1"`
	FailureThreshold    At[int]       `yaml:"failureThreshold" doc:"failures in a row that make it unready; default 3"`
}

// TCPSocketSpec is a probe's tcpSocket.
type TCPSocketSpec struct {
	Place
	Port At[int] `yaml:"port" doc:"port to connect to"`
}

// HTTPGetSpec is a probe's httpGet.
type HTTPGetSpec struct {
	Place
	Port At[int]    `yaml:"port" doc:"port to ask"`
	Path At[string] `yaml:"path" doc:"path to ask for; default /"`
}
