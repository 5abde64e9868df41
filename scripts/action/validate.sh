#!/usr/bin/env bash
# Checks the lab files and annotates the lines with mistakes. NETLAB_STRICT=true
# counts warnings as mistakes, too. Needs no root and no kernel. With
# NETLAB_QUALITY the mistakes also go to that file, as GitLab shows them.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "$0")/common.sh"
netlab=${NETLAB_BIN:-netlab}
find_labs
flags=()
[ "${NETLAB_STRICT:-false}" != true ] || flags+=(--strict)

status=0
text=$("$netlab" validate "${flags[@]}" "${labs[@]}" 2>&1) || status=$?
printf '%s\n' "$text"
[ "$status" = 0 ] || [ "$status" = 2 ] || exit "$status"
if [ -n "${GITHUB_ACTIONS:-}" ]; then
    "$netlab" validate "${flags[@]}" -o github "${labs[@]}" || true
fi
if [ -n "${NETLAB_QUALITY:-}" ]; then
    "$netlab" validate "${flags[@]}" -o gitlab "${labs[@]}" >"$NETLAB_QUALITY" || true
fi
if [ "$status" != 0 ]; then
    # A text with backquotes stays inside a longer fence.
    # shellcheck disable=SC2016
    printf '### ❌ Lab files with mistakes\n\n````text\n%s\n````\n\n' "$text" | to GITHUB_STEP_SUMMARY
fi
exit "$status"
