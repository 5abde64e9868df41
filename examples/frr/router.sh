#!/bin/sh
# A router in a container: FRR with files and processes of its own, in the network
# of a node. start.sh calls it inside of that, with the name of the node and the
# protocol.
set -eu
node=$1 protocol=$2
case $node in
r1) number=1 links="eth0 10.9.12.2 2 eth1 10.9.13.2 3" ;;
r2) number=2 links="eth0 10.9.12.1 1 eth1 10.9.23.2 3" ;;
r3) number=3 links="eth0 10.9.13.1 1 eth1 10.9.23.1 2" ;;
esac
for dir in /run /etc/frr /var/log /var/tmp; do mount -t tmpfs tmpfs "$dir"; done
mkdir -p /run/frr /run/lock
chown frr:frr /run/frr /etc/frr

# What everybody reads who looks into the router: vtysh -c "show running-config".
{
    echo "hostname $node"
    echo "router-id 192.0.2.$number"
    if [ "$protocol" = ospf ]; then
            for i in eth0 eth1; do
            printf 'interface %s\n ip ospf network point-to-point\n ip ospf hello-interval 1\n ip ospf dead-interval 4\n!\n' "$i"
        done
        printf 'router ospf\n network 10.9.0.0/16 area 0\n network 10.244.0.0/16 area 0\n passive-interface cni0\n!\n'
    else
        printf 'router bgp 6500%s\n no bgp ebgp-requires-policy\n bgp bestpath as-path multipath-relax\n' "$number"
        # shellcheck disable=SC2086 # a list of words
        set -- $links
        while [ $# -gt 0 ]; do
            printf ' neighbor %s remote-as 6500%s\n neighbor %s timers 1 3\n neighbor %s timers connect 1\n neighbor %s advertisement-interval 0\n' "$2" "$3" "$2" "$2" "$2"
            shift 3
        done
        printf ' address-family ipv4 unicast\n  network 10.244.%s.0/24\n exit-address-family\n!\n' "$number"
    fi
} >/etc/frr/frr.conf
: >/etc/frr/vtysh.conf
chown frr:frr /etc/frr/*

daemon() { "/usr/lib/frr/$1" -d -A 127.0.0.1 --log file:/var/log/frr.log 2>/var/log/errors || cat /var/log/errors >&2; }
daemon zebra
daemon "${protocol}d"
vtysh -b >/dev/null
exec sleep infinity
