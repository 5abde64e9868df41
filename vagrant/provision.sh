#!/usr/bin/env bash
# Makes a fresh Debian 12, Ubuntu 22.04 or Ubuntu 24.04 a machine with netlab, and
# brings the lab two-node up and verifies it. Vagrant runs it, and cloud-init; it
# can be repeated. As root:
#
#     provision.sh [LAB]           another lab; - for none
#
# netlab is taken from bin/netlab beside this directory, if that runs here ("make
# build" on the host), and built otherwise. Go for that is Debian's, which may be
# too old: it fetches the one that go.mod asks for, as any Go module, by GOPROXY.
set -euo pipefail
lab=${1:-two-node}
source=$(cd "$(dirname "$0")/.." && pwd)
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive
[ "$(id -u)" = 0 ] || { echo "provision.sh wants to be root: sudo $0" >&2; exit 1; }

say() { printf '== %s\n' "$*"; }

# install PROGRAM PACKAGE...: what is not there.
updated=
install() {
    local missing=()
    while [ $# -gt 0 ]; do
        command -v "$1" >/dev/null || missing+=("$2")
        shift 2
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    say "apt-get install ${missing[*]}"
    [ -n "$updated" ] || apt-get update -qq
    updated=yes
    apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

# What labs need, what people look around with, and for labs of users with
# several users in them.
install iptables iptables ip iproute2 ping iputils-ping curl curl tcpdump tcpdump conntrack conntrack newuidmap uidmap

# fetch_go VERSION prints where a Go of this version is, which the one that is
# installed fetches.
fetch_go() {
    local arch module dir
    arch=$(go env GOARCH)
    module=golang.org/toolchain@v0.0.1-go$1.linux-$arch
    dir=$(cd / && go mod download -json "$module" | sed -n 's/^\t"Dir": "\(.*\)",*$/\1/p')
    [ -n "$dir" ] || { echo "Go $1 could not be fetched" >&2; return 1; }
    # Modules have no programs; this one has.
    chmod -R u+w,a+rX "$dir"
    chmod a+x "$dir"/bin/* "$dir"/pkg/tool/linux_"$arch"/* 2>/dev/null || true
    printf '%s\n' "$dir/bin"
}

if "$source/bin/netlab" version >/dev/null 2>&1; then
    say "netlab of this checkout: $source/bin/netlab"
    built=$source/bin/netlab
else
    install go golang-go git git
    export GOPATH=/var/cache/netlab-go GOCACHE=/var/cache/netlab-go/build GOFLAGS=-buildvcs=false HOME=/root
    wanted=$(sed -n 's/^go //p' "$source/go.mod")
    have=$(cd / && go env GOVERSION)
    if [ "$(printf '%s\n' "$wanted" "${have#go}" | sort -V | head -n 1)" != "$wanted" ]; then
        say "Go $wanted, since ${have#go} is too old"
        PATH=$(fetch_go "$wanted"):$PATH
        export PATH GOTOOLCHAIN=local
    fi
    say "build netlab with $(go env GOVERSION)"
    built=$(mktemp)
    (cd "$source" && CGO_ENABLED=0 go build -trimpath -o "$built" ./cmd/netlab)
fi
# By way of a second name: a netlab that runs cannot be written to.
cp "$built" /usr/local/bin/netlab.new
chmod 755 /usr/local/bin/netlab.new
mv /usr/local/bin/netlab.new /usr/local/bin/netlab
case $built in /tmp/*) rm -f "$built" ;; esac
mkdir -p /usr/share/bash-completion/completions
netlab completion bash >/usr/share/bash-completion/completions/netlab
netlab version

# Ubuntu 23.10 and later take all rights from user namespaces, Debian once did so
# too. This machine is for labs, those of ordinary users as well.
for name in kernel.apparmor_restrict_unprivileged_userns=0 kernel.unprivileged_userns_clone=1; do
    [ -e "/proc/sys/$(echo "${name%=*}" | tr . /)" ] || continue
    mkdir -p /etc/sysctl.d
    echo "$name" >"/etc/sysctl.d/60-netlab-${name%%=*}.conf"
    sysctl -qw "$name"
done

[ "$lab" != - ] || exit 0
say "netlab up $lab"
netlab up "$lab"
say "netlab verify $lab"
netlab verify "$lab" --wait 30s
cat >/etc/motd <<EOT

Lab $lab is up. It belongs to root:

    sudo netlab status $lab
    sudo netlab shell $lab
    sudo netlab --help

EOT
