// Package graph draws a lab: what it consists of and how that is joined, and
// the netfilter chains of one node.
//
//	New        labs.Lab, what was asked for, what was seen  -> Topology
//	NewChains  the rules of a node                          -> Chains
//
// Both are written by the same methods, each to an io.Writer: WriteText for a
// terminal, WriteMermaid and WriteDot for the tools of that name, WriteSVG for
// a picture, WriteHTML for one page that needs nothing else.
//
// The SVG picture is laid out here. Nothing overlaps, by construction: nodes
// stand in rows; what joins them runs in lanes above each row, and from row to
// row in a gutter on the left; within a node each cable has a track of its own.
//
// Colour never stands alone: whatever is not well has a mark and words too.
//
// Package graph looks at no kernel. What is known of a lab that runs is handed
// in as [Live].
package graph
