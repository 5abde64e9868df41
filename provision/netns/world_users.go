package netns

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"slices"
	"strconv"
	"strings"
)

// mapping says which users and groups of the host there are in a world besides
// its own user, who is root there.
type mapping struct {
	own        int    // how many to map without help: 1, or all for root
	uids, gids [2]int // first and number of those that belong to the user
}

// many reports whether the world has more than one user.
func (m mapping) many() bool { return m.uids[1] > 0 && m.gids[1] > 0 }

// mappingOf looks for the subordinate users and groups of a user, subuid(5).
func mappingOf(uid int) mapping {
	if uid == 0 {
		return mapping{own: 1 << 16}
	}
	m := mapping{own: 1}
	if _, err := exec.LookPath("newuidmap"); err != nil {
		return m
	}
	if _, err := exec.LookPath("newgidmap"); err != nil {
		return m
	}
	names := []string{strconv.Itoa(uid)}
	if u, err := user.LookupId(names[0]); err == nil {
		names = append(names, u.Username)
	}
	m.uids, m.gids = subordinates("/etc/subuid", names), subordinates("/etc/subgid", names)
	return m
}

// subordinates returns the first range that a file such as /etc/subuid gives to
// somebody called one of names.
func subordinates(file string, names []string) [2]int {
	data, err := os.ReadFile(file)
	if err != nil {
		return [2]int{}
	}
	for line := range bytes.Lines(data) {
		words := strings.Split(strings.TrimSpace(string(line)), ":")
		if len(words) != 3 || !slices.Contains(names, words[0]) {
			continue
		}
		first, err := strconv.Atoi(words[1])
		number, err2 := strconv.Atoi(words[2])
		if err == nil && err2 == nil && first > 0 && number > 0 {
			return [2]int{first, number}
		}
	}
	return [2]int{}
}

// write maps the users of the process's user namespace with the programs that
// may do so for an ordinary user.
func (m mapping) write(pid int) error {
	for _, t := range []struct {
		program string
		own     int
		others  [2]int
	}{{"newuidmap", os.Getuid(), m.uids}, {"newgidmap", os.Getgid(), m.gids}} {
		cmd := exec.Command(t.program, strconv.Itoa(pid), "0", strconv.Itoa(t.own), "1",
			"1", strconv.Itoa(t.others[0]), strconv.Itoa(t.others[1]))
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("map users with %s: %w: %s", t.program, err, bytes.TrimSpace(out))
		}
	}
	return nil
}
