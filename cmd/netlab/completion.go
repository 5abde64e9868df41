package main

import (
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"netlab/labs"
)

// The scripts ask the program itself what fits: it knows the labs of this
// host.
const (
	bashCompletion = `_netlab() {
    local cur words
    cur="${COMP_WORDS[COMP_CWORD]}"
    words=("${COMP_WORDS[@]:0:COMP_CWORD}")
    if [[ "$cur" == -* ]]; then words+=("$cur"); fi
    COMPREPLY=($(compgen -W "$("${words[@]}" --generate-bash-completion 2>/dev/null)" -- "$cur"))
    if [[ ${#COMPREPLY[@]} -eq 0 ]]; then COMPREPLY=($(compgen -f -- "$cur")); fi
}
complete -o filenames -F _netlab netlab
`
	zshCompletion = `#compdef netlab
_netlab() {
    local -a answers
    local cur="${words[CURRENT]}"
    if [[ "$cur" == -* ]]; then
        answers=("${(@f)$(${words[1,CURRENT]} --generate-bash-completion 2>/dev/null)}")
    else
        answers=("${(@f)$(${words[1,CURRENT-1]} --generate-bash-completion 2>/dev/null)}")
    fi
    if [[ -n "${answers[1]}" ]]; then compadd -- "${answers[@]}"; else _files; fi
}
compdef _netlab netlab
`
	fishCompletion = `function __netlab_complete
    set -l words (commandline -opc)
    $words --generate-bash-completion 2>/dev/null
end
complete -c netlab -a '(__netlab_complete)'
`
)

func completionCommand(sys system) *cli.Command {
	return &cli.Command{
		Name:      "completion",
		Usage:     "shell completion",
		ArgsUsage: "bash|zsh|fish",
		Description: `bash:  source <(netlab completion bash)
zsh:   source <(netlab completion zsh)
fish:  netlab completion fish | source`,
		Action: func(c *cli.Context) error {
			if err := args(c, "SHELL"); err != nil {
				return err
			}
			script, ok := map[string]string{"bash": bashCompletion, "zsh": zshCompletion, "fish": fishCompletion}[c.Args().First()]
			if !ok {
				return usageError("there is no completion for %q\n    hint: bash, zsh or fish", c.Args().First())
			}
			_, err := fmt.Fprint(sys.stdout, script)
			return err
		},
		BashComplete: func(*cli.Context) { fmt.Fprintln(sys.stdout, "bash\nzsh\nfish") },
	}
}

// completeLabs offers the labs for the first argument, and flags where one has
// been begun.
func completeLabs(sys system) cli.BashCompleteFunc {
	return func(c *cli.Context) {
		if c.NArg() > 0 {
			return
		}
		for _, v := range listLabs() {
			fmt.Fprintln(sys.stdout, v.Name)
		}
	}
}

// completeNames offers the labs for the first argument and what a lab consists
// of for the second.
func completeNames(sys system) cli.BashCompleteFunc {
	first := completeLabs(sys)
	return func(c *cli.Context) {
		if c.NArg() != 1 {
			first(c)
			return
		}
		src, err := sys.find(c.Args().First())
		if err != nil {
			return
		}
		lab, _ := src.lab()
		if lab == nil {
			return
		}
		fmt.Fprintln(sys.stdout, strings.Join(namesOf(lab), "\n"))
	}
}

// namesOf lists the pods, nodes and bridges of lab as a command takes them.
func namesOf(lab *labs.Lab) []string {
	var names []string
	for i := range lab.Pods {
		names = append(names, podName(&lab.Pods[i]))
	}
	for _, n := range lab.Nodes {
		names = append(names, n.Name)
	}
	for _, b := range lab.Bridges {
		names = append(names, b.Name)
	}
	return names
}
