package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"

	"netlab/provision"
)

// coverage says which kinds and attributes of objects the labs have (false) and
// which of them have drifted in a case (true).
type coverage map[string]bool

func typeOf(o provision.Object) string {
	return strings.TrimPrefix(fmt.Sprintf("%T", o), "provision.")
}

// wanted takes note of everything that a lab asks for.
func (c coverage) wanted(want provision.State) {
	for o := range want.All() {
		words := []string{"removed", "added"}
		for _, a := range o.Attrs() {
			words = append(words, a.Name)
		}
		for _, w := range words {
			key := typeOf(o) + " " + w
			if !c[key] {
				c[key] = false // known, and not covered yet
			}
		}
	}
}

// saw takes note of what has drifted.
func (c coverage) saw(have, want provision.State) {
	for w := range want.All() {
		h, ok := have.Get(w.Key())
		if !ok {
			c[typeOf(w)+" removed"] = true
			continue
		}
		is := h.Attrs()
		for _, a := range w.Attrs() {
			if !slices.Contains(is, a) {
				c[typeOf(w)+" "+a.Name] = true
			}
		}
	}
	for h := range have.All() {
		if _, ok := want.Get(h.Key()); !ok {
			c[typeOf(h)+" added"] = true
		}
	}
}

// undrifted are what no case can do, with the reason.
var undrifted = map[string]string{
	"Veth added":   "a cable that nobody asks for is two links",
	"Sysctl unset": "only a parameter that the lab does not ask for has it",
	"Pause added":  "a pause process that is not the lab's cannot be told from any process",
}

// elsewhere are types whose drift is tested where their things are.
var elsewhere = map[string]string{
	"Supervisor":     "package runtime",
	"HostForwarding": "package kernel, on a host of its own",
	"HostRule":       "package kernel, on a host of its own",
}

// check wants every attribute of everything that the labs have to have drifted,
// and the labs to have every type there is.
func (c coverage) check(t *testing.T) {
	t.Helper()
	for _, key := range slices.Sorted(maps.Keys(c)) {
		if !c[key] && undrifted[key] == "" {
			t.Errorf("no case: %s", key)
		}
	}
	for _, name := range objectTypes(t) {
		has := slices.ContainsFunc(slices.Collect(maps.Keys(c)), func(k string) bool { return strings.HasPrefix(k, name+" ") })
		if !has && elsewhere[name] == "" {
			t.Errorf("no case: %s", name)
		}
	}
}

// objectTypes lists the types of package provision that have attributes.
func objectTypes(t *testing.T) []string {
	t.Helper()
	files := token.NewFileSet()
	//nolint:staticcheck // the package has no build tags that ParseDir would miss
	packages, err := parser.ParseDir(files, "../../provision", func(fi fs.FileInfo) bool {
		return !strings.HasSuffix(fi.Name(), "_test.go")
	}, 0)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, p := range packages {
		for _, f := range p.Files {
			for _, d := range f.Decls {
				fn, ok := d.(*ast.FuncDecl)
				if !ok || fn.Name.Name != "Attrs" || fn.Recv == nil {
					continue
				}
				if id, ok := fn.Recv.List[0].Type.(*ast.Ident); ok {
					names = append(names, id.Name)
				}
			}
		}
	}
	if len(names) < 10 {
		t.Fatalf("found only the types %v", names)
	}
	return names
}
