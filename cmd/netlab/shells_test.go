package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// shells are interactive shells that print READY when they have loaded the
// completion, and the words of a netlab command line in brackets in place of
// running it.
var shells = []struct {
	name  string
	argv  []string
	setup string
}{
	{"bash", []string{"--norc", "--noprofile", "-i"}, `PS1=; bind 'set show-all-if-ambiguous on' 'set bell-style none'
netlab() { if [ "$1" = __complete ]; then command netlab "$@"; else printf '<%s>' "$@"; echo .; fi; }
source <(command netlab completion bash)
echo READ''Y`},
	{"zsh", []string{"-f", "-i"}, `PS1=; unsetopt zle_bracketed_paste prompt_cr prompt_sp; autoload -Uz compinit && compinit -u -D
netlab() { if [ "$1" = __complete ]; then command netlab "$@"; else printf '<%s>' "$@"; echo .; fi; }
source <(command netlab completion zsh)
echo READ''Y`},
	{"fish", []string{"--no-config", "-i"}, `function fish_prompt; end
function netlab; if test "$argv[1]" = __complete; command netlab $argv; else; printf '<%s>' $argv; echo .; end; end
command netlab completion fish | source
echo READ''Y`},
}

// TestShellsComplete types command lines with tabs in real shells.
func TestShellsComplete(t *testing.T) {
	for _, sh := range shells {
		t.Run(sh.name, func(t *testing.T) {
			t.Parallel()
			path, err := exec.LookPath(sh.name)
			if err != nil {
				t.Skipf("%s is not installed", sh.name)
			}
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "mine.yaml"), []byte("name: mine\nnodes: [{name: alone}]\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			tty := startShell(t, dir, path, sh.argv...)
			tty.send(sh.setup + "\n")
			tty.wait("READY")
			for _, tt := range []struct{ line, want string }{
				{"netlab valid\tx", "<validate><x>"},
				{"netlab up two-n\tx", "<up><two-node><x>"},
				{"netlab up min\tx", "<up><mine.yaml><x>"},
				{"netlab exec mine.yaml alo\t-- ls", "<exec><mine.yaml><alone><--><ls>"},
				{"netlab trace two-node cli\tsvc/web:\tx", "<trace><two-node><client><svc/web:80><x>"},
				{"netlab verify two-node --onl\tar\tx", "<verify><two-node><--only><arp><x>"},
				{"netlab status -o wi\tx", "<status><-o><wide><x>"},
				{"netlab completion zs\tx", "<completion><zsh><x>"},
			} {
				tty.send(tt.line + "\n")
				tty.wait(tt.want + ".")
			}
		})
	}
}

// terminal is a shell behind a pseudo terminal.
type terminal struct {
	t      *testing.T
	master *os.File
	output chan string
	seen   string
}

func startShell(t *testing.T, dir, path string, argv ...string) *terminal {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no pseudo terminals here: %v", err)
	}
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no pseudo terminals here: %v", err)
	}
	_ = unix.IoctlSetWinsize(int(master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 40, Col: 200})
	cmd := exec.CommandContext(t.Context(), path, argv...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "TERM=dumb", "LC_ALL=C.UTF-8", "HOME="+dir, "XDG_CONFIG_HOME="+dir, "XDG_DATA_HOME="+dir,
		"PATH="+programDir(t)+":"+os.Getenv("PATH"))
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &unix.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = slave.Close()
	tty := &terminal{t: t, master: master, output: make(chan string, 1000)}
	go func() {
		defer close(tty.output)
		buf := make([]byte, 4096)
		for {
			n, err := master.Read(buf)
			if err != nil {
				return
			}
			tty.output <- string(buf[:n])
		}
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = master.Close()
	})
	return tty
}

func (tty *terminal) send(text string) {
	tty.t.Helper()
	if _, err := tty.master.WriteString(text); err != nil {
		tty.t.Fatal(err)
	}
}

// wait reads until the shell has printed text.
func (tty *terminal) wait(text string) {
	tty.t.Helper()
	patience := time.After(hung)
	for !strings.Contains(tty.seen, text) {
		select {
		case more, open := <-tty.output:
			if !open {
				tty.t.Fatalf("the shell ended before it printed %q:\n%s", text, tty.seen)
			}
			tty.seen += more
		case <-patience:
			tty.t.Fatalf("the shell did not print %q:\n%s", text, tty.seen)
		}
	}
	_, tty.seen, _ = strings.Cut(tty.seen, text)
}

// programDir returns a directory in which netlab is this test's program.
func programDir(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("netlab") // testscript puts it on the path
	if err != nil {
		t.Skip("the test's own netlab is not on the path")
	}
	return filepath.Dir(path)
}
