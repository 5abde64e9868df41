package probe

import (
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// The kernel's default, and how little room is taken for granted: a block of
// one check has to fit in.
const (
	defaultLimit = 1024
	leastBudget  = 64
)

// budgets returns how many neighbour entries a block may make in each family.
func (r *run) budgets(before tables) map[int]int {
	return map[int]int{
		unix.AF_INET:  budget("ipv4", "arp_cache", before.exempt[unix.AF_INET], r.share),
		unix.AF_INET6: budget("ipv6", "ndisc_cache", before.exempt[unix.AF_INET6], r.share),
	}
}

// budget returns the host's limit less what is in use and a reserve for
// others. The files are those of the host's own namespace; where they are not
// to be seen half of the default is assumed to be in use. Of that a run takes
// its share.
func budget(family, cache string, exempt, share int) int {
	limit, err := readLimit("/proc/sys/net/" + family + "/neigh/default/gc_thresh3")
	if err != nil {
		return max(defaultLimit/2/share, leastBudget)
	}
	used, err := readUsed("/proc/net/stat/" + cache)
	if err != nil {
		used = limit / 2
		exempt = 0
	}
	return max(room(limit, used, exempt)/share, leastBudget)
}

// room returns what is left of a limit of which a part is in use. Permanent
// entries are counted by the kernel but not limited.
func room(limit, used, exempt int) int {
	return max(limit-max(used-exempt, 0)-limit/8, leastBudget)
}

func readLimit(path string) (int, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(b)))
}

// readUsed reads the number of entries, which every line of the file after the
// first one begins with, in hexadecimal.
func readUsed(path string) (int, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	return parseUsed(string(b))
}

func parseUsed(text string) (int, error) {
	lines := strings.Split(text, "\n")
	if len(lines) < 2 {
		return 0, strconv.ErrSyntax
	}
	word, _, _ := strings.Cut(lines[1], " ")
	n, err := strconv.ParseInt(word, 16, 32)
	return int(n), err
}

// statSum adds up a column over all processors, whose lines stand below the names
// of the columns. What cannot be read counts as nothing.
func statSum(path, column string) int64 {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	lines := strings.Split(string(b), "\n")
	at := slices.Index(strings.Fields(lines[0]), column)
	var sum int64
	for _, line := range lines[1:] {
		if f := strings.Fields(line); at >= 0 && at < len(f) {
			n, _ := strconv.ParseInt(f[at], 16, 64)
			sum += n
		}
	}
	return sum
}
