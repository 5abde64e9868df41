package provision

import "netlab/labs"

// held reports whether a pod has a pause process.
func (d *desired) held(p *labs.Pod) bool { return d.lab.Pause || len(p.Containers) > 0 }

// processes adds what runs in a pod, and what lets it run there: low ports and
// ping for users other than root.
func (d *desired) processes(p *labs.Pod) {
	if d.held(p) {
		d.add(Pause{NS: p.NS, Hostname: p.Name, Process: Running})
	}
	if len(p.Containers) > 0 {
		d.sysctl(p.NS, "net.ipv4.ip_unprivileged_port_start", "0")
		d.sysctl(p.NS, "net.ipv4.ping_group_range", "0 2147483647")
	}
}

// supervisor adds the process that runs the containers of all pods.
func (d *desired) supervisor() {
	var w Workload
	for i := range d.lab.Pods {
		p := &d.lab.Pods[i]
		if len(p.Containers) == 0 {
			continue
		}
		pod := PodWorkload{
			ID: p.ID(), Name: p.Name, Namespace: p.Namespace, NS: p.NS, Node: p.Node, RestartPolicy: p.RestartPolicy,
		}
		for _, a := range p.Addrs {
			pod.Addrs = append(pod.Addrs, a.Addr().String())
		}
		for _, c := range p.Containers {
			c.Pos = labs.Pos{} // where it stands in the file is no matter
			pod.Containers = append(pod.Containers, c)
		}
		w.Pods = append(w.Pods, pod)
	}
	if len(w.Pods) > 0 {
		d.add(Supervisor{Lab: d.lab.Name, Spec: w.String(), Process: Running})
	}
}
