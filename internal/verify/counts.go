package verify

import (
	"cmp"
	"context"
	"slices"
	"sync/atomic"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/metric"
	"github.com/claviger-dev/claviger/internal/policy"
)

// Counts are what an engine has done since it began.
type Counts struct {
	// Decisions are the answers about others' credentials; Callers the requests to our own routes, accepted or refused.
	Decisions, Callers Outcomes

	lookups *metric.Grid

	// Loads are the reads of facts, failed ones among them; nothing else of a decision is timed.
	Loads       metric.Histogram
	LoadsFailed atomic.Uint64

	// Flushes write last uses, UsesWritten of them so far.
	Flushes       metric.Histogram
	FlushesFailed atomic.Uint64
	UsesWritten   atomic.Uint64
}

func newCounts() Counts {
	return Counts{Decisions: newOutcomes(), Callers: newOutcomes(), lookups: metric.NewGrid(len(lookups), 1)}
}

// Lookup is how the facts of a credential were found.
type Lookup int

// The lookups.
const (
	// Hit found them in the cache; NegativeHit found there that no key has this id.
	Hit Lookup = iota
	NegativeHit
	// Stale found them in the cache, outdated: they were read anew.
	Stale
	// Miss read them, for the first time or again after the cache forgot them.
	Miss
	// Forged found that we never made this id, by its tag and without a read.
	Forged
)

var lookups = [...]string{Hit: "hit", NegativeHit: "negative_hit", Stale: "stale", Miss: "miss", Forged: "forged"}

// EachLookup gives how often facts were found in each way.
func (c *Counts) EachLookup(give func(n uint64, result ...string)) {
	for l, name := range lookups {
		give(c.lookups.Value(l, 0), name)
	}
}

func (c *Counts) lookup(l Lookup) { c.lookups.Count(int(l), 0) }

// Outcomes counts by code and by transport. Both are ours, so that nobody can make more of them.
type Outcomes struct{ grid *metric.Grid }

// codes that are told apart; the last stands for all others. OK comes first.
var codes = [...]fault.Kind{
	"", fault.KeyInvalid, fault.KeyExpired, fault.KeyRevoked, fault.KeyDisabled, fault.CredentialAmbiguous, fault.TransportForbidden, fault.SessionRequired,
	fault.InsufficientScope, fault.ApplicationForbidden, fault.NotFound, fault.Forbidden, fault.RateLimited, fault.CrossSite,
	abandoned, fault.Unavailable, fault.Internal,
}

// abandoned is counted where nothing was decided because the client left. Nobody is answered with it.
const abandoned fault.Kind = "abandoned"

// Outcome returns the code that the failure of a request is counted under.
func Outcome(ctx context.Context, err error) fault.Kind {
	if fault.Abandoned(ctx, err) {
		return abandoned
	}
	return fault.KindOf(err)
}

var transports = [...]policy.Transport{"", policy.Bearer, policy.Basic, policy.Header, policy.OAuth, policy.Session}

func newOutcomes() Outcomes { return Outcomes{metric.NewGrid(len(codes), len(transports))} }

// Count adds one; a code of "" is acceptance, a transport of "" is none or one that is not known.
func (o Outcomes) Count(code fault.Kind, via policy.Transport) {
	row := slices.Index(codes[:], code)
	if row < 0 {
		row = len(codes) - 1
	}
	o.grid.Count(row, max(0, slices.Index(transports[:], via)))
}

// Each gives every count with its code and transport: "ok" for acceptance, "none" for no transport.
func (o Outcomes) Each(give func(n uint64, codeAndTransport ...string)) {
	for row, code := range codes {
		for column, via := range transports {
			give(o.grid.Value(row, column), cmp.Or(string(code), "ok"), cmp.Or(string(via), "none"))
		}
	}
}
