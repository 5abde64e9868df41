// Package netns makes, finds and enters named network namespaces, where
// iproute2 keeps them, so that ip netns shows and uses ours and we theirs.
//
//	Create, Delete, Open, List   the names under /run/netns
//	Prepare, Missing, Dismantle  the directory itself, a shared mount
//	Do, Pool, Start              run a function or start a command inside
//	Exec                         become a command inside, as ip netns exec does
//	World                        the user namespace in which a user who is not root has labs
//
// It is the only place that moves threads between namespaces. A thread that
// entered a namespace for a caller either goes home and was checked to be there,
// or ends: no goroutine can ever find itself in the wrong namespace.
//
// The package knows nothing about labs and looks at nothing inside a namespace.
package netns
