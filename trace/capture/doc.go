// Package capture sends one real packet through a lab and collects what the
// kernel did with it.
//
// In every namespace that is watched it opens sockets and nothing else: one
// that gets a copy of every packet of every interface, one that owns a
// netfilter table whose two rules ask the kernel to tell about the packets of
// this exchange, and one that hears what the kernel tells. The table goes with
// its socket, whatever ends the process. No parameter of the kernel is changed.
package capture
