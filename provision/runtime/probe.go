package runtime

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"

	"netlab/labs"
	"netlab/provision/netns"
)

// eagerPeriod is how soon a probe is repeated, at first, while the container
// has never been ready.
const eagerPeriod = 50 * time.Millisecond

// watchReadiness makes a probe again and again until ctx is done, and reports
// whether the container, which is ready or not to begin with, is so whenever
// that changes.
func watchReadiness(ctx context.Context, p *labs.Probe, ready bool, probe func(context.Context) error, report func(ready bool, problem error)) {
	successes, failures := 0, 0
	ever := ready
	wait := p.InitialDelay
	eager := eagerPeriod
	for {
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
		attempt, cancel := context.WithTimeout(ctx, p.Timeout)
		err := probe(attempt)
		cancel()
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			successes, failures = successes+1, 0
		} else {
			successes, failures = 0, failures+1
		}
		switch {
		case !ready && successes >= p.SuccessThreshold:
			ready, ever = true, true
			report(true, nil)
		case ready && failures >= p.FailureThreshold:
			ready = false
			report(false, err)
		case !ready && failures == 1:
			report(false, err)
		}
		wait = p.Period
		if !ever {
			wait = min(eager, p.Period)
			eager *= 2
		}
	}
}

// probe makes the readiness probe of a container once, inside the pod's network
// namespace, to the pod's own address.
func (s spec) probe(ctx context.Context) error {
	p := s.Container.Readiness
	var err error
	for _, addr := range s.Pod.Addrs {
		if p.HTTP != nil {
			err = s.probeHTTP(ctx, addr, p.HTTP)
		} else {
			err = s.probeTCP(ctx, addr, p.TCP)
		}
		if err == nil {
			return nil
		}
	}
	return err
}

func (s spec) dial(ctx context.Context, address string) (net.Conn, error) {
	var c net.Conn
	err := netns.Do(s.Pod.NS, func() (err error) {
		var d net.Dialer
		c, err = d.DialContext(ctx, "tcp", address)
		return err
	})
	return c, err
}

func (s spec) probeTCP(ctx context.Context, addr string, port uint16) error {
	c, err := s.dial(ctx, net.JoinHostPort(addr, strconv.Itoa(int(port))))
	if err != nil {
		return plainly(err)
	}
	return c.Close()
}

func (s spec) probeHTTP(ctx context.Context, addr string, p *labs.HTTPProbe) error {
	address := net.JoinHostPort(addr, strconv.Itoa(int(p.Port)))
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+p.Path, nil)
	if err != nil {
		return err
	}
	r.Header.Set("User-Agent", "netlab-probe")
	transport := &http.Transport{
		DisableKeepAlives: true,
		DialContext:       func(ctx context.Context, _, address string) (net.Conn, error) { return s.dial(ctx, address) },
	}
	resp, err := transport.RoundTrip(r) // a redirection is a good answer, too
	if err != nil {
		return plainly(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode < 200 || resp.StatusCode >= 400 {
		return fmt.Errorf("GET %s: %s", p.Path, resp.Status)
	}
	return nil
}

// plainly leaves out of a network error what changes from one try to the next.
func plainly(err error) error {
	var op *net.OpError
	if errors.As(err, &op) && op.Addr != nil {
		return fmt.Errorf("connect to %s: %w", op.Addr, op.Err)
	}
	return err
}
