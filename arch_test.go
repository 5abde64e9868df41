package netlab_test

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// imports is the architecture: what each package may import of this module.
// A package that is not listed fails the test, so a new one has to be placed.
var imports = map[string][]string{
	"labs":                 {},
	"provision/program":    {},
	"provision/netns":      {"provision/program"},
	"provision/runfile":    {},
	"provision/netfilter":  {},
	"provision/kubeproxy":  {"labs", "provision/netfilter"},
	"provision/dns":        {"labs"},
	"provision":            {"labs", "provision/dns", "provision/netfilter", "provision/kubeproxy"},
	"provision/runtime":    {"labs", "provision", "provision/dns", "provision/netns", "provision/program", "provision/runfile"},
	"provision/kernel":     {"labs", "provision", "provision/kubeproxy", "provision/netfilter", "provision/netns", "provision/runfile", "provision/runtime"},
	"provision/fake":       {"labs", "provision"},
	"provision/kerneltest": {"labs", "provision", "provision/netfilter"},
	"page":                 {},
	"graph":                {"labs", "page", "provision/netfilter"}, // what a node's chains hold is netfilter's to say
	"trace":                {"labs", "page", "provision", "provision/netfilter"},
	"trace/capture":        {"labs", "provision/netns", "trace"},
	"verify":               {"labs", "provision"},
	"verify/explain":       {"labs", "provision", "provision/netfilter", "trace", "verify"},
	"verify/probe":         {"labs", "provision", "provision/netns", "verify"},
	"bench":                {"labs", "provision", "provision/kernel", "verify"},
	"bench/bare":           {}, // knows nothing of netlab
	"labtest":              {"labs", "provision", "provision/kernel", "provision/netns", "provision/runtime", "verify", "verify/probe"},
	"examples":             {}, // they run the program
	"vagrant":              {},
	"examples/go-test":     {},
	"cmd/netlab": {
		"graph", "labs", "provision", "provision/kernel", "provision/netfilter", "provision/netns", "provision/runfile", "provision/runtime",
		"trace", "trace/capture", "verify", "verify/explain", "verify/probe",
	},
}

// onlyIn names the packages that may reach outside the process in this way.
var onlyIn = map[string]string{
	"github.com/vishvananda/netlink":    "provision/kernel trace/capture verify/probe",
	"github.com/vishvananda/netlink/nl": "provision/kernel verify/probe",
	"github.com/vishvananda/netns":      "none",
	"golang.org/x/sys/unix":             "provision/kernel provision/netns provision/program provision/runfile provision/runtime trace/capture verify/probe cmd/netlab bench bench/bare",
	"os/exec":                           "provision/kernel provision/kerneltest provision/netns labtest cmd/netlab bench bench/bare",
	"log":                               "none",
	"testing":                           "provision/kerneltest labtest",
}

// TestImportsGoOneWay holds the packages to the table.
func TestImportsGoOneWay(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, "./...").Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		words := strings.Fields(line)
		pkg := strings.TrimPrefix(words[0], "netlab/")
		if pkg == "netlab" {
			continue
		}
		allowed, listed := imports[pkg]
		if !listed {
			t.Errorf("package %s has no place in the import table", pkg)
		}
		for _, imp := range words[1:] {
			if own, ok := strings.CutPrefix(imp, "netlab/"); ok && !slices.Contains(allowed, own) {
				t.Errorf("%s imports %s; the table allows %v", pkg, own, allowed)
			}
			if where, ok := onlyIn[imp]; ok && !slices.Contains(strings.Fields(where), pkg) {
				t.Errorf("%s imports %s, which belongs in: %s", pkg, imp, where)
			}
		}
	}
}

// TestPackagesSayWhatTheyAre wants a package comment in a file of its own or
// beside the main type, in every package.
func TestPackagesSayWhatTheyAre(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-f", `{{.ImportPath}}|{{.Doc}}`, "./...").Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		pkg, doc, _ := strings.Cut(strings.TrimSpace(line), "|")
		if pkg != "netlab" && doc == "" {
			t.Errorf("package %s has no package comment", pkg)
		}
	}
}
