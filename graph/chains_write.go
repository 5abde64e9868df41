package graph

import (
	"bufio"
	"fmt"
	"html"
	"io"
	"slices"
	"strings"
)

// WriteSVG writes the picture as an SVG document of its own.
func (c *Chains) WriteSVG(w io.Writer) error {
	name, _ := c.title()
	return writeSVG(w, c.draw(false), "chains of "+name)
}

// WriteText draws the chains as trees of rules, one for each hook.
func (c *Chains) WriteText(w io.Writer) error {
	out := newTree(w, c.opt)
	name, about := c.title()
	fmt.Fprintln(out.out, name+", "+about)
	if words, how := c.health(); words != "" {
		fmt.Fprintln(out.out, out.colour(how, words))
	}
	if len(c.tables) == 0 {
		fmt.Fprintln(out.out, "no chains: the lab has no rules here")
	}
	for _, t := range c.tables {
		fmt.Fprintf(out.out, "\ntable %s, %s\n", t.name, t.family)
		drawn := map[*chain]bool{}
		for _, ch := range t.chains {
			if ch.hook || ch.callers == 0 {
				fmt.Fprintln(out.out, c.chainLine(ch))
				out.write(c.ruleLeaves(out, ch, drawn, 0), "")
			}
		}
	}
	for _, s := range c.sets {
		for i, line := range s.Others {
			if i == 0 {
				fmt.Fprintln(out.out, "\nrules that are not the lab's")
			}
			fmt.Fprintln(out.out, "  "+line)
		}
	}
	return out.out.Flush()
}

func (c *Chains) chainLine(ch *chain) string {
	if ch.about == "" {
		return ch.name
	}
	return ch.name + "  (" + ch.about + ")"
}

// ruleLeaves draws the rules of a chain and of those they jump to, each chain
// once.
func (c *Chains) ruleLeaves(out *tree, ch *chain, drawn map[*chain]bool, depth int) []leaf {
	drawn[ch] = true
	var list []leaf
	for _, r := range ch.rules {
		lead := r.lead()
		if r.word != "" {
			lead = out.colour(r.level, "["+r.level.sign()+" "+r.word+"]")
		}
		l := leaf{text: lead + "  " + r.text(true)}
		if r.to != nil {
			if r.to.about != "" {
				l.text += "  (" + r.to.about + ")"
			}
			switch {
			case drawn[r.to] && len(r.to.rules) > 0 && !r.to.aside:
				l.text += "  see above"
			case !drawn[r.to] && depth < deepest:
				l.below = c.ruleLeaves(out, r.to, drawn, depth+1)
			}
		}
		list = append(list, l)
	}
	return list
}

// WriteMermaid writes the chains as a flowchart in the language of Mermaid.
func (c *Chains) WriteMermaid(w io.Writer) error {
	text, edges := c.mermaid(false)
	if edges > mermaidEdges || len(text) > mermaidChars {
		text, _ = c.mermaid(true)
	}
	_, err := io.WriteString(w, text)
	return err
}

// mermaid draws the chains. brief leaves those of endpoints out and counts
// them.
func (c *Chains) mermaid(brief bool) (text string, edges int) {
	var b strings.Builder
	name, about := c.title()
	fmt.Fprintf(&b, "---\ntitle: %q\n---\nflowchart LR\n", name+": "+about)
	var bad []string
	for _, t := range c.tables {
		fmt.Fprintf(&b, "    subgraph %s[\"table %s, %s\"]\n    direction LR\n", slug(strings.ToLower(t.family), t.name), t.name, t.family)
		for _, ch := range t.chains {
			if brief && ch.class() == "endpoint" {
				continue
			}
			lines := []string{ch.name}
			if ch.about != "" {
				lines = append(lines, ch.about)
			}
			behind := 0
			for _, r := range ch.rules {
				switch {
				case r.to == nil || r.to.aside || r.word != "":
					lines = append(lines, r.lead()+": "+r.text(true))
				case brief && r.to.class() == "endpoint":
					behind++
				}
			}
			if behind > 0 {
				lines = append(lines, count(behind, "endpoint"))
			}
			open, shut := `["`, `"]`
			if ch.hook {
				open, shut = `(["`, `"])`
			}
			fmt.Fprintf(&b, "        %s%s%s%s\n", ch.id, open, mermaidLabel(lines), shut)
			if ch.level > well {
				bad = append(bad, "    class "+ch.id+" "+ch.level.class()+"\n")
			}
		}
		b.WriteString("    end\n")
		for _, ch := range t.chains {
			for _, r := range ch.rules {
				if r.to == nil || r.to.aside || brief && (r.to.class() == "endpoint" || ch.class() == "endpoint") {
					continue
				}
				fmt.Fprintf(&b, "    %s -->|\"%s\"| %s\n", ch.id, mermaidLabel([]string{strings.TrimSuffix(r.lead()+": "+r.when, ": ")}), r.to.id)
				edges++
			}
		}
	}
	b.WriteString(mermaidStyle + strings.Join(bad, ""))
	return b.String(), edges
}

