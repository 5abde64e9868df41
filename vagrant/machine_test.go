package vagrant_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// folder is where the scripts are in a machine.
const folder = "/opt/netlab/"

// do runs a command that has to succeed, and returns what it prints.
func do(t *testing.T, argv ...string) string {
	t.Helper()
	out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(argv, " "), err, out)
	}
	return string(out)
}

// TestPrivilegedMachine sets a machine up as Vagrant does: for one person, again,
// and for a class. It changes the machine for good.
func TestPrivilegedMachine(t *testing.T) {
	if _, err := os.Stat("/tests/netlab"); err != nil {
		t.Skip("changes the machine it runs on: make test-vm-provision")
	}
	t.Setenv("PATH", os.Getenv("PATH")+":/usr/local/bin")
	// What the machine has that Debian's installer makes.
	do(t, "sh", "-c", "mkdir -p /home /usr/local/bin /etc/sysctl.d && touch /etc/subuid /etc/subgid && pwconv && grpconv")

	for _, time := range []string{"first", "second"} {
		out := do(t, folder+"vagrant/provision.sh", "two-node")
		if !strings.Contains(out, "checks, ok") || strings.Contains(out, "apt-get") {
			t.Errorf("the %s time:\n%s", time, out)
		}
	}
	if out := do(t, "ip", "netns", "exec", "two-node.client", "curl", "-sS", "--max-time", "20", "http://10.96.0.80"); !strings.Contains(out, "web") {
		t.Errorf("web answers %q", out)
	}
	do(t, "netlab", "down", "two-node")

	out := do(t, folder+"vagrant/class/provision.sh", "2")
	if !strings.Contains(out, "2 of 2 students have a verified lab") {
		t.Errorf("the class:\n%s", out)
	}
	if list := do(t, "cat", "/root/students.txt"); strings.Count(list, "\n") != 2 {
		t.Errorf("passwords:\n%s", list)
	}
	if out := do(t, "runuser", "-u", "student-01", "--", "netlab", "exec", "two-node", "client", "--", "curl", "-sS", "--max-time", "20", "http://web"); !strings.Contains(out, "web") {
		t.Errorf("a student's web answers %q", out)
	}
	if out := do(t, "ip", "netns", "list"); out != "" {
		t.Errorf("labs of students are root's:\n%s", out)
	}
	if out, err := exec.Command("runuser", "-u", "student-02", "--", "sh", "-c", `ls "$(ls -d /tmp/netlab-* /run/user/*/netlab 2>/dev/null | head -n 1)"`).CombinedOutput(); err == nil {
		t.Errorf("a student looks into the labs of another:\n%s", out)
	}
	for _, user := range []string{"student-01", "student-02"} {
		do(t, "runuser", "-u", user, "--", "netlab", "down", "--all", "--yes")
	}
}
