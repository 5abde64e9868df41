package capture

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"netlab/trace"
)

// What include/uapi/linux/netfilter/nf_tables.h calls by these names.
const (
	nftTableOwner = 0x2  // NFT_TABLE_F_OWNER
	nftMetaL4     = 16   // NFT_META_L4PROTO
	nftMetaTrace  = 12   // NFT_META_NFTRACE
	nftReg        = 1    // NFT_REG_1
	nftTransport  = 2    // NFT_PAYLOAD_TRANSPORT_HEADER
	earliest      = -350 // priority: before connection tracking and all tables of iptables
)

// Hooks of a base chain (NF_INET_...).
const (
	hookPrerouting = 0
	hookOutput     = 3
)

// tableName is what people see in nft list tables while a trace runs.
const tableName = "netlab-trace"

// made counts the tables of this process. One may outlive its trace for a moment:
// a program that is just being started has a copy of its socket, until it runs.
var made atomic.Uint64

// own makes a table of our own in the namespace of w, which the kernel removes
// with the socket. Its rules mark the packets of the exchange, so that the
// kernel tells what happens to them in all other tables. That of family inet is of both
// IP families: a tunnel may be of another one than what it carries. Where there are
// tables of family bridge it needs one of that family too.
func (w *wire) own(family uint8, r *Request, probe trace.Probe) error {
	name := fmt.Sprintf("%s-%d-%d", tableName, os.Getpid(), made.Add(1))
	const base = unix.NFNL_SUBSYS_NFTABLES << 8
	create := func(kind uint16) message {
		return newMessage(base|kind, unix.NLM_F_CREATE|unix.NLM_F_ACK, family, 0)
	}
	batch := []message{create(unix.NFT_MSG_NEWTABLE).text(unix.NFTA_TABLE_NAME, name).number(unix.NFTA_TABLE_FLAGS, nftTableOwner)}
	for _, chain := range []struct {
		name string
		hook uint32
	}{{"prerouting", hookPrerouting}, {"output", hookOutput}} {
		priority := int32(earliest)
		hook := message{}.number(unix.NFTA_HOOK_HOOKNUM, chain.hook).number(unix.NFTA_HOOK_PRIORITY, uint32(priority))
		batch = append(batch, create(unix.NFT_MSG_NEWCHAIN).text(unix.NFTA_CHAIN_TABLE, name).text(unix.NFTA_CHAIN_NAME, chain.name).
			nested(unix.NFTA_CHAIN_HOOK, hook).text(unix.NFTA_CHAIN_TYPE, "filter"))
		for _, rule := range rulesFor(r, probe) {
			m := create(unix.NFT_MSG_NEWRULE)
			binary.NativeEndian.PutUint16(m[6:], unix.NLM_F_REQUEST|unix.NLM_F_CREATE|unix.NLM_F_APPEND|unix.NLM_F_ACK)
			batch = append(batch, m.text(unix.NFTA_RULE_TABLE, name).text(unix.NFTA_RULE_CHAIN, chain.name).nested(unix.NFTA_RULE_EXPRESSIONS, rule))
		}
	}
	return w.transact(batch...)
}

// rule is a list of expressions.
type rule = message

func expression(r rule, name string, data message) rule {
	elem := message{}.text(unix.NFTA_EXPR_NAME, name).nested(unix.NFTA_EXPR_DATA, data)
	return r.nested(unix.NFTA_LIST_ELEM, elem)
}

// proto wants a transport protocol.
func (m message) proto(p uint8) rule {
	m = expression(m, "meta", message{}.number(unix.NFTA_META_KEY, nftMetaL4).number(unix.NFTA_META_DREG, nftReg))
	return m.compare(unix.NFT_CMP_EQ, []byte{p})
}

func (m message) compare(op uint32, value []byte) rule {
	data := message{}.attr(unix.NFTA_DATA_VALUE, value)
	return expression(m, "cmp", message{}.number(unix.NFTA_CMP_SREG, nftReg).number(unix.NFTA_CMP_OP, op).nested(unix.NFTA_CMP_DATA, data))
}

// load reads bytes that stand at an offset behind the beginning of the
// transport header.
func (m message) load(offset, size int) rule {
	return expression(m, "payload", message{}.number(unix.NFTA_PAYLOAD_DREG, nftReg).number(unix.NFTA_PAYLOAD_BASE, nftTransport).
		number(unix.NFTA_PAYLOAD_OFFSET, uint32(offset)).number(unix.NFTA_PAYLOAD_LEN, uint32(size)))
}

