#!/usr/bin/env bash
# Builds netlab, brings a two-node lab up, verifies it and says what to try.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ "$(id -u)" != 0 ]; then
    echo "netlab makes network namespaces, and that needs root here. Run:" >&2
    echo "    sudo env \"PATH=\$PATH\" make demo" >&2
    exit 1
fi
command -v go >/dev/null || { echo "Go is missing: apt-get install golang, or see https://go.dev/dl" >&2; exit 1; }
scripts/deps.sh "$@"
go build -trimpath -o bin/netlab ./cmd/netlab
say() { printf '\n$ %s\n' "$*"; "$@"; }
say bin/netlab up labs/two-node.yaml
say bin/netlab verify two-node
say ip netns exec two-node.client ip route
say ip -n two-node.node-a route
cat <<'TRY'

The lab stays up. Look around with the tools you know:
    ip netns exec two-node.client ip route
    ip netns exec two-node.node-a iptables-save -t nat | grep KUBE
    ip netns exec two-node.node-a bridge fdb show dev vxlan1
and take it away again:
    bin/netlab down two-node
TRY
