// Package labtest brings labs up in Go tests:
//
//	func TestMain(m *testing.M) { labtest.Main(m) }
//
//	func TestWeb(t *testing.T) {
//		lab := labtest.Up(t, "lab.yaml")
//		lab.Verify()
//		lab.Output("client", "curl", "-sS", "http://web")
//	}
//
// Each lab has a name of its own, so that tests may run side by side and beside
// labs of people, and is gone when its test is over. Tests need Linux and iptables;
// without root they run in a user namespace, where that is allowed, and are skipped
// with the reason where it is not.
package labtest
