package kernel

import (
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
