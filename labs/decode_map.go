package labs

import "gopkg.in/yaml.v3"

// pair is a key of a YAML map and its value.
type pair struct {
	key   string
	pos   Pos // of the key
	value *yaml.Node
}

// pairs returns the keys of map n in the order of the file, those that are
// merged in last. A key that is written twice is reported and counts once.
// It reports whether all of the map could be read.
func (d *decoder) pairs(n *yaml.Node, at Place) (pairs []pair, ok bool) {
	ok = true
	first := map[string]Pos{}
	var merges []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := follow(n.Content[i]), n.Content[i+1]
		here := Place{Pos: position(n.Content[i]), Path: at.Path}
		switch {
		case k.Kind != yaml.ScalarNode:
			d.errorf(here, "", "a key is %s, should be a text", kind(k))
			ok = false
			continue
		case k.ShortTag() == "!!merge":
			merges = append(merges, v)
			continue
		}
		if before, twice := first[k.Value]; twice {
			d.errorf(here, "", "key %s is already on line %d", quote(k.Value), before.Line)
			continue
		}
		first[k.Value] = here.Pos
		pairs = append(pairs, pair{k.Value, here.Pos, v})
	}
	for _, m := range merges {
		more, good := d.merged(m, at)
		ok = ok && good
		for _, p := range more {
			if _, own := first[p.key]; !own {
				first[p.key] = p.pos
				pairs = append(pairs, p)
			}
		}
	}
	return pairs, ok
}

// merged returns the keys that `<<: m` adds: those of a map, or of a list of
// maps in which the first has the last word.
func (d *decoder) merged(m *yaml.Node, at Place) (pairs []pair, ok bool) {
	here := Place{Pos: position(m), Path: join(at.Path, "<<")}
	m = follow(m)
	switch {
	case !d.count(here): // merges can be nested as aliases can
		return nil, false
	case d.open[m]:
		d.errorf(here, "", "contains itself, through an alias")
		return nil, false
	case m.Kind == yaml.MappingNode:
		d.open[m] = true
		defer delete(d.open, m)
		return d.pairs(m, at)
	case m.Kind != yaml.SequenceNode:
		d.errorf(here, "", "is %s, should be a map to merge, or a list of maps", kind(m))
		return nil, false
	}
	d.open[m] = true
	defer delete(d.open, m)
	ok = true
	for _, c := range m.Content {
		if follow(c).Kind != yaml.MappingNode {
			d.errorf(here, "", "holds %s, should hold maps only", kind(follow(c)))
			return pairs, false
		}
		more, good := d.merged(c, at)
		ok = ok && good
		pairs = append(pairs, more...)
	}
	return dedupe(pairs), ok
}

// dedupe keeps the first pair of each key.
func dedupe(pairs []pair) []pair {
	seen := map[string]bool{}
	kept := pairs[:0]
	for _, p := range pairs {
		if !seen[p.key] {
			seen[p.key] = true
			kept = append(kept, p)
		}
	}
	return kept
}

// follow returns the node an alias stands for.
func follow(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

func position(n *yaml.Node) Pos { return Pos{Line: n.Line, Column: n.Column} }
