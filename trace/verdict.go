package trace

import (
	"fmt"
	"time"
)

// Verdict says on one line what became of the exchange.
func (r *Report) Verdict() string {
	who := r.From + " → " + r.To
	t := &r.Trace
	switch t.Result.State {
	case Answered:
		s := who + " is answered by " + r.answerer()
		return s + r.summary()
	case Refused:
		return who + " is refused by " + r.answerer() + r.refusal() + r.summary()
	case OneWay:
		if t.There.End.Kind == Left {
			return who + " leaves the lab on " + r.Names.Title(t.There.End.NS) + r.summary()
		}
		if t.There.End.Kind == Delivered {
			return who + " arrives at " + r.Names.Title(t.There.End.NS) + r.summary()
		}
		return who + " does not arrive" + r.summary()
	case Unreachable:
		return who + " is unreachable: " + t.Result.Detail + r.summary()
	case Unsent:
		return who + " is not sent: " + t.Result.Detail
	}
	return fmt.Sprintf("%s gets no answer within %v%s", who, t.Result.After.Round(100*time.Millisecond), r.summary())
}

// answerer names who sent what came back.
func (r *Report) answerer() string {
	back := &r.Trace.Back
	if len(back.Hops) == 0 {
		return "somebody unseen"
	}
	first := &back.Hops[0]
	who := endText(first.Header.source())
	if first.Dir != Made {
		if name := r.Names.Addr(first.Header.Src); name != "" {
			who = name + " (" + who + ")"
		}
		return who
	}
	s := r.Names.Space(first.NS) + " (" + who + ")"
	if node := r.Names.homes[first.NS]; node != "" {
		s += " on " + node
	}
	return s
}

// refusal says how a connection was refused.
func (r *Report) refusal() string {
	back := &r.Trace.Back
	if len(back.Hops) == 0 {
		return ""
	}
	first := &back.Hops[0]
	s := " (" + first.Header.What() + ")"
	closed := first.Header.TCP.Flags&RST != 0 || first.NS == r.Trace.There.End.NS
	if end := r.Trace.There.End; end.Kind == Delivered && closed {
		last := &r.Trace.There.last().Header
		s += fmt.Sprintf(": nothing listens on port %d there", last.DstPort)
	}
	return s
}

// summary counts hops and names translations.
func (r *Report) summary() string {
	hops := len(r.Trace.There.Hops) + len(r.Trace.Back.Hops)
	s := fmt.Sprintf(", %d hops", hops)
	if hops == 1 {
		s = ", 1 hop"
	}
	for i := range r.Trace.There.Hops {
		h := &r.Trace.There.Hops[i]
		for _, f := range h.Facts {
			if f, ok := f.(Translated); ok {
				kind := "DNAT"
				if f.Source {
					kind = "SNAT"
				}
				s += ", " + kind + " on " + r.Names.Space(h.NS)
			}
		}
	}
	return s
}

// LastLine says where the packet ended if it did not get through.
func (r *Report) LastLine() string {
	if end := r.Trace.There.End; end.Kind == Left && len(r.Trace.Back.Hops) == 0 {
		return "leaves the lab on " + r.Names.Space(end.NS) + " by " + r.Trace.There.last().Iface + ", and nothing comes back"
	}
	for _, p := range []*Path{&r.Trace.There, &r.Trace.Back} {
		if len(p.Hops) > 0 && p.End.Kind == Stopped {
			why := p.End.Fault.String()
			if why == "" {
				why = "it was not seen again after " + string(p.last().Dir) + " " + p.last().Iface
			}
			return "stops on " + r.Names.Space(p.End.NS) + ": " + why
		}
	}
	if r.Silence != "" {
		return r.Silence
	}
	return r.Parting
}

// Title names the owner of a namespace and says what it is.
func (n Names) Title(ns string) string {
	name, kind := n.Space(ns), n.kinds[ns]
	if kind == "" {
		return name
	}
	if home := n.homes[ns]; home != "" {
		return fmt.Sprintf("%s (%s on %s)", name, kind, home)
	}
	return fmt.Sprintf("%s (%s)", name, kind)
}
