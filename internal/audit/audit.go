// Package audit makes every change a record: no write is possible without one.
//
// A domain package changes data only through a [Ledger]: its function gets a transaction and returns the [Event] that
// describes what it did. The change, the event and the change number commit together, or none of them does.
//
//	ledger.Write(ctx, who, func(ctx context.Context, tx Tx) (audit.Event, error) {
//		… read authority in tx, change through tx …
//		return audit.By(who, audit.ActionKeyRevoke, audit.Target{Type: "key", ID: id, Name: name}).In(tenant, account).
//			WithEffects(audit.Effect{Kind: audit.EffectKeyRevoked, Tenant: tenant, Key: id}), nil
//	})
//
// Events form hash chains, one for each tenant, each account and the server itself: every [Record] holds the hash of the one before it,
// so that an edit, a deletion or a reordering by anyone who does not rebuild the chain shows; a cut shows against a head that was kept elsewhere (see [Head]).
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

// Ledger is the one way to change data. Tx is what the rules of one domain package read and write inside a transaction.
//
// The function may run more than once, after a serialisation failure: it touches only tx and its own results, secrets are minted
// outside it, and nothing in it reads except through tx. It runs without the caller's cancellation but under a deadline.
// When it fails nothing is kept. A COMMIT whose outcome is unknown gives fault.Unavailable.
//
// Write takes the principal that asks for the change, so that changes can be admitted fairly. The principal
// permits nothing and is not recorded: the event names the actor.
type Ledger[Tx any] interface {
	Write(ctx context.Context, who principal.Principal, change func(ctx context.Context, tx Tx) (Event, error)) error
}

// ErrNothing, returned by a change, rolls back without a record and makes Write succeed: there was nothing to do. The event beside it still says which
// cached facts are doubtful: what the change found done may have been committed a moment ago.
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

// Stale names the cached facts that a change outdates.
type Stale struct {
	// Lookups of credentials (see credential.Presented.Lookup).
	Lookups []string         `json:"lookups,omitempty"`
	Tenants []ident.TenantID `json:"tenants,omitempty"`
	// KeyHeaders are the key headers that tenants have now, for the reader of credentials.
	KeyHeaders []KeyHeader `json:"headers,omitempty"`
	// TimeRepaired is the present time where later ones were taken from the record: no node goes by those any more.
	TimeRepaired *time.Time `json:"time_repaired,omitempty"`
}

// KeyHeader is the key header of a tenant.
type KeyHeader struct {
	Tenant ident.TenantID `json:"tenant"`
	// Name is "" for none.
	Name string `json:"name,omitempty"`
	// Version grows with each change of the tenant, so that the later of two changes counts in whichever order they are heard of.
	Version int64 `json:"version"`
}

// ParseStale reads a stored Stale. It fails on whatever this version would not have written: to skip a member would leave
// in memory what a newer version outdates by it.
func ParseStale(text []byte) (s Stale, err error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&s); err != nil {
		return Stale{}, err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return Stale{}, errors.New("more than one value")
	}
	return s, nil
}

// Event is one change. Its id and time are set when it is written.
type Event struct {
	ID        ident.EventID
	At        time.Time
	Actor     Actor
	Action    Action
	Target    Target
	IP        string
	RequestID string
	Details   map[string]string
	// Account and Tenant decide the chain: the tenant's if set, else the account's, else the server's.
	Account ident.AccountID
	Tenant  ident.TenantID
	Stale   Stale
	// Effects that the change had on what anyone may do; see [Event.Check]. Records of before version 8 of the schema have nil.
	Effects []Effect
}

// By begins an event: who did what to which thing.
func By(who principal.Principal, action Action, target Target) Event {
	o := who.Origin()
	return Event{Actor: actor(who), Action: action, Target: target, IP: o.IP, RequestID: o.RequestID}
}

func actor(who principal.Principal) Actor {
	if s, ok := who.Session(); ok {
		return Actor{Type: "user", ID: string(s.User.ID), Email: s.User.Email}
	}
	if k, ok := who.Key(); ok {
		return Actor{Type: "key", ID: string(k.ID), Email: k.Owner.Email}
	}
	return Actor{Type: string(who.Kind())}
}

// In places the event in a tenant of an account.
func (e Event) In(tenant ident.TenantID, account ident.AccountID) Event {
	e.Tenant, e.Account = tenant, account
	return e
}

// Of places the event in an account.
func (e Event) Of(account ident.AccountID) Event {
	e.Account = account
	return e
}

// With adds a detail. Details are for people who investigate; never a secret.
func (e Event) With(name, value string) Event {
	details := map[string]string{name: value}
	for n, v := range e.Details {
		details[n] = v
	}
	e.Details = details
	return e
}

// OutdatesLookups says that cached facts under these lookups are no longer true.
func (e Event) OutdatesLookups(lookups ...string) Event {
	e.Stale.Lookups = append(e.Stale.Lookups[:len(e.Stale.Lookups):len(e.Stale.Lookups)], lookups...)
	return e
}

// OutdatesTenants says that cached facts of these tenants are no longer true.
func (e Event) OutdatesTenants(tenants ...ident.TenantID) Event {
	e.Stale.Tenants = append(e.Stale.Tenants[:len(e.Stale.Tenants):len(e.Stale.Tenants)], tenants...)
	return e
}

// WithEffects adds effects that the change has.
func (e Event) WithEffects(effects ...Effect) Event {
	e.Effects = append(e.Effects[:len(e.Effects):len(e.Effects)], effects...)
	return e
}
