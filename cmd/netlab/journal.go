package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"netlab/provision/runfile"
)

// journalName is a file of a lab's runtime directory that tells what was done
// to the lab and what went wrong. It goes with the lab.
const journalName = "journal"

// journalSize bounds the journal, in bytes.
const journalSize = 64 << 10

// record adds a line to a lab's journal. A lab that is gone has none. That the
// journal cannot be written is no reason for a command to fail.
func record(runDir, what string, began time.Time, err error) {
	if _, statErr := os.Stat(runDir); statErr != nil {
		return
	}
	line := fmt.Sprintf("%s %s: ok in %d ms\n", began.UTC().Format(time.RFC3339), what, time.Since(began).Milliseconds())
	if err != nil {
		text := strings.ReplaceAll(strings.TrimSpace(err.Error()), "\n", "\n    ")
		line = fmt.Sprintf("%s %s: exit code %d: %s\n", began.UTC().Format(time.RFC3339), what, exitCode(err), text)
	}
	path := filepath.Join(runDir, journalName)
	if f, err := runfile.Open(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE); err == nil {
		defer f.Close()
		if fi, err := f.Stat(); err == nil && fi.Size()+int64(len(line)) <= journalSize {
			_, _ = f.WriteString(line)
			return
		}
	}
	old, _ := runfile.Read(path)
	text := string(old) + line
	if len(text) > journalSize {
		text = text[len(text)-journalSize:]
		text = text[strings.IndexByte(text, '\n')+1:]
	}
	_ = runfile.Write(path, []byte(text))
}

// lastEntry returns the last entry of a journal, without the end of its line.
func lastEntry(journal string) string {
	lines := strings.Split(strings.TrimSpace(journal), "\n")
	for i := len(lines) - 1; i > 0; i-- {
		if !strings.HasPrefix(lines[i], " ") {
			return strings.Join(lines[i:], "\n")
		}
	}
	return strings.Join(lines, "\n")
}

// journaled does f and records how it went.
func journaled(runDir, what string, f func() error) error {
	began := time.Now()
	err := f()
	record(runDir, what, began, err)
	return err
}
