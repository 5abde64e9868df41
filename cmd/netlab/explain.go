package main

import (
	"context"
	"fmt"
	"time"

	"netlab/labs"
	"netlab/provision"
	"netlab/trace"
	"netlab/trace/capture"
	"netlab/verify"
	"netlab/verify/explain"
)

// explainFailures says why checks of a lab that is up failed, where any did.
func (sys system) explainFailures(ctx context.Context, lab *labs.Lab, report *verify.Report, out output) error {
	if report.Counts().Well() {
		return nil
	}
	out.clock.start("explain")
	h, err := sys.open(lab.Name)
	if err != nil {
		return err
	}
	defer h.Close()
	want := provision.Desired(lab)
	want = want.After(previous(h, lab, want))
	have, err := h.Observe(ctx, want.Hint())
	if err != nil {
		return fmt.Errorf("observe lab %s: %w", lab.Name, err)
	}
	subject := explain.Subject{Lab: lab, Desired: want, Observed: have}
	return explain.Failures(ctx, report, subject, eyes{h})
}

// eyes look closer at a lab, for explanations.
type eyes struct{ host host }

// traceWait is how long a packet is waited for that tells why others are lost.
const traceWait = 400 * time.Millisecond

// Trace implements [explain.Eyes].
func (e eyes) Trace(ctx context.Context, q trace.Question, watch []string, listeners []explain.Listener) (trace.Evidence, error) {
	var list []capture.Listener
	ports := []uint16{}
	for _, l := range listeners {
		list = append(list, capture.Listener{NS: l.NS, At: l.At, Proto: l.Proto})
		ports = append(ports, l.At.Port())
	}
	if q.Proto != trace.ProtoUDP {
		ports = nil
	} else {
		ports = append(ports, q.Dst.Port())
	}
	return capture.Run(ctx, capture.Request{
		From: q.NS, To: q.Dst, Proto: q.Proto, Wait: traceWait, Watch: watch,
		VXLANPort: q.VXLANPort, AnswerPorts: ports, Listen: list, Rules: saveRules,
	})
}

// Look implements [explain.Eyes].
func (e eyes) Look(context.Context, string) (explain.Scene, error) { return explain.Scene{}, nil }
