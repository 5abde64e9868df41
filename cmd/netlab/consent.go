package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/urfave/cli/v2"

	"netlab/labs"
	"netlab/provision/runfile"
	"netlab/provision/runtime"
)

// What a lab file may have run on this host is for the user to say. Containers
// run as nobody; as root, or as another user that the host has, only with
// consent, or where the very same container runs already.

func allowUsersFlag() cli.Flag {
	return &cli.BoolFlag{Name: "allow-users", Usage: "let containers run as root and as other users of this host, where the lab file says so"}
}

// checkUsers refuses containers that would run as users of the host.
func checkUsers(h host, lab *labs.Lab) error {
	if ownUsers() {
		return nil
	}
	runs := sync.OnceValue(func() map[string]string { return consented(h, lab.Name) })
	var refused labs.Diagnostics
	for i, p := range lab.Pods {
		for j, c := range p.Containers {
			name := account(c.User)
			if name == "" || runs()[p.ID()+"/"+c.Name] == fingerprint(c) {
				continue
			}
			refused = append(refused, labs.Diagnostic{
				File: lab.File, Pos: c.Pos, Path: fmt.Sprintf("pods[%d].containers[%d].user", i, j), Severity: labs.Error,
				Message: fmt.Sprintf("container %s of pod %s would run as %s on this host", c.Name, p.Name, name),
				Hint:    "if you would run what this file says as that user yourself, say --allow-users; without user: it runs as nobody",
			})
		}
	}
	if len(refused) > 0 {
		return refused
	}
	return nil
}

// account names a user of the host that a container is to run as, or "": nobody,
// whom the author need not name, and numbers that no user has.
func account(uid int) string {
	switch {
	case uid < 0 || uid == runtime.Nobody:
		return ""
	case uid == 0:
		return "root"
	}
	u, err := user.LookupId(strconv.Itoa(uid))
	if err != nil {
		return ""
	}
	return "user " + u.Username
}

// ownUsers reports whether this process is in a user namespace: the users there,
// root too, are no more on the host than whoever made it.
func ownUsers() bool {
	data, err := os.ReadFile("/proc/self/uid_map")
	return err == nil && strings.Join(strings.Fields(string(data)), " ") != "0 0 4294967295"
}

// fingerprint is equal for containers that run the same.
func fingerprint(c labs.Container) string {
	return fmt.Sprintf("%q %q %q %q %d", c.Command, c.Args, c.Env, c.WorkingDir, c.User)
}

// consented maps the containers that the lab has, as POD-ID/NAME, to what they
// are.
func consented(h host, name string) map[string]string {
	file, data, err := h.LoadLab(name)
	if err != nil || ranNothing(h, name) {
		return nil
	}
	lab, _ := labs.LoadAs(name, file, data)
	if lab == nil {
		return nil
	}
	all := map[string]string{}
	for _, p := range lab.Pods {
		for _, c := range p.Containers {
			all[p.ID()+"/"+c.Name] = fingerprint(c)
		}
	}
	return all
}

// noExecName is a file beside the copy of a lab file that says that none of its
// containers may run.
const noExecName = "no-exec"

// ranNothing reports whether the lab was brought up without its containers.
func ranNothing(h host, name string) bool {
	_, err := os.Lstat(filepath.Join(h.RunDir(name), noExecName))
	return err == nil
}

// saveLab keeps a copy of the lab file, and that it may run nothing, if so.
func saveLab(h host, lab *labs.Lab, src source, noExec bool) error {
	note := filepath.Join(h.RunDir(lab.Name), noExecName)
	if noExec { // it must never be forgotten
		if err := runfile.Write(note, nil); err != nil {
			return err
		}
		return h.SaveLab(lab.Name, src.file, src.data)
	}
	if err := h.SaveLab(lab.Name, src.file, src.data); err != nil {
		return err
	}
	if err := os.Remove(note); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
