// Package audit records every change: no change is possible without a record.
//
// A domain package changes data only through a [Ledger]. Its function gets a transaction and
// returns the [Event] that describes what it did. The change, the event and the change number are
// committed together, or none of them is.
//
//	ledger.Write(ctx, who, func(ctx context.Context, tx Tx) (audit.Event, error) {
//		… read authority in tx, change through tx …
//		target := audit.Target{Type: "key", ID: id, Name: name}
//		return audit.By(who, audit.ActionKeyRevoke, target).In(tenant, account).
//			WithEffects(audit.Effect{Kind: audit.EffectKeyRevoked, Tenant: tenant, Key: id}), nil
//	})
//
// Events form hash chains, one for each tenant, each account and the server. Every [Record]
// contains the hash of the previous one, so an edit, a deletion or a reordering is detected unless
// the whole chain is rebuilt. A chain that was cut off or rebuilt is detected by its signed head,
// and by a head that was stored elsewhere (see [Head]).
package audit

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"time"

	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/principal"
)

// Ledger is the only way to change data. Tx is what the rules of one domain package read and write
// inside a transaction.
//
// The function may run more than once, after a serialization failure. It changes only tx and its
// own results, reads only through tx, and uses secrets that were created outside. It runs without
// the caller's cancellation but with a deadline. If it fails, nothing is kept. If the outcome of a
// COMMIT is unknown, Write returns fault.Unavailable.
//
// Write takes the principal that asks for the change, so that changes are admitted fairly. The
// principal grants no permission and is not recorded: the event names the actor.
type Ledger[Tx any] interface {
	Write(ctx context.Context, who principal.Principal, change func(ctx context.Context, tx Tx) (Event, error)) error
}

// ErrNothing, returned by a change, rolls back without a record, and Write succeeds: there was
// nothing to do. The event beside it still says which cached facts to invalidate, because what the
// change found done may have been committed a moment ago.
var ErrNothing = errors.New("nothing to change")

// Actor is who made a change.
type Actor struct {
	Type  string
	ID    string
	Email string
}

// Target is what was changed.
type Target struct {
	Type string
	ID   string
	Name string
}

// Invalidation names the cached facts that a change makes stale.
type Invalidation struct {
	// Lookups of credentials (see credential.Parsed.Lookup).
	Lookups []string         `json:"lookups,omitempty"`
	Tenants []ident.TenantID `json:"tenants,omitempty"`
	// Owners are owners of keys whose own facts changed: name, status, role or plan. Versions
	// before schema 17 do not know the member, so no event has it until the upgrade is finished.
	Owners []ident.PartyID `json:"owners,omitempty"`
	// Plans are tenants of which a plan changed.
	Plans []ident.TenantID `json:"plans,omitempty"`
	// Entries is set if an entry was created, changed or deleted. Versions before schema 18 do not
	// know the member.
	Entries bool `json:"entries,omitempty"`
	// KeyHeaders are the current key headers of tenants, for the reader of credentials.
	KeyHeaders []KeyHeader `json:"headers,omitempty"`
	// HeaderNames are key headers of tenants, as versions before schema 8 announce them. They still
	// do so during an upgrade.
	HeaderNames []string `json:"key_headers,omitempty"`
	// TimeRepaired is the present time after a repair of the clock removed later times from the
	// record. No node uses the later times any more.
	TimeRepaired *time.Time `json:"time_repaired,omitempty"`
}

// KeyHeader is the key header of a tenant.
type KeyHeader struct {
	Tenant ident.TenantID `json:"tenant"`
	// Name is "" for none.
	Name string `json:"name,omitempty"`
	// Version is the number of the change, so that the later of two headers wins in whichever order
	// they arrive. It is stored beside the event.
	Version int64 `json:"-"`
}

// ParseInvalidation parses a stored invalidation. It returns an error for anything that this
// version does not write, because skipping a member would keep stale facts in the cache.
func ParseInvalidation(text []byte) (s Invalidation, err error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&s); err != nil {
		return Invalidation{}, err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return Invalidation{}, errors.New("more than one value")
	}
	return s, nil
}