// WriteDot writes the chains in the language of Graphviz.
func (c *Chains) WriteDot(w io.Writer) error {
	out := bufio.NewWriter(w)
	name, about := c.title()
	fmt.Fprintf(out, "digraph %s {\n  label=%s; labelloc=t; labeljust=l; fontsize=18; fontname=\"Helvetica\";\n", dotText(name), dotText(name+": "+about))
	fmt.Fprint(out, "  rankdir=LR; ranksep=0.9; nodesep=0.15;\n  node [shape=plain, fontname=\"Helvetica\", fontsize=10];\n  edge [color=\"#6e7781\"];\n")
	for _, t := range c.tables {
		fmt.Fprintf(out, "  subgraph cluster_%s {\n    label=%s; labeljust=l; fontsize=12; color=\"#c8ced6\";\n", slug(strings.ToLower(t.family), t.name), dotText("table "+t.name+", "+t.family))
		for _, ch := range t.chains {
			fmt.Fprintf(out, "    %s [label=<%s>];\n", ch.id, dotChain(ch))
		}
		fmt.Fprint(out, "  }\n")
		for _, ch := range t.chains {
			for i, r := range ch.rules {
				if r.to != nil && !r.to.aside {
					fmt.Fprintf(out, "  %s:r%d:e -> %s:name:w%s;\n", ch.id, i, r.to.id, strings.Replace(dotEdge(r.level), ", ", " [", 1))
				}
			}
		}
	}
	fmt.Fprint(out, "}\n")
	return out.Flush()
}

func dotEdge(l level) string {
	if l <= well {
		return ""
	}
	return strings.SplitN(dotLevel(l), ", fillcolor", 2)[0] + ", style=dashed]"
}

// dotChain writes a chain as a table in Graphviz's kind of HTML.
func dotChain(ch *chain) string {
	colour, fill := "#57606a", "white"
	switch ch.class() {
	case "hook":
		fill = "#f4f6f8"
	case "service":
		colour, fill = "#5f86bd", "#dfeaf8"
	case "endpoint":
		colour = "#00766a"
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<table border="1" cellborder="0" cellspacing="0" cellpadding="3" color="%s" bgcolor="%s"><tr><td port="name" align="left" colspan="2"><b>%s</b></td></tr>`, colour, fill, html.EscapeString(ch.name))
	if ch.about != "" {
		fmt.Fprintf(&b, `<tr><td align="left" colspan="2">%s</td></tr>`, html.EscapeString(ch.about))
	}
	for i, r := range ch.rules {
		lead := html.EscapeString(r.lead())
		if r.word != "" {
			lead = `<font color="#b3121f"><b>` + lead + `</b></font>`
		}
		fmt.Fprintf(&b, `<tr><td align="right">%s</td><td align="left" port="r%d">%s</td></tr>`, lead, i, html.EscapeString(r.text(false)))
	}
	return b.String() + "</table>"
}

// WriteHTML writes one page that needs nothing else: the picture, and every
// rule as iptables-save has it.
func (c *Chains) WriteHTML(w io.Writer) error {
	name, about := c.title()
	p := htmlPage{Title: "chains of " + name, Heading: name, About: []string{about}, Related: map[string][]string{}}
	health, how := c.health()
	p.Health, p.Level = health, how.class()
	p.Pictures = []htmlPicture{htmlPictureOf(c.draw(true), "chains of "+name)}
	for _, t := range c.tables {
		list := htmlTable{Name: "Table " + t.name + ", " + t.family, Columns: []string{"of", "rules"}}
		for _, ch := range t.chains {
			var rules []string
			for _, r := range ch.rules {
				rules = append(rules, r.lead()+"  "+strings.TrimPrefix(r.full, "-A "+ch.name+" "))
				if r.to != nil && !slices.Contains(p.Related[ch.id], r.to.id) {
					p.Related[ch.id], p.Related[r.to.id] = append(p.Related[ch.id], r.to.id), append(p.Related[r.to.id], ch.id)
				}
			}
			list.Rows = append(list.Rows, ch.row(ch.about, strings.Join(rules, "\n")))
			for _, d := range ch.seen.Differences {
				p.Differences = append(p.Differences, htmlDifference{ch.id, ch.name, d})
			}
		}
		p.Tables = append(p.Tables, list)
	}
	for _, s := range c.sets {
		if len(s.Others) > 0 {
			p.Texts = append(p.Texts, htmlText{"Rules that are not the lab's", strings.Join(s.Others, "\n")})
		}
	}
	return p.write(w)
}
