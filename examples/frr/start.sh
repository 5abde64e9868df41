#!/bin/sh
# Starts FRR on the three nodes of lab frr: start.sh [ospf|bgp]. They run until
# somebody ends them: netlab reset frr, netlab down frr.
set -eu
protocol=${1:-ospf}
netlab=${NETLAB:-netlab}
here=$(dirname "$(realpath "$0")")
[ -x /usr/lib/frr/zebra ] || { echo "FRR is missing: apt-get install frr" >&2; exit 1; }
for node in r1 r2 r3; do
    "$netlab" exec frr "$node" -- setsid --fork unshare --mount --pid --fork --kill-child --mount-proc \
        sh "$here/router.sh" "$node" "$protocol" </dev/null >/dev/null 2>&1
done
