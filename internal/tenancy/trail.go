package tenancy

import (
	"context"
	"maps"
	"slices"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/principal"
)

// TenantTrail lists the audit events of a tenant, newest first, for everybody who sees the tenant.
// The entry point has checked the caller's scope or role.
func (s *Service) TenantTrail(ctx context.Context, who principal.Principal, tenant ident.TenantID,
	f audit.TrailFilter, page audit.TrailPage,
) (audit.TrailPart, error) {
	if _, err := s.Tenant(ctx, who, tenant); err != nil {
		return audit.TrailPart{}, err
	}
	part, err := audit.ReadTrail(ctx, s.Store, audit.Trail{Tenant: tenant}, f, page)
	if m, ok := who.ManagementKey(); ok && err == nil {
		part.Events, err = s.eventsForProgram(ctx, m, part.Events)
	}
	return part, err
}

// VerifyTenantTrail verifies the newest part of the audit trail of a tenant, for those who read it
// as people.
func (s *Service) VerifyTenantTrail(ctx context.Context, who principal.Principal,
	tenant ident.TenantID,
) (audit.Recent, error) {
	if _, ok := who.Session(); !ok {
		return audit.Recent{}, fault.SessionRequired
	}
	if _, err := s.Tenant(ctx, who, tenant); err != nil {
		return audit.Recent{}, err
	}
	return audit.VerifyRecent(ctx, s.Store, string(tenant))
}

// eventsForProgram returns those of the events that a management key may read: about keys and
// subjects for which it may act. Of people it learns the id only.
func (s *Service) eventsForProgram(ctx context.Context, m principal.ManagementKey,
	events []audit.TrailEvent,
) (shown []audit.TrailEvent, err error) {
	var keys []ident.KeyID
	for _, e := range events {
		if e.Target.Type == "key" {
			keys = append(keys, ident.KeyID(e.Target.ID))
		}
	}
	owners, err := s.Store.KeyOwners(ctx, m.Tenant, keys)
	if err != nil {
		return nil, err
	}
	for _, e := range events {
		var owner ident.PartyType
		switch e.Target.Type {
		case "key":
			owner = owners[ident.KeyID(e.Target.ID)].Type()
		case "subject":
			owner = ident.SubjectParty
		}
		if slices.Contains(m.Rights.Owners, owner) {
			shown = append(shown, withoutPeople(e, owner))
		}
	}
	return shown, nil
}

// withoutPeople returns the event without what it says about people, but for their ids.
func withoutPeople(e audit.TrailEvent, owner ident.PartyType) audit.TrailEvent {
	e.Actor.Email = ""
	if ident.PartyID(e.Actor.ID).Type() == ident.UserParty || owner == ident.UserParty {
		e.IP = ""
	}
	details := maps.Clone(e.Details)
	delete(details, "email")
	if owner == ident.UserParty {
		delete(details, "owner")
	}
	e.Details = details
	return e
}
