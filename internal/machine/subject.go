package machine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/claviger-dev/claviger/internal/account"
	"github.com/claviger-dev/claviger/internal/admission"
	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/etag"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/metadata"
	"github.com/claviger-dev/claviger/internal/paging"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/tenancy"
	"github.com/claviger-dev/claviger/internal/text"
)

// Subject is a customer of a tenant's API, known by an id that the host application chose.
type Subject struct {
	ID     ident.SubjectID
	Number int64
	Tenant ident.TenantID
	// ExternalID is unique among the subjects of the tenant that are not deleted.
	ExternalID string
	// Name may be "".
	Name string
	// Plan is the name of a plan; "" for none.
	Plan     string
	Metadata metadata.Metadata
	Disabled bool
	// DisabledByAdmin is set if an admin disabled the subject. Only an admin enables it then.
	DisabledByAdmin      bool
	CreatedAt, UpdatedAt time.Time
}

// Party returns the subject as the owner of keys.
func (s Subject) Party() principal.Party {
	return principal.Party{ID: ident.PartyID(s.ID), Name: s.Name, ExternalID: s.ExternalID}
}

// SubjectFilter narrows a list of subjects; the zero value lists all.
type SubjectFilter struct {
	ExternalID, Plan string
	// WithoutPlan narrows the list to subjects that have no plan.
	WithoutPlan bool
	// Query is compared with the beginnings of words in the name and the external id, without
	// regard to case.
	Query string
}

// AllowsPlan reports whether subjects on the plan are listed; "" is none.
func (f SubjectFilter) AllowsPlan(plan string) bool {
	return (f.Plan == "" || f.Plan == plan) && (!f.WithoutPlan || plan == "")
}

// SubjectPage is a part of a list of subjects. It can be shorter than asked, even if it is not the
// last.
type SubjectPage struct {
	Subjects []Subject
	// Next asks for the part after this one; nil on the last.
	Next *paging.Page
}

// SubjectStore is what [Subjects] reads outside transactions. It finds no deleted subjects.
type SubjectStore interface {
	Subject(ctx context.Context, tenant ident.TenantID, id ident.SubjectID) (Subject, error)
	// SubjectsOf lists subjects, newest first. A search compares a bounded number of subjects.
	SubjectsOf(ctx context.Context, tenant ident.TenantID, f SubjectFilter, page paging.Page) (SubjectPage, error)
	// CountSubjects counts the subjects of a tenant, up to most.
	CountSubjects(ctx context.Context, tenant ident.TenantID, most int) (int, error)
	// CountSubjectsOn counts the subjects of a tenant with a plan, up to most.
	CountSubjectsOn(ctx context.Context, tenant ident.TenantID, plan string, most int) (int, error)
}

// NewSubjectTx writes a new subject. It locks the plan, so that nobody deletes it meanwhile.
type NewSubjectTx interface {
	// LockPlan fails with fault.NotFound where the tenant has no such plan.
	LockPlan(ctx context.Context, tenant ident.TenantID, name string) (Plan, error)
	// SubjectByExternalID locks the subject that it returns. It fails with fault.NotFound where
	// there is none.
	SubjectByExternalID(ctx context.Context, tenant ident.TenantID, externalID string) (Subject, error)
	// InsertSubject returns the number of the subject.
	InsertSubject(ctx context.Context, s Subject) (number int64, err error)
	// CountSubjects counts the subjects of a tenant, up to most.
	CountSubjects(ctx context.Context, tenant ident.TenantID, most int) (int, error)
}

// SubjectTx is the transaction that changes a subject.
type SubjectTx interface {
	AccessTx
	ProgramTx
	tenancy.EndOwnerTx
	NewSubjectTx
	// LockManagementOwner locks a service account. It fails with fault.NotFound for a deleted one.
	LockManagementOwner(ctx context.Context, tenant ident.TenantID, id ident.ServiceAccountID) (ManagementOwner, error)
	// LockSubject reads a subject and locks it. It fails with fault.NotFound where there is none.
	LockSubject(ctx context.Context, tenant ident.TenantID, id ident.SubjectID) (Subject, error)
	// UpdateSubject writes name, plan, metadata and state.
	UpdateSubject(ctx context.Context, s Subject) error
	// DeleteSubject leaves the row with nothing but its id, number and times.
	DeleteSubject(ctx context.Context, tenant ident.TenantID, id ident.SubjectID, at time.Time) error
}

