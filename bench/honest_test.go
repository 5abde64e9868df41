package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestPrivilegedBareIsHonest holds what the bare program makes to what netlab
// makes: by netlab's own observer, and by ip and bridge.
func TestPrivilegedBareIsHonest(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: run it with sudo")
	}
	b := suite{dir: t.TempDir()}
	for program, at := range map[string]*string{"../cmd/netlab": &b.netlab, "./bare": &b.bare} {
		*at = filepath.Join(b.dir, filepath.Base(program))
		if out, err := exec.Command("go", "build", "-o", *at, program).CombinedOutput(); err != nil {
			t.Fatalf("go build %s: %v\n%s", program, err, out)
		}
	}
	f, err := b.prepare(size{pods: 4, nodes: 2, services: 1, endpoints: 2}, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := b.compareObjects(f, true); err != nil {
		t.Error(err)
	}
}
