package main

import (
	"fmt"
	"strings"

	"netlab/labs"
)

// habits are the words that other tools have for what netlab does, and its
// own.
var habits = map[string]string{
	"apply": "up", "create": "up", "deploy": "up", "start": "up", "run": "up",
	"destroy": "down", "delete": "down", "rm": "down", "remove": "down", "stop": "down", "teardown": "down",
	"diff": "plan", "preview": "plan",
	"get": "status", "inspect": "status", "describe": "status", "ps": "status", "show": "status", "top": "status",
	"ls": "list", "labs": "list", "images": "list",
	"ssh": "shell", "attach": "shell", "enter": "shell", "log": "logs",
	"lint": "validate", "check": "validate", "format": "fmt", "tidy": "fmt", "new": "init", "generate": "init",
	"redeploy": "reset", "restart": "reset", "prune": "gc", "clean": "gc", "cleanup": "gc",
	"traceroute": "trace", "ping": "trace", "tcpdump": "exec", "docs": "explain", "doc": "explain", "man": "help",
	"completions": "completion", "info": "doctor",
}

// nearest returns the word of known that was most likely meant by word, or ""
// if none comes close. The only one that begins with it is meant, too.
func nearest(word string, known []string) string {
	if near := labs.Nearest(word, known); near != "" {
		return near
	}
	begun := ""
	for _, k := range known {
		if len(word) > 1 && strings.HasPrefix(k, word) {
			if begun != "" {
				return ""
			}
			begun = k
		}
	}
	return begun
}

// didYouMean returns a hint for a word that is not among those known: the
// nearest, else all of them.
func didYouMean(word string, known []string) string {
	if near := nearest(word, known); near != "" {
		return fmt.Sprintf("did you mean %s?", near)
	}
	return "one of " + strings.Join(known, ", ")
}
