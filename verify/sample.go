package verify

import (
	"math"
	"sort"
	"time"
)

// FalseAlarms is how likely a run over a lab without faults is to fail one of
// its statistical checks, at most.
const FalseAlarms = 1e-6

// Aim is what asking a service many times is to show.
type Aim string

// The aims.
const (
	Balance  Aim = "balance"  // every endpoint answers as often as the others
	Affinity Aim = "affinity" // a client always meets the same endpoint
	Hairpin  Aim = "hairpin"  // a pod meets itself behind its own service
)

// Sample has a service asked many times.
//
// A service chooses an endpoint for every connection at random, without regard
// to what it chose before, and all with the same probability 1/n. So how often
// one of them is chosen in N tries is distributed binomially, Bin(N, 1/n),
// whatever the others get. A check gets a share Alarm of [FalseAlarms], which
// is divided among all statistical checks of a run:
//
//   - Balance fails when for any of the n endpoints the probability of so few
//     or fewer answers, or that of so many or more, is below Alarm/2n. By the
//     union bound it fails with probability Alarm at most where there is no
//     fault. Tries are at least so many that an endpoint without any answer is
//     beyond that limit, so that a missing one is always found.
//   - Hairpin fails after so many Tries that the probability (1-1/n)^Tries of
//     never being chosen is below Alarm.
//   - Affinity is not a matter of chance: two different endpoints for one
//     client are a fault. Where so many clients ask that they all land on one
//     endpoint with a probability n^(1-clients) below Alarm, that is one too:
//     they do not choose each for itself.
type Sample struct {
	Aim     Aim
	Tries   int // of all clients together at most; 0: too many would be needed
	Clients []Client
	Alarm   float64

	Within time.Duration // Affinity: a client is known for so long
	Cost   int           // tries that would be needed, where there are none
}

// Client is who asks for a [Sample].
type Client struct {
	From   *End
	Behind []Server // as its More.Behind of a [Check]
}

// missing returns how many tries it takes until an endpoint of n that never
// answers is beyond a limit.
func missing(n int, limit float64) int {
	return int(math.Ceil(math.Log(limit) / math.Log1p(-1/float64(n))))
}

// triesMissing is enough to find out that one of n endpoints is missing.
func triesMissing(n int, alarm float64) int { return missing(n, alarm/float64(2*n)) }

// How sure it is to be that an endpoint with twice its share is found, and
// what more than that is not tried.
const (
	power     = 0.99
	mostShare = 0.9
)

// triesDouble is enough to find out also that one of n endpoints answers twice
// as often as it should.
func triesDouble(n int, alarm float64) int {
	tries, share := triesMissing(n, alarm), min(2/float64(n), mostShare)
	for ; ; tries += tries/16 + 1 {
		tooMany := rare(tries, 1/float64(n), alarm/float64(2*n))
		if _, many := tails(tries, share, tooMany); many >= power {
			return tries
		}
	}
}

// rare returns the lowest number of successes that are reached with a
// probability below limit.
func rare(n int, p, limit float64) int {
	least := int(float64(n) * p)
	return least + sort.Search(n+1-least, func(more int) bool {
		_, many := tails(n, p, least+more)
		return many < limit
	})
}

// tails returns the probabilities of at most k and of at least k successes in
// n tries that succeed with probability p each. The smaller one is exact as far
// as floating point goes; the other one is what it leaves.
func tails(n int, p float64, k int) (few, many float64) {
	at := chance(n, p, k)
	if float64(k) <= float64(n)*p {
		few = at
		for i, next := k, at; i > 0 && next > few*1e-18; i-- {
			next *= float64(i) / float64(n-i+1) * (1 - p) / p
			few += next
		}
		return few, 1 - few + at
	}
	many = at
	for i, next := k, at; i < n && next > many*1e-18; i++ {
		next *= float64(n-i) / float64(i+1) * p / (1 - p)
		many += next
	}
	return 1 - many + at, many
}

// chance returns the probability of exactly k successes.
func chance(n int, p float64, k int) float64 {
	switch {
	case p >= 1:
		return float64(flag(k == n))
	case k < 0 || k > n:
		return 0
	}
	all, _ := math.Lgamma(float64(n + 1))
	yes, _ := math.Lgamma(float64(k + 1))
	no, _ := math.Lgamma(float64(n - k + 1))
	return math.Exp(all - yes - no + float64(k)*math.Log(p) + float64(n-k)*math.Log1p(-p))
}

// meetAll reports whether so many clients land on one of n endpoints by chance
// less often than alarm says.
func meetAll(n, clients int, alarm float64) bool {
	return n > 1 && math.Pow(float64(n), float64(1-clients)) < alarm
}
