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
    pgrep -x -r D,R,S,T netlab || true # zombies wait for the machine's first process
}

echo "== gofmt, go vet"
unformatted=$(gofmt -l .)
[ -z "$unformatted" ] || { echo "gofmt wants to change: $unformatted" >&2; exit 1; }
$go vet ./...

echo "== tests"
# Programs that look for races would sleep for a second before they end.
export GORACE=atexit_sleep_ms=0
run=("$go" test -race -count=1 -timeout 30m -json ./...)
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
# The log is a JSON object a line.
events() { jq -rR "fromjson? | $1" "$log"; }
count() { events "select(.Action==\"$1\" and .Test) | 1" | wc -l; }
events 'select(.Action=="output" and (.Test|not)) | .Output | select(test("^(ok|FAIL|---|panic)"))' | tr -s '\n'
if [ "$status" != 0 ]; then
    echo "== output of what failed"
    jq -R 'fromjson?' "$log" | jq -rs '
        ([.[] | select(.Action=="fail") | .Package + " " + (.Test // "")]) as $failed
        | .[] | select(.Action=="output" or .Action=="build-output")
        | select(.Action=="build-output" or ((.Package + " " + (.Test // "")) as $t | $failed | index([$t])))
        | .Output // empty' | grep -vE '^\s*(=== |--- PASS)' | tr -s '\n' | head -n 400 || true
fi
passed=$(count pass) failed=$(count fail) skipped=$(count skip)
if [ "$skipped" != 0 ]; then
    echo "== skipped"
    jq -R 'fromjson?' "$log" | jq -rs '
        ([.[] | select(.Action=="skip" and .Test) | .Package + " " + .Test]) as $skipped
        | .[] | select(.Action=="output" and .Test)
        | select((.Package + " " + .Test) as $t | $skipped | index([$t])) | .Output' | grep -vE '^\s*(=== |--- )' | tr -s '\n' || true
fi
left=$(sort -u "$before" | comm -13 - <(sort -u "$after"))
if [ -n "$left" ]; then
    printf 'the tests left this behind on the host, or somebody else made it meanwhile:\n%s\n' "$left" >&2
    status=1
fi
echo "$passed passed, $failed failed, $skipped skipped"
exit "$status"
