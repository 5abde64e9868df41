package runtime

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// user is who a container runs as.
type user struct {
	uid    int
	same   bool // as netlab: nothing to change
	groups bool // supplementary groups may be dropped
}

// Nobody is who a container runs as when its author does not say and netlab is
// root.
const Nobody = 65534

// userOf returns who a container runs as; asked is -1 where its author does not
// say. In a user namespace that has only one user it runs as that one.
func userOf(asked int) (user, error) {
	u := user{uid: asked}
	if u.uid < 0 {
		u.uid = Nobody
		if os.Geteuid() != 0 || !HasUser(u.uid) {
			u.uid = os.Geteuid()
		}
	}
	if !HasUser(u.uid) {
		return u, fmt.Errorf("user %d: there is none in this user namespace; leave user out, or run netlab as root, or let your user have subordinate ones (package uidmap, a line in /etc/subuid and /etc/subgid)", u.uid)
	}
	denied, err := os.ReadFile("/proc/self/setgroups")
	u.groups = err != nil || strings.TrimSpace(string(denied)) != "deny"
	u.same = u.uid == os.Geteuid() && u.uid != 0
	return u, nil
}

// HasUser reports whether the user namespace of this process has a user of this
// number.
func HasUser(uid int) bool { return inMap("/proc/self/uid_map", uid) }

// inMap reports whether a file such as /proc/self/uid_map has a number.
func inMap(path string, id int) bool {
	data, err := os.ReadFile(path)
	if err != nil {
		return true
	}
	for line := range bytes.Lines(data) {
		var inside, outside, count int
		if _, err := fmt.Sscan(string(line), &inside, &outside, &count); err == nil && id >= inside && id-inside < count {
			return true
		}
	}
	return false
}

// credential is what the command's process is started with.
func (u user) credential() *syscall.Credential {
	if u.same {
		return nil
	}
	return &syscall.Credential{Uid: uint32(u.uid), Gid: uint32(u.gid()), NoSetGroups: !u.groups}
}

// gid is the group of the container. A group with the number of the user may be
// one that may read disks.
func (u user) gid() int {
	if u.uid != 0 && inMap("/proc/self/gid_map", Nobody) {
		return Nobody
	}
	return u.uid
}

// become makes this process u's.
func (u user) become() error {
	if u.same || u.uid == 0 {
		return nil
	}
	if u.groups {
		if err := syscall.Setgroups(nil); err != nil {
			return fmt.Errorf("drop groups: %w", err)
		}
	}
	if err := syscall.Setgid(u.gid()); err != nil {
		return fmt.Errorf("become group %d: %w", u.gid(), err)
	}
	if err := syscall.Setuid(u.uid); err != nil {
		return fmt.Errorf("become user %d: %w", u.uid, err)
	}
	return nil
}

// allowed are the capabilities that a container of user 0 has: those of a
// Docker container without making devices, and the network of its pod.
const allowed uint64 = 1<<unix.CAP_CHOWN | 1<<unix.CAP_DAC_OVERRIDE | 1<<unix.CAP_FSETID | 1<<unix.CAP_FOWNER |
	1<<unix.CAP_NET_RAW | 1<<unix.CAP_NET_ADMIN | 1<<unix.CAP_SETGID | 1<<unix.CAP_SETUID | 1<<unix.CAP_SETFCAP |
	1<<unix.CAP_SETPCAP | 1<<unix.CAP_NET_BIND_SERVICE | 1<<unix.CAP_SYS_CHROOT | 1<<unix.CAP_KILL | 1<<unix.CAP_AUDIT_WRITE

// confine takes from the calling thread, and so from what it starts, what a
// container is not to have.
func (u user) confine(l limits) error {
	for c := uintptr(0); c <= unix.CAP_LAST_CAP; c++ {
		if allowed&(1<<c) != 0 {
			continue
		}
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0); err != nil && err != unix.EINVAL { //nolint:errorlint // a bare errno; EINVAL: an older kernel has no such capability
			return fmt.Errorf("drop capability %d: %w", c, err)
		}
	}
	if u.uid == 0 {
		return nil
	}
	// No way back by a setuid program of the host.
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("forbid new privileges: %w", err)
	}
	return l.apply()
}

// environment returns the variables of the container: a few of ours, and then
// the author's.
func (s spec) environment(who user) []string {
	home := "/"
	if who.uid == 0 {
		home = "/root"
	}
	env := []string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"HOME=" + home,
		"HOSTNAME=" + s.Pod.Name,
		"NETLAB_LAB=" + s.Lab,
		"NETLAB_POD=" + s.Pod.Name,
		"NETLAB_NAMESPACE=" + s.Pod.Namespace,
		"NETLAB_NODE=" + s.Pod.Node,
		"NETLAB_CONTAINER=" + s.Container.Name,
		"NETLAB_POD_IP=" + strings.Join(s.Pod.Addrs, ","),
	}
	for _, e := range s.Container.Env {
		env = append(env, e.Name+"="+e.Value)
	}
	return env
}

// lookPath finds a program as execvp would, with the PATH of env.
func lookPath(name, dir string, env []string) (string, error) {
	executable := func(path string) bool {
		fi, err := os.Stat(path)
		return err == nil && fi.Mode().IsRegular() && fi.Mode()&0o111 != 0
	}
	if strings.Contains(name, "/") {
		path := name
		if !strings.HasPrefix(name, "/") {
			path = strings.TrimSuffix(dir, "/") + "/" + name
		}
		if !executable(path) {
			return "", fmt.Errorf("%s: there is no such program", name)
		}
		return path, nil
	}
	path := ""
	for _, e := range env {
		if v, ok := strings.CutPrefix(e, "PATH="); ok {
			path = v // the last one counts
		}
	}
	for _, d := range strings.Split(path, ":") {
		if strings.HasPrefix(d, "/") && executable(d+"/"+name) {
			return d + "/" + name, nil
		}
	}
	return "", fmt.Errorf("%s: there is no such program in %s", name, strconv.Quote(path))
}
