package kernel

import (
	"golang.org/x/sys/unix"

	"netlab/provision/netns"
)

// mountID tells the mount of one namespace on its name from every other mount
// that there was or will be. The namespace lives for as long as that mount does,
// so that its inode belongs to nothing else meanwhile.
type mountID struct{ mount, inode uint64 }

// What unix does not name.
const statxMountIDUnique = 0x4000 // STATX_MNT_ID_UNIQUE, since Linux 6.8

// mountOf returns what is mounted on the name of a namespace, if the kernel can
// tell for certain.
func mountOf(name string) (mountID, bool) {
	path, err := netns.Path(name)
	if err != nil {
		return mountID{}, false
	}
	var st unix.Statx_t
	if unix.Statx(unix.AT_FDCWD, path, unix.AT_SYMLINK_NOFOLLOW, unix.STATX_INO|statxMountIDUnique, &st) != nil ||
		st.Mask&statxMountIDUnique == 0 {
		return mountID{}, false
	}
	return mountID{st.Mnt_id, st.Ino}, true
}

// vouched is a namespace that was found to be ours.
type vouched struct {
	mount mountID
	id    identity
}

// vouch remembers that what has the name of sp was found to be ours.
func (h *Host) vouch(sp *space) {
	if sp.mount == (mountID{}) {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.vouched[sp.name] = vouched{sp.mount, identity{sp.inode, sp.cookie}}
}

// identityVouched returns the identity of what has the name if that is still what
// was found to be ours.
func (h *Host) identityVouched(name string) (id identity, ok bool) {
	h.mu.Lock()
	was, ok := h.vouched[name]
	h.mu.Unlock()
	if !ok {
		return identity{}, false
	}
	is, known := mountOf(name)
	return was.id, known && is == was.mount
}
