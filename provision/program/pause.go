package program

// Pause returns a static program that calls itself pause and then waits
// for signals for ever: all a pod needs to be held, at the cost of a page or
// two. It returns nil for an architecture that it does not know.
func Pause(goarch string) []byte {
	switch goarch {
	case "amd64":
		return image(machineAMD64, []byte{
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
		return image(machineARM64, append(littleEndian(words), "pause\x00\x00\x00"...)) // name:
	}
	return nil
}
