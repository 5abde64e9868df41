package probe

import (
	"context"
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// TestForgetsEveryIdentifier knows which identifier the pings of a run have: all
// of them the same, however many they are. What is not deleted stays for half a
// minute.
func TestForgetsEveryIdentifier(t *testing.T) {
	r := newRun(context.Background(), nil, nil, nil)
	for _, sender := range []echoMark{r.newMark(), r.lanes[0].mark, r.lanes[3].mark} {
		for _, token := range []uint32{1, 1 << 20} {
			packet := newEcho(false, token, sender)
			m, ok := parse4(append([]byte{0x45, 0, 0, 40, 0, 0, 0, 0, 64, 1, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2}, append([]byte{echoReply4}, packet[1:]...)...))
			if id := binary.BigEndian.Uint16(packet[4:]); id != r.identifier() || !ok || m.token != token {
				t.Errorf("ping %d has the identifier %d and is read as %+v, %v; deleted is %d", token, id, m, ok, r.identifier())
			}
		}
	}
	to := netip.MustParseAddrPort("10.0.0.1:0")
	one := request(nl.IPCTNL_MSG_CT_DELETE, 0, flow{unix.IPPROTO_ICMP, netip.MustParseAddrPort("10.0.0.2:1"), to}).Serialize()
	two := request(nl.IPCTNL_MSG_CT_DELETE, 0, flow{unix.IPPROTO_ICMP, netip.MustParseAddrPort("10.0.0.2:2"), to}).Serialize()
	differ := 0
	for i := range one[16:] { // behind the header, which counts messages
		if one[16+i] != two[16+i] {
			differ++
		}
	}
	if differ != 1 {
		t.Errorf("two identifiers differ in %d bytes", differ)
	}
}
