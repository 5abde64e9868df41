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
	// marked as interrupted is repeated, never used.
	Observe(ctx context.Context, want State) (State, error)

	// Do carries out one step. It is idempotent: creating what is already
	// there exactly as asked, or deleting what is gone, succeeds.
	Do(ctx context.Context, s Step) error
}
