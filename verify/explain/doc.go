// Package explain finds out why checks fail.
//
//	a report with failures, the lab as it should be and as it is  →  explanations
//
// Nothing is guessed. Every difference between the two states is a fault, and a fault explains a failure if
// the packet of that check goes another way over a lab that has this fault and no
// other ([trace.Paper]). What cannot be seen on paper, such as a rule that somebody
// added, a container that does not listen or a queue that drops, is looked for where
// a real packet of the check ends.
//
// An explanation names the fault itself, however many checks fail by it, and
// however far from it they are.
package explain
