package vagrant_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// TestVagrantfiles has Vagrant validate them.
func TestVagrantfiles(t *testing.T) {
	if _, err := exec.LookPath("vagrant"); err != nil {
		t.Skip("vagrant is missing: apt-get install vagrant")
	}
	for _, file := range []string{"Vagrantfile", "class/Vagrantfile"} {
		t.Run(file, func(t *testing.T) {
			dir := t.TempDir() // Vagrant writes beside the file
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, "Vagrantfile"), data, 0o600); err != nil {
				t.Fatal(err)
			}
			// Neither VirtualBox nor libvirt is here: what is said to them is not looked at.
			cmd := exec.Command("vagrant", "validate", "--ignore-provider")
			cmd.Dir = dir
			cmd.Env = append(os.Environ(), "VAGRANT_HOME="+t.TempDir(), "VAGRANT_CHECKPOINT_DISABLE=1")
			if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "validated successfully") {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// TestVagrantfilesCallScripts checks that what Vagrantfiles run is there.
func TestVagrantfilesCallScripts(t *testing.T) {
	for file, script := range map[string]string{"Vagrantfile": "provision.sh", "class/Vagrantfile": "class/provision.sh"} {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(data), "/opt/netlab/vagrant/"+script+" ") {
			t.Errorf("%s does not run %s", file, script)
		}
		if info, err := os.Stat(script); err != nil || info.Mode()&0o111 == 0 {
			t.Errorf("%s is no program: %v", script, err)
		}
	}
}

// TestUserData checks what cloud-init gets: by its own schema, where it is
// installed, and the script in it by a shell.
func TestUserData(t *testing.T) {
	data, err := os.ReadFile("user-data.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(string(data), "#cloud-config\n") {
		t.Error("cloud-init knows user-data by its first line, #cloud-config")
	}
	var user struct {
		Packages []string `yaml:"packages"`
		Files    []struct {
			Path, Permissions, Content string
		} `yaml:"write_files"`
		Run []string `yaml:"runcmd"`
	}
	if err := yaml.Unmarshal(data, &user); err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, f := range user.Files {
		files[f.Path] = f.Content
	}
	script := files["/usr/local/sbin/netlab-machine"]
	if script == "" || files["/etc/netlab-machine"] == "" || len(user.Packages) == 0 || len(user.Run) == 0 {
		t.Fatalf("user-data lacks something: %+v", user)
	}

	// The script, with a checkout that only says what it was asked for.
	dir := t.TempDir()
	for path, text := range map[string]string{
		"netlab/go.mod":                     "",
		"netlab/vagrant/provision.sh":       "#!/bin/sh\necho machine \"$@\"\n",
		"netlab/vagrant/class/provision.sh": "#!/bin/sh\necho class \"$@\"\n",
		"script":                            script,
		"one":                               files["/etc/netlab-machine"],
		"class":                             strings.Replace(files["/etc/netlab-machine"], "STUDENTS=0", "STUDENTS=12", 1),
	} {
		path = filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for settings, want := range map[string]string{"one": "machine two-node\n", "class": "class 12 two-node\n"} {
		cmd := exec.Command("sh", filepath.Join(dir, "script"))
		cmd.Env = append(os.Environ(), "NETLAB_MACHINE="+filepath.Join(dir, settings), "NETLAB_DIR="+filepath.Join(dir, "netlab"))
		if out, err := cmd.CombinedOutput(); err != nil || string(out) != want {
			t.Errorf("%s: %v, %q, want %q", settings, err, out, want)
		}
	}

	t.Run("schema", func(t *testing.T) {
		if _, err := exec.LookPath("cloud-init"); err != nil {
			t.Skip("cloud-init is missing: apt-get install cloud-init")
		}
		if out, err := exec.Command("cloud-init", "schema", "--config-file", "user-data.yaml").CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	})
}
