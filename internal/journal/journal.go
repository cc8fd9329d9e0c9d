// Package journal keeps a file, outside of the database, of all changes that took authority away. A
// restore applies it, so that a restored backup does not bring that authority back.
//
// A journal is a file of lines, each a JSON object. Its lines are made from the effects of changes
// ([audit.Effect]) and contain no secrets:
//
//	{"change":812,"at":"…","effects":[{"kind":"key_revoked","tenant":"ten_…","key":"key_…"}]}
//	{"action":"journal.upto","change":820}            a checkpoint: all changes up to 820 are here
//	{"action":"journal.begin","change":600,"at":"…"}  earlier changes, up to 600, may be missing
//	{"action":"journal.restore","change":640}         change 640 restored a backup
//	{"action":"journal.node","nodes":[{"id":"…"}]}    the node that writes this journal
//	{"action":"journal.nodes","nodes":[…]}            the live nodes; each has a journal
//
// A checkpoint also has the event of its change, which identifies the database. After a restore the
// numbers of changes continue from that of the restore: a start and a restore each begin a new
// sequence of numbers.
//
// Effects that give authority back (key_enabled) are included, because the latest effect on a key,
// a person, a membership, a tenant or an account is the valid one. The latest effect is that of the
// latest change, not that of the last line: changes of other nodes are written late. [Read] keeps
// the latest effects. [State.Apply] applies them to a database and never adds authority.
//
// Earlier versions wrote lines with the action of a change instead of its effects (legacy.go).
package journal

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
)

// Marker is the kind of a line about the journal itself; "" for a line of effects.
type Marker string

// The markers.
const (
	startMarker      Marker = "journal.begin"
	checkpointMarker Marker = "journal.upto"
	restoreMarker    Marker = "journal.restore"
	nodeMarker       Marker = "journal.node"
	nodesMarker      Marker = "journal.nodes"
)

// Node is a process that makes changes and writes a journal.
type Node struct {
	ID string `json:"id"`
	// Name is the name of its machine.
	Name string `json:"name,omitempty"`
}

// Line is a line of a journal.
type Line struct {
	Marker  Marker         `json:"action,omitempty"`
	Change  int64          `json:"change,omitempty"`
	At      time.Time      `json:"at,omitzero"`
	Effects []audit.Effect `json:"effects,omitempty"`
	// ID is the event of a checkpoint's change or of the restore that a marker records. In another
	// database the change of that number has another event.
	ID ident.EventID `json:"event,omitempty"`
	// Nodes of a marker about nodes.
	Nodes []Node `json:"nodes,omitempty"`
}

// Change is a committed change, as recorded in the audit trail.
type Change struct {
	Number  int64
	ID      ident.EventID
	At      time.Time
	Effects []audit.Effect
}

// LineOf returns the line of a change. ok is false if the change has no effects. For a restore that
// this journal did not take part in it returns a start marker: the trail of the restored database
// does not contain what was revoked in the lost one.
func LineOf(c Change) (l Line, ok bool) {
	for _, f := range c.Effects {
		if f.Kind == audit.EffectDatabaseRestored {
			l = StartMarker(c.At, c.Number)
			l.ID = c.ID
			return l, true
		}
	}
	return Line{Change: c.Number, At: c.At, Effects: c.Effects}, len(c.Effects) > 0
}

// StartMarker returns the line that says from which time, and after which change, a journal is
// complete. Lines of earlier versions do not name the change.
func StartMarker(at time.Time, change int64) Line {
	return Line{Marker: startMarker, At: at, Change: change}
}

// Checkpoint returns the line that says up to which change a journal is complete.
func Checkpoint(change int64) Line { return Line{Marker: checkpointMarker, Change: change} }

// RestoreMarker returns the line that says which change restored a backup. Later changes are
// numbered from it.
func RestoreMarker(change int64) Line { return Line{Marker: restoreMarker, Change: change} }

// Encode returns the line as it is written.
func (l Line) Encode() []byte {
	text, err := json.Marshal(l)
	if err != nil {
		panic("journal: " + err.Error()) // all values are ours and can be encoded
	}
	return append(text, '\n')
}

