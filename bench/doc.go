// Command bench measures netlab beside what the kernel allows: the program
// bare, which makes the same objects with raw messages, and the tools that
// people use. All programs are run in turn, as whole processes; what counts is
// ratios of medians within one run, for machines differ and so do their days.
//
// docs/performance.md says what is measured and what was found.
package main
