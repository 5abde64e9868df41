// Command bare is what netlab is measured against: it makes the kernel objects
// of a lab with raw rtnetlink messages, reads them back and drops them, and
// does nothing else. It knows no lab file, compares nothing, remembers nothing
// and repairs nothing; whatever goes wrong ends it.
//
// What to make stands in a recipe, a text with one object on each line, which
// package bench writes beforehand. All that a program could find out stands in
// it already, even the indexes of interfaces, so that no message has to wait for
// the answer to another: those of one namespace go to the kernel in one piece.
// Several threads share the namespaces.
//
//	bare up RECIPE            make it
//	bare rules DIR            iptables-restore DIR/<namespace> in each namespace
//	bare dump RECIPE [save] [parameters]
//	                          read all of it once; save: iptables-save on nodes, too;
//	                          parameters: the files of /proc/sys that netlab reads, too
//	bare down RECIPE          drop it and wait until the kernel has let go
//	bare ping RECIPE [N]      all leaves ping all leaves, and N pairs connect by TCP
//	bare serve RECIPE         start a server in each leaf, and end them all
//
// It prints how many milliseconds the parts took.
package main
