package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// servers starts a process in each leaf that answers HTTP, waits until all of
// them listen, and says how long that took and how much memory they have
// together.
func servers(all []*space) error {
	leaves := leavesOf(all)
	var mu sync.Mutex
	var started []*exec.Cmd
	defer func() {
		for _, c := range started {
			_ = c.Process.Kill()
			_ = c.Wait()
		}
	}()
	began := time.Now()
	err := each(leaves, func(s *space) error {
		if err := enter(s.name); err != nil {
			return err
		}
		cmd := exec.Command("/proc/self/exe", "http", "8080")
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		ready, err := cmd.StdoutPipe()
		if err != nil {
			return err
		}
		if err := cmd.Start(); err != nil {
			return err
		}
		mu.Lock()
		started = append(started, cmd)
		mu.Unlock()
		var b [1]byte
		_, err = io.ReadFull(ready, b[:])
		return err
	})
	if err != nil {
		return err
	}
	fmt.Printf("servers %.3f\n", float64(time.Since(began).Microseconds())/1e3)
	var kB float64
	for _, c := range started {
		rollup, _ := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", c.Process.Pid))
		for line := range strings.Lines(string(rollup)) {
			var v float64
			if _, err := fmt.Sscanf(line, "Pss: %f kB", &v); err == nil {
				kB += v
				break
			}
		}
	}
	fmt.Printf("memory %.1f\n", kB/1024)
	return nil
}

// answer is the process that servers starts: the smallest server of HTTP.
func answer(port string) error {
	l, err := net.Listen("tcp", ":"+port)
	if err != nil {
		return err
	}
	fmt.Print(".") // it listens
	for {
		c, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			continue
		}
		go func() {
			defer func() { _ = c.Close() }()
			_, _ = c.Read(make([]byte, 4096))
			_, _ = io.WriteString(c, "HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nok\n")
		}()
	}
}
