// Package kerneltest is the contract that every [provision.Kernel] keeps: the
// real one and the one in memory. It is what allows logic to be tested without
// a kernel.
//
//	func TestContract(t *testing.T) { kerneltest.Contract(t, &fake.Kernel{}) }
//
// It works on a lab called kt and leaves nothing of it behind. Only tests import
// it.
package kerneltest
