// Package trace follows one packet through a lab, out and back.
//
//	Expected  State, Packet  -> []Path  on paper: what the objects of a lab do to a packet
//	Seen      Evidence       -> Trace   what the kernel was seen to do to a real one
//	Compare   Trace, []Path  -> where the two part
//	Write...  Report         -> text, JSON, Mermaid, HTML, pcapng
//
// A [Path] is a list of hops, one for each time that the packet passes an
// interface. What is decided between two hops, by routing tables, netfilter,
// neighbour tables, bridges and tunnels, are the facts of the hop before.
//
// The package itself touches nothing. [netlab/trace/capture] sends the packet
// and collects the evidence.
package trace
