package application

import (
	"context"
	"fmt"
	"time"

	"github.com/claviger-dev/claviger/internal/account"
	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/etag"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/route"
	"github.com/claviger-dev/claviger/internal/tenancy"
)

// Entry is an entry that the operator created by a command. It is bound to a tenant, and has no
// rules and hosts of its own: those are in the operator's file.
type Entry struct {
	Name                 string
	Tenant               ident.TenantID
	Otherwise            route.Otherwise
	CreatedAt, UpdatedAt time.Time
}

// maxEntries bounds the entries in the database.
const maxEntries = 1_000

// Entries lists the entries in the database by name, for the operator.
func (s *Service) Entries(ctx context.Context, who principal.Principal) ([]Entry, error) {
	if who.Kind() != principal.KindOperator {
		return nil, fault.Forbidden
	}
	return s.Store.Entries(ctx)
}

// CreateEntry creates an entry that is bound to a tenant.
func (s *Service) CreateEntry(ctx context.Context, who principal.Principal, name string, tenant ident.TenantID,
	otherwise route.Otherwise,
) (Entry, error) {
	if err := checkEntry(who, name, tenant, otherwise); err != nil {
		return Entry{}, err
	}
	now := s.Now()
	e := Entry{Name: name, Tenant: tenant, Otherwise: otherwise, CreatedAt: now, UpdatedAt: now}
	err := s.inTenant(ctx, who, tenant, func(ctx context.Context, tx Tx, _ tenancy.Tenant) (audit.Event, error) {
		if err := tx.RequireUpgrade(ctx); err != nil {
			return audit.Event{}, err
		}
		n, err := tx.CountEntries(ctx, maxEntries)
		err = account.CheckLimit(n, err, maxEntries, "This server has %d of %d entries.", "Delete one first.")
		if err != nil {
			return audit.Event{}, err
		}
		return e.event(who, audit.ActionEntryCreate), tx.InsertEntry(ctx, e)
	})
	return e, err
}

// checkEntry refuses what is wrong with an entry, and everybody but the operator.
func checkEntry(who principal.Principal, name string, tenant ident.TenantID, otherwise route.Otherwise) error {
	if who.Kind() != principal.KindOperator {
		return fault.Forbidden
	}
	e := route.Entry{Name: name, Tenant: tenant, Otherwise: otherwise}
	return fault.Refuse(e.Check()...)
}

// Version returns the version of what an edit can change in the entry.
func (e Entry) Version() etag.Tag { return etag.Of(e.Otherwise) }

// EditEntry changes what happens to requests that no rule matches. expected is the version that the
// entry must have; "" for any. With [etag.ErrChanged] it also returns the entry as it is.
func (s *Service) EditEntry(ctx context.Context, who principal.Principal, name string,
	otherwise route.Otherwise, expected etag.Tag,
) (e Entry, err error) {
	found, err := s.entry(ctx, who, name)
	if err == nil {
		err = checkEntry(who, name, found.Tenant, otherwise)
	}
	if err != nil {
		return Entry{}, err
	}
	err = s.inTenant(ctx, who, found.Tenant, func(ctx context.Context, tx Tx, _ tenancy.Tenant) (audit.Event, error) {
		before, err := lockEntry(ctx, tx, found)
		if err != nil {
			return audit.Event{}, err
		}
		e = before
		if err := expected.Check(e.Version()); err != nil {
			return audit.Event{}, err
		}
		e.Otherwise = otherwise
		event := e.event(who, audit.ActionEntryEdit).WithEffects(audit.Effect{
			Kind: audit.EffectEntryOtherwiseSet, Entry: name, Otherwise: string(otherwise),
		})
		if e == before {
			return event, audit.ErrNothing
		}
		e.UpdatedAt = s.Now()
		return event, tx.UpdateEntry(ctx, e)
	})
	return e, err
}

// DeleteEntry deletes an entry. Requests that name it are refused from then on.
func (s *Service) DeleteEntry(ctx context.Context, who principal.Principal, name string) error {
	found, err := s.entry(ctx, who, name)
	if err != nil {
		return err
	}
	return s.inTenant(ctx, who, found.Tenant, func(ctx context.Context, tx Tx, _ tenancy.Tenant) (audit.Event, error) {
		e, err := lockEntry(ctx, tx, found)
		if err != nil {
			return audit.Event{}, err
		}
		event := e.event(who, audit.ActionEntryDelete)
		event = event.WithEffects(audit.Effect{Kind: audit.EffectEntryDeleted, Entry: name})
		return event, tx.DeleteEntry(ctx, name)
	})
}

// entry returns the entry with a name to the operator.
func (s *Service) entry(ctx context.Context, who principal.Principal, name string) (Entry, error) {
	all, err := s.Entries(ctx, who)
	if err != nil {
		return Entry{}, err
	}
	for _, e := range all {
		if e.Name == name {
			return e, nil
		}
	}
	return Entry{}, fault.New(fault.NotFound, "There is no entry of this name in the database.")
}

// lockEntry locks an entry that was found. It fails with fault.Conflict if another one has taken
// its place, whose tenant is not locked.
func lockEntry(ctx context.Context, tx Tx, found Entry) (Entry, error) {
	e, err := tx.LockEntry(ctx, found.Name)
	if err == nil && e.Tenant != found.Tenant {
		err = fault.New(fault.Conflict, "The entry was deleted and created again. Try again.")
	}
	return e, err
}

// event records what happened to the entry.
func (e Entry) event(who principal.Principal, action audit.Action) audit.Event {
	event := audit.By(who, action, audit.Target{Type: "entry", ID: e.Name, Name: e.Name})
	return event.InvalidatesEntries().With("otherwise", fmt.Sprint(e.Otherwise))
}
