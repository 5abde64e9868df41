#compdef netlab
# Completion of netlab for zsh: source <(netlab completion zsh)
_netlab() {
    local line value kind="" program="${(Q)words[1]}"
    local -a plain open
    for line in "${(@f)$(${~program} __complete -- "${(@Q)words[2,CURRENT-1]}" "${(Q)PREFIX}" 2>/dev/null)}"; do
        value="${line%%$'\t'*}"
        case "$value" in
        "") continue ;;
        :*) kind="$value"; continue ;;
        esac
        [[ "$line" != *$'\t'* ]] || line="${value//:/\\:}:${line#*$'\t'}"
        [[ "$line" == *:* && "$line" == "$value" ]] && line="${value//:/\\:}"
        if [[ "$value" == *[.=] ]]; then open+=("$line"); else plain+=("$line"); fi
    done
    local found=1
    (( $#open )) && _describe netlab open -S '' && found=0
    (( $#plain )) && _describe netlab plain && found=0
    case "$kind" in
    :files) _files && found=0 ;;
    :yaml) _files -g '*.(yaml|yml)' && found=0 ;;
    esac
    return found
}
if [[ "$funcstack[1]" == _netlab ]]; then
    _netlab "$@"
else
    (( $+functions[compdef] )) || { autoload -Uz compinit && compinit }
    compdef _netlab netlab
fi
