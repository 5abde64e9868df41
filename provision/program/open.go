package program

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Open returns code, an executable file, as an open file in memory that can be
// executed as long as it is open, by the path /proc/self/fd/N. It is closed when
// a process becomes another program. name is what the file is called in /proc.
func Open(name string, code []byte) (*os.File, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_EXEC)
	if errors.Is(err, unix.EINVAL) { // before Linux 6.3 all of them were executable
		fd, err = unix.MemfdCreate(name, unix.MFD_CLOEXEC)
	}
	if err != nil {
		return nil, fmt.Errorf("make room for the program %s: %w", name, err)
	}
	f := os.NewFile(uintptr(fd), name)
	defer f.Close()
	if _, err := f.Write(code); err != nil {
		return nil, fmt.Errorf("write the program %s: %w", name, err)
	}
	// A file that is open for writing cannot be executed.
	r, err := os.Open(Path(f))
	if err != nil {
		return nil, err
	}
	defer r.Close()
	high, err := unix.FcntlInt(r.Fd(), unix.F_DUPFD_CLOEXEC, aside)
	if err != nil {
		return nil, fmt.Errorf("open the program %s: %w", name, err)
	}
	return os.NewFile(uintptr(high), name), nil
}

// aside is more than the number of any other file that is open: between fork and
// exec the runtime puts files of its own behind those that it hands on.
const aside = 512

// Path returns the path by which this process can execute f.
func Path(f *os.File) string { return fmt.Sprintf("/proc/self/fd/%d", f.Fd()) }
