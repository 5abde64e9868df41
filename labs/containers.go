package labs

import (
	"slices"
	"strings"
	"time"
)

var (
	envName  = newPattern(`^[A-Za-z_.-][A-Za-z0-9_.-]*$`)
	portName = newPattern(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	letter   = newPattern(`[a-z]`)
)

const (
	maxPort     = 65535
	maxPortName = 15 // characters, of a container port's name
	maxUser     = 1<<31 - 1
)

// containers resolves the containers of a pod.
func (r *resolver) containers(p *pod) {
	first := map[string]Pos{}
	listens := map[Serve]Pos{}
	names := map[string]Pos{}
	for i := range p.spec.Containers.Items {
		spec := &p.spec.Containers.Items[i]
		c := Container{Pos: spec.Pos, User: -1}
		c.Name = r.label(spec.Name, spec.Place, "name", maxLabel)
		if before, twice := first[c.Name]; twice && spec.Name.OK() {
			r.errorf(spec.Name.Place, "", "there is already a container %s in this pod%s", quote(c.Name), lineOf(before))
		}
		first[c.Name] = spec.Name.Pos
		c.Serve = r.serve(spec, listens)
		c.Command = r.words(spec.Command)
		c.Args = r.words(spec.Args)
		r.process(spec, &c)
		c.Ports = r.containerPorts(spec, names)
		c.Readiness = r.probe(&spec.ReadinessProbe)
		p.Containers = append(p.Containers, c)
	}
}

// process checks what is run: a command, built-in servers or both.
func (r *resolver) process(spec *ContainerSpec, c *Container) {
	switch {
	case spec.Command.OK() && len(c.Command) == 0:
		r.errorf(spec.Command.Place, "for instance [sleep, 1d]", "the command is empty")
	case len(c.Command) > 0 && c.Command[0] == "" && !spec.Command.Bad:
		r.errorf(spec.Command.Items[0].Place, "", "the program's name is empty")
	case !spec.Command.Written() && !spec.Serve.Written() && !spec.mayHave("command", "serve"):
		r.errorf(spec.Place, "for instance serve: {http: 8080}", "a container needs serve or command")
	case !spec.Command.Written() && len(c.Args) > 0:
		r.errorf(spec.Args.Place, "put the program into command", "there are args, but no command")
	case spec.Command.Written() && spec.Serve.Written():
		r.errorf(spec.Serve.Place, "make two containers of it", "a container has serve or command, not both")
	}
	for _, e := range spec.Env.Entries {
		if !envName.MatchString(e.Key.Value) {
			r.errorf(e.Key.Place, "", "%s is not a name for an environment variable", quote(e.Key.Value))
		}
		if strings.Contains(string(e.Value.Value), "\x00") {
			r.errorf(e.Value.Place, "", "an environment variable cannot hold a zero byte")
		}
		c.Env = append(c.Env, EnvVar{e.Key.Value, string(e.Value.Value)})
	}
	c.WorkingDir = spec.WorkingDir.Value
	if spec.WorkingDir.OK() && (!strings.HasPrefix(c.WorkingDir, "/") || strings.Contains(c.WorkingDir, "\x00")) {
		r.errorf(spec.WorkingDir.Place, "", "%s should start with /", quote(c.WorkingDir))
	}
	c.User = r.inRange(spec.User, -1, 0, maxUser)
}

// words reads a command or its arguments.
func (r *resolver) words(l List[At[string]]) []string {
	var words []string
	for _, w := range l.Items {
		if strings.Contains(w.Value, "\x00") {
			r.errorf(w.Place, "", "an argument cannot hold a zero byte")
		}
		words = append(words, w.Value)
	}
	return words
}

// serve reads the built-in servers of a container. All containers of a pod
// share its ports.
func (r *resolver) serve(spec *ContainerSpec, listens map[Serve]Pos) []Serve {
	var servers []Serve
	if spec.Serve.OK() && len(spec.Serve.Entries) == 0 {
		r.errorf(spec.Serve.Place, "for instance serve: {http: 8080}", "serve is empty")
	}
	kinds := []string{"http", "tcp", "udp"}
	for _, e := range spec.Serve.Entries {
		kind := e.Key.Value
		if !slices.Contains(kinds, kind) {
			r.errorf(e.Key.Place, r.guess(kind, kinds), "there is no server %s", quote(kind))
			continue
		}
		port := uint16(r.inRange(e.Value, 0, 1, maxPort))
		if port == 0 {
			continue
		}
		socket := Serve{Kind: "tcp", Port: port} // http listens on TCP, too
		if kind == "udp" {
			socket.Kind = "udp"
		}
		if before, twice := listens[socket]; twice {
			r.errorf(e.Value.Place, "the containers of a pod share its ports", "%s port %d is already served%s", strings.ToUpper(socket.Kind), port, lineOf(before))
			continue
		}
		listens[socket] = e.Value.Pos
		servers = append(servers, Serve{kind, port})
	}
	return servers
}

// containerPorts reads the ports of a container. Their names are unique in the
// pod.
func (r *resolver) containerPorts(spec *ContainerSpec, names map[string]Pos) []ContainerPort {
	type socket struct {
		port     uint16
		protocol Protocol
	}
	var ports []ContainerPort
	first := map[socket]Pos{}
	for i := range spec.Ports.Items {
		ps := &spec.Ports.Items[i]
		if !ps.ContainerPort.Written() {
			r.missing(ps.Place, "containerPort")
		}
		p := ContainerPort{Name: ps.Name.Value, Protocol: r.protocol(ps.Protocol)}
		p.Port = uint16(r.inRange(ps.ContainerPort, 0, 1, maxPort))
		if ps.Name.OK() {
			if why := notAPortName(p.Name, maxPortName); why != "" {
				r.errorf(ps.Name.Place, "", "%s %s", quote(p.Name), why)
			}
			if before, twice := names[p.Name]; twice {
				r.errorf(ps.Name.Place, "", "there is already a port %s in this pod%s", quote(p.Name), lineOf(before))
			}
			names[p.Name] = ps.Name.Pos
		}
		k := socket{p.Port, p.Protocol}
		if before, twice := first[k]; twice && p.Port != 0 {
			r.errorf(ps.ContainerPort.Place, "", "%s port %d is already listed%s", p.Protocol, p.Port, lineOf(before))
		}
		first[k] = ps.ContainerPort.Pos
		ports = append(ports, p)
	}
	return ports
}

// notAPortName says what keeps name from being the name of a port, or "".
func notAPortName(name string, longest int) string {
	switch {
	case name == "":
		return "is empty"
	case len(name) > longest:
		return "is too long for the name of a port"
	case !portName.MatchString(name) || !letter.MatchString(name):
		return "is not a name for a port: lower-case letters, digits and single dashes, one letter at least"
	}
	return ""
}

// protocol reads a transport protocol.
func (r *resolver) protocol(a At[string]) Protocol {
	if a.OK() && strings.EqualFold(a.Value, "sctp") {
		r.errorf(a.Place, "use TCP or UDP", "protocol %s is not supported", quote(a.Value))
		return TCP
	}
	return Protocol(r.oneOf(a, string(TCP), string(TCP), string(UDP)))
}

// probe resolves a readiness probe, or returns nil if there is none.
func (r *resolver) probe(spec *ProbeSpec) *Probe {
	if !spec.Written() {
		return nil
	}
	port := func(a At[int]) uint16 { return uint16(r.inRange(a, 0, 1, maxPort)) }
	p := &Probe{
		TCP:              port(spec.TCP),
		InitialDelay:     duration(spec.InitialDelaySeconds, 0),
		Period:           duration(spec.PeriodSeconds, 10),
		Timeout:          duration(spec.TimeoutSeconds, 1),
		SuccessThreshold: r.inRange(spec.SuccessThreshold, 1, 1, 1000),
		FailureThreshold: r.inRange(spec.FailureThreshold, 3, 1, 1000),
	}
	kinds := 0
	for _, at := range []Place{spec.TCP.Place, spec.HTTP.Place, spec.TCPSocket.Place, spec.HTTPGet.Place} {
		if at.Written() {
			kinds++
		}
	}
	if kinds != 1 && !spec.mayHave("tcp", "http", "tcpSocket", "httpGet") {
		r.errorf(spec.Place, "for instance readinessProbe: {tcp: 8080}", "a probe needs one of tcp, http, tcpSocket and httpGet")
	}
	if spec.HTTP.OK() {
		p.HTTP = &HTTPProbe{Port: port(spec.HTTP), Path: "/"}
	}
	if spec.TCPSocket.Written() {
		if !spec.TCPSocket.Port.Written() {
			r.missing(spec.TCPSocket.Place, "port")
		}
		p.TCP = port(spec.TCPSocket.Port)
	}
	if get := &spec.HTTPGet; get.Written() {
		if !get.Port.Written() {
			r.missing(get.Place, "port")
		}
		p.HTTP = &HTTPProbe{Port: port(get.Port), Path: get.Path.Or("/")}
		if !strings.HasPrefix(p.HTTP.Path, "/") || strings.ContainsAny(p.HTTP.Path, " \r\n\t") {
			r.errorf(get.Path.Place, "", "%s should start with / and hold no spaces", quote(p.HTTP.Path))
		}
	}
	for _, s := range []At[Seconds]{spec.PeriodSeconds, spec.TimeoutSeconds} {
		if s.OK() && s.Value < 0.1 {
			r.errorf(s.Place, "", "should be at least 0.1")
		}
	}
	return p
}

// duration converts seconds; def is in seconds, too.
func duration(s At[Seconds], def Seconds) time.Duration {
	return time.Duration(float64(s.Or(def)) * float64(time.Second))
}
