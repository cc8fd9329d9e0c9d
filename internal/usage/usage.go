// Package usage records when keys and their scopes were last used.
//
// No request writes a use to the database. The decision about a request tells the key's [Tracker],
// which keeps the last use in memory, and for each scope the day. A job calls [Recorder.WriteDue],
// which writes them to the [Store]: not each of them, but what other nodes and the next start need.
//
// [Watches] are the few keys whose secrets were shown a moment ago. What becomes of their first
// requests is on record within a second, with the reason where a request was refused.
package usage

import (
	"context"
	"time"

	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
)

// Use is the last use of a key.
type Use struct {
	Key ident.KeyID
	// Tenant is that of the key.
	Tenant ident.TenantID
	At     time.Time
	// PreviousAt is the last use of the secret from before a refresh; zero if it was not used.
	// PreviousSerial is the serial of that secret.
	PreviousAt     time.Time
	PreviousSerial int
	// IP is the client's address; "" where it is not known: then the stored address stays.
	IP string
}

// ScopeUse says that a decision required a scope of a key, and that the key had it.
type ScopeUse struct {
	Key   ident.KeyID
	Scope scope.Scope
	// On is the day of the use: its first moment in UTC.
	On time.Time
}

// Store keeps last uses. Both methods write outside of the ledger, because they record no change of
// anybody's data.
type Store interface {
	// RecordUses keeps the latest use of each key. The batch has at most one use of a key.
	RecordUses(ctx context.Context, batch []Use) error
	// RecordScopeUses keeps the latest day of each scope of each key. The batch has at most one use
	// of a scope of a key.
	RecordScopeUses(ctx context.Context, batch []ScopeUse) error
}

// dayMicros is the length of a day in microseconds. Days are counted from the Unix epoch, in UTC.
const dayMicros = int64(policy.Day / time.Microsecond)

func dayOf(t time.Time) int32 { return int32(t.UnixMicro() / dayMicros) }

func firstMoment(day int32) time.Time { return time.UnixMicro(int64(day) * dayMicros).UTC() }
