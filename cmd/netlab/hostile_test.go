package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// aside runs a script for sh where /run and /etc are its own and nobody else's
// labs are, and returns what it prints. netlab is in its PATH, $T a directory.
func aside(t *testing.T, script string) string {
	t.Helper()
	requireRoot(t)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 2*time.Minute)
	defer cancel()
	const prepare = `set -u
mount -t tmpfs -o mode=755 tmpfs /run && mkdir /run/etc && cp -a /etc/. /run/etc 2>/dev/null
mount --bind /run/etc /etc && rm -rf /etc/netns && ip link set lo up || exit 99
`
	cmd := exec.CommandContext(ctx, "unshare", "--mount", "--pid", "--net", "--uts", "--fork", "--kill-child", "--mount-proc", "--propagation", "private", "sh", "-c", prepare+script)
	cmd.Env = append(os.Environ(), "T="+t.TempDir())
	out, err := cmd.CombinedOutput()
	if code := cmd.ProcessState.ExitCode(); code == 99 || ctx.Err() != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return string(out)
}

const strangersLab = `name: stranger
pause: true
dns: true
nodes: [{name: a}]
pods:
  - {name: p, node: a, containers: [{name: c, serve: {http: 80}}, {name: d, command: [sleep, 1d]}]}
`

// TestPrivilegedPlanted plants links and directories where netlab keeps its
// files. Nothing may be followed: what they lead to stays as it is, and netlab
// either goes on with files of its own or says what is in the way.
func TestPrivilegedPlanted(t *testing.T) {
	for _, tt := range []struct{ name, plant, says string }{
		{"the runtime directory is a link", `ln -s $T/dir /run/netlab`, "/run/netlab is a symbolic link"},
		{"others may write in it", `mkdir /run/netlab; chmod 777 /run/netlab`, "/run/netlab can be written by others (mode 0777)"},
		{"it is somebody's", `mkdir /run/netlab; chown 1:1 /run/netlab || { echo /run/netlab belongs to user 1; exit; }`, "/run/netlab belongs to user 1"},
		{"that of the lab is a link", `mkdir -m 700 /run/netlab; ln -s $T/dir /run/netlab/stranger`, "/run/netlab/stranger is a symbolic link"},
		{"others may write in that of the lab", `mkdir -m 700 /run/netlab; mkdir /run/netlab/stranger; chmod 770 /run/netlab/stranger`, "/run/netlab/stranger can be written by others"},
		{"the lock is a link", `mkdir -m 700 -p /run/netlab /run/netlab/stranger; ln -s $T/victim /run/netlab/stranger/lock`, "/run/netlab/stranger/lock is a symbolic link"},
		{"the lock is a pipe", `mkdir -m 700 -p /run/netlab /run/netlab/stranger; mkfifo /run/netlab/stranger/lock`, "/run/netlab/stranger/lock is no regular file"},
		{"the names are a link", `mkdir -m 700 -p /run/netlab /run/netlab/stranger; ln -s $T/dir /run/netlab/stranger/etc`, "/run/netlab/stranger/etc is a symbolic link"},
		{"the witnesses are a link", `mkdir -m 700 -p /run/netlab /run/netlab/stranger; ln -s $T/dir /run/netlab/stranger/witness`, "/run/netlab/stranger/witness is a symbolic link"},
		{"the supervisor's files are a link", `mkdir -m 700 -p /run/netlab /run/netlab/stranger; ln -s $T/dir /run/netlab/stranger/supervisor`, "/run/netlab/stranger/supervisor is a symbolic link"},
		{"the containers' files are a link", `mkdir -m 700 -p /run/netlab /run/netlab/stranger; ln -s $T/dir /run/netlab/stranger/containers`, "/run/netlab/stranger/containers is a symbolic link"},
		{"the logs are a link", `mkdir -m 700 -p /run/netlab /run/netlab/stranger; ln -s $T/dir /run/netlab/stranger/logs`, "/run/netlab/stranger/logs is a symbolic link"},
		{"the pins are a link", `mkdir -m 700 -p /run/netlab /run/netlab/stranger; ln -s $T/dir /run/netlab/stranger/ns`, "/run/netlab/stranger/ns is a symbolic link"},
		{"a hostname is the host's", `mkdir -m 700 -p /run/netlab /run/netlab/stranger /run/netlab/stranger/ns; for k in uts ipc; do ln -s /proc/1/ns/$k /run/netlab/stranger/ns/stranger.p.$k; done`, "too many levels of symbolic links"},
		{"the directory of names is a link", `ln -s $T/dir /etc/netns`, "/etc/netns is a symbolic link"},
		{"the directory of namespaces is a link", `ln -s $T/dir /run/netns`, "/run/netns is a symbolic link"},
		{"the names of a namespace are somebody's", `mkdir -p /etc/netns/stranger.p; echo evil >/etc/netns/stranger.p/passwd`, "/etc/netns/stranger.p is there and not netlab's"},
		{"a namespace is a link", `ip netns add other; ln -s other /run/netns/stranger.p`, "stranger.p exists and is not netlab's"},
		{"a namespace is the host's", `ip netns add other; touch /run/netns/stranger.p; mount --bind /proc/1/ns/net /run/netns/stranger.p`, "stranger.p exists and is not netlab's"},
		{"files are links", `mkdir -m 700 -p /run/netlab /run/netlab/stranger /run/netlab/stranger/etc /run/netlab/stranger/supervisor
for f in lab.yaml lab.path journal dns.json no-exec etc/hosts etc/resolv.conf supervisor/spec supervisor/state; do ln -s $T/victim /run/netlab/stranger/$f; ln -s $T/victim /run/netlab/stranger/$f.new; done`, ""},
		{"files are further names", `touch /run/victim; mkdir -m 700 -p /run/netlab /run/netlab/stranger /run/netlab/stranger/etc; cp $T/victim /run/victim; ln /run/victim /run/netlab/stranger/etc/hosts; ln /run/victim /run/netlab/stranger/lab.yaml`, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			out := aside(t, `echo precious >$T/victim; mkdir $T/dir; hostname before
`+tt.plant+`
cat >/run/lab.yaml <<'END'
`+strangersLab+`END
netlab up /run/lab.yaml -q
echo "exit code $?"
[ "$(cat $T/victim)" = precious ] || { echo "WRONG: the victim holds"; cat $T/victim; }
[ ! -e /run/victim ] || [ "$(cat /run/victim)" = precious ] || echo "WRONG: the other name holds something else"
[ -z "$(ls -A $T/dir)" ] || { echo WRONG: there is; ls -lA $T/dir; }
[ "$(hostname)" = before ] || echo "WRONG: hostname $(hostname)"
netlab down stranger -q
[ "$(cat $T/victim)" = precious ] || echo "WRONG: down wrote to the victim"
`)
			if strings.Contains(out, "WRONG") || !strings.Contains(out, tt.says) || tt.says == "" && !strings.Contains(out, "exit code 0\n") {
				t.Errorf("want %q, got\n%s", tt.says, out)
			}
		})
	}
}

