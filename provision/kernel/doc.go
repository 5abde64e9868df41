// Package kernel is the real kernel: the only writer of netlab.
//
//	Host.Observe   what the namespaces of a lab hold  -> provision.State
//	Host.Do        provision.Step                     -> one change
//	Host.Settle    waits until dropped namespaces are gone for good
//	Host.Lock ...  what lies under /run/netlab: locks, lab files, witnesses
//
// It speaks rtnetlink through one socket a namespace, opened by a thread that
// was there for a moment and used from anywhere; builds its messages with
// vishvananda/netlink/nl; writes rules with one iptables-restore a namespace;
// and leaves moving threads to [netlab/provision/netns]. What it has seen of a
// namespace it keeps only to save look-ups, never to decide what is there.
//
// Nothing is changed that is not known to be ours, by the mark in the namespace
// or by the witness under /run/netlab. The host's own namespace is not touched
// unless a lab has an uplink: then it holds one end of a cable that carries the
// lab's mark, an address on it, single rules whose comment is the mark, and
// forwards packets for as long as any lab has an uplink.
//
// The kernel loads its modules by itself, but for br_netfilter: that one is
// loaded when a lab sets one of its parameters, and the host's own bridges are
// told to go on without it.
package kernel