// Subjects reads and changes the subjects of tenants, for admins and programs; auditors read them.
type Subjects struct {
	Ledger  audit.Ledger[SubjectTx]
	Store   SubjectStore
	Tenants Tenants
	Now     func() time.Time
	Rand    io.Reader
	// SearchGate admits requests that compare texts of many subjects; nil admits everyone.
	SearchGate *admission.Gate
}

const (
	// maxSubjects bounds the subjects of a tenant.
	maxSubjects = 1_000_000
	// maxExternalID is the length of the longest external id.
	maxExternalID = 200
	// maxQuery is the length of the longest search, in code points.
	maxQuery = 200
)

// NewSubject is what somebody asks a new subject to be.
type NewSubject struct {
	ExternalID string
	Name       string
	// Plan is "" for none.
	Plan     string
	Metadata metadata.Metadata
}

// Normalize cleans the name and returns what is wrong without regard to the tenant. The fields are
// named with the prefix, such as "owner.".
func (n *NewSubject) Normalize(prefix string) (faults []fault.Field) {
	faults = ExternalIDFaults(prefix+"external_id", n.ExternalID)
	if n.Name != "" {
		name, more := text.Name(prefix+"name", n.Name)
		n.Name, faults = name, append(faults, more...)
	}
	return append(faults, planNameFaults(prefix+"plan", n.Plan)...)
}

// ExternalIDFaults checks the form of an external id that a request has in the given field.
func ExternalIDFaults(field, id string) []fault.Field {
	outside := func(r rune) bool { return r < '!' || r > '~' }
	switch {
	case id == "":
		return []fault.Field{{
			Name: field, Code: "required", Message: "Send the id by which your own system knows the subject.",
		}}
	case strings.ContainsFunc(id, outside):
		return []fault.Field{{
			Name: field, Code: "character",
			Message: "Use the visible characters of ASCII, from ! to ~, without spaces.",
		}}
	case len(id) > maxExternalID:
		return []fault.Field{{
			Name: field, Code: "too_long", Message: fmt.Sprintf("Use at most %d characters.", maxExternalID),
		}}
	}
	return nil
}

// planNameFaults checks the form of the name of a plan; "" is none.
func planNameFaults(field, name string) []fault.Field {
	if name == "" || ValidPlanName(name) {
		return nil
	}
	return []fault.Field{{
		Name: field, Code: "form", Message: "Use the name of a plan: 1 to 64 of a-z 0-9 _ and -, a letter first.",
	}}
}

// Subject returns the subject that is not yet written.
func (n NewSubject) Subject(id ident.SubjectID, tenant ident.TenantID, now time.Time) Subject {
	return Subject{
		ID: id, Tenant: tenant, ExternalID: n.ExternalID, Name: n.Name, Plan: n.Plan, Metadata: n.Metadata,
		CreatedAt: now, UpdatedAt: now,
	}
}

// InsertSubject writes a new subject and sets its number. Its plan is locked before, by
// [RequirePlan]. Other creations wait from then on.
func InsertSubject(ctx context.Context, tx NewSubjectTx, s *Subject) (err error) {
	s.Number, err = tx.InsertSubject(ctx, *s)
	// No tenant has more subjects than the server ever numbered.
	if err != nil || s.Number <= maxSubjects {
		return err
	}
	n, err := tx.CountSubjects(ctx, s.Tenant, maxSubjects+1)
	return account.CheckLimit(n-1, err, maxSubjects, "This tenant has %d of %d subjects.", "Delete some first.")
}

// RequirePlan locks a plan and refuses one that the tenant does not have; "" is none. field is the
// name of the plan in the request.
func RequirePlan(ctx context.Context, tx NewSubjectTx, tenant ident.TenantID, plan, field string) error {
	if plan == "" {
		return nil
	}
	_, err := tx.LockPlan(ctx, tenant, plan)
	if errors.Is(err, fault.NotFound) {
		return fault.Refuse(fault.Field{
			Name: field, Code: "unknown", Message: "The tenant has no such plan. Create it first.",
		})
	}
	return err
}

