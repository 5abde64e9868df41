package labs

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// RefError says why a reference names nothing, or not one thing.
type RefError struct {
	Message string // what is wrong
	Hint    string // what to write instead, may be empty
}

// Error joins message and hint, which stands on a line of its own.
func (e *RefError) Error() string {
	if e.Hint == "" {
		return e.Message
	}
	return e.Message + "\n    hint: " + e.Hint
}

// Find resolves a reference as people type it: pod/NAME, svc/NAME, node/NAME,
// bridge/NAME, NAMESPACE/pod/NAME, NAMESPACE/svc/NAME, an address, or a bare
// name that only one thing has. Bare names are those of nodes, bridges, pods
// of namespace default and services. The error is a [*RefError].
func (l *Lab) Find(text string) (Ref, error) {
	ref, err := l.find(text, true)
	if err != nil {
		return Ref{}, err
	}
	return ref, nil
}

// FindPlace is like [Lab.Find] where only a pod, a node or a bridge makes
// sense: a place to run something. A service of the same name does not make a
// bare name ambiguous, and naming one is an error.
func (l *Lab) FindPlace(text string) (Ref, error) {
	ref, err := l.findPlace(text, true)
	if err != nil {
		return Ref{}, err
	}
	return ref, nil
}

func (l *Lab) findPlace(text string, hints bool) (Ref, *RefError) {
	if place, ok := l.barePlace(text); ok {
		return place, nil
	}
	ref, err := l.find(text, hints)
	if err == nil && (ref.Kind == RefService || ref.Kind == RefAddr) {
		err = &RefError{Message: fmt.Sprintf("%s is no pod, node or bridge", quote(text))}
	}
	return ref, err
}

// barePlace returns the node, bridge or pod of namespace default called name.
// At most one has a name.
func (l *Lab) barePlace(name string) (Ref, bool) {
	for _, ref := range []Ref{
		{Kind: RefNode, Name: name},
		{Kind: RefBridge, Name: name},
		{Kind: RefPod, Namespace: defaultNamespace, Name: name},
	} {
		if l.has(ref) {
			return ref, true
		}
	}
	return Ref{}, false
}

// find does the work of Find. Hints that have to look at the whole lab are
// given only if they are asked for.
func (l *Lab) find(text string, hints bool) (Ref, *RefError) {
	if a, err := netip.ParseAddr(text); err == nil && a.Zone() == "" {
		return Ref{Kind: RefAddr, Addr: a.Unmap()}, nil
	}
	parts := strings.Split(text, "/")
	switch {
	case len(parts) == 1 && text != "":
		return l.findBare(text, hints)
	case len(parts) == 2 && parts[0] != "" && parts[1] != "":
		return l.findExact(parts[0], "", parts[1], hints)
	case len(parts) == 3 && parts[0] != "" && parts[1] != "" && parts[2] != "":
		return l.findExact(parts[1], parts[0], parts[2], hints)
	}
	return Ref{}, &RefError{
		fmt.Sprintf("%s is not a reference", quote(text)),
		"write pod/NAME, svc/NAME, node/NAME, bridge/NAME, NAMESPACE/pod/NAME, a name or an address",
	}
}