// TestPrivilegedFileModes wants all runtime files to be root's alone, whatever the
// umask, but for the names that everybody in a namespace reads.
func TestPrivilegedFileModes(t *testing.T) {
	out := aside(t, `umask 0
cat >/run/lab.yaml <<'END'
`+strangersLab+`END
netlab up /run/lab.yaml -q && find /run/netlab -perm /077 ! -type l ! -path '*/etc*/*' ! -path '/run/netlab/stranger/ns/*' -printf 'WRONG %p %m\n'
stat -c '%a %n' /run/netlab /run/netlab/stranger /run/netlab/stranger/lab.yaml /run/netlab/stranger/etc
netlab exec stranger p -- hostname; netlab down stranger -q`)
	if want := "700 /run/netlab\n700 /run/netlab/stranger\n600 /run/netlab/stranger/lab.yaml\n700 /run/netlab/stranger/etc\np\n"; out != want {
		t.Errorf("got\n%s\nwant\n%s", out, want)
	}
}

// TestPrivilegedStranger brings a lab file of somebody up who wants more than to
// run a program as nobody.
func TestPrivilegedStranger(t *testing.T) {
	requireRoot(t)
	if ownUsers() {
		t.Skip("users of a user namespace are no users of the host")
	}
	out := aside(t, `export SECRET=of-root
lab() { cat >/run/lab.yaml; }
lab <<'END'
name: stranger
nodes: [{name: a}]
pods:
  - name: p
    node: a
    containers:
      - name: c
        command: [sh, -c, 'id -u; id -g; id -G; grep NoNewPrivs /proc/self/status; grep -E "Cap(Eff|Prm|Inh|Amb)" /proc/self/status; env | sort | cut -d= -f1 | tr "\n" " "; echo; kill -9 1; cat /run/netlab/stranger/lab.yaml; touch /etc/mine; sleep 1d']
      - {name: d, command: [sh, -c, 'echo "$0"; sleep 1d', '; touch /run/pwned; $(touch /run/pwned) | x']}
END
netlab up /run/lab.yaml -q && timeout 60 sh -c 'until netlab logs stranger p -c c | grep -q etc.mine && netlab logs stranger p -c d | grep -q pwned; do :; done'
netlab logs stranger p -c c && netlab logs stranger p -c d; ls /run/pwned; netlab down stranger -q
echo == root
lab <<'END'
name: stranger
pause: true
nodes: [{name: a}]
pods:
  - {name: p, node: a, containers: [{name: c, command: [sleep, 1d], user: 0}, {name: d, command: [sleep, 2d], user: 1}, {name: e, command: [sleep, 3d], user: 123456}]}
END
netlab up /run/lab.yaml -q; echo "exit code $?"; netlab list | grep -c stranger
echo == no-exec
netlab up /run/lab.yaml -q --no-exec; echo "exit code $?"; pgrep -fc '^(sleep|pause|netlab supervise)'; netlab plan stranger --exit-code >/dev/null || echo WRONG; netlab reset stranger -q; netlab reset stranger --hard -q; echo "exit code $?"; pgrep -fc '^(sleep|pause|netlab supervise)'
netlab up stranger -q; echo "exit code $?"; netlab reset /run/lab.yaml -q; pgrep -fc '^(sleep|pause|netlab supervise)'
echo == allowed
netlab up stranger -q --allow-users; ps -o uid=,gid=,args= -C sleep | sort -k4 | tr -s ' '; netlab up /run/lab.yaml -q; echo "exit code $?"; netlab reset stranger -q; echo "exit code $?"
sed -i 's/1d/9d/' /run/lab.yaml; netlab up /run/lab.yaml -q; echo "exit code $?"; netlab reset /run/lab.yaml --hard -q; echo "exit code $?"; netlab down stranger -q`)
	want := `65534
65534
65534
NoNewPrivs:	1
CapInh:	0000000000000000
CapPrm:	0000000000000000
CapEff:	0000000000000000
CapAmb:	0000000000000000
HOME HOSTNAME NETLAB_CONTAINER NETLAB_LAB NETLAB_NAMESPACE NETLAB_NODE NETLAB_POD NETLAB_POD_IP PATH PWD 
sh: 1: kill: Operation not permitted

cat: /run/netlab/stranger/lab.yaml: Permission denied
touch: cannot touch '/etc/mine': Permission denied
; touch /run/pwned; $(touch /run/pwned) | x
ls: cannot access '/run/pwned': No such file or directory
== root
/run/lab.yaml:5:37: pods[0].containers[0].user: container c of pod p would run as root on this host
    hint: if you would run what this file says as that user yourself, say --allow-users; without user: it runs as nobody
/run/lab.yaml:5:79: pods[0].containers[1].user: container d of pod p would run as user daemon on this host
    hint: if you would run what this file says as that user yourself, say --allow-users; without user: it runs as nobody
exit code 2
0
== no-exec
exit code 0
0
exit code 0
0
REFUSED
exit code 2
0
== allowed
 0 0 sleep 1d
 1 65534 sleep 2d
123456 65534 sleep 3d
exit code 0
exit code 0
REFUSED 1
exit code 2
REFUSED 1
exit code 2
`
	const (
		first = `/run/lab.yaml:5:37: pods[0].containers[0].user: container c of pod p would run as root on this host
    hint: if you would run what this file says as that user yourself, say --allow-users; without user: it runs as nobody
`
		second = `/run/lab.yaml:5:79: pods[0].containers[1].user: container d of pod p would run as user daemon on this host
    hint: if you would run what this file says as that user yourself, say --allow-users; without user: it runs as nobody
`
	)
	want = strings.NewReplacer("REFUSED 1\n", first, "REFUSED\n", first+second).Replace(want)
	if diff := cmp.Diff(want, out); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestHostileNames wants names that would lead elsewhere to be refused before
// anything is done with them.
func TestHostileNames(t *testing.T) {
	for _, name := range []string{"..", "../x", "/etc", "a/b", "a\x00b", "a\nb", "-rf", "a b", "$(id)", ".x", "", "x;y", strings.Repeat("a", 300)} {
		file := filepath.Join(t.TempDir(), "lab.yaml")
		for _, text := range []string{
			"name: " + quoted(name) + "\nnodes: [{name: a}]\n",
			"name: l\nnodes: [{name: " + quoted(name) + "}]\n",
			"name: l\nnodes: [{name: a}]\nbridges: [{name: " + quoted(name) + "}]\n",
			"name: l\nnodes: [{name: a, interfaces: [{name: " + quoted(name) + ", bridge: fabric}]}]\n",
			"name: l\nnodes: [{name: a, sysctls: {" + quoted("net.ipv4."+name+".x/../../kernel") + ": 1}}]\n",
			"name: l\nnodes: [{name: a}]\npods: [{name: " + quoted(name) + ", node: a}]\n",
			"name: l\nnodes: [{name: a}]\npods: [{name: p, node: a, namespace: " + quoted(name) + "x/}]\n",
			"name: l\nnodes: [{name: a}]\npods: [{name: p, node: a, containers: [{name: " + quoted(name) + ", command: [x]}]}]\n",
			"name: l\nnodes: [{name: a}]\nservices: [{name: " + quoted(name) + ", ports: [{port: 80}]}]\n",
			"name: l\nnodes: [{name: a}]\nservices: [{name: s, ports: [{name: " + quoted(name+"/") + ", port: 80}, {name: b, port: 81}]}]\n",
		} {
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if code, out, _ := netlab(t, "validate", file); code != exitUsage && (name != "" || code != exitOK) {
				t.Errorf("exit code %d of\n%s\n%s", code, text, out)
			}
		}
		for _, command := range [][]string{{"down", name}, {"status", name}, {"plan", name}, {"report", name, "-w", "-"}} {
			if name == "-rf" || name == "" {
				continue
			}
			if code, out, errs := netlab(t, command...); code == exitOK && command[0] != "down" || strings.Contains(out, "root:") {
				t.Errorf("%q: exit code %d\n%s%s", command, code, out, errs)
			}
		}
	}
}

// quoted is a name as YAML's double quotes have it.
func quoted(name string) string {
	return `"` + strings.NewReplacer("\x00", `\0`, "\n", `\n`).Replace(name) + `"`
}
