package main

import (
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"netlab/labs"
)

func explainCommand(sys system) *cli.Command {
	return &cli.Command{
		Name:      "explain",
		Usage:     "what a key of the lab file means",
		ArgsUsage: "[KEY]",
		Description: `KEY is the path of a key, with dots. Without it the keys of the top level are
listed.

Examples:
   netlab explain
   netlab explain pods.containers
   netlab explain services --recursive`,
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "recursive", Usage: "list the keys below it, all the way down"},
			outputFlag("text", "json"),
		},
		Action: func(c *cli.Context) error {
			if c.NArg() > 1 {
				return args(c, "[KEY]")
			}
			key := labs.Format()
			if path := strings.Trim(c.Args().First(), "."); path != "" {
				var err error
				if key, err = key.Find(path); err != nil {
					return err
				}
			}
			return sys.output(c).explain(key, c.Bool("recursive"))
		},
	}
}

// keyView is a key of the lab file, in JSON. It is part of the interface.
type keyView struct {
	Key      string    `json:"key"`
	Type     string    `json:"type"`
	Required bool      `json:"required,omitempty"`
	Default  string    `json:"default,omitempty"`
	Allowed  string    `json:"allowed,omitempty"`
	Example  string    `json:"example,omitempty"`
	Meaning  string    `json:"meaning"`
	Keys     []keyView `json:"keys,omitempty"`
}

// viewKey shows a key and as many levels below it.
func viewKey(k labs.Key, levels int) keyView {
	v := keyView{Key: k.Path, Type: k.Type, Required: k.Required, Default: k.Default, Allowed: k.Allowed(), Example: k.Example, Meaning: k.Doc}
	if levels > 0 {
		for _, sub := range k.Keys {
			v.Keys = append(v.Keys, viewKey(sub, levels-1))
		}
	}
	return v
}

// explain prints what is known about a key.
func (o output) explain(k labs.Key, recursive bool) error {
	const allLevels = 100
	if o.format == "json" {
		levels := 1
		if recursive {
			levels = allLevels
		}
		return o.json(viewKey(k, levels))
	}
	h := helpText{width: helpWidth}
	if width := widthOf(o.stdout); width > 0 {
		h.width = min(width, helpWidth)
	}
	name := k.Path
	if name == "" {
		name = "the lab file"
	}
	facts := [][2]string{{"KEY", name}, {"TYPE", k.Type}}
	switch {
	case k.Path == "":
	case k.Required:
		facts = append(facts, [2]string{"DEFAULT", "none: it is required"})
	default:
		facts = append(facts, [2]string{"DEFAULT", k.Default})
	}
	if allowed := k.Allowed(); allowed != "" {
		facts = append(facts, [2]string{"ALLOWED", allowed})
	}
	if k.Example != "" {
		facts = append(facts, [2]string{"EXAMPLE", k.Name + ": " + k.Example})
	}
	for _, f := range facts {
		fmt.Fprintf(&h, "%-9s %s\n", f[0]+":", f[1])
	}
	if k.Path != "" {
		h.WriteString("\nMEANING:\n")
		h.fold("   ", k.Doc)
	}
	if len(k.Keys) > 0 {
		h.WriteString("\nKEYS:\n")
		if recursive {
			h.tree(k.Keys, "   ")
		} else {
			h.keys(k.Keys)
		}
	}
	_, err := fmt.Fprint(o.stdout, h.String())
	return err
}

// keys lists keys with their meaning.
func (h *helpText) keys(keys []labs.Key) {
	for i, k := range keys {
		if i > 0 {
			h.WriteByte('\n')
		}
		h.WriteString("   " + keyLine(k) + "\n")
		about := k.Doc
		if k.Default != "" && k.Default != "none" {
			about += " (default: " + k.Default + ")"
		}
		h.fold("      ", about)
	}
}

// tree lists keys and those below them by name only.
func (h *helpText) tree(keys []labs.Key, indent string) {
	for _, k := range keys {
		h.WriteString(indent + keyLine(k) + "\n")
		h.tree(k.Keys, indent+"   ")
	}
}

func keyLine(k labs.Key) string {
	line := k.Name + "  <" + k.Type + ">"
	if k.Required {
		line += "  required"
	}
	return line
}
