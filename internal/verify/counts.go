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

// Counts are what an engine has done since it was made.
type Counts struct {
	// Decisions counts the answers about other callers' credentials. Callers counts the requests to
	// Claviger's own routes, accepted and refused ones.
	Decisions, Callers Outcomes

	lookups *metric.Grid

	// Loads counts and times the reads of facts, failed ones included. No other part of a decision
	// is timed.
	Loads       metric.Histogram
	LoadsFailed atomic.Uint64
}

func newCounts() Counts {
	return Counts{Decisions: newOutcomes(), Callers: newOutcomes(), lookups: metric.NewGrid(len(lookupNames), 1)}
}

// LookupResult says where the facts of a credential were found.
type LookupResult int

// The results.
const (
	// Hit: the cache has them. NegativeHit: the cache knows that no key has this id.
	Hit LookupResult = iota
	NegativeHit
	// Stale: the cache has them, but something changed since. They are read again.
	Stale
	// Miss: the cache does not have them. They are read.
	Miss
	// Forged: the tag shows that this server never issued the id. Nothing is read.
	Forged
)

var lookupNames = [...]string{Hit: "hit", NegativeHit: "negative_hit", Stale: "stale", Miss: "miss", Forged: "forged"}

// EachLookup calls emit with the count and the name of each result.
func (c *Counts) EachLookup(emit func(n uint64, result ...string)) {
	for l, name := range lookupNames {
		emit(c.lookups.Value(l, 0), name)
	}
}

func (c *Counts) countLookup(l LookupResult) { c.lookups.Count(int(l), 0) }

// Outcomes counts decisions by code and transport. Both come from fixed lists, so that no client
// can add a label to the metrics.
type Outcomes struct{ grid *metric.Grid }

// codes are the codes with a count of their own. The first is acceptance, the last counts all other
// codes.
var codes = [...]fault.Kind{
	"", fault.KeyInvalid, fault.KeyExpired, fault.KeyRevoked, fault.KeyDisabled, fault.TokenExpired, fault.TokenInvalid,
	fault.CredentialAmbiguous,
	fault.TransportForbidden, fault.AddressForbidden, fault.SessionRequired,
	fault.InsufficientScope, fault.ApplicationForbidden, fault.NotFound, fault.Forbidden, fault.RateLimited,
	fault.CrossSite, fault.SessionEnded, fault.TenantRequired, fault.RouteUnknown, fault.PathAmbiguous,
	fault.ValidationFailed,
	abandoned, fault.Unavailable, fault.Internal,
}

// abandoned counts requests that were not decided because the client left. No response has this
// code.
const abandoned fault.Kind = "abandoned"

// Outcome returns the code under which a failed request is counted.
func Outcome(ctx context.Context, err error) fault.Kind {
	if fault.Abandoned(ctx, err) {
		return abandoned
	}
	return fault.KindOf(err)
}

var transports = [...]policy.Transport{"", policy.Bearer, policy.Basic, policy.Header, policy.OAuth, policy.Session}

func newOutcomes() Outcomes { return Outcomes{metric.NewGrid(len(codes), len(transports))} }

// Count adds one. The code "" is acceptance. The transport "" is none, or an unknown one.
func (o Outcomes) Count(code fault.Kind, via policy.Transport) {
	row := slices.Index(codes[:], code)
	if row < 0 {
		row = len(codes) - 1
	}
	o.grid.Count(row, max(0, slices.Index(transports[:], via)))
}

// Each calls emit with every count, its code ("ok" for acceptance) and its transport ("none" for
// no transport).
func (o Outcomes) Each(emit func(n uint64, codeAndTransport ...string)) {
	for row, code := range codes {
		for column, via := range transports {
			emit(o.grid.Value(row, column), cmp.Or(string(code), "ok"), cmp.Or(string(via), "none"))
		}
	}
}
