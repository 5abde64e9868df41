package gotest

import (
	"strings"
	"testing"

	"netlab/labtest"
)

func TestMain(m *testing.M) { labtest.Main(m) }

func TestPrivilegedWebAnswers(t *testing.T) {
	lab := labtest.Up(t, "lab.yaml")
	lab.Verify()
	if got := lab.Output("client", "curl", "-sS", "--max-time", "5", "http://web"); !strings.Contains(got, "web") {
		t.Errorf("web answered %q", got)
	}
}
