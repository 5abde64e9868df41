package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// chaosWorld is a lab of the chaos test: what never changes, between which
// connections are open, and what comes and goes around it.
type chaosWorld struct {
	name    string
	mode    string
	ipv6    bool
	pause   bool
	dns     bool
	mtu     int
	vni     int
	guests  int      // nodes beside a and b
	extras  []string // pods, as the lab file has them
	service []string // services, the same
	serial  int      // of what comes
}

// newWorld makes a lab of a random kind.
func newWorld(rng *rand.Rand, name string) chaosWorld {
	w := chaosWorld{
		name: name, mode: pick(rng, "vxlan", "vxlan", "flat", "routed"), ipv6: rng.IntN(4) == 0, pause: rng.IntN(2) == 0,
		dns: rng.IntN(6) == 0, mtu: 1500, vni: 1,
	}
	for range rng.IntN(3) {
		w.addPod(rng)
	}
	w.addService(rng)
	return w
}

func pick[T any](rng *rand.Rand, list ...T) T { return list[rng.IntN(len(list))] }

// text is the lab file. name is the lab's, or that of another lab that is to be
// the same.
func (w chaosWorld) text(name string) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("name: %s", name)
	line("pause: %v", w.pause)
	line("dns: %v", w.dns)
	if w.ipv6 {
		line(`subnets:`)
		line(`  - {name: underlay, cidr: [172.30.0.0/24, "fd30::/64"]}`)
		line(`  - {name: pods, cidr: [10.244.0.0/16, "fd44::/48"]}`)
		line(`  - {name: services, cidr: [10.96.0.0/16, "fd96::/112"]}`)
	}
	if w.mode == "vxlan" {
		line("network: {mode: vxlan, mtu: %d, vxlan: {vni: %d}}", w.mtu, w.vni)
	} else {
		line("network: {mode: %s, mtu: %d}", w.mode, w.mtu)
	}
	line("nodes:")
	line("  - {name: a}")
	line("  - {name: b, routes: [{to: 203.0.113.0/24, via: 172.30.0.2}], rules: [{from: 192.0.2.0/24, table: 300}]}")
	for i := range w.guests {
		line("  - {name: guest%d}", i)
	}
	line("pods:")
	line("  - {name: client, node: a}")
	line("  - {name: near, node: a}")
	line("  - {name: web, node: b, labels: {app: web}}")
	for _, p := range w.extras {
		line("  - %s", p)
	}
	line("services:")
	line("  - {name: web, clusterIP: 10.96.0.80, selector: {app: web}, ports: [{port: 80, targetPort: %d}]}", chaosPort)
	for _, s := range w.service {
		line("  - %s", s)
	}
	return b.String()
}

// chaosPort is where the servers of the test listen.
const chaosPort = 9000

func (w *chaosWorld) addPod(rng *rand.Rand) {
	w.serial++
	node := pick(rng, "a", "b")
	if w.guests > 0 && rng.IntN(2) == 0 {
		node = "guest0"
	}
	containers := pick(rng, "", "", ", containers: [{name: c, serve: {http: 8080}}]", ", containers: [{name: c, command: [sleep, 1d]}, {name: d, serve: {tcp: 81}}]")
	w.extras = append(w.extras, fmt.Sprintf("{name: x%d, node: %s, labels: {app: x%d}%s}", w.serial, node, w.serial%3, containers))
}

func (w *chaosWorld) addService(rng *rand.Rand) {
	w.serial++
	more := pick(rng, "", "", ", type: NodePort", ", sessionAffinity: ClientIP", ", type: NodePort, externalTrafficPolicy: Local")
	w.service = append(w.service, fmt.Sprintf("{name: s%d, selector: {app: x%d}, clusterIP: 10.96.1.%d, ports: [{port: 80, targetPort: 8080}]%s}", w.serial, w.serial%3, w.serial%250, more))
}

// edited is w after somebody has worked on its file, and what they did.
func (w chaosWorld) edited(rng *rand.Rand) (chaosWorld, string) {
	w.extras, w.service = slices.Clone(w.extras), slices.Clone(w.service)
	drop := func(list []string) []string {
		if len(list) == 0 {
			return list
		}
		i := rng.IntN(len(list))
		return slices.Delete(list, i, i+1)
	}
	var did []string
	for range 1 + rng.IntN(3) {
		what := pick(rng, "pod", "pod", "no pod", "service", "no service", "node", "no node", "mode", "mtu", "vni", "pause", "dns")
		did = append(did, what)
		switch what {
		case "pod":
			w.addPod(rng)
		case "no pod":
			w.extras = drop(w.extras)
		case "service":
			w.addService(rng)
		case "no service":
			w.service = drop(w.service)
		case "node":
			w.guests = min(w.guests+1, 2)
		case "no node":
			w.guests = max(w.guests-1, 0)
			if w.guests == 0 {
				w.extras = slices.DeleteFunc(w.extras, func(p string) bool { return strings.Contains(p, "guest") })
			}
		case "mode":
			w.mode = pick(rng, "vxlan", "flat", "routed")
		case "mtu":
			w.mtu = pick(rng, 1500, 1400, 9000)
		case "vni":
			w.vni = pick(rng, 1, 7)
		case "pause":
			w.pause = !w.pause
		case "dns":
			w.dns = !w.dns
		}
	}
	return w, strings.Join(did, ", ")
}
