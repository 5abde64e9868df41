#!/usr/bin/env bash
# Takes the netlab that NETLAB_BIN names, or builds the one of this checkout, and
# installs iptables where it is missing. Later steps find netlab in NETLAB_BIN and
# in PATH.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "$0")/common.sh"
source=$(cd "$(dirname "$0")/../.." && pwd)

if [ -n "${NETLAB_BIN:-}" ]; then
    path=$(command -v "$NETLAB_BIN") || fail "NETLAB_BIN: there is no program $NETLAB_BIN" 2
    bin=$(realpath "$path")
else
    command -v go >/dev/null || fail "netlab is built with Go, which is missing: set it up before this step (actions/setup-go), or name a netlab that is built already"
    bin=${RUNNER_TEMP:-${TMPDIR:-/tmp}}/netlab-bin/netlab
    (cd "$source" && CGO_ENABLED=0 go build -trimpath -o "$bin" ./cmd/netlab)
fi
version=$("$bin" version) || fail "$bin does not run on this machine"
echo "$version"

export PATH=$PATH:/usr/sbin:/sbin
if ! command -v iptables-restore >/dev/null; then
    command -v apt-get >/dev/null || fail "iptables is missing: install it before this step"
    as_root=()
    if [ "$(id -u)" != 0 ]; then
        sudo -n true 2>/dev/null || fail "iptables is missing, and only root may install it: sudo apt-get install iptables"
        as_root=(sudo -n)
    fi
    "${as_root[@]}" apt-get update -qq
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq iptables >/dev/null
fi
echo "NETLAB_BIN=$bin" | to GITHUB_ENV
dirname "$bin" | to GITHUB_PATH
printf 'netlab=%s\nversion=%s\n' "$bin" "$version" | to GITHUB_OUTPUT
