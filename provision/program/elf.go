package program

import (
	"bytes"
	"encoding/binary"
)

// Of an ELF file, in bytes.
const (
	elfHeaderSize     = 64
	programHeaderSize = 56
)

// The numbers of the architectures in an ELF file.
const (
	machineAMD64 = 62
	machineARM64 = 183
)

// littleEndian returns instructions as they stand in memory.
func littleEndian(words []uint32) []byte {
	var code []byte
	for _, w := range words {
		code = binary.LittleEndian.AppendUint32(code, w)
	}
	return code
}

// image wraps machine code, which begins with its first instruction and needs no
// data to write to, into an executable file.
func image(machine uint16, code []byte) []byte {
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
