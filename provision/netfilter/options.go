package netfilter

import (
	"slices"
	"strings"
)

// longName returns the one name under which an option is kept.
func longName(name string) string {
	switch name {
	case "--source", "--src":
		return "-s"
	case "--destination", "--dst":
		return "-d"
	case "--in-interface":
		return "-i"
	case "--out-interface":
		return "-o"
	case "--protocol", "--proto":
		return "-p"
	case "--fragment":
		return "-f"
	case "--match":
		return "-m"
	case "--jump":
		return "-j"
	case "--goto":
		return "-g"
	case "--source-port":
		return "--sport"
	case "--destination-port":
		return "--dport"
	case "--source-ports":
		return "--sports"
	case "--destination-ports":
		return "--dports"
	}
	return name
}

// arity returns how many values an option has, where a value may begin with a
// dash or the number cannot be told otherwise.
func arity(name string) (n int, known bool) {
	switch name {
	case "-s", "-d", "-i", "-o", "-p", "-m", "-j", "-g",
		"--comment", "--log-prefix", "--nflog-prefix", "--string":
		return 1, true
	case "-f":
		return 0, true
	}
	return 0, false
}

// isPortOption reports whether an option belongs to the match of a transport
// protocol.
func isPortOption(name string) bool {
	switch name {
	case "--sport", "--dport", "--tcp-flags", "--syn", "--tcp-option", "--icmp-type", "--icmpv6-type", "--chunk-types":
		return true
	}
	return false
}

// isTransport reports whether a match is that of a protocol.
func isTransport(match string) bool {
	switch match {
	case "tcp", "udp", "sctp", "udplite", "dccp", "icmp", "icmp6":
		return true
	}
	return false
}

// protocolName returns the name that iptables-save prints for a protocol.
func protocolName(p string) string {
	switch p = strings.ToLower(p); p {
	case "1":
		return "icmp"
	case "4", "ipip":
		return "ipencap"
	case "6":
		return "tcp"
	case "17":
		return "udp"
	case "58", "icmpv6":
		return "ipv6-icmp"
	case "89", "ospfigp":
		return "ospf"
	case "132":
		return "sctp"
	}
	return p
}

// savedOrder returns the order in which iptables-save prints the options of a
// match or target, or nil where the order as written is kept.
func savedOrder(extension string) []string {
	switch extension {
	case "tcp":
		return []string{"--sport", "--dport", "--tcp-option", "--tcp-flags"}
	case "udp", "sctp":
		return []string{"--sport", "--dport"}
	case "addrtype":
		return []string{"--src-type", "--dst-type"}
	case "conntrack":
		return []string{"--ctstate", "--ctproto", "--ctorigsrc", "--ctorigdst", "--ctreplsrc", "--ctrepldst",
			"--ctorigsrcport", "--ctorigdstport", "--ctreplsrcport", "--ctrepldstport",
			"--ctstatus", "--ctexpire", "--ctdir"}
	case "recent":
		return []string{"--set", "--rcheck", "--update", "--remove", "--seconds", "--reap", "--hitcount", "--rttl",
			"--name", "--mask", "--rsource", "--rdest"}
	case "statistic":
		return []string{"--mode", "--probability", "--every", "--packet"}
	case "MASQUERADE":
		return []string{"--to-ports", "--random", "--random-fully"}
	case "DNAT", "SNAT":
		return []string{"--to-source", "--to-destination", "--random", "--random-fully", "--persistent"}
	}
	return nil
}

// sortAs sorts options into an order; those it does not name come last, as
// they were.
func sortAs(options []option, order []string) {
	rank := func(o option) int {
		if i := slices.Index(order, o.name); i >= 0 {
			return i
		}
		return len(order)
	}
	slices.SortStableFunc(options, func(a, b option) int { return rank(a) - rank(b) })
}
