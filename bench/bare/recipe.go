package main

import (
	"bufio"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"
)

// space is one namespace of a recipe: a hub, which others have cables to, or a
// leaf.
type space struct {
	name, mark string
	leaf       bool
	sysctls    [][2]string // path and value
	reads      []string    // paths of parameters to read
	early      [][]string  // lines of links, in order
	late       [][]string  // lines of what needs the links of others
	addr       netip.Addr  // of a leaf
}

// read returns the namespaces of a recipe.
func read(path string) ([]*space, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var all []*space
	in := bufio.NewScanner(f)
	for in.Scan() {
		w := strings.Fields(in.Text())
		if len(w) == 0 {
			continue
		}
		if w[0] == "hub" || w[0] == "leaf" {
			all = append(all, &space{name: w[1], mark: w[2], leaf: w[0] == "leaf"})
			continue
		}
		if len(all) == 0 {
			return nil, fmt.Errorf("%s: %q belongs to no namespace", path, in.Text())
		}
		s := all[len(all)-1]
		switch w[0] {
		case "sysctl":
			s.sysctls = append(s.sysctls, [2]string{w[1], strings.Join(w[2:], " ")})
		case "reads":
			s.reads = append(s.reads, w[1])
		case "bridge", "veth":
			s.early = append(s.early, w)
		default:
			if w[0] == "addr" && s.leaf {
				s.addr = netip.MustParsePrefix(w[2]).Addr()
			}
			s.late = append(s.late, w)
		}
	}
	return all, in.Err()
}

func number(s string) uint32 {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		panic(err)
	}
	return uint32(n)
}

func mac(s string) []byte {
	var m [6]byte
	for i := range m {
		n, err := strconv.ParseUint(s[3*i:3*i+2], 16, 8)
		if err != nil {
			panic(err)
		}
		m[i] = byte(n)
	}
	return m[:]
}
