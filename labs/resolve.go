package labs

import "slices"

// Options change how a Spec is resolved.
type Options struct {
	Name string // name of the lab in place of the one in the file; "" keeps that
}

// Load reads and resolves a lab file: [Parse], then [Resolve].
func Load(file string, data []byte) (*Lab, Diagnostics) {
	s, _ := Parse(file, data)
	return Resolve(s, Options{})
}

// LoadAs is [Load] for a lab that is called name, whatever its file says: one
// file can be several labs side by side, which differ in nothing else. An empty
// name keeps that of the file.
func LoadAs(name, file string, data []byte) (*Lab, Diagnostics) {
	s, _ := Parse(file, data)
	return Resolve(s, Options{Name: name})
}

// Resolve fills in all that the author left open and checks all that they
// wrote. The diagnostics are those of [Parse] and those found here, in the
// order of the file. The Lab is nil if and only if they have errors; warnings
// may come with a Lab.
func Resolve(s *Spec, opts Options) (*Lab, Diagnostics) {
	r := &resolver{
		report:   &report{file: s.File, found: slices.Clone(s.found)},
		spec:     s,
		doubt:    newDoubts(s),
		lab:      &Lab{File: s.File, text: s.text},
		names:    map[string]owner{},
		bridgeBy: map[string]*bridge{},
		nodeBy:   map[string]*node{},
	}
	if !s.unreadable {
		r.resolve(opts)
	}
	found := r.sorted()
	if found.HasErrors() {
		return nil, found
	}
	r.lab.index = newIndex(r.lab)
	return r.lab, found
}

// resolver turns one Spec into one Lab. Its steps run in the order of resolve;
// each fills in its part of the lab and leaves notes for the next.
type resolver struct {
	*report
	spec *Spec
	lab  *Lab

	doubt   doubts
	names   map[string]owner // of nodes, bridges and pods of namespace default
	subnets []*subnet        // in the order of the lab
	bridges []*bridge
	nodes   []*node
	pods    []*pod

	bridgeBy map[string]*bridge // by name
	nodeBy   map[string]*node   // by name
}

// owner is what holds something that only one thing can hold.
type owner struct {
	what string // such as: node "a"
	pos  Pos    // zero where the author did not write it
}

func (o owner) String() string {
	if o.pos.Line == 0 {
		return o.what
	}
	return o.what + lineOf(o.pos)
}

func (r *resolver) resolve(opts Options) {
	r.head(opts)
	r.resolveSubnets()
	r.resolveBridges()
	r.resolveNodes()
	r.resolveInterfaces()
	r.resolveCables()
	r.resolveAddresses()
	r.resolveNetwork()
	r.resolvePodSubnets()
	r.resolveRouting()
	r.resolvePods()
	r.resolveServices()
	r.finish()
	r.resolveVerify()
	r.finishSubnets()
}

// head resolves what concerns the lab as a whole.
func (r *resolver) head(opts Options) {
	s := r.spec
	if s.APIVersion.OK() && s.APIVersion.Value != "netlab/v1" {
		r.errorf(s.APIVersion.Place, `write netlab/v1, or leave it out`, "%s is not a version of the lab file", quote(s.APIVersion.Value))
	}
	r.lab.Name = r.label(s.Name, s.Place, "name", maxLabName)
	if opts.Name != "" {
		if why := notALabel(opts.Name, maxLabName); why != "" {
			r.errorf(Place{Path: "name"}, labelHint(opts.Name, maxLabName), "%s %s", quote(opts.Name), why)
		}
		r.lab.Name = opts.Name
	}
	r.lab.Description = s.Description.Value
	r.lab.DNS = s.DNS.Value
	r.lab.Pause = s.Pause.Value
}
