package main

import (
	"errors"
	"fmt"
	"sync"
	"syscall"
	"testing"
	"time"
)

// verdicts is what becomes of requests that nobody answers.
var verdicts = []struct{ from, service, how, want string }{
	{"client", "none", "vip", "refused"},
	{"n1", "none", "vip", "refused"},
	{"outside", "none", "vip", "refused"},
	{"client", "none", "n1", "refused"},
	{"n1", "none", "n1", "refused"},
	{"outside", "none", "n1", "refused"},
	{"outside", "none", "external", "refused"},
	{"client", "none", "external", "refused"},
	{"client", "unready", "vip", "refused"},
	{"outside", "unready", "n2", "refused"},
	{"client", "far", "vip", "timeout"},
	{"n1", "far", "vip", "timeout"},
	{"outside", "far", "vip", "timeout"},
	{"outside", "far", "n1", "timeout"},
	{"outside", "far", "external", "timeout"},
}

func (f flows) verdicts(t *testing.T) {
	var all sync.WaitGroup
	defer all.Wait()
	for _, v := range verdicts {
		for _, protocol := range []string{"tcp", "udp"} {
			name := fmt.Sprintf("%s to %s by %s, %s", v.from, v.service, v.how, protocol)
			all.Go(func() { f.unanswered(t, name, f.callers[v.from], protocol, f.at(v.service, v.how), v.want) })
		}
	}
	for name, to := range map[string]string{"a port of a VIP that nobody uses": "10.96.1.1:81", "a VIP that nobody has": "10.96.9.9:80"} {
		for _, from := range []string{"client", "n1", "outside"} {
			all.Go(func() { f.unanswered(t, from+" to "+name, f.callers[from], "tcp", to, "timeout") })
		}
	}
	all.Go(func() {
		f.unanswered(t, "UDP to a port of TCP", f.callers["client"], "udp", "10.96.1.6:443", "timeout")
	})
	for _, from := range []string{"client", "n1"} {
		all.Go(func() {
			if out, err := tool(t, "ip", "netns", "exec", f.callers[from].ns, "ping", "-c", "1", "-W", "1", "10.96.1.1"); err == nil {
				t.Errorf("a VIP answers %s's ping:\n%s", from, out)
			}
		})
	}
}

// silence is how long nothing must come from where nothing is to come.
const silence = time.Second

// unanswered wants one way of getting no answer. The kernel limits how many
// refusals it sends, so one that does not come is asked for again.
func (f flows) unanswered(t *testing.T, name string, c caller, protocol, to, want string) {
	ask := c.tcp
	if protocol == "udp" {
		ask = c.udp
	}
	deadline := time.Now().Add(hung)
	for {
		a, err := ask(to, silence)
		got := "timeout"
		switch {
		case err == nil:
			got = a.pod + " answers"
		case errors.Is(err, syscall.ECONNREFUSED):
			got = "refused"
		case errors.Is(err, syscall.EPERM) && protocol == "udp":
			got = want // on the node itself the kernel tells the sender that a rule ends it, not which
		case !isTimeout(err):
			got = err.Error()
		}
		switch {
		case got == want:
			return
		case got != "timeout" || time.Now().After(deadline):
			t.Errorf("%s: %s, want %s", name, got, want)
			return
		}
	}
}
