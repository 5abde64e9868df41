package main

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"slices"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/urfave/cli/v2"

	"netlab/labs"
)

// listView is one lab of the list, in JSON. It is part of the interface.
type listView struct {
	Name        string `json:"name"`
	Ships       bool   `json:"ships"`
	Up          bool   `json:"up"`
	File        string `json:"file,omitempty"` // of a lab that is up
	Description string `json:"description,omitempty"`
}

func listCommand(sys system) *cli.Command {
	return &cli.Command{
		Name:  "list",
		Usage: "the labs that ship and the labs that are up",
		Description: `Examples:
   netlab list
   netlab list -o json`,
		Flags: []cli.Flag{outputFlag("table", "json")},
		Action: func(c *cli.Context) error {
			if err := args(c); err != nil {
				return err
			}
			out := sys.output(c)
			return out.list(sys.listLabs())
		},
	}
}

func (sys system) listLabs() []listView {
	byName := map[string]listView{}
	for _, name := range labs.Shipped() {
		v := listView{Name: name, Ships: true}
		data, _ := labs.ShippedFile(name)
		if lab, _ := labs.Load("labs/"+name+".yaml", data); lab != nil {
			v.Description = lab.Description
		}
		byName[name] = v
	}
	up, _ := sys.runningLabs() // without permission to look, none is known to be up
	for _, name := range up {
		v := byName[name]
		v.Name, v.Up = name, true
		if src, err := sys.savedLab(name); err == nil {
			v.File = src.file
			if lab, _ := src.lab(); lab != nil {
				v.Description = lab.Description
			}
		}
		byName[name] = v
	}
	list := []listView{}
	for _, v := range byName {
		list = append(list, v)
	}
	slices.SortFunc(list, func(a, b listView) int {
		if a.Up != b.Up {
			if a.Up {
				return -1
			}
			return 1
		}
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	return list
}

func (o output) list(list []listView) error {
	if o.format == "json" {
		return o.json(list)
	}
	t := newTable(o.stdout)
	t.AppendHeader(table.Row{"NAME", "STATE", "DESCRIPTION"})
	for _, v := range list {
		state := "ships"
		if v.Up {
			state = "up"
		}
		t.AppendRow(table.Row{v.Name, state, v.Description})
	}
	_, err := io.WriteString(o.stdout, render(t))
	return err
}

// version is set by the linker on a release.
var version = ""

// versionView is what version prints, in JSON. It is part of the interface.
type versionView struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"`
	Modified bool   `json:"modified,omitempty"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func versionCommand(sys system) *cli.Command {
	return &cli.Command{
		Name:  "version",
		Usage: "the version of this program",
		Description: `Examples:
   netlab version
   netlab version -o json`,
		Flags: []cli.Flag{outputFlag("text", "json")},
		Action: func(c *cli.Context) error {
			if err := args(c); err != nil {
				return err
			}
			out := sys.output(c)
			v := programVersion()
			if out.format == "json" {
				return out.json(v)
			}
			_, err := fmt.Fprintln(out.stdout, v)
			return err
		},
	}
}

func programVersion() versionView {
	v := versionView{Version: version, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if ok {
		if v.Version == "" {
			v.Version = info.Main.Version
		}
		for _, s := range info.Settings {
			switch s.Key {
			case "vcs.revision":
				v.Revision = s.Value
			case "vcs.modified":
				v.Modified = s.Value == "true"
			}
		}
	}
	if v.Version == "" {
		v.Version = "(devel)"
	}
	return v
}

// String renders v on one line.
func (v versionView) String() string {
	s := "netlab " + v.Version
	if v.Revision != "" {
		s += " " + v.Revision[:min(len(v.Revision), 12)]
		if v.Modified {
			s += " (modified)"
		}
	}
	return s + " " + v.Go + " " + v.Platform
}
