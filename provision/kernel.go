package provision

import "context"

// Kernel is the outside world, as small as it can be made. Both methods are
// safe for concurrent use.
type Kernel interface {
	// Observe returns everything that netlab owns in the kernel for the lab
	// want.Lab, and what people added in the lab's namespaces. Beyond that it
	// looks only at what want asks after: the two ends of a wanted cable are
	// one Veth if the kernel connects them, a sysctl is read if want has it,
	// and a wanted namespace name that something foreign holds is reported as
	// such. Nothing in the answer comes from want. A dump that the kernel
	// marked as interrupted is repeated, never used. If want is brief, what is in
	// namespaces that want does not have may be left out.
	Observe(ctx context.Context, want State) (State, error)

	// Do carries out one step. It is idempotent: creating what is already
	// there exactly as asked, or deleting what is gone, succeeds.
	Do(ctx context.Context, s Step) error
}

// LinkAwaiter is a Kernel in which a link that was set up needs a while until it
// carries anything.
type LinkAwaiter interface {
	Kernel

	// AwaitLinks returns when all links that were set up by steps, or that
	// Observe saw on the way up, transmit and, as ports, forward; what is not there
	// after a few seconds it leaves to its fate. The error is about the kernel not
	// answering, or ctx.
	AwaitLinks(ctx context.Context) error
}

// Batcher is a Kernel that carries out several steps of one namespace cheaper in
// one go than one by one.
type Batcher interface {
	Kernel

	// DoAll carries out steps in their order and returns how many are done.
	// err is why the next one failed, if it did; without it, fewer than all are
	// done only if ctx was cancelled. Of those after the failed one some may
	// have been carried out already; each step is idempotent as with Do.
	DoAll(ctx context.Context, steps []Step) (done int, err error)
}
