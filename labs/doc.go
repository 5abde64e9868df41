// Package labs turns a lab file into a fully resolved [Lab].
//
// The work is done in two pure steps:
//
//	Parse    bytes -> Spec   what the author wrote, with the position of every value
//	Resolve  Spec  -> Lab    every name, address and MAC filled in and checked
//
// All mistakes an author can make are found here and reported as
// [Diagnostics], each pointing at a line of the lab file. Code that receives a
// *Lab may rely on it: references exist, addresses lie inside their subnet,
// interface names fit the kernel's 15 bytes. Nothing after this package has to
// check the lab again.
//
// Resolve is deterministic. The same file yields the same addresses, names and
// MACs on every machine, so a plan can be compared with a golden file. MACs,
// addresses and interface names do not depend on the lab's own name: two
// instances of one file differ in nothing but the prefix of their namespaces.
//
// Package labs touches no kernel, no network and no clock.
package labs
