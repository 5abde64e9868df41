package kernel

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// noNFTables reports whether the kernel says that the namespace of the calling
// thread has no nf_tables table of a family. Where it says nothing the answer is
// no.
func noNFTables(ipv6 bool) bool {
	c, err := dialFamily(unix.NETLINK_NETFILTER)
	if err != nil {
		return false
	}
	defer c.close()
	header := &nl.Nfgenmsg{NfgenFamily: unix.NFPROTO_IPV4, Version: nl.NFNETLINK_V0}
	if ipv6 {
		header.NfgenFamily = unix.NFPROTO_IPV6
	}
	found := false
	err = c.do(request(unix.NFNL_SUBSYS_NFTABLES<<8|unix.NFT_MSG_GETTABLE, unix.NLM_F_DUMP, header),
		func([]byte) { found = true })
	return err == nil && !found
}

// nftTable is a table of nf_tables.
type nftTable struct {
	family uint8
	name   string
}

// String names t as nft does.
func (t nftTable) String() string {
	families := map[uint8]string{
		unix.NFPROTO_IPV4: "ip", unix.NFPROTO_IPV6: "ip6", unix.NFPROTO_INET: "inet",
		unix.NFPROTO_ARP: "arp", unix.NFPROTO_BRIDGE: "bridge", unix.NFPROTO_NETDEV: "netdev",
	}
	return families[t.family] + " " + t.name
}

// ofIptables reports whether t is one of those that iptables works in.
func (t nftTable) ofIptables() bool {
	if t.family != unix.NFPROTO_IPV4 && t.family != unix.NFPROTO_IPV6 {
		return false
	}
	return slices.Contains([]string{"raw", "mangle", "nat", "filter", "security"}, t.name)
}

// nftTables lists the tables of the namespace of the calling thread. A kernel
// without nf_tables has none.
func nftTables() []nftTable {
	c, err := dialFamily(unix.NETLINK_NETFILTER)
	if err != nil {
		return nil
	}
	defer c.close()
	var tables []nftTable
	_ = c.do(request(unix.NFNL_SUBSYS_NFTABLES<<8|unix.NFT_MSG_GETTABLE, unix.NLM_F_DUMP,
		&nl.Nfgenmsg{NfgenFamily: unix.NFPROTO_UNSPEC, Version: nl.NFNETLINK_V0}), func(m []byte) {
		for kind, v := range attributes(m[4:]) {
			if kind == unix.NFTA_TABLE_NAME {
				tables = append(tables, nftTable{m[0], text(v)})
			}
		}
	})
	return tables
}

// foreignTables lists the tables in a namespace that are not those of iptables.
func (h *Host) foreignTables(ns string) ([]nftTable, error) {
	var tables []nftTable
	err := h.pool.Do(ns, func() error {
		tables = slices.DeleteFunc(nftTables(), nftTable.ofIptables)
		return nil
	})
	return tables, err
}

// dropTables removes tables of iptables by their names.
func (h *Host) dropTables(ns string, ipv6 bool, names []string) error {
	family := uint8(unix.NFPROTO_IPV4)
	if ipv6 {
		family = unix.NFPROTO_IPV6
	}
	return h.pool.Do(ns, func() error {
		for _, name := range names {
			if err := dropTable(nftTable{family, name}); err != nil {
				return err
			}
		}
		return nil
	})
}

// dropTable removes a table from the namespace of the calling thread.
func dropTable(t nftTable) error {
	c, err := dialFamily(unix.NETLINK_NETFILTER)
	if err != nil {
		return err
	}
	defer c.close()
	if err := c.batch(unix.NFNL_SUBSYS_NFTABLES, request(unix.NFNL_SUBSYS_NFTABLES<<8|unix.NFT_MSG_DELTABLE, 0,
		&nl.Nfgenmsg{NfgenFamily: t.family, Version: nl.NFNETLINK_V0},
		nl.NewRtAttr(unix.NFTA_TABLE_NAME, nl.ZeroTerminated(t.name)))); err != nil {
		if errors.Is(err, unix.ENOENT) {
			return nil
		}
		return fmt.Errorf("remove table %s: %w", t, err)
	}
	return nil
}

// batch sends a request in a transaction of its own, as nf_tables wants it, and
// waits for the answer.
func (c *conn) batch(subsystem uint16, req *nl.NetlinkRequest) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seq++
	bracket := func(kind uint16) []byte {
		b := make([]byte, unix.SizeofNlMsghdr+4)
		binary.NativeEndian.PutUint32(b, uint32(len(b)))
		binary.NativeEndian.PutUint16(b[4:], kind)
		binary.NativeEndian.PutUint16(b[6:], unix.NLM_F_REQUEST)
		binary.BigEndian.PutUint16(b[unix.SizeofNlMsghdr+2:], subsystem)
		return b
	}
	req.Flags |= unix.NLM_F_ACK
	req.Seq = c.seq
	msg := slices.Concat(bracket(unix.NFNL_MSG_BATCH_BEGIN), req.Serialize(), bracket(unix.NFNL_MSG_BATCH_END))
	if err := retry(func() error {
		return unix.Sendto(c.fd, msg, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})
	}); err != nil {
		return fmt.Errorf("ask the kernel: %w", err)
	}
	buf := make([]byte, receiveBuffer)
	for {
		n := 0
		if err := retry(func() (err error) {
			n, _, err = unix.Recvfrom(c.fd, buf, 0)
			return err
		}); err != nil {
			return fmt.Errorf("hear from the kernel: %w", err)
		}
		for h, m := range messages(buf[:n]) {
			if h.Type == unix.NLMSG_ERROR {
				return verdict(h, m)
			}
		}
	}
}
