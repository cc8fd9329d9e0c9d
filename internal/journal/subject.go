package journal

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/machine"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/tenancy"
)

// SubjectTx reads and changes subjects and their plans.
type SubjectTx interface {
	TenantRules(ctx context.Context, id ident.TenantID) (policy.Tenant, error)
	LockSubject(ctx context.Context, tenant ident.TenantID, id ident.SubjectID) (machine.Subject, error)
	UpdateSubject(ctx context.Context, s machine.Subject) error
	DeleteSubject(ctx context.Context, tenant ident.TenantID, id ident.SubjectID, at time.Time) error
	LockPlan(ctx context.Context, tenant ident.TenantID, name string) (machine.Plan, error)
	UpdatePlan(ctx context.Context, p machine.Plan) error
}

// subjectState is the latest state of a subject.
type subjectState struct {
	tenant            ident.TenantID
	disabled, deleted bool
	// disabledAt is when it was last disabled or enabled.
	disabledAt changePoint
	// planSet is set if the journal names the plan. plan is "" for none.
	planSet bool
	plan    string
}

// planKey names a plan.
type planKey struct {
	tenant ident.TenantID
	name   string
}

func (at planKey) compare(to planKey) int {
	return cmp.Or(cmp.Compare(at.tenant, to.tenant), cmp.Compare(at.name, to.name))
}

// planState is the latest state of a plan.
type planState struct {
	// deleted is when a plan of the name was last deleted.
	deleted changePoint
	// contents is what the plan contains since the last edit; nil if the journal does not say.
	contents *policy.Plan
}

func (s *State) applySubject(f audit.Effect, l Line) {
	last := s.subjects[ident.SubjectID(f.Owner)]
	if last.deleted { // permanently
		return
	}
	last.tenant = f.Tenant
	switch f.Kind {
	case audit.EffectSubjectDisabled, audit.EffectSubjectEnabled:
		last.disabled, last.disabledAt = f.Kind == audit.EffectSubjectDisabled, s.point(l)
	case audit.EffectSubjectDeleted:
		last = subjectState{tenant: f.Tenant, deleted: true}
	case audit.EffectSubjectPlanSet:
		last.planSet, last.plan = true, f.Plan
	}
	s.subjects[ident.SubjectID(f.Owner)] = last
}

func (s *State) applyPlan(f audit.Effect, l Line) {
	of := planKey{f.Tenant, f.Plan}
	if f.Kind == audit.EffectPlanDeleted {
		s.plans[of] = planState{deleted: s.point(l)}
		return
	}
	last := s.plans[of]
	last.contents = &policy.Plan{
		Name:         f.Plan,
		Applications: scope.Applications{All: f.AllApplications, IDs: f.Applications},
	}
	for _, name := range f.Scopes {
		last.contents.Scopes = append(last.contents.Scopes, scope.Scope(name))
	}
	s.plans[of] = last
}

// subject takes from a subject of the backup what it lost later.
func (a applier) subject(ctx context.Context, id ident.SubjectID, last subjectState,
	plans map[planKey]planState,
) (taken bool, err error) {
	s, err := a.tx.Subjects.LockSubject(ctx, last.tenant, id)
	if err != nil {
		return false, err
	}
	if last.deleted {
		_, err = a.tx.Machines.EndOwner(ctx, tenancy.EndedOwner{
			Tenant: last.tenant, ID: ident.PartyID(id), At: a.now, Reason: revokeReason,
		}, policy.Tombstone)
		if err != nil {
			return false, err
		}
		return true, a.tx.Subjects.DeleteSubject(ctx, last.tenant, id, a.now)
	}
	was := s
	disable := last.disabled
	if last.planSet && last.plan != s.Plan {
		var known bool
		s.Plan, known, err = a.lesserPlan(ctx, last.tenant, s.Plan, last.plan, plans)
		if err != nil {
			return false, err
		}
		disable = disable || !known
	}
	// In the backup, a program may have disabled what an admin disabled later.
	if disable && (!s.Disabled || a.afterBackup(last.disabledAt)) {
		s.Disabled, s.DisabledByAdmin = true, true
	}
	if s == was {
		return false, nil
	}
	s.UpdatedAt = a.now
	return true, a.tx.Subjects.UpdateSubject(ctx, s)
}

