package fake_test

import (
	"testing"

	"netlab/provision/fake"
	"netlab/provision/kerneltest"
)

func TestContract(t *testing.T) { kerneltest.Contract(t, &fake.Kernel{}) }

func TestUplink(t *testing.T) { kerneltest.Uplink(t, &fake.Kernel{}) }
