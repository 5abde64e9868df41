package capture

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"netlab/trace"
)

// What include/uapi/linux/netfilter/nf_tables.h calls by these names.
const (
	groupTrace = 1 << (9 - 1) // NFNLGRP_NFTRACE
	messageID  = unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_TRACE
)

// events reads what the kernel has told since the socket was opened, in order.
func (w *wire) events(ns string, names map[int]string, vxlanPort uint16) ([]trace.Event, error) {
	var list []trace.Event
	for {
		err := w.receive(false, func(kind uint16, _ uint32, body []byte) {
			if kind == messageID && len(body) >= 4 {
				list = append(list, decodeEvent(ns, body, names, vxlanPort))
			}
		})
		switch {
		case errors.Is(err, unix.EAGAIN):
			return list, nil
		case errors.Is(err, unix.ENOBUFS):
			continue // some were lost; what is left is still true
		case err != nil:
			return nil, fmt.Errorf("read netfilter events of %s: %w", ns, err)
		}
	}
}

func decodeEvent(ns string, body []byte, names map[int]string, vxlanPort uint16) trace.Event {
	e := trace.Event{NS: ns, Family: familyName(body[0])}
	var network, transport []byte
	for kind, v := range attributes(body[4:]) {
		switch kind {
		case unix.NFTA_TRACE_TABLE:
			e.Table = textOf(v)
		case unix.NFTA_TRACE_CHAIN:
			e.Chain = textOf(v)
		case unix.NFTA_TRACE_RULE_HANDLE:
			e.Handle = binary.BigEndian.Uint64(v)
		case unix.NFTA_TRACE_TYPE:
			e.Kind = map[uint32]trace.EventKind{1: trace.EventPolicy, 2: trace.EventReturn, 3: trace.EventRule}[binary.BigEndian.Uint32(v)]
		case unix.NFTA_TRACE_VERDICT:
			e.Code, e.Target = decodeVerdict(v)
		case unix.NFTA_TRACE_POLICY:
			e.Code = verdictOf(binary.BigEndian.Uint32(v))
		case unix.NFTA_TRACE_ID:
			e.ID = binary.BigEndian.Uint32(v)
		case unix.NFTA_TRACE_IIF:
			e.In = names[int(binary.BigEndian.Uint32(v))]
		case unix.NFTA_TRACE_OIF:
			e.Out = names[int(binary.BigEndian.Uint32(v))]
		case unix.NFTA_TRACE_MARK:
			e.Mark = binary.BigEndian.Uint32(v)
		case unix.NFTA_TRACE_NETWORK_HEADER:
			network = v
		case unix.NFTA_TRACE_TRANSPORT_HEADER:
			transport = v
		}
	}
	if len(network) > 0 {
		// The header of a transport protocol is cut off after twenty bytes,
		// which is enough to know the packet again.
		if h, err := trace.DecodePacket(append(network[:len(network):len(network)], transport...), vxlanPort); err == nil {
			e.Packet = &h
		}
	}
	return e
}

func decodeVerdict(b []byte) (v trace.Verdict, chain string) {
	for kind, value := range attributes(b) {
		switch kind {
		case unix.NFTA_VERDICT_CODE:
			v = verdictOf(binary.BigEndian.Uint32(value))
		case unix.NFTA_VERDICT_CHAIN:
			chain = textOf(value)
		}
	}
	return v, chain
}

func verdictOf(code uint32) trace.Verdict {
	switch int32(code) {
	case 0:
		return trace.Drop
	case 1:
		return trace.Accept
	case 2:
		return trace.Stolen
	case 3:
		return trace.Queue
	case unix.NFT_JUMP:
		return trace.Jump
	case unix.NFT_GOTO:
		return trace.Goto
	case unix.NFT_RETURN:
		return trace.Return
	}
	return trace.Continue
}

func familyName(f uint8) string {
	switch f {
	case unix.NFPROTO_IPV4:
		return "ip"
	case unix.NFPROTO_IPV6:
		return "ip6"
	case unix.NFPROTO_INET:
		return "inet"
	case unix.NFPROTO_BRIDGE:
		return "bridge"
	case unix.NFPROTO_NETDEV:
		return "netdev"
	}
	return fmt.Sprintf("family %d", f)
}

func familyNumber(name string) uint8 {
	return map[string]uint8{"ip": unix.NFPROTO_IPV4, "ip6": unix.NFPROTO_IPV6, "inet": unix.NFPROTO_INET, "bridge": unix.NFPROTO_BRIDGE, "netdev": unix.NFPROTO_NETDEV}[name]
}

func textOf(b []byte) string { return strings.TrimRight(string(b), "\x00") }

// handles returns the handles of the rules of a chain, in order.
func (w *wire) handles(family, table, chain string) ([]uint64, error) {
	m := newMessage(unix.NFNL_SUBSYS_NFTABLES<<8|unix.NFT_MSG_GETRULE, unix.NLM_F_DUMP, familyNumber(family), 0).
		text(unix.NFTA_RULE_TABLE, table).text(unix.NFTA_RULE_CHAIN, chain)
	var list []uint64
	err := w.ask(m, func(body []byte) {
		for kind, v := range attributes(body[min(4, len(body)):]) {
			if kind == unix.NFTA_RULE_HANDLE && len(v) == 8 {
				list = append(list, binary.BigEndian.Uint64(v))
			}
		}
	})
	return list, err
}

// hooks names the hooks of base chains by their numbers (NF_INET_..., which
// bridges have too).
var hooks = []string{"prerouting", "input", "forward", "output", "postrouting"}

// hook returns the hook of a base chain, "" for another chain.
func (w *wire) hook(family, table, chain string) (string, error) {
	m := newMessage(unix.NFNL_SUBSYS_NFTABLES<<8|unix.NFT_MSG_GETCHAIN, unix.NLM_F_ACK, familyNumber(family), 0).
		text(unix.NFTA_CHAIN_TABLE, table).text(unix.NFTA_CHAIN_NAME, chain)
	name := ""
	err := w.get(m, func(body []byte) {
		for kind, v := range attributes(body[min(4, len(body)):]) {
			if kind != unix.NFTA_CHAIN_HOOK {
				continue
			}
			for kind, v := range attributes(v) {
				if kind == unix.NFTA_HOOK_HOOKNUM && len(v) == 4 && int(binary.BigEndian.Uint32(v)) < len(hooks) {
					name = hooks[binary.BigEndian.Uint32(v)]
				}
			}
		}
	})
	if errors.Is(err, unix.ENOENT) {
		return "", nil // it is gone by now
	}
	return name, err
}
