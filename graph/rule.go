package graph

import (
	"net/netip"
	"strconv"
	"strings"

	"netlab/provision/netfilter"
)

// matchText says in a few words what packets a rule is for; "" for all.
func matchText(r *netfilter.Rule) string {
	var words []string
	for _, o := range r.Match {
		w := optionText(o)
		if w == "" {
			continue
		}
		if o.Not {
			w = "not " + w
		}
		words = append(words, w)
	}
	return strings.Join(words, ", ")
}

func optionText(o netfilter.Option) string {
	arg := strings.Join(o.Args, " ")
	switch o.Module + " " + o.Name {
	case " -s":
		return "from " + hostText(arg)
	case " -d":
		return "to " + hostText(arg)
	case " -i":
		return "in by " + arg
	case " -o":
		return "out by " + arg
	case " -p":
		return arg
	case "tcp --dport", "udp --dport", "sctp --dport":
		return "port " + arg
	case "tcp --sport", "udp --sport", "sctp --sport":
		return "from port " + arg
	case "statistic --mode":
		return ""
	case "statistic --probability":
		if f, err := strconv.ParseFloat(arg, 64); err == nil {
			return "chance " + strconv.FormatFloat(f*100, 'f', 0, 64) + " %"
		}
	case "mark --mark":
		return "mark " + arg
	case "conntrack --ctstate":
		return "connection " + strings.ToLower(strings.ReplaceAll(arg, ",", " or "))
	case "conntrack --ctorigdst":
		return "first to " + hostText(arg)
	case "addrtype --dst-type":
		return "to an address that is " + arg
	case "addrtype --src-type":
		return "from an address that is " + arg
	case "recent --rcheck":
		return "client was here"
	case "recent --seconds":
		return "within " + arg + " s"
	case "recent --set":
		return "remember the client"
	case "recent --reap", "recent --name", "recent --mask", "recent --rsource":
		return ""
	}
	o.Not = false
	return o.String()
}

// hostText leaves out the length of a prefix that is one address.
func hostText(s string) string {
	if p, err := netip.ParsePrefix(s); err == nil && p.IsSingleIP() {
		return p.Addr().String()
	}
	return s
}

// targetText says what a rule does that jumps to no chain.
func (c *Chains) targetText(r *netfilter.Rule) string {
	words := []string{r.Target}
	for _, o := range r.With {
		switch o.Name {
		case "--to-destination":
			to := strings.Join(o.Args, " ")
			words = append(words, "to "+to)
			if name := c.podAt(to); name != "" {
				words = append(words, "= "+name)
			}
		case "--set-xmark":
			words = append(words, markText(strings.Join(o.Args, " ")))
		case "--random-fully", "--persistent", "--random":
		default:
			words = append(words, o.String())
		}
	}
	return strings.Join(words, " ")
}

// podAt names the pod that has the address of an endpoint.
func (c *Chains) podAt(endpoint string) string {
	ap, err := netip.ParseAddrPort(endpoint)
	if err != nil {
		return ""
	}
	for i := range c.lab.Pods {
		p := &c.lab.Pods[i]
		for _, a := range p.Addrs {
			if a.Addr() == ap.Addr() {
				return plainName(p.Namespace, p.Name)
			}
		}
	}
	return ""
}

// markText says what the value and mask of a MARK rule do.
func markText(s string) string {
	switch value, mask, ok := strings.Cut(s, "/"); {
	case ok && value == mask:
		return "or " + value
	case ok && mask == "0x0":
		return "xor " + value
	}
	return s
}
