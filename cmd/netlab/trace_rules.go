package main

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"

	"netlab/provision/netns"
)

// saveRules returns what iptables-save prints in a namespace.
func saveRules(ctx context.Context, ns string, ipv6 bool) ([]byte, error) {
	name := "iptables-save"
	if ipv6 {
		name = "ip6tables-save"
	}
	path, err := exec.LookPath(name)
	if err != nil {
		path, err = exec.LookPath("/usr/sbin/" + name)
	}
	if err != nil {
		return nil, nil // rules keep their numbers
	}
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, path)
	cmd.Stdout = &out
	if err := netns.Do(ns, cmd.Start); err != nil {
		return nil, err
	}
	if err := cmd.Wait(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return out.Bytes(), nil
}
