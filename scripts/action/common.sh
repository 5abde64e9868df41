# What the steps of action.yml share; they read it. All of them take what they
# need from the environment and run on any machine, not only in a workflow:
#
#     NETLAB_LABS        labs to test, a line each: a path, a pattern of paths
#                        (** goes through directories), or the name of a lab that
#                        ships
#     NETLAB_BIN         netlab; install.sh sets it
#     NETLAB_RESULTS     where reports go
#     NETLAB_PRIVILEGE   auto, root, sudo or rootless
#
# In a workflow GITHUB_ACTIONS, GITHUB_OUTPUT, GITHUB_STEP_SUMMARY, GITHUB_ENV and
# GITHUB_PATH are what the runner made them.
# shellcheck shell=bash

fail() {
    if [ -n "${GITHUB_ACTIONS:-}" ]; then printf '::error title=netlab::%s\n' "$(escaped "$1")"; fi
    printf '%s\n' "$1" >&2
    exit "${2:-1}"
}

# escaped TEXT: as the runner wants what a workflow command says.
escaped() {
    local text=$1
    text=${text//'%'/%25}
    text=${text//$'\r'/%0D}
    printf '%s' "${text//$'\n'/%0A}"
}

# property TEXT: the same for a property of a workflow command.
property() {
    local text
    text=$(escaped "$1")
    text=${text//:/%3A}
    printf '%s' "${text//,/%2C}"
}

# to NAME: appends standard input to the file that the runner reads, or drops it.
to() {
    if [ -n "${!1:-}" ]; then cat >>"${!1}"; else cat >/dev/null; fi
}

group() { if [ -n "${GITHUB_ACTIONS:-}" ]; then echo "::group::$1"; else echo "== $1"; fi; }
endgroup() { if [ -n "${GITHUB_ACTIONS:-}" ]; then echo "::endgroup::"; fi; }

# find_labs sets the array labs to what NETLAB_LABS means.
find_labs() {
    local IFS='' line found
    labs=()
    shopt -s globstar nullglob
    while IFS= read -r line; do
        line=${line#"${line%%[![:space:]]*}"}
        line=${line%"${line##*[![:space:]]}"}
        case $line in
        '' | '#'*) continue ;;
        *[/*?]* | *.yaml | *.yml)
            # A path may have spaces, a pattern is not split at them.
            # shellcheck disable=SC2206
            found=($line)
            if [ ${#found[@]} = 0 ] || [ ! -e "${found[0]}" ]; then
                fail "NETLAB_LABS: no file matches $line" 2
            fi
            labs+=("${found[@]}")
            ;;
        *) labs+=("$line") ;;
        esac
    done <<<"${NETLAB_LABS:-}"
    [ ${#labs[@]} -gt 0 ] || fail "NETLAB_LABS names no lab: write a path, a pattern such as labs/**/*.yaml, or the name of a lab that ships" 2
}
