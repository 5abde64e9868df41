package main

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"netlab/labs"
	"netlab/verify"
)

// onlyUp are the commands that are of use for labs that are up.
var onlyUp = []string{"down", "exec", "shell", "logs"}

// labs lists labs by name, and where a file may be meant files.
func (t *typed) labs() []candidate {
	var all, up []candidate
	for _, v := range t.sys.listLabs() {
		c := candidate{v.Name, v.Description}
		all = append(all, c)
		if v.Up {
			up = append(up, c)
		}
	}
	if slices.Contains(onlyUp, t.command.Name) && len(up) > 0 {
		all = up
	}
	return append(all, candidate{value: labFile})
}

// lab returns the lab that was typed before, or nil.
func (t *typed) lab() *labs.Lab {
	for i, s := range argumentsOf(t.command.ArgsUsage) {
		if !slices.Contains(s.words, "LAB") || i >= len(t.args) {
			continue
		}
		arg := t.args[i]
		if info, err := os.Stat(arg); arg == "-" || isPath(arg) && (err != nil || !info.Mode().IsRegular()) {
			return nil
		}
		src, err := t.sys.find(arg)
		if err != nil {
			return nil
		}
		lab, _ := src.lab()
		return lab
	}
	return nil
}

// instances lists the instances of the lab that are up.
func (t *typed) instances() []candidate {
	var list []candidate
	for _, m := range t.instancesUp() {
		list = append(list, candidate{m.label(), m.name})
	}
	return list
}

// prefixes lists what instances of the lab that are up are called.
func (t *typed) prefixes() []candidate {
	list := []candidate{}
	for _, m := range t.instancesUp() {
		if !slices.ContainsFunc(list, func(c candidate) bool { return c.value == m.Prefix }) {
			list = append(list, candidate{m.Prefix, m.name})
		}
	}
	return list
}

func (t *typed) instancesUp() []member {
	if len(t.args) == 0 {
		return nil
	}
	name := t.args[0]
	if isPath(name) {
		lab := t.lab()
		if lab == nil {
			return nil
		}
		name = lab.Name
	}
	h, err := t.sys.open("")
	if err != nil {
		return nil
	}
	defer h.Close()
	up, _ := instancesUp(h, name) // without permission to look, none is known
	return up
}

func (t *typed) pods() []candidate {
	var list []candidate
	if lab := t.lab(); lab != nil {
		for i := range lab.Pods {
			p := &lab.Pods[i]
			if t.command.Name == "logs" && len(p.Containers) == 0 {
				continue // says nothing
			}
			list = append(list, candidate{podName(p), "pod on " + p.Node})
		}
	}
	return list
}

func (t *typed) nodes() []candidate {
	var list []candidate
	if lab := t.lab(); lab != nil {
		for i := range lab.Nodes {
			list = append(list, candidate{lab.Nodes[i].Name, "node"})
		}
	}
	return list
}

func (t *typed) bridges() []candidate {
	var list []candidate
	if lab := t.lab(); lab != nil {
		for i := range lab.Bridges {
			list = append(list, candidate{lab.Bridges[i].Name, "bridge"})
		}
	}
	return list
}

func (t *typed) services() []candidate {
	var list []candidate
	if lab := t.lab(); lab != nil {
		for i := range lab.Services {
			s := &lab.Services[i]
			name := "svc/" + s.Name
			if s.Namespace != "default" {
				name = s.Namespace + "/" + name
			}
			list = append(list, candidate{name, "service"})
		}
	}
	return list
}

// places lists where something can run: pods, nodes and bridges.
func (t *typed) places() []candidate { return slices.Concat(t.pods(), t.nodes(), t.bridges()) }

// targets lists ends of traffic, and the ports of one whose colon has been
// typed.
func (t *typed) targets() []candidate {
	name, _, colon := strings.Cut(t.word, ":")
	if !colon {
		return append(t.places(), t.services()...)
	}
	lab := t.lab()
	if lab == nil {
		return nil
	}
	var list []candidate
	ref, err := lab.Find(name)
	switch {
	case err != nil:
	case ref.Kind == labs.RefService:
		for _, p := range lab.Service(ref.Namespace, ref.Name).Ports {
			list = append(list, portCandidate(name, int(p.Port), p.Protocol, p.Name))
		}
	case ref.Kind == labs.RefPod:
		for _, c := range lab.Pod(ref.Namespace, ref.Name).Containers {
			for _, s := range c.Serve {
				protocol := labs.TCP
				if s.Kind == "udp" {
					protocol = labs.UDP
				}
				list = append(list, portCandidate(name, int(s.Port), protocol, s.Kind))
			}
			for _, p := range c.Ports {
				list = append(list, portCandidate(name, int(p.Port), p.Protocol, p.Name))
			}
		}
	}
	return list
}

func portCandidate(name string, port int, protocol labs.Protocol, about string) candidate {
	value := fmt.Sprintf("%s:%d", name, port)
	if protocol == labs.UDP {
		value += "/UDP"
	}
	return candidate{value, about}
}

func (t *typed) containers() []candidate {
	lab := t.lab()
	if lab == nil {
		return nil
	}
	var list []candidate
	for i := range lab.Pods {
		p := &lab.Pods[i]
		if len(t.args) > 1 && podName(p) != strings.TrimPrefix(t.args[1], "pod/") {
			continue
		}
		for _, c := range p.Containers {
			list = append(list, candidate{c.Name, "container of " + podName(p)})
		}
	}
	return list
}

// keys lists the keys of the lab file below the path that has been typed, and
// offers to go on where there are some below them.
func (t *typed) keys() []candidate {
	at, path := labs.Format(), ""
	if i := strings.LastIndexByte(t.word, '.'); i >= 0 {
		var err error
		if at, err = at.Find(t.word[:i]); err != nil {
			return nil
		}
		path = t.word[:i+1]
	}
	var list []candidate
	for _, k := range at.Keys {
		list = append(list, candidate{path + k.Name, k.Doc})
		if len(k.Keys) > 0 && t.word == path+k.Name {
			list = append(list, candidate{path + k.Name + ".", "keys of it"})
		}
	}
	return list
}

func (t *typed) groups() []candidate {
	var names []string
	for _, g := range verify.Groups() {
		names = append(names, string(g))
	}
	return t.listOf(plainWords(names))
}

// details lists what a picture can show beside names.
func (t *typed) details() []candidate { return t.listOf(plainWords(pictureDetails)) }

func (t *typed) placeList() []candidate { return t.listOf(append(t.places(), t.services()...)) }

// listOf lists candidates for the last word of a list with commas.
func (t *typed) listOf(one []candidate) []candidate {
	i := strings.LastIndexByte(t.word, ',') + 1
	begun := t.word[:i]
	if _, value, ok := strings.Cut(begun, "="); ok && strings.HasPrefix(begun, "--") {
		begun = value
	}
	var list []candidate
	for _, c := range one {
		if !slices.Contains(strings.Split(begun, ","), c.value) {
			list = append(list, candidate{begun + c.value, c.about})
		}
	}
	return list
}
