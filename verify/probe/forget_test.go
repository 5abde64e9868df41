package probe

import (
	"context"
	"net/netip"
	"testing"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// TestForgetsEveryIdentifier knows which identifiers the pings of a run have: of
// a large run they are many, and what is not deleted stays for half a minute.
func TestForgetsEveryIdentifier(t *testing.T) {
	r := &run{ctx: context.Background()}
	e := &r.lanes[1]
	e.init([8]byte{}, &crowd{})
	e.first = 20000
	r.sendAll(e, []*echo{{from: &space{err: unix.ENOENT}, to: netip.MustParseAddr("10.0.0.1")}}, true, func() {})
	token := e.list[0].number << attemptBits
	if id := r.lastIdentifier(); id != token>>16 || id == 0 {
		t.Errorf("the last identifier is %d, a ping has %d", id, token>>16)
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