// parse reads a line. It returns an error for a line that no version up to this one writes, because
// skipping it could bring back what was revoked.
func parse(text []byte) (l Line, err error) {
	var stored struct {
		Line
		legacyLine
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&stored); err != nil {
		return l, err
	}
	l = stored.Line
	switch {
	case slices.Contains([]Marker{startMarker, checkpointMarker, restoreMarker, nodeMarker, nodesMarker}, l.Marker):
		return l, nil
	case l.Marker != "":
		l.Effects, err = stored.effects(audit.Action(l.Marker))
		l.Marker = ""
		return l, err
	case len(l.Effects) == 0:
		return l, errors.New("neither effects nor a marker")
	}
	for _, f := range l.Effects {
		if err := f.Check(); err != nil {
			return l, err
		}
	}
	return l, nil
}

// eachLine calls do for each complete line.
func eachLine(from io.Reader, do func(Line) error) error {
	_, err := eachRawLine(from, func(text []byte) error {
		l, err := parse(text)
		if err != nil {
			return fmt.Errorf("is not a line of a journal: %w", err)
		}
		return do(l)
	})
	return err
}

// eachRawLine calls do for the text of each complete line, and returns the size of these lines in
// bytes. An incomplete last line, for example after a power cut, is ignored: its change was not
// answered.
func eachRawLine(from io.Reader, do func(text []byte) error) (size int64, err error) {
	lines := bufio.NewReaderSize(from, 1<<16)
	for n := 1; ; n++ {
		text, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return size, nil
		}
		if err == nil {
			err = do(text)
		}
		if err != nil {
			return size, fmt.Errorf("line %d %w", n, err)
		}
		size += int64(len(text))
	}
}

// State is the result of reading a journal.
type State struct {
	// Begin is the time from which the journal is complete; zero if it always was.
	Begin time.Time
	// After is the change after which the journal is complete; 0 if unknown.
	After int64
	// Repaired is the change of the last repair of the clock in the current sequence; 0 for none.
	Repaired int64
	// Checkpoint is the change up to which the journal is complete.
	Checkpoint int64
	// Latest is the latest time in the journal.
	Latest time.Time
	// Lines is the number of lines.
	Lines int
	// Node that writes the journal; the zero value for journals of earlier versions and merged
	// ones.
	Node Node
	// Alive are the nodes that were live at the end, as far as the journal knows.
	Alive []Node

	keys            map[ident.KeyID]*keyState
	management      map[ident.ManagementKeyID]*managementState
	users           map[ident.UserID]userState
	members         map[membership]*memberState
	accountRoles    map[accountMembership]accountRoleState
	applications    map[ident.ApplicationID]applicationState
	serviceAccounts map[ident.ServiceAccountID]serviceAccountState
	subjects        map[ident.SubjectID]subjectState
	plans           map[planKey]planState
	entries         map[string]entryState
	tenants         map[ident.TenantID]*tenantState
	accounts        map[ident.AccountID]bool
	policies        map[ident.AccountID]map[policy.Reason]policyState
	sessions        map[ident.AccountID]policy.Sessions
	factorRules     map[ident.AccountID]policy.FactorRule
	// sequences is the number of sequences of changes so far. Each start and each restore begins
	// one.
	sequences int
}

// changePoint is when a person last left a tenant or lost their role in an account. What they had
// before it is gone, whatever came later. The time alone does not decide, because a repair of the
// clock may have changed it.
type changePoint struct {
	time   time.Time
	change int64
	// sequence is the sequence of changes that the change belongs to.
	sequence int
}

// userState is the latest state of a person.
type userState struct {
	disabled, deleted bool
	// password is when their last password was set.
	password changePoint
	// factor is when their second factor was last set up or removed. hasFactor is set if they had
	// one then. codes is when recovery codes last ended.
	factor, codes changePoint
	hasFactor     bool
	// email is when their e-mail address was last replaced.
	email changePoint
}

// accountRoleState is the latest state of a person's role in an account.
type accountRoleState struct {
	// left is when they last lost their role. role is the role that they got since; "" if unknown.
	left changePoint
	role scope.AccountRole
}

// applicationState is the latest state of an application.
type applicationState struct {
	tenant            ident.TenantID
	disabled, deleted bool
	// routes are the last route rules, as they are stored; nil if the journal does not say.
	routes *string
}

// serviceAccountState is the latest state of a service account.
type serviceAccountState struct {
	tenant            ident.TenantID
	disabled, deleted bool
	// role is the last role that it was given; "" if unknown.
	role scope.Role
}

// tenantState is the latest state of a tenant. A nil or zero field means that the journal says
// nothing about it.
type tenantState struct {
	disabled bool
	settings *policy.Settings
	// copies is when the sealed copies of secrets were last destroyed.
	copies changePoint
	// catalogue contains the tenant's own scopes with the roles that may hold each.
	catalogue map[string][]string
}

