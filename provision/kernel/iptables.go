package kernel

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"netlab/provision"
	"netlab/provision/netfilter"
)

// iptables finds the programs that write and read rules: those that the name
// iptables stands for on this host, so that what people see with iptables-save
// is what netlab wrote.
type iptables struct {
	mu    sync.Mutex
	found map[string]string
}

// errNoIptables says what to do.
var errNoIptables = errors.New(`it is not installed: get it with "apt-get install iptables", or whatever your distribution calls it`)

// path returns where a program such as iptables-save is. Its directory is often
// not in the PATH of users.
func (t *iptables) path(program string) (string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if p, ok := t.found[program]; ok {
		return p, nil
	}
	for _, name := range []string{program, strings.Replace(program, "tables-", "tables-nft-", 1), strings.Replace(program, "tables-", "tables-legacy-", 1)} {
		candidates := []string{filepath.Join("/usr/sbin", name), filepath.Join("/sbin", name)}
		if p, err := exec.LookPath(name); err == nil {
			candidates = append([]string{p}, candidates...)
		}
		for _, p := range candidates {
			if fi, err := os.Stat(p); err == nil && fi.Mode().IsRegular() && fi.Mode()&0o111 != 0 {
				if t.found == nil {
					t.found = map[string]string{}
				}
				t.found[program] = p
				return p, nil
			}
		}
	}
	return "", fmt.Errorf("%s: %w", program, errNoIptables)
}

// program returns the name of a program of one address family.
func program(what string, ipv6 bool) string {
	if ipv6 {
		return "ip6tables-" + what
	}
	return "iptables-" + what
}

// runTables runs one of the programs in a namespace and returns what it prints.
func (h *Host) runTables(ctx context.Context, ns, name string, stdin []byte, args ...string) ([]byte, error) {
	path, err := h.tables.path(name)
	if err != nil {
		return nil, err
	}
	var out, complaint bytes.Buffer
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = []string{
		"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C",
	}
	if ns != hostNS {
		// The legacy back end has one lock for the whole host. Ours need not
		// wait for anybody else's.
		cmd.Env = append(cmd.Env, "XTABLES_LOCKFILE="+filepath.Join(h.dir.lab(labOf(ns)), "xtables.lock"))
	}
	cmd.Dir = "/"
	// What outlived a netlab that was killed would write behind the next one's
	// back. Ctrl-C on the terminal is netlab's to deal with.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if stdin != nil {
		cmd.Stdin = bytes.NewReader(stdin)
	}
	if err := h.within(ns, cmd.Start); err != nil {
		return nil, err
	}
	if err := cmd.Wait(); err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if text := strings.TrimSpace(complaint.String()); text != "" {
			return nil, fmt.Errorf("%s: %w: %s", name, err, text)
		}
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return out.Bytes(), nil
}

// ruleList is what the tables of one family hold.
type ruleList struct {
	owned      netfilter.Text
	foreign    []string // what is not ours, for people to read
	unreadable []string // tables that hold what iptables cannot read
}

// readRules reads the rules of one family.
func (h *Host) readRules(ctx context.Context, ns string, ipv6 bool) (ruleList, error) {
	empty, err := h.noTables(ns, ipv6)
	if err != nil || empty {
		return ruleList{}, err
	}
	return h.readTables(ctx, ns, ipv6, "")
}

// readTables does so where there may be some. It is faster where it finds what is
// expected.
func (h *Host) readTables(ctx context.Context, ns string, ipv6 bool, expected netfilter.Text) (ruleList, error) {
	name := program("save", ipv6)
	save, err := h.runTables(ctx, ns, name, nil)
	if err != nil {
		return ruleList{}, err
	}
	list := ruleList{unreadable: unreadableTables(save)}
	if list.owned, list.foreign, err = netfilter.ParseExpecting(save, expected); err != nil {
		return ruleList{}, fmt.Errorf("%s: %w", name, err)
	}
	return list, nil
}

// unreadableTables finds the complaints of iptables-save about tables into
// which somebody put, by nft, what iptables does not know.
func unreadableTables(save []byte) []string {
	var names []string
	for line := range strings.Lines(string(save)) {
		if rest, ok := strings.CutPrefix(line, "# Table `"); ok && strings.Contains(rest, "' is incompatible") {
			name, _, _ := strings.Cut(rest, "'")
			names = append(names, name)
		}
	}
	return names
}

