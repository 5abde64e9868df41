#!/usr/bin/env bash
# Brings up one lab after the other, verifies it, takes it down again, and says
# what became of it: annotations at the lines of lab files, a summary, and in
# NETLAB_RESULTS a directory for each lab:
#
#     up.txt, verify.txt        what netlab printed
#     junit.xml                 the checks, for lists of tests
#     quality.json              failures at their lines, as GitLab shows them
#     netlab-report.tar.gz      all evidence, of a lab that failed
#
# NETLAB_WAIT is how long checks may take to succeed (10s). The outputs are
# results, labs and failed, the number of labs that are not well. Exit code 3 if
# a check failed, 1 if a lab could not be brought up or looked at.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "$0")/common.sh"
netlab=$(command -v "${NETLAB_BIN:-netlab}") || fail "there is no ${NETLAB_BIN:-netlab}: run install.sh first"
results=${NETLAB_RESULTS:-${RUNNER_TEMP:-${TMPDIR:-/tmp}}/netlab-results}
find_labs

# Who may: root, root by sudo without a password, or anybody in a user namespace.
privilege=${NETLAB_PRIVILEGE:-auto}
if [ "$privilege" = auto ]; then
    if [ "$(id -u)" = 0 ]; then
        privilege=root
    elif sudo -n true 2>/dev/null; then
        privilege=sudo
    else
        privilege=rootless
    fi
fi
case $privilege in
root | sudo)
    as=(env)
    [ "$(id -u)" = 0 ] || as=(sudo -n env "PATH=$PATH")
    flags=()
    ;;
rootless)
    as=(env)
    flags=(--rootless)
    ;;
*) fail "NETLAB_PRIVILEGE: $privilege is none of auto, root, sudo and rootless" 2 ;;
esac
echo "netlab runs as $privilege"
run() { "${as[@]}" "$netlab" "$@" "${flags[@]}"; }

# What stands when the job is cancelled goes away.
standing=
# shellcheck disable=SC2317 # called by traps
take_down() {
    [ -z "$standing" ] || run down "$standing" -q || true
    standing=
}
trap take_down EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# annotate FILE TEXT: an error of a whole file.
annotate() {
    [ -z "${GITHUB_ACTIONS:-}" ] || printf '::error file=%s,title=netlab up::%s\n' "$(property "$1")" "$(escaped "$2")"
}

# not_up NAME FILE: the JUnit report of a lab that could not be brought up.
not_up() {
    local text
    text=$(tr -d '\000-\010\013\014\016-\037' <"$2" | sed 's/&/\&amp;/g; s/</\&lt;/g; s/>/\&gt;/g; s/"/\&quot;/g')
    cat <<XML
<?xml version="1.0" encoding="UTF-8"?>
<testsuites><testsuite name="up" package="netlab.$1" tests="1" failures="0" errors="1" skipped="0" time="0">
<testcase name="up" classname="netlab.$1.up" time="0"><error type="up">$text</error></testcase>
</testsuite></testsuites>
XML
}

mkdir -p "$results"
results=$(cd "$results" && pwd)
details=$(mktemp)
rows=()
failed=0
worst=0
for lab in "${labs[@]}"; do
    name=$("$netlab" validate "$lab" 2>/dev/null | sed -n 's/.*: lab \([a-z0-9-]*\) is valid$/\1/p' | tail -n 1)
    [ -n "$name" ] || fail "$lab is not valid: netlab validate $lab" 2
    if "${as[@]}" "$netlab" list -o json | tr -d '\n ' | grep -q "\"name\":\"$name\",\"ships\":[a-z]*,\"up\":true"; then
        fail "lab $name of $lab is up on this machine already, and would be gone afterwards: netlab down $name"
    fi
    dir=$results/$name
    rm -rf "$dir"
    mkdir -p "$dir"
    group "$name ($lab)"
    began=$SECONDS
    verdict=ok
    standing=$name
    if ! run up "$lab" >"$dir/up.txt" 2>&1; then
        verdict="could not be brought up"
        worst=1
        cat "$dir/up.txt"
        not_up "$name" "$dir/up.txt" >"$dir/junit.xml"
        # shellcheck disable=SC2016
        printf '### ❌ Lab %s could not be brought up\n\n````text\n%s\n````\n\n' "$name" "$(cat "$dir/up.txt")" >>"$details"
    else
        cat "$dir/up.txt"
        status=0
        # --wait: containers start when they can.
        run verify "$name" --wait "${NETLAB_WAIT:-10s}" --save "junit=$dir/junit.xml" --save "gitlab=$dir/quality.json" \
            --save "markdown=$dir/summary.md" --save "github=$dir/annotations" >"$dir/verify.txt" 2>&1 || status=$?
        cat "$dir/verify.txt"
        verdict=$(tail -n 1 "$dir/verify.txt" | sed "s/^lab $name: //")
        if [ "$status" != 0 ]; then
            [ "$worst" = 1 ] || worst=$status
            failed=$((failed + 1))
            [ ! -s "$dir/summary.md" ] || cat "$dir/summary.md" >>"$details"
        fi
    fi
    took=$((SECONDS - began))
    if [ ! -e "$dir/verify.txt" ] || [ "$status" != 0 ]; then
        run report "$lab" -w "$dir/netlab-report.tar.gz" || true
    fi
    run down "$name" -q || { worst=1; echo "lab $name could not be taken down"; }
    standing=
    # What sudo wrote belongs to who runs the job.
    [ "${as[0]}" != sudo ] || sudo -n chown -R "$(id -u):$(id -g)" "$dir"
    endgroup
    mark=✅
    if [ ! -e "$dir/verify.txt" ]; then
        failed=$((failed + 1))
        mark=❌
        annotate "$lab" "$(cat "$dir/up.txt")"
    elif [ "$status" != 0 ]; then
        mark=❌
        [ -z "${GITHUB_ACTIONS:-}" ] || cat "$dir/annotations"
    fi
    rm -f "$dir/annotations" "$dir/summary.md"
    echo "$name: $verdict, $took s"
    rows+=("| $mark | $name | \`$lab\` | $verdict | $took s |")
done

{
    printf '## netlab: %d of %d labs work\n\n| | lab | file | checks | time |\n|---|---|---|---|---:|\n' "$((${#labs[@]} - failed))" "${#labs[@]}"
    printf '%s\n' "${rows[@]}" ''
    # The runner takes a megabyte of each step at most.
    head -c 900000 "$details"
} | to GITHUB_STEP_SUMMARY
rm -f "$details"
printf 'results=%s\nlabs=%d\nfailed=%d\n' "$results" "${#labs[@]}" "$failed" | to GITHUB_OUTPUT
echo "$((${#labs[@]} - failed)) of ${#labs[@]} labs work; reports are in $results"
exit "$worst"
