// Package vagrant holds machines with netlab: Vagrantfiles, user-data for
// cloud-init, and the scripts that set such machines up. There is no Go in it but
// the tests.
package vagrant
