// Package dns answers for the names of a lab, as a cluster's DNS server does:
// by the specification of Kubernetes' DNS-based service discovery, version
// 1.1.0, and with CoreDNS's habits where that is silent.
//
//	NamesOf      *labs.Lab  -> Names     all the records there are
//	Parse        text       -> Names     the same, as a server that runs gets them
//	New          Names      -> *Handler
//	Answer       question   -> reply
//
// Names outside the cluster are refused: the server knows no other and asks
// nobody. Reverse names are the whole of in-addr.arpa and ip6.arpa.
//
// Package dns is pure; whoever uses it brings the sockets.
package dns
