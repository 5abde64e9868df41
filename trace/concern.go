package trace

import (
	"net/netip"
	"slices"

	"netlab/labs"
)

// Concerning returns lab without the services whose rules a packet to dst
// cannot meet. In a large lab they are nearly all that there is to think
// about. Numbers of rules are those of the smaller lab.
func Concerning(lab *labs.Lab, dst netip.AddrPort) *labs.Lab {
	few := *lab
	few.Services = nil
	for _, s := range lab.Services {
		if slices.Contains(s.ClusterIPs, dst.Addr()) || slices.Contains(s.ExternalIPs, dst.Addr()) ||
			slices.ContainsFunc(s.Ports, func(p labs.ServicePort) bool { return p.NodePort != 0 && p.NodePort == dst.Port() }) {
			few.Services = append(few.Services, s)
		}
	}
	return &few
}
