package examples_test

import (
	"archive/tar"
	"compress/gzip"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rhysd/actionlint"
	"gopkg.in/yaml.v3"
)

// TestWorkflows checks the workflows against the syntax of GitHub Actions, and
// what they give to netlab's action against action.yml.
func TestWorkflows(t *testing.T) {
	files, err := filepath.Glob("github-actions/*.yml")
	if err != nil || len(files) < 3 {
		t.Fatalf("workflows: %v, %v", files, err)
	}
	root := t.TempDir()
	action, err := os.ReadFile("../action.yml")
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"action.yml": action, ".github/workflows/x.yml": nil, ".git/HEAD": nil} {
		path := filepath.Join(root, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, data, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(string(data), "uses: OWNER/netlab@main") {
				t.Error("does not use netlab's action")
			}
			// Inputs and outputs are known of an action in the same repository.
			local := strings.ReplaceAll(string(data), "OWNER/netlab@main", "./")
			l, err := actionlint.NewLinter(io.Discard, &actionlint.LinterOptions{})
			if err != nil {
				t.Fatal(err)
			}
			project, err := actionlint.NewProject(root)
			if err != nil {
				t.Fatal(err)
			}
			problems, err := l.Lint(filepath.Join(root, ".github/workflows/x.yml"), []byte(local), project)
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range problems {
				t.Errorf("%s:%d:%d: %s", file, p.Line, p.Column, p.Message)
			}
		})
	}
}

// action is action.yml as the runner reads it.
type action struct {
	Inputs map[string]struct {
		Description string
		Required    bool
		Default     *string
	}
	Outputs map[string]struct{ Description, Value string }
	Runs    struct {
		Using string
		Steps []struct {
			ID, Name, If, Uses, Shell, Run string
			With, Env                      map[string]string
		}
	}
}

// TestAction checks that the action's steps exist as scripts, and that whatever
// they refer to is there.
func TestAction(t *testing.T) {
	data, err := os.ReadFile("../action.yml")
	if err != nil {
		t.Fatal(err)
	}
	var a action
	if err := yaml.Unmarshal(data, &a); err != nil {
		t.Fatal(err)
	}
	if a.Runs.Using != "composite" || len(a.Runs.Steps) == 0 {
		t.Fatalf("runs %q with %d steps", a.Runs.Using, len(a.Runs.Steps))
	}
	for name, in := range a.Inputs {
		if in.Description == "" || in.Required == (in.Default != nil) {
			t.Errorf("input %s needs a description, and either is required or has a default", name)
		}
		if !strings.Contains(string(data), "inputs."+name) {
			t.Errorf("nothing reads input %s", name)
		}
	}
	steps := map[string]string{} // what the script of each step says
	for _, s := range a.Runs.Steps {
		if s.Run == "" {
			if s.Uses == "" {
				t.Errorf("step %q does nothing", s.Name)
			}
			continue
		}
		m := regexp.MustCompile(`^"\$ACTION/(scripts/action/[a-z]+\.sh)"$`).FindStringSubmatch(s.Run)
		if m == nil || s.Shell != "bash" || s.Env["ACTION"] != "${{ github.action_path }}" {
			t.Errorf("step %q runs %q with shell %q: want a script of scripts/action", s.Name, s.Run, s.Shell)
			continue
		}
		info, err := os.Stat("../" + m[1])
		if err != nil || info.Mode()&0o111 == 0 {
			t.Errorf("%s is no program: %v", m[1], err)
			continue
		}
		script, err := os.ReadFile("../" + m[1])
		if err != nil {
			t.Fatal(err)
		}
		steps[s.ID] = string(script)
		common, err := os.ReadFile("../scripts/action/common.sh")
		if err != nil {
			t.Fatal(err)
		}
		for name := range s.Env {
			if name != "ACTION" && !strings.Contains(string(script)+string(common), "${"+name) && !strings.Contains(string(script), "$"+name) {
				t.Errorf("%s does not read %s", m[1], name)
			}
		}
	}
	for name, out := range a.Outputs {
		m := regexp.MustCompile(`^\$\{\{ steps\.([a-z]+)\.outputs\.([a-z]+) \}\}$`).FindStringSubmatch(out.Value)
		if m == nil || !strings.Contains(steps[m[1]], m[2]+"=%") {
			t.Errorf("output %s is %s, which no step has", name, out.Value)
		}
	}
}