// Create adds a subject to a tenant.
func (s *Subjects) Create(ctx context.Context, who principal.Principal, tenant ident.TenantID,
	n NewSubject,
) (subject Subject, err error) {
	if err := fault.Refuse(n.Normalize("")...); err != nil {
		return Subject{}, err
	}
	now := s.Now()
	fresh := n.Subject(ident.New[ident.SubjectID](now, s.Rand), tenant, now)
	err = s.inTenant(ctx, who, tenant,
		func(ctx context.Context, tx SubjectTx, by *subjectEditor) (audit.Event, error) {
			subject = fresh
			_, found := tx.SubjectByExternalID(ctx, tenant, subject.ExternalID)
			plan := RequirePlan(ctx, tx, tenant, subject.Plan, "plan")
			if err := by.authorize(ctx, tx, s.Now, subject.Plan); err != nil {
				return audit.Event{}, err
			}
			switch {
			case found == nil:
				return audit.Event{}, errExternalIDTaken
			case !errors.Is(found, fault.NotFound):
				return audit.Event{}, found
			case plan != nil:
				return audit.Event{}, plan
			}
			if err := by.countCreate(ctx, tx, s.Now()); err != nil {
				return audit.Event{}, err
			}
			if err := InsertSubject(ctx, tx, &subject); err != nil {
				return audit.Event{}, err
			}
			return subject.event(who, audit.ActionSubjectCreate), nil
		})
	return subject, err
}

var errExternalIDTaken = fault.New(fault.Conflict,
	"The tenant has a subject with this `external_id`. Use that one, or another id.")

// SubjectChange is a change of a subject. What is nil stays as it is.
type SubjectChange struct {
	// Expected is the version that the subject must have; "" for any.
	Expected etag.Tag
	// Name and Plan are "" for none.
	Name, Plan *string
	Metadata   *metadata.Patch
}

// normalize cleans the name and returns what is wrong with the change.
func (c *SubjectChange) normalize() (faults []fault.Field) {
	if c.Name != nil && *c.Name != "" {
		name, more := text.Name("name", *c.Name)
		c.Name, faults = &name, more
	}
	if c.Plan != nil {
		faults = append(faults, planNameFaults("plan", *c.Plan)...)
	}
	return faults
}

// apply makes the change.
func (c SubjectChange) apply(s *Subject) error {
	if c.Name != nil {
		s.Name = *c.Name
	}
	if c.Plan != nil {
		s.Plan = *c.Plan
	}
	if c.Metadata == nil {
		return nil
	}
	merged, faults := s.Metadata.Merge(*c.Metadata)
	s.Metadata = merged
	return fault.Refuse(faults...)
}

// Version returns the version of what an edit can change in the subject.
func (s Subject) Version() etag.Tag { return etag.Of(s.Name, s.Plan, s.Metadata.Text()) }

// Edit changes a subject. Once it returns, its keys are cut to its plan as it is now. With
// [etag.ErrChanged] it also returns the subject as it is.
func (s *Subjects) Edit(ctx context.Context, who principal.Principal, tenant ident.TenantID, id ident.SubjectID,
	c SubjectChange,
) (Subject, error) {
	if err := fault.Refuse(c.normalize()...); err != nil {
		return Subject{}, err
	}
	return s.change(ctx, who, tenant, id, c, audit.ActionSubjectEdit,
		func(_ *subjectEditor, subject *Subject) ([]audit.Effect, error) {
			before := *subject
			if err := c.Expected.Check(before.Version()); err != nil {
				return nil, err
			}
			if err := c.apply(subject); err != nil || *subject == before {
				return nil, orNothing(err)
			}
			if subject.Plan == before.Plan {
				return nil, nil
			}
			f := subject.effect(audit.EffectSubjectPlanSet)
			f.Plan = subject.Plan
			return []audit.Effect{f}, nil
		})
}

// orNothing returns the error, or that there is nothing to change.
func orNothing(err error) error {
	if err == nil {
		err = audit.ErrNothing
	}
	return err
}