// policyState is the latest bound on the age of an account's keys, in days (0 for no bound), and
// when it was set.
type policyState struct {
	days  int
	since time.Time
}

type membership struct {
	tenant ident.TenantID
	user   ident.UserID
}

type accountMembership struct {
	account ident.AccountID
	user    ident.UserID
}

// memberState is the latest state of a membership.
type memberState struct {
	disabled bool
	// role is the last role that they were given as a member; "" if unknown.
	role scope.Role
	// left is when the membership was last removed. Their earlier keys ended with it.
	left changePoint
}

// keyState is the latest state of a key.
type keyState struct {
	tenant                  ident.TenantID
	revoked, disabled       bool
	serial, previousEndedAt int
	expires                 time.Time
	// disabledAt is when it was last disabled or enabled.
	disabledAt changePoint
	// scopes, applications and addresses are nil if the journal says nothing about them.
	scopes       scope.Set
	applications *scope.Applications
	addresses    *policy.Addresses
}

// Read reads a journal to its end.
func Read(from io.Reader) (*State, error) {
	s := &State{
		management: map[ident.ManagementKeyID]*managementState{},
		keys:       map[ident.KeyID]*keyState{}, users: map[ident.UserID]userState{},
		members:      map[membership]*memberState{},
		accountRoles: map[accountMembership]accountRoleState{}, tenants: map[ident.TenantID]*tenantState{},
		accounts: map[ident.AccountID]bool{},
		policies: map[ident.AccountID]map[policy.Reason]policyState{}, sessions: map[ident.AccountID]policy.Sessions{},
		factorRules:  map[ident.AccountID]policy.FactorRule{},
		applications: map[ident.ApplicationID]applicationState{},
		subjects:     map[ident.SubjectID]subjectState{}, plans: map[planKey]planState{},
		serviceAccounts: map[ident.ServiceAccountID]serviceAccountState{}, entries: map[string]entryState{},
	}
	var run []Line // lines of one sequence
	var p progress
	err := eachLine(from, func(l Line) error {
		p.apply(l)
		if l.Marker == startMarker || l.Marker == restoreMarker {
			if err := s.applyAll(run); err != nil {
				return err
			}
			run = nil
		}
		run = append(run, l)
		return nil
	})
	err = errors.Join(err, s.applyAll(run))
	s.Latest, s.Alive = p.latest, p.alive
	if len(p.own) > 0 {
		s.Node = p.own[0]
	}
	return s, err
}

// applyAll applies lines in the order of their changes, after a start marker at their beginning.
func (s *State) applyAll(run []Line) error {
	rest := run
	if len(run) > 0 && run[0].Marker == startMarker {
		rest = run[1:]
	}
	slices.SortStableFunc(rest, func(a, b Line) int { return cmp.Compare(a.Change, b.Change) })
	for _, l := range run {
		if err := s.apply(l); err != nil {
			return err
		}
	}
	return nil
}

func (s *State) apply(l Line) error {
	s.Lines++
	switch l.Marker {
	case startMarker:
		s.Begin, s.After = l.At, l.Change
		s.startSequence()
	case restoreMarker:
		s.Checkpoint = l.Change
		s.startSequence()
	case checkpointMarker:
		s.Checkpoint = l.Change
	}
	for _, f := range l.Effects {
		if err := s.applyEffect(f, l); err != nil {
			return err
		}
	}
	return nil
}

func (s *State) startSequence() {
	s.sequences++
	s.Repaired = 0
}

