package labtest_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"netlab/labtest"
)

func TestMain(m *testing.M) { labtest.Main(m) }

// patience is how long labs may take to be well: no time, but on a machine that is
// emulated.
func patience(t *testing.T) time.Duration {
	t.Helper()
	text := os.Getenv("NETLAB_TEST_WAIT")
	if text == "" {
		return 0
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestPrivilegedSideBySide has two labs of one file at once, and looks at them with
// ip.
func TestPrivilegedSideBySide(t *testing.T) {
	var names []string
	t.Run("labs", func(t *testing.T) {
		one, two := labtest.Up(t, "two-node"), labtest.Up(t, "two-node")
		if one.Name == two.Name {
			t.Fatalf("both are called %s", one.Name)
		}
		for _, lab := range []*labtest.Lab{one, two} {
			names = append(names, lab.Name)
			lab.VerifyWithin(patience(t))
			if got := lab.Output("client", "ip", "-4", "-br", "addr", "show", "eth0"); !strings.Contains(got, "10.244.1.2/24") {
				t.Errorf("client has %q", got)
			}
			if got := lab.Output("node-a", "getent", "hosts", "web"); !strings.Contains(got, "10.96.0.80") {
				t.Errorf("web is %q", got)
			}
		}
		cmd, err := one.Command(t.Context(), "pod/client", "sh", "-c", "exit 7")
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Run(); cmd.ProcessState.ExitCode() != 7 {
			t.Errorf("exit code of a command: %v", err)
		}
		if _, err := one.Command(t.Context(), "nobody", "true"); err == nil {
			t.Error("a command runs in what does not exist")
		}
	})
	if len(names) == 0 {
		return // skipped
	}
	list, err := exec.CommandContext(t.Context(), "ip", "netns", "list").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if strings.Contains(string(list), name) {
			t.Errorf("lab %s is still there", name)
		}
		if _, err := os.Stat("/run/netlab/" + name); err == nil {
			t.Errorf("files of lab %s are still there", name)
		}
	}
}