// Disable makes the keys of a subject unusable until it is enabled. What an admin disabled stays
// disabled until an admin enables it.
func (s *Subjects) Disable(ctx context.Context, who principal.Principal, tenant ident.TenantID,
	id ident.SubjectID,
) (Subject, error) {
	return s.change(ctx, who, tenant, id, SubjectChange{}, audit.ActionSubjectDisable,
		func(by *subjectEditor, subject *Subject) ([]audit.Effect, error) {
			if subject.Disabled && (subject.DisabledByAdmin || by.isProgram()) {
				return nil, audit.ErrNothing
			}
			subject.Disabled = true
			subject.DisabledByAdmin = !by.isProgram()
			return []audit.Effect{subject.effect(audit.EffectSubjectDisabled)}, nil
		})
}

// Enable makes the keys of a subject usable again, exactly as they were.
func (s *Subjects) Enable(ctx context.Context, who principal.Principal, tenant ident.TenantID,
	id ident.SubjectID,
) (Subject, error) {
	return s.change(ctx, who, tenant, id, SubjectChange{}, audit.ActionSubjectEnable,
		func(by *subjectEditor, subject *Subject) ([]audit.Effect, error) {
			switch {
			case !subject.Disabled:
				return nil, audit.ErrNothing
			case subject.DisabledByAdmin && by.isProgram():
				return nil, errDisabledByAdmin
			}
			subject.Disabled, subject.DisabledByAdmin = false, false
			return []audit.Effect{subject.effect(audit.EffectSubjectEnabled)}, nil
		})
}

var errDisabledByAdmin = fault.New(fault.Forbidden,
	"An admin disabled this subject. Ask an admin of the tenant to enable it.")

// change changes a subject that is locked, and records its event. planned names the plan that the
// subject gets, if it gets one.
func (s *Subjects) change(ctx context.Context, who principal.Principal, tenant ident.TenantID, id ident.SubjectID,
	planned SubjectChange, action audit.Action,
	apply func(*subjectEditor, *Subject) ([]audit.Effect, error),
) (subject Subject, err error) {
	err = s.inTenant(ctx, who, tenant,
		func(ctx context.Context, tx SubjectTx, by *subjectEditor) (audit.Event, error) {
			subject, err = s.lock(ctx, tx, by, id, planned)
			if err != nil {
				return audit.Event{}, err
			}
			effects, err := apply(by, &subject)
			e := subject.event(who, action)
			if err != nil {
				return e, err
			}
			subject.UpdatedAt = s.Now()
			return e.WithEffects(effects...), tx.UpdateSubject(ctx, subject)
		})
	return subject, err
}

// lock locks a subject and the plan that it gets, and checks whether the editor may change it.
func (s *Subjects) lock(ctx context.Context, tx SubjectTx, by *subjectEditor, id ident.SubjectID,
	planned SubjectChange,
) (Subject, error) {
	subject, err := tx.LockSubject(ctx, by.tenant.ID, id)
	if err != nil {
		return Subject{}, err
	}
	plans := []string{subject.Plan}
	var plan error
	if planned.Plan != nil && *planned.Plan != subject.Plan {
		plan = RequirePlan(ctx, tx, by.tenant.ID, *planned.Plan, "plan")
		plans = append(plans, *planned.Plan)
	}
	if err := by.authorize(ctx, tx, s.Now, plans...); err != nil {
		return Subject{}, err
	}
	return subject, plan
}

// Delete deletes a subject. From then on its keys are revoked, and its external id is free: a new
// subject with that id revives nothing.
func (s *Subjects) Delete(ctx context.Context, who principal.Principal, tenant ident.TenantID,
	id ident.SubjectID,
) error {
	return s.inTenant(ctx, who, tenant,
		func(ctx context.Context, tx SubjectTx, by *subjectEditor) (audit.Event, error) {
			subject, err := s.lock(ctx, tx, by, id, SubjectChange{})
			if err != nil {
				return audit.Event{}, err
			}
			now := s.Now()
			ended := tenancy.EndedOwner{
				Tenant: tenant, ID: ident.PartyID(id), At: now, By: by.party.ID, Reason: "The subject was deleted.",
			}
			revoked, err := tx.EndOwner(ctx, ended, by.tenant.Settings.RevokeMode)
			if err != nil {
				return audit.Event{}, err
			}
			e := subject.event(who, audit.ActionSubjectDelete).With("keys_revoked", strconv.Itoa(revoked)).
				WithEffects(subject.effect(audit.EffectSubjectDeleted))
			return e, tx.DeleteSubject(ctx, tenant, id, now)
		})
}

