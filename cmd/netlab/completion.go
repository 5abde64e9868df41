package main

import (
	"embed"

	"github.com/urfave/cli/v2"
)

// completionScripts ask the program itself what fits: it knows its commands
// and the labs of this host.
//
//go:embed completion
var completionScripts embed.FS

func completionCommand(sys system) *cli.Command {
	return &cli.Command{
		Name:      "completion",
		Usage:     "print what makes a shell complete commands, flags, labs and names",
		ArgsUsage: "bash|zsh|fish",
		Description: `To have it in every new shell, add the line to the file named after it.

Examples:
   source <(netlab completion bash)        ~/.bashrc
   source <(netlab completion zsh)         ~/.zshrc
   netlab completion fish | source         ~/.config/fish/config.fish`,
		Action: func(c *cli.Context) error {
			if err := args(c, "bash|zsh|fish"); err != nil {
				return err
			}
			shell := c.Args().First()
			script, err := completionScripts.ReadFile("completion/netlab." + shell)
			if err != nil {
				return usageError("there is no completion for %q\n    hint: bash, zsh or fish", shell)
			}
			_, err = sys.stdout.Write(script)
			return err
		},
	}
}
