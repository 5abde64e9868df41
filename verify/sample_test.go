package verify

import (
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"netlab/labs"
)

func TestTails(t *testing.T) {
	for _, tt := range []struct {
		n         int
		p         float64
		k         int
		few, many float64
	}{
		{10, 0.5, 0, 1.0 / 1024, 1},
		{10, 0.5, 10, 1, 1.0 / 1024},
		{3, 1.0 / 3, 1, 20.0 / 27, 19.0 / 27},
		{5, 1, 5, 1, 1},
		{5, 1, 4, 0, 1},
	} {
		few, many := tails(tt.n, tt.p, tt.k)
		if math.Abs(few-tt.few) > 1e-12 || math.Abs(many-tt.many) > 1e-12 {
			t.Errorf("tails(%d, %v, %d) = %v, %v, want %v, %v", tt.n, tt.p, tt.k, few, many, tt.few, tt.many)
		}
	}
}

// TestFalseAlarmsByCalculation adds up the probabilities of everything that
// fails a service without faults.
func TestFalseAlarmsByCalculation(t *testing.T) {
	for _, alarm := range []float64{FalseAlarms, FalseAlarms / 30, FalseAlarms / 1000} {
		for _, n := range []int{2, 3, 5, 10, 40} {
			for _, tries := range []int{triesMissing(n, alarm), triesDouble(n, alarm)} {
				limit, failing := alarm/float64(2*n), 0.0
				for k := range tries + 1 {
					if few, many := tails(tries, 1/float64(n), k); few < limit || many < limit {
						failing += chance(tries, 1/float64(n), k)
					}
				}
				if got := failing * float64(n); got > alarm {
					t.Errorf("%d of %d endpoints: a false alarm with probability %g, allowed is %g", tries, n, got, alarm)
				}
				if few, _ := tails(tries, 1/float64(n), 0); few > limit {
					t.Errorf("%d tries do not show that one of %d endpoints is missing", tries, n)
				}
			}
			if never := math.Pow(1-1/float64(n), float64(missing(n, alarm))); never > alarm {
				t.Errorf("a pod of %d does not meet itself with probability %g", n, never)
			}
		}
	}
}

// drawn is what a service shows that chooses endpoint i with probability
// weights[i].
func drawn(r *rand.Rand, weights []float64, tries int) (*Check, Observation, error) {
	c := &Check{Kind: TCP, From: &End{Name: "node-a", NS: "duo.node-a"}, To: &End{Name: "svc default/web:80", Kind: labs.RefService}, Want: labs.Reachable,
		Addr: netip.MustParseAddr("10.96.0.1"), Port: 80, More: &More{Sample: &Sample{Aim: Balance, Tries: tries, Alarm: FalseAlarms / 30}}}
	times := make([]int, len(weights))
	for range tries {
		x := r.Float64()
		for i, w := range weights {
			if x -= w; x < 0 || i == len(weights)-1 {
				times[i]++
				break
			}
		}
	}
	o := Observation{Outcome: labs.Reachable}
	for i, k := range times {
		on := &End{Name: fmt.Sprintf("default/web-%d", i), NS: fmt.Sprintf("duo.web-%d", i)}
		s := Server{At: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 244, 1, byte(i + 2)}), 80), On: on, Kind: TCP}
		c.More.Behind = append(c.More.Behind, s)
		if k > 0 {
			o.Hits = append(o.Hits, Hit{Answer: Answer{NS: on.NS, Server: s.At}, Times: k})
		}
	}
	c.More.Sample.Clients = []Client{{c.From, c.More.Behind}}
	return c, o, nil
}

// TestBalanceFindsWhatItSays draws many samples of good and of broken services.
func TestBalanceFindsWhatItSays(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{2, 3, 10} {
		even, lacking, double := make([]float64, n), make([]float64, n), make([]float64, n)
		for i := range n {
			even[i] = 1 / float64(n)
			lacking[i] = 1 / float64(n-1)
			double[i] = (1 - 2/float64(n)) / float64(n-1)
		}
		lacking[0], double[0] = 0, min(2/float64(n), mostShare)
		if n == 2 {
			double[1] = 1 - mostShare
		}
		failed := map[string]int{}
		const rounds = 400
		for range rounds {
			for name, weights := range map[string][]float64{"even": even, "lacking": lacking, "double": double} {
				tries := triesDouble(n, FalseAlarms/30)
				if name == "lacking" {
					tries = triesMissing(n, FalseAlarms/30)
				}
				if res := Judge(drawn(r, weights, tries)); res.Verdict == Fail {
					failed[name]++
				}
			}
		}
		if failed["even"] != 0 || failed["lacking"] != rounds || failed["double"] < rounds*97/100 {
			t.Errorf("%d endpoints: of %d rounds failed: %v", n, rounds, failed)
		}
	}
}

// TestAffinityByChance: that all clients land on one endpoint is a fault only
// where chance does not do that.
func TestAffinityByChance(t *testing.T) {
	for _, tt := range []struct {
		clients int
		want    Verdict
	}{{2, Pass}, {12, Pass}, {30, Fail}} {
		c, o, _ := drawn(rand.New(rand.NewPCG(1, 2)), []float64{0.5, 0.5}, 1)
		s := c.More.Sample
		s.Aim, s.Within, o.Hits = Affinity, 3*time.Hour, nil
		s.Clients = nil
		for i := range tt.clients {
			s.Clients = append(s.Clients, Client{c.From, c.More.Behind})
			o.Hits = append(o.Hits, Hit{Client: i, Answer: Answer{NS: c.More.Behind[0].On.NS, Server: c.More.Behind[0].At}, Times: 5})
		}
		if r := Judge(c, o, nil); r.Verdict != tt.want {
			t.Errorf("%d clients at one of two endpoints: %s %s", tt.clients, r.Verdict, r.Reason)
		}
	}
}