// TestGitLab checks what the jobs for GitLab refer to.
func TestGitLab(t *testing.T) {
	data, err := os.ReadFile("gitlab-ci/.gitlab-ci.yml")
	if err != nil {
		t.Fatal(err)
	}
	var ci struct {
		Stages   []string
		Validate struct {
			Stage     string
			Script    []string
			Extends   string
			Artifacts struct {
				When    string
				Reports map[string]string
			}
		}
		Labs struct {
			Stage, Extends string
			Script         []string
			Artifacts      struct {
				When    string
				Paths   []string
				Reports map[string]string
			}
		}
		Base struct {
			Before []string `yaml:"before_script"`
		} `yaml:".netlab"`
	}
	if err := yaml.Unmarshal(data, &ci); err != nil {
		t.Fatal(err)
	}
	if ci.Validate.Extends != ".netlab" || ci.Labs.Extends != ".netlab" || ci.Validate.Artifacts.When != "always" || ci.Labs.Artifacts.When != "always" {
		t.Errorf("jobs: %+v", ci)
	}
	if ci.Labs.Artifacts.Reports["junit"] != "netlab-results/*/junit.xml" || ci.Labs.Artifacts.Reports["codequality"] != "netlab-results/*/quality.json" {
		t.Errorf("reports: %v", ci.Labs.Artifacts.Reports)
	}
	for _, line := range append(append(ci.Base.Before, ci.Validate.Script...), ci.Labs.Script...) {
		for _, script := range regexp.MustCompile(`/tmp/netlab/(scripts/\S+)`).FindAllStringSubmatch(line, -1) {
			if _, err := os.Stat("../" + script[1]); err != nil {
				t.Error(err)
			}
		}
	}
}

// TestPreCommit runs the hooks as pre-commit does: entry, then files.
func TestPreCommit(t *testing.T) {
	data, err := os.ReadFile("../.pre-commit-hooks.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var hooks []struct {
		ID, Name, Entry, Language, Files string
		Types                            []string
	}
	if err := yaml.Unmarshal(data, &hooks); err != nil {
		t.Fatal(err)
	}
	config, err := os.ReadFile("pre-commit/.pre-commit-config.yaml")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write(t, dir, "good.yaml", "name: good\nnodes:\n  - name: a\n")
	write(t, dir, "bad.yaml", "nodes:\n    - {nam: a}\nname:    bad\n") // neither valid nor tidy
	for _, h := range hooks {
		if h.Language != "golang" || h.Name == "" || len(h.Types) != 1 || h.Types[0] != "yaml" {
			t.Errorf("hook %s: %+v", h.ID, h)
		}
		files := regexp.MustCompile(h.Files)
		if !files.MatchString("labs/two-node.yaml") || !files.MatchString("a/lab/x/y.yml") || files.MatchString("compose.yaml") {
			t.Errorf("hook %s is for %s", h.ID, h.Files)
		}
		if !strings.Contains(string(config), "id: "+h.ID+"\n") {
			t.Errorf("the example does not use hook %s", h.ID)
		}
		words := strings.Fields(h.Entry)
		run := func(file string) (string, error) {
			cmd := exec.Command(program(t), append(words[1:], file)...)
			cmd.Dir = dir
			out, err := cmd.CombinedOutput()
			return string(out), err
		}
		if out, err := run("good.yaml"); err != nil {
			t.Errorf("%s good.yaml: %v\n%s", h.Entry, err, out)
		}
		if out, err := run("bad.yaml"); err == nil {
			t.Errorf("%s bad.yaml: no error\n%s", h.Entry, out)
		}
	}
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	file := filepath.Join(dir, name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(text), 0o644)); err != nil {
		t.Fatal(err)
	}
}

// job is a checkout in which the steps of the action run as a runner runs them.
type job struct {
	dir string
	env []string
	as  []string // who runs it
}

func newJob(t *testing.T) *job {
	t.Helper()
	// Other users must get in.
	dir, err := os.MkdirTemp("", "netlab-job-") //nolint:usetesting // that of the test is closed to other users
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	for _, d := range []string{dir, filepath.Join(dir, "temp")} {
		if err := errors.Join(os.MkdirAll(d, 0o777), os.Chmod(d, 0o777)); err != nil {
			t.Fatal(err)
		}
	}
	bin := program(t)
	return &job{dir: dir, env: []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "GITHUB_ACTIONS=true", "RUNNER_TEMP=" + filepath.Join(dir, "temp"),
		"GITHUB_OUTPUT=temp/output", "GITHUB_STEP_SUMMARY=temp/summary", "GITHUB_ENV=temp/env", "GITHUB_PATH=temp/path",
		"NETLAB_BIN=" + bin, "NETLAB_WAIT=1s", "LANG=C.UTF-8",
	}}
}

