package main

import (
	"fmt"
	"strings"

	"netlab/labs"
	"netlab/provision"
	"netlab/provision/kernel"
)

// firstIndex is the interface index that a recipe begins with: the ones before
// it may belong to what the kernel makes by itself.
const firstIndex = 100

// recipe writes what the program bare makes of a lab: the same objects as
// netlab. It knows labs with the network vxlan and IPv4, and no containers.
func recipe(lab *labs.Lab) (string, error) {
	r := recipeWriter{
		marks: map[string]string{}, index: map[string]map[string]int{},
		early: map[string][]string{}, late: map[string][]string{}, sysctls: map[string][]string{},
	}
	want := provision.Desired(lab)
	r.reads = kernel.ParameterFiles(want)
	for _, o := range want.Sorted() {
		if err := r.add(o); err != nil {
			return "", err
		}
	}
	return r.String(), nil
}

type recipeWriter struct {
	order                []string // namespaces
	marks                map[string]string
	index                map[string]map[string]int // of interfaces, by namespace and name
	early, late, sysctls map[string][]string
	reads                map[string][]string // files of parameters that netlab reads
}

// number returns the index of an interface, the next one if it is new.
func (r *recipeWriter) number(ns, dev string) int {
	if r.index[ns] == nil {
		r.index[ns] = map[string]int{}
	}
	if r.index[ns][dev] == 0 {
		r.index[ns][dev] = firstIndex + len(r.index[ns])
	}
	return r.index[ns][dev]
}

// add takes in an object. They come in the order of their kinds.
func (r *recipeWriter) add(o provision.Object) error {
	early := func(ns, format string, args ...any) { r.early[ns] = append(r.early[ns], fmt.Sprintf(format, args...)) }
	late := func(ns, format string, args ...any) { r.late[ns] = append(r.late[ns], fmt.Sprintf(format, args...)) }
	switch o := o.(type) {
	case provision.Namespace:
		r.order = append(r.order, o.Name)
		r.marks[o.Name] = o.Mark
	case provision.Sysctl:
		if o.Dev != "" {
			return fmt.Errorf("%v belongs to an interface", o.Key())
		}
		r.sysctls[o.NS] = append(r.sysctls[o.NS], fmt.Sprintf("sysctl /proc/sys/%s %s", strings.ReplaceAll(o.Name, ".", "/"), o.Value))
	case provision.Bridge:
		early(o.NS, "bridge %s %d %s %d", o.Name, r.number(o.NS, o.Name), o.MAC, o.MTU)
	case provision.Veth:
		early(o.A.NS, "veth %s %d %s %d %s %s %d %s %d", o.A.Name, r.number(o.A.NS, o.A.Name), o.A.MAC, o.A.MTU,
			o.B.NS, o.B.Name, r.number(o.B.NS, o.B.Name), o.B.MAC, o.B.MTU)
		if strings.Contains(o.A.Name, "port-") { // a node's: nothing else sets it up
			late(o.B.NS, "up %d", r.number(o.B.NS, o.B.Name))
		}
	case provision.VXLAN:
		late(o.NS, "vxlan %s %d %s %d %d %d %s %d", o.Name, r.number(o.NS, o.Name), o.MAC, o.MTU, o.VNI, o.Port, o.Local, r.number(o.NS, o.Dev))
	case provision.Port:
		hairpin := "off"
		if o.Hairpin {
			hairpin = "on"
		}
		late(o.NS, "port %d %d %s", r.number(o.NS, o.Dev), r.number(o.NS, o.Bridge), hairpin)
	case provision.Addr:
		late(o.NS, "addr %d %s", r.number(o.NS, o.Dev), o.Prefix)
	case provision.Neigh:
		late(o.NS, "neigh %d %s %s", r.number(o.NS, o.Dev), o.Addr, o.MAC)
	case provision.FDB:
		late(o.NS, "fdb %d %s %s", r.number(o.NS, o.Dev), o.MAC, o.Dst)
	case provision.Route:
		via, onlink := "-", "-"
		if o.Hop.Via.IsValid() {
			via = o.Hop.Via.String()
		}
		if o.Hop.OnLink {
			onlink = "onlink"
		}
		late(o.NS, "route %s %s %d %s", o.To, via, r.number(o.NS, o.Hop.Dev), onlink)
	case provision.File, provision.Ruleset:
	default:
		return fmt.Errorf("a recipe has no place for %v", o.Key())
	}
	return nil
}

// String returns the recipe, hubs before leaves.
func (r *recipeWriter) String() string {
	var b strings.Builder
	for _, leaf := range []bool{false, true} {
		for _, ns := range r.order {
			kind := "hub"
			if strings.Contains(r.marks[ns], ":pod:") {
				kind = "leaf"
			}
			if (kind == "leaf") != leaf {
				continue
			}
			fmt.Fprintln(&b, kind, ns, r.marks[ns])
			for _, lines := range [][]string{r.sysctls[ns], r.early[ns], r.late[ns]} {
				for _, l := range lines {
					fmt.Fprintln(&b, l)
				}
			}
			for _, f := range r.reads[ns] {
				fmt.Fprintln(&b, "reads", f)
			}
		}
	}
	return b.String()
}
