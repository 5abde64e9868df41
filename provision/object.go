package provision

import (
	"cmp"
	"fmt"
	"io/fs"
	"strconv"
)

// Kind is the kind of a kernel object. The order of the kinds is the order in
// which objects of one namespace are made; they are removed the other way
// round.
type Kind uint8

// The kinds.
const (
	KindNamespace Kind = iota + 1
	KindFile
	KindSysctl // of a namespace as a whole; must stand before links appear
	KindLink
	KindLinkSysctl
	KindPort
	KindAddr
	KindNeigh
	KindFDB
	KindRoute
	KindRule
	KindRuleset
	KindHostRule
	KindPause
	KindSupervisor // of the lab, last of all
)

var kindNames = [...]string{
	KindNamespace: "namespace", KindFile: "file", KindSysctl: "sysctl", KindLink: "link",
	KindLinkSysctl: "sysctl", KindPort: "port", KindAddr: "addr", KindNeigh: "neigh",
	KindFDB: "fdb", KindRoute: "route", KindRule: "rule", KindRuleset: "netfilter", KindHostRule: "iptables",
	KindPause: "pause", KindSupervisor: "supervisor",
}

// String returns the kind's name as it stands in a printed plan.
func (k Kind) String() string {
	if int(k) < len(kindNames) && kindNames[k] != "" {
		return kindNames[k]
	}
	return "kind " + strconv.Itoa(int(k))
}

// Key identifies one kernel object. NS is the namespace it lives in, "" for
// the host; Name is unique within kind and namespace.
type Key struct {
	Kind Kind
	NS   string
	Name string
}

// String renders k for people: kind, namespace and name.
func (k Key) String() string {
	switch {
	case k.Kind == KindNamespace || k.Name == "":
		return k.Kind.String() + " " + k.NS
	case k.NS == "" && (k.Kind == KindFile || k.Kind == KindSupervisor):
		return k.Kind.String() + " " + k.Name
	case k.Kind == KindLink || k.Kind == KindPort:
		return k.Kind.String() + " " + place(k.NS) + "/" + k.Name
	}
	return k.Kind.String() + " " + place(k.NS) + " " + k.Name
}

func compareKeys(a, b Key) int {
	return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.NS, b.NS), cmp.Compare(a.Name, b.Name))
}

// Object is one thing that netlab owns in the kernel.
//
// The set is closed: all implementations are in this package. They are plain
// comparable structs, so two objects are the same if and only if they are ==.
// An observed object may hold values that no desired one has, such as a link
// that is down.
type Object interface {
	Key() Key

	// Needs lists the claims that must be held before this object can exist.
	// When the holder goes, the kernel takes this object along.
	Needs() []Key

	// Claims lists the names that only one object can hold at a time: the key
	// itself and, for a veth, the name of its other end.
	Claims() []Key

	// Attrs lists everything but the key, in a fixed order. Two objects of
	// one type and key are equal exactly if their attributes are.
	Attrs() []Attr

	// recreate says in words why the kernel cannot turn old, an object of the
	// same key that differs, into this one. "" means it can.
	recreate(old Object) string
}

// Attr is one attribute of an object, in words that people know from ip,
// bridge and sysctl.
type Attr struct{ Name, Value string }

// Namespace is a named network namespace with its loopback device.
type Namespace struct {
	Name string

	// Mark is the interface alias of lo, netlab:<lab>:<kind>:<name>. It is what
	// makes the namespace ours.
	Mark string

	Loopback string // state of lo: "up" is what a lab wants
	Rules    string // "default" if the kernel's own routing rules stand
	Names    bool   // /etc/netns/<name> leads to the lab's hosts file
	Witness  bool   // the second proof that the namespace is ours, in the runtime directory, is there

	// Condition is Sound unless the name stands for something else.
	Condition Condition
}

// Condition says what stands behind the name of a namespace.
type Condition string