// step runs a script of the action.
func (j *job) step(t *testing.T, script string, env ...string) (code int, out string) {
	t.Helper()
	abs, err := filepath.Abs("../scripts/action/" + script)
	if err != nil {
		t.Fatal(err)
	}
	argv := append(append([]string{}, j.as...), "bash", abs)
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir, cmd.Env = j.dir, append(j.env, env...)
	data, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode(), string(data)
	}
	if err != nil {
		t.Fatal(err)
	}
	return 0, string(data)
}

func (j *job) file(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(j.dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func want(t *testing.T, what, text string, patterns ...string) {
	t.Helper()
	for _, p := range patterns {
		if !regexp.MustCompile(p).MatchString(text) {
			t.Errorf("%s has no %q:\n%s", what, p, text)
		}
	}
}

const (
	goodLab = "name: action-good\nnodes: [{name: a}, {name: b}]\n"
	badLab  = "name: action-bad\nnodes:\n  - {name: a}\n  - {name: b}\nverify:\n  - {from: a, to: node/b, expect: timeout}\n"
)

// TestActionValidates runs the steps that need no kernel.
func TestActionValidates(t *testing.T) {
	j := newJob(t)
	if code, out := j.step(t, "install.sh"); code != 0 {
		t.Fatalf("install: exit code %d\n%s", code, out)
	}
	want(t, "output", j.file(t, "temp/output"), `(?m)^netlab=/.*/netlab$`, `(?m)^version=netlab `)
	want(t, "path", j.file(t, "temp/path"), `^/.*netlab-examples-`)
	if code, out := j.step(t, "install.sh", "NETLAB_BIN=nothing-of-that-name"); code != 2 || !strings.Contains(out, "::error title=netlab::NETLAB_BIN: there is no program") {
		t.Errorf("install of nothing: exit code %d\n%s", code, out)
	}

	write(t, j.dir, "labs/a b/good.yaml", goodLab)
	write(t, j.dir, "labs/bad.yaml", "name: x\nnodes: [{name: a}]\npods: [{name: p, node: c}]\n")
	if code, out := j.step(t, "validate.sh", "NETLAB_LABS=labs/a b/*.yaml\n\n  # a comment\ntwo-node"); code != 0 {
		t.Errorf("exit code %d\n%s", code, out)
	} else {
		want(t, "log", out, `(?m)^labs/a b/good.yaml: lab action-good is valid$`, `(?m)^two-node: lab two-node is valid$`)
	}
	code, out := j.step(t, "validate.sh", "NETLAB_LABS=labs/**/*.yaml", "NETLAB_QUALITY=quality.json")
	if code != 2 {
		t.Errorf("exit code %d, want 2", code)
	}
	want(t, "log", out, `(?m)^::error file=labs/bad.yaml,line=3,col=24::pods\[0\].node: there is no node "c"`)
	want(t, "summary", j.file(t, "temp/summary"), "Lab files with mistakes", "labs/bad.yaml:3:24: pods")
	var findings []struct{ Location struct{ Path string } }
	if err := json.Unmarshal([]byte(j.file(t, "quality.json")), &findings); err != nil || len(findings) != 1 || findings[0].Location.Path != "labs/bad.yaml" {
		t.Errorf("quality.json: %v, %v", findings, err)
	}
	for labs, hint := range map[string]string{"": "names no lab", "labs/none-*.yaml": "no file matches labs/none-*.yaml", "labs/none.yaml": "no file matches labs/none.yaml"} {
		if code, out := j.step(t, "validate.sh", "NETLAB_LABS="+labs); code != 2 || !strings.Contains(out, hint) {
			t.Errorf("labs %q: exit code %d, want 2 and %q\n%s", labs, code, hint, out)
		}
	}
}

// TestPrivilegedActionRuns brings labs up as root and as somebody else, and looks
// at everything that is left for the workflow.
func TestPrivilegedActionRuns(t *testing.T) {
	needRoot(t)
	for _, privilege := range []string{"root", "rootless"} {
		t.Run(privilege, func(t *testing.T) {
			j := newJob(t)
			write(t, j.dir, "labs/good.yaml", goodLab)
			write(t, j.dir, "labs/bad.yaml", badLab)
			if privilege == "rootless" {
				// A user of its own: whatever else runs on this machine is not theirs.
				const user = "61234"
				j.as = []string{"setpriv", "--reuid", user, "--regid", user, "--clear-groups"}
				t.Cleanup(func() { _ = os.RemoveAll("/tmp/netlab-" + user) })
			}
			code, out := j.step(t, "run.sh", "NETLAB_LABS=labs/*.yaml", "NETLAB_PRIVILEGE=auto")
			if code != 3 {
				t.Errorf("exit code %d, want 3", code)
			}
			want(t, "log", out, "netlab runs as "+privilege, `(?m)^::group::action-bad \(labs/bad.yaml\)$`,
				`(?m)^::error file=labs/bad.yaml,line=6,col=5,title=netlab verify action-bad::verify\[0\] `, "(?m)^1 of 2 labs work; ")
			if n := strings.Count(out, "::error"); n != 1 {
				t.Errorf("%d annotations, want 1\n%s", n, out)
			}
			want(t, "output", j.file(t, "temp/output"), "(?m)^labs=2$", "(?m)^failed=1$", "(?m)^results=/.*/temp/netlab-results$")
			want(t, "summary", j.file(t, "temp/summary"), "## netlab: 1 of 2 labs work", `\| ✅ \| action-good \| .labs/good.yaml. \|`,
				"### ❌ Lab action-bad: ")
			want(t, "quality", j.file(t, "temp/netlab-results/action-bad/quality.json"), `"begin": 6`)
			for lab, failures := range map[string]int{"action-good": 0, "action-bad": 1} {
				var junit struct {
					Suites []struct {
						Failures int `xml:"failures,attr"`
						Tests    int `xml:"tests,attr"`
					} `xml:"testsuite"`
				}
				if err := xml.Unmarshal([]byte(j.file(t, "temp/netlab-results/"+lab+"/junit.xml")), &junit); err != nil {
					t.Error(err)
				}
				got, tests := 0, 0
				for _, s := range junit.Suites {
					got, tests = got+s.Failures, tests+s.Tests
				}
				if got != failures || tests < 10 {
					t.Errorf("%s: junit.xml has %d failures of %d tests, want %d", lab, got, tests, failures)
				}
			}
			parts := archive(t, filepath.Join(j.dir, "temp/netlab-results/action-bad/netlab-report.tar.gz"))
			want(t, "summary of the evidence", parts["summary.txt"], "lab action-bad, ", "1 failed", "this says timeout")
			if _, err := os.Stat(filepath.Join(j.dir, "temp/netlab-results/action-good/netlab-report.tar.gz")); err == nil {
				t.Error("there is evidence of a lab that works")
			}
			if left := output(t, "ip", "netns", "list"); strings.Contains(left, "action-") {
				t.Errorf("left behind:\n%s", left)
			}
		})
	}
	t.Run("cannot come up", func(t *testing.T) {
		j := newJob(t)
		write(t, j.dir, "good.yaml", goodLab)
		output(t, "ip", "netns", "add", "action-good.a")
		defer output(t, "ip", "netns", "del", "action-good.a")
		code, out := j.step(t, "run.sh", "NETLAB_LABS=good.yaml")
		if code != 1 {
			t.Errorf("exit code %d, want 1", code)
		}
		want(t, "log", out, `(?m)^::error file=good.yaml,title=netlab up::.*action-good\.a`)
		want(t, "junit.xml", j.file(t, "temp/netlab-results/action-good/junit.xml"), `<error type="up">.*action-good\.a`)
		want(t, "summary", j.file(t, "temp/summary"), "0 of 1 labs work", "action-good could not be brought up")
	})
	t.Run("up already", func(t *testing.T) {
		j := newJob(t)
		write(t, j.dir, "good.yaml", goodLab)
		output(t, program(t), "up", filepath.Join(j.dir, "good.yaml"))
		defer output(t, program(t), "down", "action-good")
		if code, out := j.step(t, "run.sh", "NETLAB_LABS=good.yaml"); code != 1 || !strings.Contains(out, "is up on this machine already") {
			t.Errorf("exit code %d\n%s", code, out)
		}
		if left := output(t, "ip", "netns", "list"); !strings.Contains(left, "action-good.a") {
			t.Error("somebody's lab is gone")
		}
	})
}

// archive reads a report of netlab's.
func archive(t *testing.T, file string) map[string]string {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	zip, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	parts := map[string]string{}
	for r := tar.NewReader(zip); ; {
		head, err := r.Next()
		if errors.Is(err, io.EOF) {
			return parts
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		parts[path.Base(head.Name)] = string(data)
	}
}
