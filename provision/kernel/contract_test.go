package kernel_test

import (
	"testing"

	"netlab/provision/kerneltest"
)

func TestMain(m *testing.M) { kerneltest.Alone(m) }

func TestPrivilegedContract(t *testing.T) {
	h := open(t)
	t.Cleanup(func() {
		if err := h.RemoveRunDir(kerneltest.Lab); err != nil {
			t.Error(err)
		}
	})
	kerneltest.Contract(t, h)
}