// findExact resolves a reference that says what kind of thing it means. The
// namespace is empty where it is not written.
func (l *Lab) findExact(kind, namespace, name string, hints bool) (Ref, *RefError) {
	k := RefKind(kind)
	switch kind {
	case "service":
		k = RefService
	case "pod", "node", "bridge", "svc":
	default:
		e := &RefError{Message: fmt.Sprintf("there is no kind of thing called %s", quote(kind)), Hint: "there are pod, svc, node and bridge"}
		if near := nearest(kind, []string{"pod", "svc", "node", "bridge"}); near != "" {
			e.Hint = fmt.Sprintf("did you mean %s?", quote(near))
		}
		return Ref{}, e
	}
	if namespace != "" && (k == RefNode || k == RefBridge) {
		return Ref{}, &RefError{fmt.Sprintf("a %s is in no namespace", kind), fmt.Sprintf("write %s/%s", kind, name)}
	}
	ref := Ref{Kind: k, Name: name}
	if k == RefPod || k == RefService {
		ref.Namespace = namespace
		if namespace == "" {
			ref.Namespace = defaultNamespace
		}
	}
	if l.has(ref) {
		return ref, nil
	}
	what := map[RefKind]string{RefPod: "pod", RefService: "service", RefNode: "node", RefBridge: "bridge"}[k]
	e := &RefError{Message: fmt.Sprintf("there is no %s %s", what, quote(name))}
	if namespace != "" {
		e.Message += " in namespace " + quote(namespace)
	}
	if hints {
		e.Hint = l.hintFor(ref)
	}
	return Ref{}, e
}

// has reports whether ref names something.
func (l *Lab) has(ref Ref) bool {
	switch ref.Kind {
	case RefPod:
		return l.Pod(ref.Namespace, ref.Name) != nil
	case RefService:
		return l.Service(ref.Namespace, ref.Name) != nil
	case RefNode:
		return l.Node(ref.Name) != nil
	case RefBridge:
		return l.Bridge(ref.Name) != nil
	}
	return ref.Kind == RefAddr
}

// findBare resolves a name without a kind.
func (l *Lab) findBare(name string, hints bool) (Ref, *RefError) {
	var fits []Ref
	if ref, ok := l.barePlace(name); ok {
		fits = append(fits, ref)
	}
	for _, s := range l.lookup().named[name] {
		fits = append(fits, Ref{Kind: RefService, Namespace: s.Namespace, Name: name})
	}
	switch len(fits) {
	case 1:
		return fits[0], nil
	case 0:
		e := &RefError{Message: fmt.Sprintf("nothing in the lab is called %s", quote(name))}
		if hints {
			e.Hint = l.hintFor(Ref{Name: name})
		}
		return Ref{}, e
	}
	forms := make([]string, len(fits))
	for i, f := range fits {
		forms[i] = f.String()
	}
	return Ref{}, &RefError{fmt.Sprintf("%s could be %s", quote(name), or(forms)), "write one of these"}
}

// refs lists everything in the lab that has a name.
func (l *Lab) refs() []Ref {
	var refs []Ref
	for i := range l.Nodes {
		refs = append(refs, Ref{Kind: RefNode, Name: l.Nodes[i].Name})
	}
	for i := range l.Bridges {
		refs = append(refs, Ref{Kind: RefBridge, Name: l.Bridges[i].Name})
	}
	for i := range l.Pods {
		refs = append(refs, Ref{Kind: RefPod, Namespace: l.Pods[i].Namespace, Name: l.Pods[i].Name})
	}
	for i := range l.Services {
		refs = append(refs, Ref{Kind: RefService, Namespace: l.Services[i].Namespace, Name: l.Services[i].Name})
	}
	return refs
}

// hintFor proposes what wrong may have been meant to be: the same name
// elsewhere, else the nearest of the same kind, or of any if wrong has none.
func (l *Lab) hintFor(wrong Ref) string {
	refs := l.refs()
	if len(refs) > maxCandidates {
		return ""
	}
	var same, names []string
	for _, ref := range refs {
		if ref.Name == wrong.Name {
			same = append(same, ref.String())
		}
		if (wrong.Kind == "" || ref.Kind == wrong.Kind) && !slices.Contains(names, ref.Name) {
			names = append(names, ref.Name)
		}
	}
	if len(same) > 0 {
		return "there is " + strings.Join(same, " and ")
	}
	if near := nearest(wrong.Name, names); near != "" {
		return "did you mean " + quote(near) + "?"
	}
	if wrong.Kind != "" && len(names) > 0 && len(names) <= maxListed {
		return "there is " + strings.Join(names, ", ")
	}
	return ""
}
