// Package examples shows netlab at work: each directory has a README, and the
// tests of this package do what it says.
package examples