// Event describes one change. The ledger sets its id and time.
type Event struct {
	ID        ident.EventID
	At        time.Time
	Actor     Actor
	Action    Action
	Target    Target
	IP        string
	RequestID string
	Details   map[string]string
	// Account and Tenant decide the chain: the tenant's if set, else the account's, else the
	// server's.
	Account     ident.AccountID
	Tenant      ident.TenantID
	Invalidates Invalidation
	// Effects of the change on what anyone may do; see [Event.Check]. Records from before schema 8
	// have nil.
	Effects []Effect
}

// By returns an event: who did what to which target.
func By(who principal.Principal, action Action, target Target) Event {
	o := who.Origin()
	e := Event{Actor: actor(who), Action: action, Target: target, IP: o.IP, RequestID: o.RequestID}
	if m, ok := who.ManagementKey(); ok {
		e = e.With(DetailActorName, m.Name).With(DetailServiceAccount, string(m.ServiceAccount.ID))
	}
	return e
}

func actor(who principal.Principal) Actor {
	if s, ok := who.Session(); ok {
		return Actor{Type: "user", ID: string(s.User.ID), Email: s.User.Email}
	}
	if k, ok := who.Key(); ok {
		return Actor{Type: "key", ID: string(k.ID), Email: k.Owner.Email}
	}
	if m, ok := who.ManagementKey(); ok {
		return Actor{Type: string(who.Kind()), ID: string(m.ID)}
	}
	return Actor{Type: string(who.Kind())}
}

// The details of events by management keys.
const (
	// DetailActorName is the name of the management key, as it was then.
	DetailActorName = "actor_name"
	// DetailServiceAccount is the service account that it belongs to.
	DetailServiceAccount = "service_account"
)

// In assigns the event to a tenant of an account.
func (e Event) In(tenant ident.TenantID, account ident.AccountID) Event {
	e.Tenant, e.Account = tenant, account
	return e
}

// Of assigns the event to an account.
func (e Event) Of(account ident.AccountID) Event {
	e.Account = account
	return e
}

// With adds a detail. Details are read by people who investigate; they never contain a secret.
func (e Event) With(name, value string) Event {
	details := map[string]string{name: value}
	for n, v := range e.Details {
		details[n] = v
	}
	e.Details = details
	return e
}

// InvalidatesLookups adds lookups whose cached facts are stale.
func (e Event) InvalidatesLookups(lookups ...string) Event {
	e.Invalidates.Lookups = append(e.Invalidates.Lookups[:len(e.Invalidates.Lookups):len(e.Invalidates.Lookups)],
		lookups...)
	return e
}

// InvalidatesTenants adds tenants whose cached facts are stale.
func (e Event) InvalidatesTenants(tenants ...ident.TenantID) Event {
	e.Invalidates.Tenants = append(e.Invalidates.Tenants[:len(e.Invalidates.Tenants):len(e.Invalidates.Tenants)],
		tenants...)
	return e
}

// InvalidatesOwners adds owners whose cached facts are stale.
func (e Event) InvalidatesOwners(owners ...ident.PartyID) Event {
	e.Invalidates.Owners = append(e.Invalidates.Owners[:len(e.Invalidates.Owners):len(e.Invalidates.Owners)],
		owners...)
	return e
}

// InvalidatesPlans adds tenants whose cached plans are stale.
func (e Event) InvalidatesPlans(tenants ...ident.TenantID) Event {
	e.Invalidates.Plans = append(e.Invalidates.Plans[:len(e.Invalidates.Plans):len(e.Invalidates.Plans)], tenants...)
	return e
}

// InvalidatesEntries says that the entries of the database are stale.
func (e Event) InvalidatesEntries() Event {
	e.Invalidates.Entries = true
	return e
}

// WithEffects adds effects of the change.
func (e Event) WithEffects(effects ...Effect) Event {
	e.Effects = append(e.Effects[:len(e.Effects):len(e.Effects)], effects...)
	return e
}
