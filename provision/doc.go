// Package provision says what a lab is in the kernel and how to get there.
//
//	Desired  *labs.Lab    -> State   pure, cannot fail
//	Observe  kernel       -> State   the outside world, behind [Kernel]
//	Diff     State, State -> Plan    pure, cannot fail
//	Apply    Plan         -> Result  the outside world, parallel along dependencies
//
// Desired and observed state are the same type. Taking a lab down is planning
// towards the empty state, and bringing it up on an empty kernel is a diff like
// any other: there is no undo code and no second way up. After a crash the next
// run observes what is left and goes on from there.
//
// The package itself touches nothing. [netlab/provision/kernel] is the real
// kernel and [netlab/provision/fake] one in memory that keeps the same rules.
package provision
