# Completion of netlab for bash: source <(netlab completion bash)
_netlab() {
    local line="${COMP_LINE:0:COMP_POINT}" cur="" value about kind="" paths="" words
    read -r -a words <<<"$line"
    if [[ "$line" != *[[:space:]] ]]; then
        cur="${words[-1]}"
        unset 'words[-1]'
    fi
    while [[ ${#words[@]} -gt 0 && "${words[0]}" != "$1" ]]; do words=("${words[@]:1}"); done
    [[ ${#words[@]} -gt 0 ]] || return
    # readline takes the part after a : or = for a word of its own.
    local part="${cur##*[:=]}"
    local whole="${cur%"$part"}"
    [[ "$COMP_WORDBREAKS" == *:* ]] || whole=""
    COMPREPLY=()
    while IFS=$'\t' read -r value about; do
        case "$value" in
        :*) kind="$value" ;;
        *)
            [[ "$value" != */* ]] || paths=no
            COMPREPLY+=("${value#"$whole"}")
            ;;
        esac
    done < <("${words[0]/#\~/$HOME}" __complete -- "${words[@]:1}" "$cur" 2>/dev/null)
    case "$kind" in
    :files) while read -r value; do COMPREPLY+=("$value"); done < <(compgen -f -- "$part") ;;
    :yaml) while read -r value; do COMPREPLY+=("$value"); done < <(compgen -d -- "$part"; compgen -f -X '!*.y*ml' -- "$part") ;;
    esac
    [[ -z "$kind" || -n "$paths" ]] || compopt -o filenames
    [[ ${#COMPREPLY[@]} -ne 1 || "${COMPREPLY[0]}" != *[.=] ]] || compopt -o nospace
}
complete -F _netlab netlab
