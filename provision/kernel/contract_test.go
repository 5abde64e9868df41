package kernel_test

import (
	"os"
	"testing"

	"netlab/provision/kernel"
	"netlab/provision/kerneltest"
)

func TestPrivilegedContract(t *testing.T) {
	h := open(t)
	t.Cleanup(func() {
		if err := h.RemoveRunDir(kerneltest.Lab); err != nil {
			t.Error(err)
		}
	})
	kerneltest.Contract(t, h)
}

func open(t *testing.T) *kernel.Host {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: run it with sudo, or in unshare --map-root-user --mount --net --pid --fork")
	}
	h, err := kernel.Open(kernel.Options{})
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(h.Close)
	return h
}