// is wants certain bytes at an offset.
func (m message) is(offset int, value []byte) rule {
	return m.load(offset, len(value)).compare(unix.NFT_CMP_EQ, value)
}

// between wants a number at an offset that is not below from nor above to.
func (m message) between(offset int, from, to uint32) rule {
	return m.load(offset, 4).
		compare(unix.NFT_CMP_GTE, binary.BigEndian.AppendUint32(nil, from)).
		compare(unix.NFT_CMP_LTE, binary.BigEndian.AppendUint32(nil, to))
}

// trace ends a rule: the packet is to be told about.
func (m message) trace() rule {
	data := message{}.attr(unix.NFTA_DATA_VALUE, []byte{1})
	m = expression(m, "immediate", message{}.number(unix.NFTA_IMMEDIATE_DREG, nftReg).nested(unix.NFTA_IMMEDIATE_DATA, data))
	return expression(m, "meta", message{}.number(unix.NFTA_META_KEY, nftMetaTrace).number(unix.NFTA_META_SREG, nftReg))
}

// Sizes of headers, and where things stand in them.
const (
	sizeUDP   = 8 // and of an ICMP header
	sizeVXLAN = 8
	sizeEther = 14
	tcpSeqAt  = 4
	tcpAckAt  = 8
)

// rulesFor returns what marks the packets of an exchange: bare, in a tunnel,
// and quoted in an error message. Only what no translation changes is looked
// at.
func rulesFor(r *Request, probe trace.Probe) []rule {
	sizeIP, icmp := 20, uint8(unix.IPPROTO_ICMP)
	if r.To.Addr().Is6() {
		sizeIP, icmp = 40, unix.IPPROTO_ICMPV6
	}
	tunnel := sizeUDP + sizeVXLAN + sizeEther + sizeIP // in front of the inner transport header
	quote := sizeUDP + sizeIP
	vxlan := binary.BigEndian.AppendUint16(nil, r.VXLANPort)
	var rules []rule
	add := func(m rule) { rules = append(rules, m.trace()) }
	if probe.Proto == trace.ProtoTCP {
		from, to := probe.ISN, probe.ISN+trace.Window-1
		add(message{}.proto(unix.IPPROTO_TCP).between(tcpSeqAt, from, to))
		add(message{}.proto(unix.IPPROTO_TCP).between(tcpAckAt, from+1, to+1))
		add(message{}.proto(icmp).between(quote+tcpSeqAt, from, to))
		if r.VXLANPort != 0 {
			add(message{}.proto(unix.IPPROTO_UDP).between(tunnel+tcpSeqAt, from, to))
			add(message{}.proto(unix.IPPROTO_UDP).between(tunnel+tcpAckAt, from+1, to+1))
			add(message{}.proto(unix.IPPROTO_UDP).between(tunnel+quote+tcpSeqAt, from, to))
		}
		return rules
	}
	proto := icmp
	if probe.Proto == trace.ProtoUDP {
		proto = unix.IPPROTO_UDP
		for _, port := range r.AnswerPorts {
			add(message{}.proto(proto).is(0, binary.BigEndian.AppendUint16(nil, port)))
			if r.VXLANPort != 0 {
				add(message{}.proto(proto).is(2, vxlan).is(tunnel, binary.BigEndian.AppendUint16(nil, port)))
			}
		}
	}
	add(message{}.proto(proto).is(sizeUDP, probe.Nonce[:]))
	add(message{}.proto(icmp).is(quote+sizeUDP, probe.Nonce[:]))
	if r.VXLANPort != 0 {
		add(message{}.proto(unix.IPPROTO_UDP).is(tunnel+sizeUDP, probe.Nonce[:]))
		add(message{}.proto(unix.IPPROTO_UDP).is(tunnel+quote+sizeUDP, probe.Nonce[:]))
	}
	return rules
}

// tables reports whether the namespace of w has any netfilter table, and any of
// family bridge: if not there is nothing to tell.
func (w *wire) tables() (some, bridge bool, err error) {
	m := newMessage(unix.NFNL_SUBSYS_NFTABLES<<8|unix.NFT_MSG_GETTABLE, unix.NLM_F_DUMP, unix.AF_UNSPEC, 0)
	err = w.ask(m, func(body []byte) {
		some = true
		bridge = bridge || len(body) > 0 && body[0] == unix.NFPROTO_BRIDGE
	})
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EINVAL) {
		return false, false, nil // a kernel without nf_tables
	}
	return some, bridge, err
}

// ownTable reports whether a table is one of a running trace.
func ownTable(name string) bool { return strings.HasPrefix(name, tableName) }