// applyEffect applies an effect that passes [audit.Effect.Check]. A test checks that every kind is
// handled here.
func (s *State) applyEffect(f audit.Effect, l Line) error {
	switch f.Kind {
	case audit.EffectKeyRevoked, audit.EffectKeyDisabled, audit.EffectKeyEnabled, audit.EffectKeyRefreshed,
		audit.EffectKeyPreviousEnded,
		audit.EffectKeyExpirySet, audit.EffectKeyScopesSet, audit.EffectKeyApplicationsSet,
		audit.EffectKeyAddressesSet:
		s.applyKey(f, l)
	case audit.EffectManagementKeyRevoked, audit.EffectManagementKeyRefreshed,
		audit.EffectManagementKeyPreviousEnded, audit.EffectManagementKeyNarrowed:
		s.applyManagementKey(f)
	case audit.EffectMemberDisabled, audit.EffectMemberEnabled, audit.EffectMemberRemoved, audit.EffectMemberRoleSet:
		s.applyMember(f, l)
	case audit.EffectUserDisabled, audit.EffectUserEnabled, audit.EffectUserDeleted, audit.EffectPasswordSet,
		audit.EffectSecondFactorSet, audit.EffectSecondFactorRemoved, audit.EffectRecoveryCodesEnded,
		audit.EffectEmailSet:
		s.applyUser(f, l)
	case audit.EffectTenantDisabled, audit.EffectTenantEnabled, audit.EffectSettingsSet, audit.EffectCopiesForgotten,
		audit.EffectCatalogueSet:
		s.applyTenant(f, l)
	case audit.EffectApplicationDisabled, audit.EffectApplicationEnabled, audit.EffectApplicationDeleted:
		if last := s.applications[f.Application]; !last.deleted {
			last.tenant = f.Tenant
			last.disabled = f.Kind == audit.EffectApplicationDisabled
			last.deleted = f.Kind == audit.EffectApplicationDeleted
			if last.deleted {
				last.routes = nil
			}
			s.applications[f.Application] = last
		}
	case audit.EffectRoutesSet:
		if last := s.applications[f.Application]; !last.deleted {
			last.tenant, last.routes = f.Tenant, &f.Routes
			s.applications[f.Application] = last
		}
	case audit.EffectEntryOtherwiseSet, audit.EffectEntryDeleted:
		s.applyEntry(f, l)
	case audit.EffectSubjectDisabled, audit.EffectSubjectEnabled, audit.EffectSubjectDeleted,
		audit.EffectSubjectPlanSet:
		s.applySubject(f, l)
	case audit.EffectPlanSet, audit.EffectPlanDeleted:
		s.applyPlan(f, l)
	case audit.EffectServiceAccountDisabled, audit.EffectServiceAccountEnabled, audit.EffectServiceAccountRoleSet,
		audit.EffectServiceAccountDeleted:
		s.applyServiceAccount(f)
	case audit.EffectAccountDisabled, audit.EffectAccountEnabled:
		s.accounts[f.Account] = f.Kind == audit.EffectAccountDisabled
	case audit.EffectAccountRoleRemoved:
		s.accountRoles[accountMembership{f.Account, f.User}] = accountRoleState{left: s.point(l)}
	case audit.EffectAccountRoleSet:
		of := accountMembership{f.Account, f.User}
		s.accountRoles[of] = accountRoleState{left: s.accountRoles[of].left, role: scope.AccountRole(f.Role)}
	case audit.EffectSessionBoundsSet:
		s.sessions[f.Account] = policy.Sessions{
			Idle: time.Duration(f.IdleMinutes) * time.Minute, Absolute: time.Duration(f.AbsoluteHours) * time.Hour,
		}
	case audit.EffectSecondFactorRequired:
		s.factorRules[f.Account] = f.Require
	case audit.EffectLifetimeSet:
		if s.policies[f.Account] == nil {
			s.policies[f.Account] = map[policy.Reason]policyState{}
		}
		s.policies[f.Account][f.Reason] = policyState{f.Days, l.At}
	case audit.EffectTimeRepaired:
		s.repairTime(l)
	default:
		return fmt.Errorf("%w %q", audit.ErrUnknownEffect, f.Kind)
	}
	return nil
}

func (s *State) applyKey(f audit.Effect, l Line) {
	k := s.keys[f.Key]
	if k == nil {
		k = &keyState{tenant: f.Tenant}
		s.keys[f.Key] = k
	}
	if k.revoked { // permanently
		return
	}
	switch f.Kind {
	case audit.EffectKeyRevoked:
		*k = keyState{tenant: f.Tenant, revoked: true}
	case audit.EffectKeyDisabled, audit.EffectKeyEnabled:
		k.disabled, k.disabledAt = f.Kind == audit.EffectKeyDisabled, s.point(l)
	case audit.EffectKeyRefreshed:
		k.serial, k.expires = f.Serial, time.Time{} // the refresh says how long the new secret lives
	case audit.EffectKeyPreviousEnded:
		k.previousEndedAt = f.Serial
	case audit.EffectKeyExpirySet:
		k.expires = f.Expires
	case audit.EffectKeyScopesSet:
		k.scopes = nil
		for _, name := range f.Scopes {
			k.scopes = append(k.scopes, scope.Scope(name))
		}
	case audit.EffectKeyApplicationsSet:
		k.applications = &scope.Applications{All: f.AllApplications, IDs: f.Applications}
	case audit.EffectKeyAddressesSet:
		k.addresses = &f.Addresses
	}
}

