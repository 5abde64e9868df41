// Package probe looks at a lab that is up: it sends packets, connects, and
// reads what the kernel has learned and decided. It is the real
// [verify.Prober].
//
// In come checks, out go observations. Nothing here knows what is right.
//
// Sockets are opened inside the namespaces and used from outside, since a
// socket keeps the namespace it was made in. Each namespace has one raw socket
// for all its pings and one listener for all connections to any port. Everything
// runs at once, within what the host allows:
//
//   - Neighbour entries of all namespaces of a host share one table. Pairs are
//     taken in blocks whose entries fit in, and the entries that a block made
//     are deleted before the next one. See [schedule].
//   - Packets in flight are bounded, so that queues between namespaces do not
//     overflow. What is lost all the same is sent again.
//
// Built-in servers that the lab runs are asked who they are; where a pod runs
// nothing a listener takes its place. What is not answered soon is left to itself
// while the rest goes on, so that one dead pod is waited for once.
//
// Listeners, connections, learned neighbours and the UDP flows that connection
// tracking would remember are gone when Probe returns.
// Probe changes no setting and needs no more than the privileges that its user
// has in the namespaces themselves.
package probe
