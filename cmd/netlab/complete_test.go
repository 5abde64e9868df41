package main

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
)

// utf8Env is the environment of somebody whose locale has all characters.
func utf8Env(name string) string {
	if name == "LANG" {
		return "C.UTF-8"
	}
	return ""
}

// completions returns what may stand in place of the last word, without the
// descriptions.
func completions(t *testing.T, words ...string) []string {
	t.Helper()
	var out bytes.Buffer
	sys := system{stdin: strings.NewReader(""), stdout: &out, stderr: &out, getenv: utf8Env, open: openMachine}
	if code := run(t.Context(), append([]string{"netlab", completeWord, "--"}, words...), sys); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	var list []string
	for line := range strings.Lines(out.String()) {
		value, _, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		list = append(list, value)
	}
	return list
}

func TestCompletions(t *testing.T) {
	for _, tt := range []struct{ line, want string }{
		{"ver", "verify version"},
		{"up two-", "two-node :yaml"},
		{"up two-node ", ""},
		{"status --o", "--output"},
		{"status -o ", "table wide json yaml"},
		{"status -o j", "json"},
		{"status --output=j", "--output=json"},
		{"exec two-node ", "client web node-a node-b fabric"},
		{"exec -i two-node cl", "client"},
		{"exec two-node client -- ", ":files"},
		{"exec two-node client cat -", ":files"},
		{"exec dns kube-system/", "kube-system/pod/coredns"},
		{"exec two-node web -c ", "web"},
		{"logs two-node ", "web"},
		{"trace two-node client s", "svc/web"},
		{"trace two-node client svc/web:", "svc/web:80"},
		{"trace two-node client web:", ""}, // could be both
		{"trace two-node client pod/web:", "pod/web:8080"},
		{"trace two-node client web --w", "--write --wait"},
		{"trace two-node client web -w ", ":files"},
		{"verify two-node --only a", "arp"},
		{"verify two-node --only arp,ro", "arp,routes"},
		{"verify two-node --only=arp,vx", "--only=arp,vxlan"},
		{"verify two-node --from cli", "client"},
		{"completion ", "bash zsh fish"},
		{"help vali", "validate"},
		{"explain pods.cont", "pods.containers"},
		{"explain pods.containers", "pods.containers pods.containers."},
		{"explain pods.containers.serv", "pods.containers.serve"},
		{"nonsense ", ""},
		{"exec - ", ""},
		{"exec /dev/zero ", ""},
		{"supervise ", ""},
	} {
		if got := strings.Join(completions(t, strings.Split(tt.line, " ")...), " "); got != tt.want {
			t.Errorf("%q: %q, want %q", tt.line, got, tt.want)
		}
	}
}

// TestEveryPlaceholderIsKnown finds words of usage that the completion does not
// know, and commands without a group or an example.
func TestEveryPlaceholderIsKnown(t *testing.T) {
	app := newApp(system{getenv: utf8Env})
	for _, c := range app.VisibleCommands() {
		if c.Category == "" {
			t.Errorf("%s: has no group", c.Name)
		}
		if !strings.Contains(c.Description, "Example") {
			t.Errorf("%s: its help has no example", c.Name)
		}
		for _, s := range argumentsOf(c.ArgsUsage) {
			for _, w := range s.words {
				if _, known := fits[w]; !known && w != strings.ToLower(w) {
					t.Errorf("%s: nothing is known about the argument %s; see fits in complete.go", c.Name, w)
				}
			}
		}
		for _, f := range c.Flags {
			doc := f.(cli.DocGenerationFlag)
			word, _ := placeholder(doc.GetUsage())
			if _, known := fits[word]; doc.TakesValue() && !known {
				t.Errorf("%s --%s: nothing is known about the value %q; see fits in complete.go", c.Name, f.Names()[0], word)
			}
			if strings.HasSuffix(doc.GetUsage(), ".") {
				t.Errorf("%s --%s: the usage ends in a period", c.Name, f.Names()[0])
			}
		}
	}
	names := commandNames(app)
	for habit, means := range habits {
		if !slices.Contains(names, means) {
			t.Errorf("%s is to mean %s, which is no command", habit, means)
		}
	}
}
