// Package program holds static programs of a few instructions, for what must not
// cost a Go runtime or cannot be done from one:
//
//	Pause  waits for ever: what holds a namespace
//	Door   enters the namespaces of a process and becomes another program there;
//	       a process with several threads, as every Go program has, is not let
//	       into a user namespace
//
// They are put together here for the architectures that netlab is built for.
// Open makes a file of one that can be executed, in memory.
package program