// Subject returns a subject of a tenant.
func (s *Subjects) Subject(ctx context.Context, who principal.Principal, tenant ident.TenantID,
	id ident.SubjectID,
) (Subject, error) {
	if err := subjectReaderOf(ctx, s.Tenants, who, tenant); err != nil {
		return Subject{}, err
	}
	return s.Store.Subject(ctx, tenant, id)
}

// Owner returns the subject to which the caller's key belongs. It returns fault.NotFound for every
// other caller.
func (s *Subjects) Owner(ctx context.Context, who principal.Principal) (Subject, error) {
	k, ok := who.Key()
	if !ok {
		return Subject{}, fault.NotFound
	}
	return s.Store.Subject(ctx, k.Tenant, ident.SubjectID(k.Owner.ID)) // no user has such an id
}

// List lists subjects of a tenant, newest first.
func (s *Subjects) List(ctx context.Context, who principal.Principal, tenant ident.TenantID, f SubjectFilter,
	page paging.Page,
) (SubjectPage, error) {
	if err := fault.Refuse(f.faults()...); err != nil {
		return SubjectPage{}, err
	}
	if err := subjectReaderOf(ctx, s.Tenants, who, tenant); err != nil {
		return SubjectPage{}, err
	}
	if f.Query != "" {
		pass, err := s.SearchGate.Acquire(ctx, admission.ForPrincipal(who))
		if err != nil {
			return SubjectPage{}, err
		}
		defer pass.Release()
	}
	return s.Store.SubjectsOf(ctx, tenant, f, page)
}

// Count returns how many subjects a tenant has, up to most, to those who may list them.
func (s *Subjects) Count(ctx context.Context, who principal.Principal, tenant ident.TenantID, most int) (int, error) {
	if err := subjectReaderOf(ctx, s.Tenants, who, tenant); err != nil {
		return 0, err
	}
	return s.Store.CountSubjects(ctx, tenant, most)
}

// CountOn returns how many subjects of a tenant have a plan, up to most, to those who may list
// them.
func (s *Subjects) CountOn(ctx context.Context, who principal.Principal, tenant ident.TenantID, plan string,
	most int,
) (int, error) {
	if err := subjectReaderOf(ctx, s.Tenants, who, tenant); err != nil {
		return 0, err
	}
	return s.Store.CountSubjectsOn(ctx, tenant, plan, most)
}

// faults returns what is wrong with the filter.
func (f SubjectFilter) faults() (faults []fault.Field) {
	if f.ExternalID != "" {
		faults = ExternalIDFaults("external_id", f.ExternalID)
	}
	faults = append(faults, planNameFaults("plan", f.Plan)...)
	switch {
	case !utf8.ValidString(f.Query) || strings.ContainsRune(f.Query, 0):
		faults = append(faults,
			fault.Field{Name: "q", Code: "character", Message: "Use UTF-8 text without NUL characters."})
	case utf8.RuneCountInString(f.Query) > maxQuery:
		faults = append(faults,
			fault.Field{Name: "q", Code: "too_long", Message: fmt.Sprintf("Use at most %d characters.", maxQuery)})
	case f.Query != "" && text.NewWordQuery(f.Query).Empty():
		faults = append(faults,
			fault.Field{Name: "q", Code: "empty", Message: "Use at least one visible character, or leave q out."})
	}
	return faults
}

// event records what happened to the subject. It invalidates what is cached of its keys.
func (s Subject) event(who principal.Principal, action audit.Action) audit.Event {
	e := audit.By(who, action, audit.Target{Type: "subject", ID: string(s.ID), Name: s.Name})
	e = e.With("external_id", s.ExternalID).InvalidatesOwners(ident.PartyID(s.ID))
	if s.Plan != "" {
		e = e.With("plan", s.Plan)
	}
	if action == audit.ActionSubjectDisable || action == audit.ActionSubjectEnable {
		e = e.With("status", tenancy.Status(s.Disabled))
	}
	return e
}

// effect returns an effect on the subject.
func (s Subject) effect(kind audit.EffectKind) audit.Effect {
	return audit.Effect{Kind: kind, Tenant: s.Tenant, Owner: ident.PartyID(s.ID)}
}