// The conditions.
const (
	Sound   Condition = ""        // a namespace of ours
	Remains Condition = "remains" // an empty file that a crash left under one of our names
	Double  Condition = "double"  // the namespace that has another name of the lab
	Foreign Condition = "foreign" // something that nothing witnesses as ours
)

// Key implements [Object].
func (n Namespace) Key() Key { return Key{KindNamespace, n.Name, ""} }

// Needs implements [Object].
func (n Namespace) Needs() []Key { return nil }

// Claims implements [Object]. The loopback device comes and goes with its
// namespace.
func (n Namespace) Claims() []Key { return []Key{n.Key(), linkKey(n.Name, "lo")} }

// Attrs implements [Object].
func (n Namespace) Attrs() []Attr {
	return []Attr{
		{"mark", n.Mark}, {"lo", n.Loopback}, {"rules", n.Rules},
		{"names", onOff(n.Names)}, {"witness", onOff(n.Witness)}, {"condition", string(n.Condition)},
	}
}

func (n Namespace) recreate(old Object) string {
	switch old.(Namespace).Condition {
	case n.Condition:
	case Double:
		return "it is the namespace of another name"
	default:
		return "the file is no namespace"
	}
	return ""
}

// File is a file of the lab's names directory, which is /etc/netns/<namespace>
// for every namespace of the lab, or [DNSFile].
type File struct {
	Lab     string
	Name    string // "hosts" or "resolv.conf", after NAMESPACE/ for pods of another than default; or DNSFile
	Content string
	Mode    fs.FileMode // who may read it
}

// Key implements [Object].
func (f File) Key() Key { return Key{KindFile, "", f.Name} }

// Needs implements [Object].
func (f File) Needs() []Key { return nil }

// Claims implements [Object].
func (f File) Claims() []Key { return []Key{f.Key()} }

// Attrs implements [Object].
func (f File) Attrs() []Attr {
	return []Attr{{"content", f.Content}, {"mode", fmt.Sprintf("%04o", uint32(f.Mode))}}
}

func (f File) recreate(Object) string { return "" }

// Sysctl is one kernel parameter of a namespace.
type Sysctl struct {
	NS    string
	Name  string // dotted, as sysctl prints it
	Dev   string // interface it belongs to, "" if none
	Value string

	// Unset is what the parameter is where nobody sets it. It is known of an
	// observed one that the lab does not ask for, otherwise "".
	Unset string
}

// Key implements [Object].
func (s Sysctl) Key() Key {
	if s.Dev != "" {
		return Key{KindLinkSysctl, s.NS, s.Name}
	}
	return Key{KindSysctl, s.NS, s.Name}
}

// Needs implements [Object].
func (s Sysctl) Needs() []Key {
	if s.Dev != "" {
		return []Key{nsKey(s.NS), linkKey(s.NS, s.Dev)}
	}
	return []Key{nsKey(s.NS)}
}

// Claims implements [Object].
func (s Sysctl) Claims() []Key { return []Key{s.Key()} }

// Attrs implements [Object].
func (s Sysctl) Attrs() []Attr { return []Attr{{"value", s.Value}, {"unset", s.Unset}} }

func (s Sysctl) recreate(Object) string { return "" }

// place names a namespace for people. No namespace of a lab is called host:
// their names have a dot.
func place(ns string) string {
	if ns == "" {
		return "host"
	}
	return ns
}

// inside returns the key of the namespace ns before keys. The host's own is
// always there.
func inside(ns string, keys ...Key) []Key {
	if ns == "" {
		return keys
	}
	return append([]Key{nsKey(ns)}, keys...)
}

func nsKey(ns string) Key         { return Key{KindNamespace, ns, ""} }
func linkKey(ns, name string) Key { return Key{KindLink, ns, name} }

func onOff(b bool) string {
	if b {
		return "on"
	}
	return "off"
}

func upDown(b bool) string {
	if b {
		return "up"
	}
	return "down"
}
