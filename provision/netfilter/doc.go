// Package netfilter describes what netlab owns in the iptables tables of one
// network namespace and one address family, as text that can be compared.
//
//	Builder  rules as a generator writes them    -> Text
//	Parse    what iptables-save prints           -> Text, and what is not ours
//	Script   one Text, another Text              -> input for iptables-restore --noflush
//	Changes  one Text, another Text              -> what differs, in words
//	Walker   a Text, a packet                    -> what becomes of the packet
//
// Rules are brought into the form in which the kernel gives them back: both
// back ends of iptables, nf_tables and legacy, print what they were given
// differently from how it was written. So the Text that was built equals the
// Text that is read back, and state is compared with ==.
//
// Chains whose name begins with a prefix of ours belong to netlab, and so do
// rules elsewhere that jump to them, and the policies of built-in chains.
// Everything else in the tables is foreign and never touched.
//
// Package netfilter runs no program and reads no file.
package netfilter
