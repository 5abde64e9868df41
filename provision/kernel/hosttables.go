package kernel

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// noteTable writes down which table and chain of the host's the insertion of a
// rule is about to make, where iptables speaks nftables.
func (h *Host) noteTable(table, chain string) error {
	return h.within(hostNS, func() error {
		for _, made := range []nftName{{table, ""}, {table, chain}} {
			there, err := made.exists()
			if err != nil {
				return nil // a kernel without nftables
			}
			if err := h.dir.remember(map[string]bool{made.memory(): !there}); err != nil {
				return err
			}
		}
		return nil
	})
}

// dropMadeTables takes back what iptables has made for rules of ours that are gone.
// What anybody else has put something into stays. The calling thread is on the
// host.
func (d runDir) dropMadeTables() error {
	entries, err := os.ReadDir(filepath.Join(d.path, ".made"))
	if err != nil {
		return ignoreMissing(err)
	}
	for _, e := range entries { // chains come before tables
		kind, name, _ := strings.Cut(e.Name(), "-")
		if kind != "table" && kind != "chain" {
			continue
		}
		made := nftName{}
		made.table, made.chain, _ = strings.Cut(name, "-")
		err := made.remove()
		if errors.Is(err, unix.EBUSY) {
			continue // others use it
		}
		if err != nil && !errors.Is(err, unix.ENOENT) {
			return fmt.Errorf("remove the empty %s: %w", made, err)
		}
		if err := d.forget(e.Name()); err != nil {
			return err
		}
	}
	return nil
}

// nftName is a table of nftables in family ip, or a chain of it.
type nftName struct{ table, chain string }

func (n nftName) String() string {
	if n.chain == "" {
		return "table " + n.table
	}
	return "chain " + n.table + " " + n.chain
}

// memory is what n is called among the things that netlab made.
func (n nftName) memory() string { return strings.ReplaceAll(n.String(), " ", "-") }

func (n nftName) request(flags int, tableMsg, chainMsg int) *nl.NetlinkRequest {
	header := &nl.Nfgenmsg{NfgenFamily: unix.NFPROTO_IPV4, Version: nl.NFNETLINK_V0}
	const name, chainTable, chainName = unix.NFTA_TABLE_NAME, unix.NFTA_CHAIN_TABLE, unix.NFTA_CHAIN_NAME
	if n.chain == "" {
		return request(unix.NFNL_SUBSYS_NFTABLES<<8|tableMsg, flags, header, nl.NewRtAttr(name, nl.ZeroTerminated(n.table)))
	}
	return request(unix.NFNL_SUBSYS_NFTABLES<<8|chainMsg, flags, header,
		nl.NewRtAttr(chainTable, nl.ZeroTerminated(n.table)), nl.NewRtAttr(chainName, nl.ZeroTerminated(n.chain)))
}

// exists looks at the namespace of the calling thread.
func (n nftName) exists() (bool, error) {
	c, err := dialFamily(unix.NETLINK_NETFILTER)
	if err != nil {
		return false, err
	}
	defer c.close()
	err = c.do(n.request(0, unix.NFT_MSG_GETTABLE, unix.NFT_MSG_GETCHAIN), nil)
	if errors.Is(err, unix.ENOENT) {
		return false, nil
	}
	return err == nil, err
}

// remove deletes n from the namespace of the calling thread. The error is EBUSY
// if there is anything in it, or a policy other than to accept.
func (n nftName) remove() error {
	c, err := dialFamily(unix.NETLINK_NETFILTER)
	if err != nil {
		return err
	}
	defer c.close()
	if n.chain != "" {
		policy := uint32(1) // NF_ACCEPT
		err := c.do(n.request(0, unix.NFT_MSG_GETTABLE, unix.NFT_MSG_GETCHAIN), func(m []byte) {
			for kind, v := range attributes(m[min(len(m), nl.SizeofNfgenmsg):]) {
				if kind == unix.NFTA_CHAIN_POLICY && len(v) == 4 {
					policy = binary.BigEndian.Uint32(v)
				}
			}
		})
		if err != nil {
			return err
		}
		if policy != 1 {
			return unix.EBUSY
		}
	}
	const notRecursive = 0x100 // NLM_F_NONREC
	return c.batch(unix.NFNL_SUBSYS_NFTABLES, n.request(notRecursive, unix.NFT_MSG_DELTABLE, unix.NFT_MSG_DELCHAIN))
}