// rulesets reads the rules of both families in a namespace that was looked at.
func (h *Host) rulesets(ctx context.Context, v *view, w wish) ([]provision.Object, error) {
	var sets []provision.Object
	for i, ipv6 := range []bool{false, true} {
		if !v.tables[i] {
			continue
		}
		set := provision.Ruleset{NS: v.name, IPv6: ipv6}
		wanted, known := w.state.Get(set.Key())
		if known {
			set.Text = wanted.(provision.Ruleset).Text
		}
		list, err := h.readTables(ctx, v.name, ipv6, set.Text)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil // it vanished under way
		}
		if err != nil {
			return nil, fmt.Errorf("read rules: %w", err)
		}
		set.Text, set.Unreadable = list.owned, strings.Join(list.unreadable, ", ")
		if list.owned == "" && (set.Unreadable == "" || !known) {
			continue
		}
		if known {
			set.UDP = wanted.(provision.Ruleset).UDP
		}
		sets = append(sets, set)
	}
	return sets, nil
}

// ForeignRules lists, for people to read, the netfilter rules and chains in a
// namespace that are not netlab's, and its IPsec policies.
func (h *Host) ForeignRules(ctx context.Context, ns string) ([]string, error) {
	var all []string
	for _, ipv6 := range []bool{false, true} {
		list, err := h.readRules(ctx, ns, ipv6)
		if err != nil {
			return nil, fmt.Errorf("read rules of %s: %w", ns, err)
		}
		all = append(all, list.foreign...)
		if list.owned == "" || h.isNode(ns) {
			continue
		}
		all = append(all, netfilter.Describe(list.owned)...) // nothing is netlab's there
	}
	tables, err := h.foreignTables(ns)
	if err != nil {
		return nil, fmt.Errorf("read tables of %s: %w", ns, err)
	}
	for _, t := range tables {
		all = append(all, "nft: table "+t.String())
	}
	ipsec, err := h.foreignPolicies(ns)
	return append(all, ipsec...), err
}

// isNode reports whether a namespace is one in which netlab writes rules.
func (h *Host) isNode(ns string) bool {
	sp, err := h.spaces.acquire(ns)
	if err != nil {
		return false
	}
	defer h.spaces.release(sp)
	lo, err := deviceNamed(sp.conn, "lo")
	return err == nil && strings.HasPrefix(lo.alias, provision.MarkPrefix(labOf(ns))+"node:")
}

func (h *Host) doRuleset(ctx context.Context, s provision.Step) error {
	ctx = context.WithoutCancel(ctx) // a step that began is brought to its end
	set := s.Object.(provision.Ruleset)
	var from, to netfilter.Text
	if s.Op != provision.Delete {
		to = set.Text
	}
	if old, ok := s.Old.(provision.Ruleset); ok && old.Unreadable == "" {
		from = old.Text
	} else {
		list, err := h.readRules(ctx, set.NS, set.IPv6)
		if err != nil {
			return fmt.Errorf("read what is there: %w", err)
		}
		if err := h.dropTables(set.NS, set.IPv6, list.unreadable); err != nil {
			return fmt.Errorf("remove tables that cannot be read: %w", err)
		}
		from = list.owned
	}
	if err := h.writeRules(ctx, set.NS, set.IPv6, from, to); err != nil {
		return err
	}
	if s.Op == provision.Delete || set.UDP == "" {
		return nil
	}
	return h.endStaleFlows(set)
}

// noTables reports whether a namespace certainly has no rules of a family. It
// asks the kernel, which is a hundred times cheaper than running a program.
func (h *Host) noTables(ns string, ipv6 bool) (bool, error) {
	var empty bool
	err := h.within(ns, func() error {
		empty = emptyTables(ipv6)
		return nil
	})
	return empty, err
}

// emptyTables is noTables for the namespace of the calling thread.
func emptyTables(ipv6 bool) bool { return noLegacyTables(ipv6) && noNFTables(ipv6) }

// noLegacyTables looks at the namespace of the calling thread.
func noLegacyTables(ipv6 bool) bool {
	name := "ip_tables_names"
	if ipv6 {
		name = "ip6_tables_names"
	}
	b, err := os.ReadFile("/proc/thread-self/net/" + name)
	return errors.Is(err, fs.ErrNotExist) || (err == nil && len(b) == 0)
}
