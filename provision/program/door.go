package program

// Door returns a static program that enters the namespaces of the process whose
// pidfd is open as fd, those that flags name as for clone(2), and becomes its
// first argument there: the path of a program, followed by that program's own
// arguments, the zeroth included. It returns nil for an architecture that it
// does not know.
//
// It says nothing and goes on when it was not let in: what it becomes must see
// for itself where it is. The exit code is 125 if there is no such program. fd
// stays open.
//
// setns(2) lets no process with several threads into a user namespace. This one
// has one thread, because becoming a program ends all others.
func Door(goarch string, fd uint16, flags uint32) []byte {
	switch goarch {
	case "amd64":
		return image(machineAMD64, []byte{
			0xb8, 0x34, 0x01, 0x00, 0x00, //             mov  eax, 308          setns
			0xbf, byte(fd), byte(fd >> 8), 0x00, 0x00, // mov  edi, fd
			0xbe, byte(flags), byte(flags >> 8), byte(flags >> 16), byte(flags >> 24), // mov esi, flags
			0x0f, 0x05, //                               syscall
			0x48, 0x8b, 0x7c, 0x24, 0x10, //             mov  rdi, [rsp+16]     the first argument
			0x48, 0x8d, 0x74, 0x24, 0x18, //             lea  rsi, [rsp+24]     what follows it
			0x48, 0x8b, 0x04, 0x24, //                   mov  rax, [rsp]        how many there are
			0x48, 0x8d, 0x54, 0xc4, 0x10, //             lea  rdx, [rsp+rax*8+16] the environment
			0xb8, 0x3b, 0x00, 0x00, 0x00, //             mov  eax, 59           execve
			0x0f, 0x05, //                               syscall
			0xbf, 0x7d, 0x00, 0x00, 0x00, //             mov  edi, 125
			0xb8, 0x3c, 0x00, 0x00, 0x00, //             mov  eax, 60           exit
			0x0f, 0x05, //                               syscall
		})
	case "arm64":
		return image(machineARM64, littleEndian([]uint32{
			0xd2800000 | 268<<5 | 8,                // mov  x8, #268          setns
			0xd2800000 | uint32(fd)<<5,             // mov  x0, #fd
			0xd2800000 | flags&0xffff<<5 | 1,       // mov  x1, #flags
			0xf2a00000 | flags>>16<<5 | 1,          // movk x1, #flags>>16, lsl #16
			0xd4000001,                             // svc  #0
			0xf9400000 | (16/8)<<10 | 31<<5,        // ldr  x0, [sp, #16]     the first argument
			0x91000000 | 24<<10 | 31<<5 | 1,        // add  x1, sp, #24       what follows it
			0xf9400000 | 31<<5 | 2,                 // ldr  x2, [sp]          how many there are
			0x8b206000 | 2<<16 | 3<<10 | 31<<5 | 2, // add x2, sp, x2, uxtx #3
			0x91000000 | 16<<10 | 2<<5 | 2,         // add  x2, x2, #16       the environment
			0xd2800000 | 221<<5 | 8,                // mov  x8, #221          execve
			0xd4000001,                             // svc  #0
			0xd2800000 | 125<<5,                    // mov  x0, #125
			0xd2800000 | 93<<5 | 8,                 // mov  x8, #93           exit
			0xd4000001,                             // svc  #0
		}))
	}
	return nil
}