func (s *State) applyServiceAccount(f audit.Effect) {
	id := ident.ServiceAccountID(f.Owner)
	a := s.serviceAccounts[id]
	if a.deleted { // permanently
		return
	}
	a.tenant = f.Tenant
	switch f.Kind {
	case audit.EffectServiceAccountDisabled, audit.EffectServiceAccountEnabled:
		a.disabled = f.Kind == audit.EffectServiceAccountDisabled
	case audit.EffectServiceAccountRoleSet:
		a.role = scope.Role(f.Role)
	case audit.EffectServiceAccountDeleted:
		a = serviceAccountState{tenant: f.Tenant, deleted: true}
	}
	s.serviceAccounts[id] = a
}

func (s *State) applyUser(f audit.Effect, l Line) {
	u := s.users[f.User]
	if u.deleted { // permanently
		return
	}
	switch f.Kind {
	case audit.EffectUserDisabled, audit.EffectUserEnabled:
		u.disabled = f.Kind == audit.EffectUserDisabled
	case audit.EffectUserDeleted:
		u = userState{deleted: true}
	case audit.EffectPasswordSet:
		u.password = s.point(l)
		u.password.time = f.Since
	case audit.EffectSecondFactorSet:
		u.factor, u.hasFactor = s.point(l), true
		u.factor.time = f.Since
	case audit.EffectSecondFactorRemoved:
		u.factor, u.hasFactor = s.point(l), false
	case audit.EffectRecoveryCodesEnded:
		u.codes = s.point(l)
	case audit.EffectEmailSet:
		u.email = s.point(l)
	}
	s.users[f.User] = u
}

func (s *State) applyTenant(f audit.Effect, l Line) {
	t := s.tenants[f.Tenant]
	if t == nil {
		t = &tenantState{}
		s.tenants[f.Tenant] = t
	}
	switch f.Kind {
	case audit.EffectTenantDisabled, audit.EffectTenantEnabled:
		t.disabled = f.Kind == audit.EffectTenantDisabled
	case audit.EffectSettingsSet:
		t.settings = f.Settings
	case audit.EffectCopiesForgotten:
		t.copies = s.point(l)
	case audit.EffectCatalogueSet:
		t.catalogue = f.Catalogue
		if t.catalogue == nil { // an empty catalogue
			t.catalogue = map[string][]string{}
		}
	}
}

func (s *State) point(l Line) changePoint { return changePoint{l.At, l.Change, s.sequences} }

// repairTime replaces times after the repair by the time of the repair.
func (s *State) repairTime(l Line) {
	s.Repaired = l.Change
	s.Begin = earlierTime(s.Begin, l.At)
	for _, m := range s.members {
		m.left.time = earlierTime(m.left.time, l.At)
	}
	for at, last := range s.accountRoles {
		last.left.time = earlierTime(last.left.time, l.At)
		s.accountRoles[at] = last
	}
	for id, u := range s.users {
		u.password.time = earlierTime(u.password.time, l.At)
		u.factor.time = earlierTime(u.factor.time, l.At)
		u.codes.time = earlierTime(u.codes.time, l.At)
		u.email.time = earlierTime(u.email.time, l.At)
		s.users[id] = u
	}
	for at, last := range s.plans {
		last.deleted.time = earlierTime(last.deleted.time, l.At)
		s.plans[at] = last
	}
	for name, last := range s.entries {
		last.deleted.time = earlierTime(last.deleted.time, l.At)
		s.entries[name] = last
	}
	for _, t := range s.tenants {
		t.copies.time = earlierTime(t.copies.time, l.At)
	}
	for _, rules := range s.policies {
		for reason, last := range rules {
			last.since = earlierTime(last.since, l.At)
			rules[reason] = last
		}
	}
}

func earlierTime(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func (s *State) applyMember(f audit.Effect, l Line) {
	of := membership{f.Tenant, f.User}
	m := s.members[of]
	if m == nil {
		m = &memberState{}
		s.members[of] = m
	}
	switch f.Kind {
	case audit.EffectMemberRoleSet:
		m.role = scope.Role(f.Role)
	case audit.EffectMemberRemoved:
		*m = memberState{left: s.point(l)}
	default:
		m.disabled = f.Kind == audit.EffectMemberDisabled
	}
}
