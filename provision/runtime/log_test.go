package runtime

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestLogIsBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.log")
	l, err := openLog(path, 100)
	if err != nil {
		t.Fatal(err)
	}
	var all bytes.Buffer
	for i := range 200 {
		line := fmt.Sprintf("line %d\n", i)
		all.WriteString(line)
		if n, err := l.Write([]byte(line)); err != nil || n != len(line) {
			t.Fatal(n, err)
		}
		for _, file := range []string{path, path + ".1"} {
			if fi, err := os.Stat(file); err != nil || fi.Size() > 100 {
				t.Fatalf("%s: %v bytes, %v", file, fi.Size(), err)
			}
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	var kept bytes.Buffer
	if _, err := ReadLog(path, &kept); err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(all.String(), kept.String()) || kept.Len() <= 100 {
		t.Errorf("kept %q", kept.String())
	}
	// It goes on where it was when it is opened again.
	l, err = openLog(path, 100)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	fmt.Fprint(l, "again\n")
	kept.Reset()
	if _, err := ReadLog(path, &kept); err != nil || !strings.HasSuffix(kept.String(), "line 199\nagain\n") {
		t.Errorf("kept %q, %v", kept.String(), err)
	}
}

func TestLogTakesWhatIsLargerThanItself(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.log")
	l, err := openLog(path, 10)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if n, err := l.Write([]byte("abcdefghijklmnopqrstuvwxyz")); n != 26 || err != nil {
		t.Fatal(n, err)
	}
	var kept bytes.Buffer
	if _, err := ReadLog(path, &kept); err != nil || kept.String() != "klmnopqrstuvwxyz" {
		t.Errorf("kept %q, %v", kept.String(), err)
	}
}

// TestLogFollowed reads along: nothing is lost and nothing comes twice, also
// when the log begins anew in between.
func TestLogFollowed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.log")
	l, err := openLog(path, 64)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var read, written bytes.Buffer
	r, err := ReadLog(path, &read)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 300 {
		line := fmt.Sprintf("%d\n", i)
		written.WriteString(line)
		fmt.Fprint(l, line)
		if i%7 == 0 {
			if err := r.Next(&read); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := r.Next(&read); err != nil {
		t.Fatal(err)
	}
	if read.String() != written.String() {
		t.Errorf("read %q", read.String())
	}
}

func TestLogOfNothing(t *testing.T) {
	var b bytes.Buffer
	r, err := ReadLog(filepath.Join(t.TempDir(), "none"), &b)
	if err != nil || b.Len() > 0 {
		t.Fatal(b.String(), err)
	}
	if err := r.Next(&b); err != nil || b.Len() > 0 {
		t.Fatal(b.String(), err)
	}
}
