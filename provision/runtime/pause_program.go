package runtime

import (
	"bytes"
	"encoding/binary"
)

// Of an ELF file, in bytes.
const (
	elfHeaderSize     = 64
	programHeaderSize = 56
)

// pauseProgram returns a static program that calls itself pause and then waits
// for signals for ever: all a pod needs to be held, at the cost of a page or
// two. It returns nil for an architecture that it does not know.
func pauseProgram(goarch string) []byte {
	switch goarch {
	case "amd64":
		return executable(62, []byte{
			0xb8, 0x9d, 0x00, 0x00, 0x00, //       mov  eax, 157      prctl
			0xbf, 0x0f, 0x00, 0x00, 0x00, //       mov  edi, 15       PR_SET_NAME
			0x48, 0x8d, 0x35, 0x0b, 0, 0, 0, //    lea  rsi, [rip+11] name
			0x0f, 0x05, //                         syscall
			0xb8, 0x22, 0x00, 0x00, 0x00, // loop: mov  eax, 34       pause
			0x0f, 0x05, //                         syscall
			0xeb, 0xf7, //                         jmp  loop
			'p', 'a', 'u', 's', 'e', 0, //   name:
		})
	case "arm64":
		words := []uint32{
			0xd2800000 | 167<<5 | 8,    //       mov x8, #167   prctl
			0xd2800000 | 15<<5,         //       mov x0, #15    PR_SET_NAME
			0x10000000 | (36/4)<<5 | 1, //     adr x1, name
			0xd4000001,                 //       svc #0
			0xd2800000,                 // loop: mov x0, #0
			0xd2800000 | 1,             //       mov x1, #0
			0xd2800000 | 2,             //       mov x2, #0
			0xd2800000 | 3,             //       mov x3, #0
			0xd2800000 | 73<<5 | 8,     //       mov x8, #73    ppoll: there is no pause
			0xd4000001,                 //       svc #0
			0x14000000 | 0x03fffffa,    //       b   loop
		}
		var code bytes.Buffer
		for _, w := range words {
			code.Write(binary.LittleEndian.AppendUint32(nil, w))
		}
		code.WriteString("pause\x00\x00\x00") // name:
		return executable(183, code.Bytes())
	}
	return nil
}

// executable wraps machine code, which begins with its first instruction and needs no
// data to write to, into an executable file.
func executable(machine uint16, code []byte) []byte {
	const (
		headers = elfHeaderSize + 2*programHeaderSize
		base    = 0x400000
		page    = 0x10000 // the largest there is
		load    = 1
		stack   = 0x6474e551
		r, w, x = 4, 2, 1
	)
	var b bytes.Buffer
	put := func(values ...any) {
		for _, v := range values {
			_ = binary.Write(&b, binary.LittleEndian, v) // a Buffer takes everything
		}
	}
	b.WriteString("\x7fELF\x02\x01\x01") // 64 bits, little endian
	b.Write(make([]byte, 9))
	put(uint16(2), machine, uint32(1))                               // an executable
	put(uint64(base+headers), uint64(elfHeaderSize), uint64(0))      // entry, program headers, no sections
	put(uint32(0), uint16(elfHeaderSize), uint16(programHeaderSize)) // flags, sizes
	put(uint16(2), uint16(0), uint16(0), uint16(0))                  // two program headers
	size := uint64(headers + len(code))                              //
	put(uint32(load), uint32(r|x), uint64(0), uint64(base), uint64(base), size, size, uint64(page))
	put(uint32(stack), uint32(r|w), uint64(0), uint64(0), uint64(0), uint64(0), uint64(0), uint64(16)) // not executable
	b.Write(code)
	return b.Bytes()
}
