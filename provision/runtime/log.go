package runtime

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"sync"

	"netlab/provision/runfile"
)

// LogSize bounds what is kept of a container's output: twice as many bytes.
const LogSize = 1 << 20

// rotatedLog is a file that never grows beyond a size: when it is full it is
// copied over the older one beside it and begins anew. It works on open files
// only, so that a process that has given up its privileges can go on writing.
// It is safe for concurrent use.
type rotatedLog struct {
	mu       sync.Mutex
	now, old *os.File
	size     int64
	max      int64
}

// openLog opens the log at path, in a directory that is there, and the older one
// at path.1.
func openLog(path string, maximum int64) (*rotatedLog, error) {
	now, err := runfile.Open(path, os.O_RDWR|os.O_CREATE)
	if err != nil {
		return nil, err
	}
	old, err := runfile.Open(path+".1", os.O_RDWR|os.O_CREATE)
	if err != nil {
		now.Close()
		return nil, err
	}
	size, err := now.Seek(0, io.SeekEnd)
	if err != nil {
		now.Close()
		old.Close()
		return nil, err
	}
	return &rotatedLog{now: now, old: old, size: size, max: maximum}, nil
}

// Write implements [io.Writer].
func (l *rotatedLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	written := 0
	for len(p) > 0 {
		if l.size >= l.max {
			if err := l.rotate(); err != nil {
				return written, err
			}
		}
		n, err := l.now.WriteAt(p[:min(int64(len(p)), l.max-l.size)], l.size)
		written += n
		l.size += int64(n)
		p = p[n:]
		if err != nil {
			return written, err
		}
	}
	return written, nil
}

func (l *rotatedLog) rotate() error {
	if err := l.old.Truncate(0); err != nil {
		return err
	}
	if _, err := l.old.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if _, err := io.Copy(l.old, io.NewSectionReader(l.now, 0, l.size)); err != nil {
		return err
	}
	l.size = 0
	return l.now.Truncate(0)
}

// Close closes both files.
func (l *rotatedLog) Close() error { return errors.Join(l.now.Close(), l.old.Close()) }

// LogReader reads what a container printed, from the beginning, also while it
// goes on printing.
type LogReader struct {
	path   string
	offset int64 // in the file at path
}

// ReadLog copies to w all that is kept of the log at path, and returns a reader
// for what comes.
func ReadLog(path string, w io.Writer) (*LogReader, error) {
	if _, err := copyFrom(w, path+".1", 0); err != nil {
		return nil, err
	}
	r := &LogReader{path: path}
	return r, r.Next(w)
}

// Next copies to w what was printed since.
func (r *LogReader) Next(w io.Writer) error {
	fi, err := os.Stat(r.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if fi.Size() < r.offset { // it began anew; the rest stands in the older one
		if _, err := copyFrom(w, r.path+".1", r.offset); err != nil {
			return err
		}
		r.offset = 0
	}
	n, err := copyFrom(w, r.path, r.offset)
	r.offset += n
	return err
}

// copyFrom copies a file from an offset on. A file that is not there is empty.
func copyFrom(w io.Writer, path string, offset int64) (int64, error) {
	f, err := runfile.Open(path, os.O_RDONLY)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer f.Close()
	if _, err := f.Seek(offset, io.SeekStart); err != nil {
		return 0, err
	}
	return io.Copy(w, f)
}
