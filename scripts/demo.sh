#!/usr/bin/env bash
# Builds netlab, brings a two-node lab up, verifies it and says what to try. As
# root it installs the Debian packages that are named and missing.
set -euo pipefail
cd "$(dirname "$0")/.."
command -v go >/dev/null || { echo "Go is missing: apt-get install golang, or see https://go.dev/dl" >&2; exit 1; }
scripts/deps.sh "$@"
go build -trimpath -tags urfave_cli_no_docs -o bin/netlab ./cmd/netlab
say() { printf '\n$ %s\n' "$*"; "$@"; }
say bin/netlab up labs/two-node.yaml
say bin/netlab verify two-node
say bin/netlab exec two-node client -- ip route
say bin/netlab exec two-node node-a -- ip route
cat <<'TRY'

The lab stays up. Look around with the tools you know:
    bin/netlab exec two-node client -- curl http://web
    bin/netlab exec two-node node-a -- iptables-save -t nat
    bin/netlab trace two-node client svc/web:80
    bin/netlab shell two-node node-a
and take it away again:
    bin/netlab down two-node
TRY
