#!/usr/bin/env bash
# Runs every test. As root the tests on the kernel run directly, otherwise in
# a user, mount and network namespace of their own.
set -euo pipefail
cd "$(dirname "$0")/.."
go=${GO:-go}
log=$(mktemp)
before=$(mktemp)
after=$(mktemp)
trap 'rm -f "$log" "$before" "$after"' EXIT

# What a test must leave as it was on the host.
audit() {
    ip -br link
    ip route show table all
    ip -6 route show table all
    ip netns list
    findmnt -rno TARGET,SOURCE,FSTYPE
    iptables-save 2>/dev/null | grep -v '^#' | sed 's/\[[0-9:]*\]//' || true
    ls -A /etc/netns /run/netlab 2>/dev/null || true
    pgrep -x netlab || true
}

echo "== gofmt, go vet"
unformatted=$(gofmt -l .)
[ -z "$unformatted" ] || { echo "gofmt wants to change: $unformatted" >&2; exit 1; }
$go vet ./...

echo "== tests"
run=("$go" test -race -count=1 -timeout 20m -v ./...)
status=0
audit >"$before"
if [ "$(id -u)" = 0 ]; then
    "${run[@]}" >"$log" 2>&1 || status=$?
else
    # /run and /etc are the tests' own in there.
    # shellcheck disable=SC2016
    unshare --map-root-user --mount --net sh -c '
        mount -t tmpfs tmpfs /run && mkdir /run/etc
        cp -a /etc/. /run/etc 2>/dev/null
        mount --bind /run/etc /etc && ip link set lo up && exec "$@"' sh "${run[@]}" >"$log" 2>&1 || status=$?
fi
audit >"$after"
grep -E '^(ok|FAIL|panic|---? FAIL)|^\?.*no test files' "$log" || true
if [ "$status" != 0 ]; then
    echo "== output of what failed"
    grep -vE '^(=== |--- (PASS|SKIP)|\s+--- (PASS|SKIP)|PASS$)' "$log" | tail -n 300
fi
passed=$(grep -cE '^\s*--- PASS' "$log" || true)
failed=$(grep -cE '^\s*--- FAIL' "$log" || true)
skipped=$(grep -cE '^\s*--- SKIP' "$log" || true)
if [ "$skipped" != 0 ]; then
    echo "== skipped"
    grep -A1 -E '^\s*--- SKIP' "$log" | grep -v '^--$' || true
fi
left=$(sort -u "$before" | comm -13 - <(sort -u "$after"))
if [ -n "$left" ]; then
    printf 'the tests left this behind on the host, or somebody else made it meanwhile:\n%s\n' "$left" >&2
    status=1
fi
echo "$passed passed, $failed failed, $skipped skipped"
exit "$status"
