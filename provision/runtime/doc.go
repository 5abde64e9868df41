// Package runtime deals with the processes of a lab.
//
// A process belongs to a lab if its network namespace is one of the lab's. It
// is addressed by pidfd, never by a bare number: between looking and signalling
// the number may have passed to somebody else.
package runtime
