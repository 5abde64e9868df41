# Completion of netlab for fish: netlab completion fish | source
function __netlab_complete
    set -l words (commandline -opc)
    set -l cur (commandline -ct)
    set -l program (string replace -r '^~' $HOME $words[1])
    for line in ($program __complete -- $words[2..-1] "$cur" 2>/dev/null)
        switch $line
            case ':files'
                __fish_complete_path "$cur"
            case ':yaml'
                __fish_complete_suffix .yaml
            case '*'
                echo $line
        end
    end
end
complete -c netlab -f -a '(__netlab_complete)'