// lesserPlan returns the one of two plans that gives a subject nothing which it had not both in the
// backup and later. Two plans can each give something that the other does not, and the later one
// may be missing in the backup: known is then false, and the subject is disabled until an admin of
// the tenant sets its plan.
func (a applier) lesserPlan(ctx context.Context, tenant ident.TenantID, inBackup, later string,
	plans map[planKey]planState,
) (plan string, known bool, err error) {
	rules, err := a.tx.Subjects.TenantRules(ctx, tenant)
	if err != nil {
		return "", false, err
	}
	before, beforeNow, err := a.planRights(ctx, tenant, inBackup, plans)
	if err != nil {
		return inBackup, false, notMissing(err)
	}
	_, laterNow, err := a.planRights(ctx, tenant, later, plans)
	switch {
	case err != nil:
		return inBackup, false, notMissing(err)
	case givesNoMore(rules.Catalogue, laterNow, before):
		return later, true, nil
	}
	return inBackup, givesNoMore(rules.Catalogue, beforeNow, laterNow), nil
}

// notMissing returns nil for an object that does not exist.
func notMissing(err error) error {
	if errors.Is(err, fault.NotFound) {
		return nil
	}
	return err
}

// planRights returns what a subject with the plan may do by the backup, and after the journal is
// applied to the plan. The plan is "" for none.
func (a applier) planRights(ctx context.Context, tenant ident.TenantID, name string,
	plans map[planKey]planState,
) (inBackup, now policy.OwnerRights, err error) {
	inBackup.Subject, now.Subject = true, true
	if name == "" {
		return inBackup, now, nil
	}
	p, err := a.tx.Subjects.LockPlan(ctx, tenant, name)
	if err != nil {
		return inBackup, now, err
	}
	backup, cut := p.Plan, p
	a.restrictPlan(&cut, plans[planKey{tenant, name}])
	inBackup.Plan, now.Plan = &backup, &cut.Plan
	return inBackup, now, nil
}

// givesNoMore reports whether every key can do by the first rights only what it can do by the
// second.
func givesNoMore(c scope.Catalogue, first, second policy.OwnerRights) bool {
	every, all := scope.NewSet(scope.Every), scope.Applications{All: true}
	allowed := second.Effective(c, every)
	for _, name := range first.Effective(c, every) {
		if !allowed.Has(name) {
			return false
		}
	}
	reached, within := first.Reaches(all), second.Reaches(all)
	if reached.All {
		return within.All
	}
	return !slices.ContainsFunc(reached.IDs, func(id string) bool { return !within.Includes(id) })
}

// plan takes from a plan of the backup what it lost later.
func (a applier) plan(ctx context.Context, at planKey, last planState) (taken bool, err error) {
	p, err := a.tx.Subjects.LockPlan(ctx, at.tenant, at.name)
	if err != nil || !a.restrictPlan(&p, last) {
		return false, err
	}
	p.Applications.IDs, err = a.existingApplications(ctx, at.tenant, p.Applications.IDs)
	if err != nil {
		return false, err
	}
	p.UpdatedAt = a.now
	return true, a.tx.Subjects.UpdatePlan(ctx, p)
}

// restrictPlan takes from the plan what it has in the backup and lost later. A plan that was
// deleted contains nothing: subjects of the backup may have it. It reports whether the plan
// changed.
func (a applier) restrictPlan(p *machine.Plan, last planState) (narrowed bool) {
	if last.deleted != (changePoint{}) && a.existedBefore(last.deleted, p.CreatedAt) {
		narrowed = p.Applications.All || len(p.Scopes)+len(p.Applications.IDs) > 0
		p.Scopes, p.Applications = nil, scope.Applications{}
		return narrowed
	}
	if last.contents == nil {
		return false
	}
	scopes, applications := p.Scopes.Narrowed(
		last.contents.Scopes,
	), p.Applications.Narrowed(
		last.contents.Applications,
	)
	narrowed = !slices.Equal(scopes, p.Scopes) || applications.All != p.Applications.All ||
		len(applications.IDs) != len(p.Applications.IDs)
	p.Scopes, p.Applications = scopes, applications
	return narrowed
}
