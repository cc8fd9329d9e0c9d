package machine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/tenancy"
)

// ProgramTx reads and locks what a management key may do.
type ProgramTx interface {
	TenantRules(ctx context.Context, tenant ident.TenantID) (policy.Tenant, error)
	// ManagementAuthority returns what a management key may do and locks it, after its service
	// account.
	ManagementAuthority(ctx context.Context, tenant ident.TenantID,
		id ident.ManagementKeyID) (principal.ManagementAuthority, error)
	// CountManagementHour stores the count of what creates_per_hour bounds.
	CountManagementHour(ctx context.Context, id ident.ManagementKeyID, h principal.HourlyCount) error
}

// LockProgram reads and locks a management key that makes a change. Its service account is locked
// before.
func LockProgram(ctx context.Context, tx ProgramTx,
	m principal.ManagementKey,
) (principal.ManagementAuthority, error) {
	found, err := tx.ManagementAuthority(ctx, m.Tenant, m.ID)
	if errors.Is(err, fault.NotFound) {
		err = fault.KeyInvalid // it was deleted meanwhile
	}
	return found, err
}

// CountCreate counts a new key, a new secret or a new subject of a management key's hour, or
// refuses it.
func CountCreate(ctx context.Context, tx ProgramTx, a *principal.ManagementAuthority, now time.Time) error {
	limit := a.Rights.Ceilings.CreatesPerHour
	next, wait := a.Hour.Next(limit, now)
	if wait > 0 {
		return fault.Retry(fault.RateLimited, wait, fmt.Sprintf(
			"This management key created or refreshed %d keys and subjects within an hour (`creates_per_hour`). "+
				"Wait as long as the Retry-After header says.", limit))
	}
	a.Hour = next
	return tx.CountManagementHour(ctx, a.ID, next)
}

var errActsForNoSubjects = fault.New(fault.Forbidden,
	"This management key may not act for subjects (`owners`). Use one that may.")

// subjectReaderOf checks that the caller reads subjects and plans of the tenant: an admin, an
// auditor, or a program whose management key acts for subjects.
func subjectReaderOf(ctx context.Context, tenants Tenants, who principal.Principal, id ident.TenantID) error {
	m, ok := who.ManagementKey()
	switch {
	case !ok:
		_, err := readerOf(ctx, tenants, who, id)
		return err
	case m.Tenant != id:
		return fault.NotFound
	}
	// What repeats a creation reads with the permission that it needed.
	if !m.Rights.ActsFor(ident.SubjectParty, policy.MayReadSubjects) &&
		!m.Rights.ActsFor(ident.SubjectParty, policy.MayWriteSubjects) {
		return errActsForNoSubjects
	}
	return nil
}

// subjectEditor is who changes a subject: an admin of the tenant, the operator, or a program.
type subjectEditor struct {
	tenant tenancy.Tenant
	// party is who made what the change creates.
	party principal.Party
	// program is the management key as the request sent it; nil for a person or the operator.
	program *principal.ManagementKey
	// ip is the address that the request came from.
	ip string
	// rights are those of the program, once authorize has locked them.
	rights principal.ManagementAuthority
}

// isProgram reports whether the change is made with a management key.
func (e *subjectEditor) isProgram() bool { return e.program != nil }

// inTenant runs a change of a subject with the tenant locked, and what the editor may do: a person,
// or the service account of a program. A program's management key is locked after subject and plan,
// by authorize.
func (s *Subjects) inTenant(ctx context.Context, who principal.Principal, id ident.TenantID,
	change func(context.Context, SubjectTx, *subjectEditor) (audit.Event, error),
) error {
	m, isProgram := who.ManagementKey()
	switch {
	case !isProgram:
		return inTenant(ctx, s.Ledger, who, id, nil,
			func(ctx context.Context, tx SubjectTx, by admin) (audit.Event, error) {
				return change(ctx, tx, &subjectEditor{tenant: by.tenant, party: by.party})
			})
	case m.Tenant != id:
		return fault.NotFound
	}
	return tenancy.InTenant(ctx, s.Ledger, who, id,
		func(ctx context.Context, tx SubjectTx, t tenancy.Tenant) (audit.Event, error) {
			_, err := tx.LockManagementOwner(ctx, id, ident.ServiceAccountID(m.ServiceAccount.ID))
			if err != nil && !errors.Is(err, fault.NotFound) { // authorize refuses a deleted one
				return audit.Event{}, err
			}
			return change(ctx, tx, &subjectEditor{tenant: t, party: m.Party(), program: &m, ip: who.Origin().IP})
		})
}

// authorize locks the management key of a program and checks whether it may change a subject that
// has, or gets, the plans; "" is no plan. To a person it refuses nothing: inTenant has decided.
func (e *subjectEditor) authorize(ctx context.Context, tx SubjectTx, now func() time.Time,
	plans ...string,
) error {
	if !e.isProgram() {
		return nil
	}
	rights, err := LockProgram(ctx, tx, *e.program)
	if err != nil {
		return err
	}
	t, err := tx.TenantRules(ctx, e.tenant.ID)
	if err != nil {
		return err
	}
	if code := rights.Refusal(e.program.Serial, e.ip, t, now()); code != "" {
		return code
	}
	e.rights = rights
	return AuthorizeSubject(rights, plans...)
}

// AuthorizeSubject checks whether a management key may create or change a subject that has, or
// gets, the plans; "" is no plan.
func AuthorizeSubject(a principal.ManagementAuthority, plans ...string) error {
	switch {
	case !a.Rights.Has(policy.MayWriteSubjects):
		return errNoSubjects
	case !a.Rights.ActsFor(ident.SubjectParty, policy.MayWriteSubjects):
		return errActsForNoSubjects
	}
	for _, plan := range plans {
		if err := a.Rights.Ceilings.AssignsPlan(plan).Fault(); err != nil {
			return err
		}
	}
	return nil
}

var errNoSubjects = fault.New(fault.Forbidden,
	"This management key has no permission `subjects:write`. Use one that has it.")

// countCreate counts a new subject of a program.
func (e *subjectEditor) countCreate(ctx context.Context, tx SubjectTx, now time.Time) error {
	if !e.isProgram() {
		return nil
	}
	return CountCreate(ctx, tx, &e.rights, now)
}
