package graph

import (
	"slices"
	"strings"

	"netlab/labs"
	"netlab/provision/netfilter"
)

// Ruleset is what a node has in its netfilter tables, for one address family.
type Ruleset struct {
	IPv6   bool
	Rules  netfilter.Text  // what is drawn
	Wanted *netfilter.Text // what the lab file asks for, if Rules were read from the kernel; else nil
	Others []string        // rules that are not the lab's, as iptables-save has them
}

// Chains are the netfilter chains of a node as they are to be drawn. They are
// built by [NewChains] and only read afterwards.
type Chains struct {
	lab    *labs.Lab
	node   string
	sets   []Ruleset
	tables []*table
	opt    Options
}

// table is one table of one address family.
type table struct {
	family, name string
	chains       []*chain
}

// chain is a chain with its rules.
type chain struct {
	thing
	hook    bool
	about   string // the service it is for, or its policy
	rules   []*rule
	callers int // rules that jump here

	// A small chain that many rules jump to, such as KUBE-MARK-MASQ, stands by
	// itself: lines to it would hide all others.
	aside bool
}

// rule is a rule of a chain.
type rule struct {
	number int
	when   string // "" for every packet
	does   string // "" if it jumps
	to     *chain // nil unless it jumps
	full   string
	about  string // the service port that its comment names
	level  level
	word   string // "missing" or "extra"
}

// NewChains prepares a picture of the chains of a node of lab.
func NewChains(lab *labs.Lab, node string, sets []Ruleset, opt Options) *Chains {
	c := &Chains{lab: lab, node: node, sets: sets, opt: opt}
	for _, s := range sets {
		family := "IPv4"
		if s.IPv6 {
			family = "IPv6"
		}
		names := s.Rules.Tables()
		if s.Wanted != nil {
			for _, n := range s.Wanted.Tables() {
				if !slices.Contains(names, n) {
					names = append(names, n)
				}
			}
		}
		// Services are in nat: it comes first.
		slices.SortStableFunc(names, func(a, b string) int { return rank(a) - rank(b) })
		for _, n := range names {
			c.tables = append(c.tables, c.newTable(family, n, s))
		}
	}
	return c
}

func rank(table string) int { return slices.Index([]string{"nat", "filter", "mangle", "raw"}, table) }

func (c *Chains) newTable(family, name string, s Ruleset) *table {
	t := &table{family: family, name: name}
	names := s.Rules.AllChains(name)
	if s.Wanted != nil {
		for _, n := range s.Wanted.AllChains(name) {
			if !slices.Contains(names, n) {
				names = append(names, n)
			}
		}
	}
	byName := map[string]*chain{}
	for _, n := range names {
		ch := &chain{hook: !netfilter.IsOurs(n)}
		ch.thing = thing{id: slug(strings.ToLower(family), name, n), kind: "chain", name: n}
		if p := s.Rules.Policy(name, n); ch.hook && p != "ACCEPT" {
			ch.about = "policy " + p
		}
		byName[n] = ch
		t.chains = append(t.chains, ch)
	}
	for _, ch := range t.chains {
		c.fill(ch, name, s, byName)
		ch.concern()
	}
	for _, ch := range t.chains {
		jumps := slices.ContainsFunc(ch.rules, func(r *rule) bool { return r.to != nil })
		ch.aside = !ch.hook && ch.callers > 2 && !jumps && len(ch.rules) <= 3
	}
	return t
}

// fill reads the rules of a chain, and compares them with what is wanted.
func (c *Chains) fill(ch *chain, table string, s Ruleset, byName map[string]*chain) {
	var wanted []string
	if s.Wanted != nil {
		wanted = s.Wanted.Chain(table, ch.name)
	}
	for i, line := range s.Rules.Chain(table, ch.name) {
		r := c.newRule(ch, i+1, line, byName)
		if s.Wanted != nil {
			r.level = well
			if k := slices.Index(wanted, line); k >= 0 {
				wanted = slices.Delete(slices.Clone(wanted), k, k+1)
			} else {
				r.level, r.word = drifted, "extra"
			}
		}
	}
	for _, line := range wanted {
		r := c.newRule(ch, 0, line, byName)
		r.level, r.word = failing, "missing"
	}
	for _, r := range ch.rules {
		if ch.level = max(ch.level, r.level); r.word != "" {
			ch.seen.Differences = append(ch.seen.Differences, r.word+": "+r.full)
		}
	}
}

func (c *Chains) newRule(ch *chain, number int, line string, byName map[string]*chain) *rule {
	r := &rule{number: number, full: line}
	ch.rules = append(ch.rules, r)
	parsed, err := netfilter.ParseRule(line)
	if err != nil { // shown as it is
		r.does = strings.TrimPrefix(line, "-A "+ch.name+" ")
		return r
	}
	r.when = matchText(&parsed)
	if r.to = byName[parsed.Target]; r.to != nil {
		r.to.callers++
	} else {
		r.does = c.targetText(&parsed)
	}
	r.about = c.serviceIn(parsed.Comment)
	return r
}

// serviceIn returns the service port that a comment of kube-proxy's names.
func (c *Chains) serviceIn(comment string) string {
	for _, word := range strings.Fields(comment) {
		id, _, _ := strings.Cut(word, ":")
		for i := range c.lab.Services {
			if c.lab.Services[i].ID() == id {
				return word
			}
		}
	}
	return ""
}

// concern says what service a chain is for: the one that its rules are about.
func (ch *chain) concern() {
	if !ofOneService(ch.name) {
		return
	}
	for _, r := range ch.rules {
		switch {
		case ch.about == "":
			ch.about = r.about
		case r.about != "" && r.about != ch.about:
			ch.about = ""
			return
		}
	}
}

// ofOneService reports whether a chain has the name of one for a service.
func ofOneService(name string) bool {
	for _, prefix := range []string{"KUBE-SVC-", "KUBE-SVL-", "KUBE-EXT-", "KUBE-SEP-", "KUBE-FW-"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// title says whose chains these are, and where they come from.
func (c *Chains) title() (name, about string) {
	about = "netfilter chains, as the lab file asks for them"
	if len(c.sets) > 0 && c.sets[0].Wanted != nil {
		about = "netfilter chains, as the kernel has them"
	}
	return c.lab.Name + ": " + c.node, about
}

// health says in words how the chains are.
func (c *Chains) health() (string, level) {
	worst, n := unknown, 0
	for _, t := range c.tables {
		for _, ch := range t.chains {
			worst = max(worst, ch.level)
			n += len(ch.seen.Differences)
		}
	}
	switch {
	case worst == unknown:
		return "", unknown
	case n == 0:
		return "as the lab file says", worst
	}
	return count(n, "rule") + verb(n, " differs", " differ") + " from the lab file", worst
}

// under is what stands below the name of a chain in a picture.
func (ch *chain) under() string {
	if ch.aside && ch.about == "" {
		return count(ch.callers, "rule") + " jump here"
	}
	return ch.about
}

// lead is what stands before a rule's words: its number, or what is wrong.
func (r *rule) lead() string {
	if r.word != "" {
		return r.word
	}
	return itoa(r.number)
}

// text says what a rule is for and what it does. full names the chain it jumps
// to.
func (r *rule) text(full bool) string {
	s := r.when
	does := r.does
	if r.to != nil && (full || r.to.aside) {
		does = "→ " + r.to.name
	}
	switch {
	case does == "":
	case s == "":
		s = does
	case strings.HasPrefix(does, "→"):
		s += " " + does
	default:
		s += ": " + does
	}
	if s == "" {
		s = "every packet"
	}
	return s
}
