package program

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"slices"
	"testing"
)

func TestPauseProgramIsAnExecutable(t *testing.T) {
	for arch, machine := range map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64} {
		t.Run(arch, func(t *testing.T) {
			program := Pause(arch)
			if len(program) > 1024 {
				t.Errorf("%d bytes are too many", len(program))
			}
			f, err := elf.NewFile(bytes.NewReader(program))
			if err != nil {
				t.Fatal(err)
			}
			if f.Machine != machine || f.Type != elf.ET_EXEC {
				t.Errorf("machine %v, type %v", f.Machine, f.Type)
			}
			load := f.Progs[0]
			if load.Type != elf.PT_LOAD || load.Flags != elf.PF_R|elf.PF_X || load.Filesz != uint64(len(program)) {
				t.Errorf("loaded as %+v", load.ProgHeader)
			}
			if f.Entry != load.Vaddr+elfHeaderSize+2*programHeaderSize {
				t.Errorf("entry at %#x", f.Entry)
			}
			if stack := f.Progs[1]; stack.Type != elf.PT_GNU_STACK || stack.Flags&elf.PF_X != 0 {
				t.Errorf("stack %+v", stack.ProgHeader)
			}
			if !bytes.Contains(program, []byte("pause\x00")) {
				t.Error("the name is missing")
			}
		})
	}
	if p := Pause("mips"); p != nil {
		t.Errorf("a program for an architecture nobody knows: %x", p)
	}
}

// TestPauseProgramForARM64 pins what a disassembler says of each word. This
// machine need not be able to run it.
func TestPauseProgramForARM64(t *testing.T) {
	code := Pause("arm64")[elfHeaderSize+2*programHeaderSize:]
	want := []uint32{
		0xd28014e8, // MOV X8, #0xa7
		0xd28001e0, // MOV X0, #0xf
		0x10000121, // ADR X1, .+0x24
		0xd4000001, // SVC #0
		0xd2800000, // MOV X0, #0
		0xd2800001, // MOV X1, #0
		0xd2800002, // MOV X2, #0
		0xd2800003, // MOV X3, #0
		0xd2800928, // MOV X8, #0x49
		0xd4000001, // SVC #0
		0x17fffffa, // B .-0x18
	}
	var got []uint32
	for i := range want {
		got = append(got, binary.LittleEndian.Uint32(code[4*i:]))
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %#x, want %#x", got, want)
	}
	if name := code[8+0x24:]; !bytes.HasPrefix(name, []byte("pause\x00")) {
		t.Errorf("the name is not where ADR points: %q", name)
	}
}
