// Package kubeproxy writes the rules that kube-proxy in iptables mode writes
// on a node: the same chains, the same rules, the same comments.
//
//	Rules  *labs.Lab, *labs.Node       -> netfilter.Builder
//	Write  Config, []ServicePort       -> netfilter.Builder
//
// Rules is Write for a node of a lab. Write speaks kube-proxy's own terms, so
// that it can be compared with kube-proxy.
//
// Left out is what is no rule for traffic: the empty KUBE-PROXY-CANARY chains
// by which a running kube-proxy notices that somebody flushed its rules, and
// the nfacct counters it adds on kernels that have them. kube-proxy takes
// services in no particular order; here they keep the order they are given.
//
// Package kubeproxy is pure.
package kubeproxy
