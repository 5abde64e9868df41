package runtime

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"netlab/labs"
	"netlab/provision"
)

func TestLookPath(t *testing.T) {
	dir := t.TempDir()
	for name, mode := range map[string]os.FileMode{"run": 0o755, "read": 0o644} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, mode); err != nil {
			t.Fatal(err)
		}
	}
	env := []string{"PATH=/nowhere", "PATH=.:relative:" + dir}
	for name, want := range map[string]string{
		"run":        dir + "/run",
		dir + "/run": dir + "/run",
		"./run":      dir + "/./run",
		"read":       "",
		"./read":     "",
		"none":       "",
		dir:          "",
	} {
		got, err := lookPath(name, dir, env)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%s: %q, %v; want %q", name, got, err, want)
		}
	}
}

func TestEnvironment(t *testing.T) {
	t.Setenv("SECRET", "of the host")
	s := spec{
		Lab:       "two",
		Pod:       provision.PodWorkload{Name: "web", Namespace: "shop", Node: "n", Addrs: []string{"10.0.0.2", "fd00::2"}},
		Container: labs.Container{Name: "c", Env: []labs.EnvVar{{Name: "A", Value: "b c"}, {Name: "HOME", Value: "/x"}}},
	}
	env := s.environment(user{uid: Nobody})
	all := "\n" + strings.Join(env, "\n") + "\n"
	for _, want := range []string{"HOSTNAME=web", "NETLAB_POD=web", "NETLAB_NAMESPACE=shop", "NETLAB_NODE=n", "NETLAB_POD_IP=10.0.0.2,fd00::2", "A=b c"} {
		if !strings.Contains(all, "\n"+want+"\n") {
			t.Errorf("%s is missing in%s", want, all)
		}
	}
	if strings.Contains(all, "SECRET") {
		t.Error("the host's environment leaks")
	}
	if env[len(env)-1] != "HOME=/x" {
		t.Error("the author's variables do not come last")
	}
}

func TestControlGroupPaths(t *testing.T) {
	if got := groupPath("/sys/fs/cgroup", "lab", "lab.pod", "c"); got != "/sys/fs/cgroup/netlab/lab/lab.pod/c" {
		t.Error(got)
	}
	if got := groupPath("/sys/fs/cgroup", ""); got != "/sys/fs/cgroup/netlab" {
		t.Error(got)
	}
}
