package program

import (
	"encoding/binary"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestDoorPassesArgumentsOn becomes another program through a door that leads
// nowhere: it must see its arguments and environment.
func TestDoorPassesArgumentsOn(t *testing.T) {
	code := Door(runtime.GOARCH, 999, unix.CLONE_NEWUSER)
	if code == nil {
		t.Skipf("no door for %s", runtime.GOARCH)
	}
	f, err := Open("door", code)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cmd := exec.Command(Path(f))
	cmd.Args = []string{"door", "/bin/sh", "sh", "-c", `echo "$0 $1 $HERE"`, "zero", "one"}
	cmd.Env = []string{"HERE=there"}
	out, err := cmd.CombinedOutput()
	if err != nil || string(out) != "zero one there\n" {
		t.Errorf("%v %q", err, out)
	}
	cmd = exec.Command(Path(f))
	cmd.Args = []string{"door", "/no/such/program", "x"}
	if err := cmd.Run(); cmd.ProcessState.ExitCode() != 125 {
		t.Errorf("a program that is not there: %v", err)
	}
}

// TestDoorForARM64 pins what a disassembler says of each word.
func TestDoorForARM64(t *testing.T) {
	code := Door("arm64", 7, unix.CLONE_NEWUSER|unix.CLONE_NEWNS|unix.CLONE_NEWNET)[elfHeaderSize+2*programHeaderSize:]
	want := []uint32{
		0xd2802188, // MOV X8, #0x10c
		0xd28000e0, // MOV X0, #0x7
		0xd2800001, // MOV X1, #0x0
		0xf2aa0041, // MOVK X1, #0x5002, LSL #16
		0xd4000001, // SVC #0
		0xf9400be0, // LDR X0, [SP, #16]
		0x910063e1, // ADD X1, SP, #24
		0xf94003e2, // LDR X2, [SP]
		0x8b226fe2, // ADD X2, SP, X2, UXTX #3
		0x91004042, // ADD X2, X2, #16
		0xd2801ba8, // MOV X8, #0xdd
		0xd4000001, // SVC #0
		0xd2800fa0, // MOV X0, #0x7d
		0xd2800ba8, // MOV X8, #0x5d
		0xd4000001, // SVC #0
	}
	var got []uint32
	for i := range len(code) / 4 {
		got = append(got, binary.LittleEndian.Uint32(code[4*i:]))
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %#x, want %#x", got, want)
	}
	if Door("mips", 3, 0) != nil {
		t.Error("a door for an architecture nobody knows")
	}
}

// TestOpenLeavesNothing closes the file that it executed.
func TestOpenLeavesNothing(t *testing.T) {
	f, err := Open("netlab-test", Pause(runtime.GOARCH))
	if err != nil {
		t.Skip(err)
	}
	target, err := os.Readlink(Path(f))
	if err != nil || !strings.Contains(target, "netlab-test") {
		t.Errorf("%s %v", target, err)
	}
	if flags, err := unix.FcntlInt(f.Fd(), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
		t.Errorf("it stays open: %v %v", flags, err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
}
