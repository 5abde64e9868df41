package kubeproxy

import (
	"crypto/sha256"
	"encoding/base32"
	"net/netip"
)

// hashed returns the tail of a chain's name: 16 characters, so that names fit
// iptables' 28.
func hashed(s string) string {
	sum := sha256.Sum256([]byte(s))
	return base32.StdEncoding.EncodeToString(sum[:])[:16]
}

func (p *ServicePort) hash() string { return hashed(p.String() + p.Protocol) }

// SVC names the chain that shares traffic out to all endpoints.
func (p *ServicePort) SVC() string { return "KUBE-SVC-" + p.hash() }

// SVL names the chain that shares traffic out to the endpoints of the node.
func (p *ServicePort) SVL() string { return "KUBE-SVL-" + p.hash() }

// EXT names the chain for traffic to other than the cluster address.
func (p *ServicePort) EXT() string { return "KUBE-EXT-" + p.hash() }

// FW names the chain that lets the allowed sources of a load balancer through.
func (p *ServicePort) FW() string { return "KUBE-FW-" + p.hash() }

// SEP names the chain of one endpoint.
func (p *ServicePort) SEP(endpoint netip.AddrPort) string {
	return "KUBE-SEP-" + hashed(p.String()+p.Protocol+endpoint.String())
}
