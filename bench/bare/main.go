package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bare:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) < 2 {
		return fmt.Errorf("usage: bare up|rules|dump|down|ping|serve RECIPE")
	}
	switch args[0] {
	case "rules":
		return rules(args[1])
	case "http": // see servers
		return answer(args[1])
	}
	all, err := read(args[1])
	if err != nil {
		return err
	}
	clock := time.Now()
	lap := func(what string) {
		fmt.Printf("%s %.3f\n", what, float64(time.Since(clock).Microseconds())/1e3)
		clock = time.Now()
	}
	switch args[0] {
	case "up":
		err = up(all)
		lap("up")
	case "down":
		if err = drop(all); err != nil {
			return err
		}
		lap("call")
		err = settle()
		lap("release")
	case "dump":
		more := args[2:]
		save := map[string]bool{}
		for _, s := range all {
			save[s.name] = slices.Contains(more, "save") && strings.Contains(s.mark, ":node:")
		}
		var n, size int64
		n, size, err = dump(all, save, slices.Contains(more, "parameters"))
		lap("dump")
		fmt.Printf("messages %d\nrules %d\n", n, size)
	case "serve":
		err = servers(all)
	case "ping":
		err = ping(all, lap)
		if err == nil && len(args) > 2 {
			err = connect(all, int(number(args[2])), lap)
		}
	default:
		err = fmt.Errorf("%q is nothing that it can do", args[0])
	}
	return err
}

// rules feeds a file to iptables-restore in each namespace that it is named
// after.
func rules(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	var all []*space
	for _, e := range entries {
		all = append(all, &space{name: e.Name()})
	}
	clock := time.Now()
	err = each(all, func(s *space) error {
		if err := enter(s.name); err != nil {
			return err
		}
		f, err := os.Open(filepath.Join(dir, s.name))
		if err != nil {
			return err
		}
		defer f.Close()
		cmd := exec.Command("iptables-restore", "--noflush", "-w")
		cmd.Stdin, cmd.Stderr = f, os.Stderr
		return cmd.Run()
	})
	fmt.Printf("rules %.3f\n", float64(time.Since(clock).Microseconds())/1e3)
	return err
}
