package journal

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/claviger-dev/claviger/internal/account"
	"github.com/claviger-dev/claviger/internal/application"
	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/identity"
	"github.com/claviger-dev/claviger/internal/key"
	"github.com/claviger-dev/claviger/internal/machine"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/tenancy"
)

// Tx is the transaction that a journal is applied in, as one interface for each kind of object. All
// of them are the same transaction.
type Tx struct {
	Keys     KeyTx
	People   PeopleTx
	Tenants  TenantTx
	Subjects SubjectTx
	Machines MachineTx
	Routes   RouteTx
	// Management has the management keys.
	Management ManagementKeyTx
}

// KeyTx reads and changes keys.
type KeyTx interface {
	LockKey(ctx context.Context, tenant ident.TenantID, id ident.KeyID) (key.Key, error)
	RevokeKey(ctx context.Context, id ident.KeyID, at time.Time, by ident.PartyID, reason string) error
	SetDisabled(ctx context.Context, k key.Key) error
	EditKey(ctx context.Context, k key.Key) error
	EndPrevious(ctx context.Context, id ident.KeyID, at time.Time) error
	// MissingApplications returns the indexes of the ids that do not exist.
	MissingApplications(ctx context.Context, tenant ident.TenantID, ids []string) (missing []int, err error)
	SlotHolders(ctx context.Context, tenant ident.TenantID, owner ident.PartyID) ([]key.SlotHolder, error)
	RevokeKeysOf(ctx context.Context, tenant ident.TenantID, owner ident.UserID, mode policy.RevokeMode, at time.Time,
		by ident.UserID, reason string) (int64, error)
}

// PeopleTx reads and changes people, their memberships and their roles in accounts.
type PeopleTx interface {
	LockUser(ctx context.Context, user ident.UserID) (identity.User, error)
	SetUserDisabled(ctx context.Context, user ident.UserID, disabled bool, at time.Time) error
	TenantsOfUser(ctx context.Context, user ident.UserID) ([]ident.TenantID, error)
	RemoveMemberships(ctx context.Context, user ident.UserID) error
	// VoidPassword removes a person's password. No sign-in works until another one is set.
	VoidPassword(ctx context.Context, user ident.UserID, at time.Time) error
	// VoidEmail removes a person's e-mail address. No sign-in works until the operator sets one.
	VoidEmail(ctx context.Context, user ident.UserID, at time.Time) error
	DeleteUser(ctx context.Context, user ident.UserID, at time.Time) error
	Member(ctx context.Context, tenant ident.TenantID, user ident.UserID) (tenancy.Member, error)
	UpdateMember(ctx context.Context, m tenancy.Member, at time.Time) error
	DeleteMember(ctx context.Context, tenant ident.TenantID, user ident.UserID) error
	Candidate(ctx context.Context, account ident.AccountID,
		user ident.UserID) (o account.Member, belongs bool, err error)
	SetAccountMember(ctx context.Context, account ident.AccountID, user ident.UserID, role scope.AccountRole,
		at time.Time) error
	DeleteAccountMember(ctx context.Context, account ident.AccountID, user ident.UserID) error
	FactorTx
}

// TenantTx reads and changes tenants, their applications, and accounts.
type TenantTx interface {
	LockTenant(ctx context.Context, id ident.TenantID) (tenancy.Tenant, error)
	UpdateTenant(ctx context.Context, t tenancy.Tenant) error
	TenantRules(ctx context.Context, id ident.TenantID) (policy.Tenant, error)
	ReplaceScopes(ctx context.Context, tenant ident.TenantID, own []scope.Entry) error
	ForgetCopies(ctx context.Context, tenant ident.TenantID) error
	LockApplication(ctx context.Context, tenant ident.TenantID, id ident.ApplicationID) (application.Application, error)
	UpdateApplication(ctx context.Context, a application.Application) error
	DeleteApplication(ctx context.Context, tenant ident.TenantID, id ident.ApplicationID) error
	LockAccount(ctx context.Context, id ident.AccountID) (account.Account, error)
	UpdateAccount(ctx context.Context, a account.Account) error
	Policy(ctx context.Context, account ident.AccountID) (policy.Policy, error)
	SetPolicy(ctx context.Context, account ident.AccountID, p policy.Policy) error
}

// MachineTx reads and changes service accounts.
type MachineTx interface {
	LockServiceAccount(ctx context.Context, tenant ident.TenantID,
		id ident.ServiceAccountID) (machine.ServiceAccount, error)
	UpdateServiceAccount(ctx context.Context, a machine.ServiceAccount) error
	DeleteServiceAccount(ctx context.Context, a machine.ServiceAccount, at time.Time, by ident.PartyID,
		reason string) error
	EndOwner(ctx context.Context, o tenancy.EndedOwner, mode policy.RevokeMode) (int, error)
}

// Revocations counts the objects that lost authority.
type Revocations struct {
	Keys, Users, Passwords, Emails, SecondFactors, RecoveryCodes, Members, AccountMembers, Applications int
	Tenants, Accounts, Policies                                                                         int
	ServiceAccounts, Subjects, Plans, ManagementKeys, Routes, Entries                                   int
}

// On adds the counts to an event.
func (t Revocations) On(e audit.Event) audit.Event {
	for name, n := range map[string]int{
		"keys": t.Keys, "users": t.Users, "passwords": t.Passwords, "emails": t.Emails,
		"second_factors": t.SecondFactors, "recovery_codes": t.RecoveryCodes, "members": t.Members,
		"account_members": t.AccountMembers, "applications": t.Applications, "tenants": t.Tenants,
		"accounts": t.Accounts, "policies": t.Policies, "service_accounts": t.ServiceAccounts,
		"subjects": t.Subjects, "plans": t.Plans, "management_keys": t.ManagementKeys,
		"routes": t.Routes, "entries": t.Entries,
	} {
		if n > 0 {
			e = e.With(name, strconv.Itoa(n))
		}
	}
	return e
}

const revokeReason = "Ended after the backup that was restored."

// Backup is the moment of a backup: its time and the last change that it contains.
type Backup struct {
	At     time.Time
	Change int64
}

// Apply takes from the database the authority that the journal says was taken away. It skips
// objects that do not exist.
func (s *State) Apply(ctx context.Context, tx Tx, from Backup, now time.Time) (t Revocations, err error) {
	a := applier{tx: tx, now: now, backup: from.Change, madeAt: from.At, count: s.sequences}
	err = errors.Join(
		applyEach(s.keys, func(id ident.KeyID, k *keyState) error { return countChanged(&t.Keys)(a.key(ctx, id, k)) }),
		applyEach(s.management, func(id ident.ManagementKeyID, k *managementState) error {
			return countChanged(&t.ManagementKeys)(a.managementKey(ctx, id, k))
		}),
		applyEach(s.users,
			func(id ident.UserID, last userState) error { return countChanged(&t.Users)(a.user(ctx, id, last)) }),
		applyEach(s.users,
			func(id ident.UserID, last userState) error {
				return countChanged(&t.Passwords)(a.password(ctx, id, last))
			}),
		applyEach(s.users, func(id ident.UserID, last userState) error {
			return countChanged(&t.Emails)(a.email(ctx, id, last))
		}),
		applyEach(s.users, func(id ident.UserID, last userState) error {
			return countChanged(&t.SecondFactors)(a.secondFactor(ctx, id, last))
		}),
		applyEach(s.users, func(id ident.UserID, last userState) error {
			return countChanged(&t.RecoveryCodes)(a.recoveryCodes(ctx, id, last))
		}),
		applyEachOf(s.members, membership.compare,
			func(at membership, m *memberState) error { return countChanged(&t.Members)(a.member(ctx, at, m)) }),
		applyEachOf(s.accountRoles, accountMembership.compare, func(at accountMembership, last accountRoleState) error {
			return countChanged(&t.AccountMembers)(a.accountMember(ctx, at, last))
		}),
		applyEach(s.applications, func(id ident.ApplicationID, last applicationState) error {
			return countChanged(&t.Applications)(a.application(ctx, id, last))
		}),
		applyEach(s.applications, func(id ident.ApplicationID, last applicationState) error {
			return countChanged(&t.Routes)(a.routes(ctx, id, last))
		}),
		applyEachOf(s.entries, cmp.Compare[string], func(name string, last entryState) error {
			return countChanged(&t.Entries)(a.entry(ctx, name, last))
		}),
		applyEach(s.serviceAccounts, func(id ident.ServiceAccountID, last serviceAccountState) error {
			return countChanged(&t.ServiceAccounts)(a.serviceAccount(ctx, id, last))
		}),
		applyEach(s.subjects, func(id ident.SubjectID, last subjectState) error { // they compare plans of the backup
			return countChanged(&t.Subjects)(a.subject(ctx, id, last, s.plans))
		}),
		applyEachOf(s.plans, planKey.compare, func(at planKey, last planState) error {
			return countChanged(&t.Plans)(a.plan(ctx, at, last))
		}),
		applyEach(s.tenants, func(id ident.TenantID, last *tenantState) error {
			return countChanged(&t.Tenants)(a.tenant(ctx, id, last))
		}),
		applyEach(s.accounts,
			func(id ident.AccountID, off bool) error { return countChanged(&t.Accounts)(a.account(ctx, id, off)) }),
		applyEach(s.accountsWithPolicy(), func(id ident.AccountID, _ bool) error {
			return countChanged(&t.Policies)(a.policy(ctx, id, s.policies[id], s.sessions[id], s.factorRules[id]))
		}),
	)
	return t, err
}

// accountsWithPolicy returns the accounts whose policy appears in the journal.
func (s *State) accountsWithPolicy() map[ident.AccountID]bool {
	all := map[ident.AccountID]bool{}
	for id := range s.policies {
		all[id] = true
	}
	for id := range s.sessions {
		all[id] = true
	}
	for id := range s.factorRules {
		all[id] = true
	}
	return all
}

// applyEach calls do for every entry, in the order of the ids.
func applyEach[ID ident.ID, V any](all map[ID]V, do func(ID, V) error) error {
	return applyEachOf(all, cmp.Compare[ID], do)
}

// applyEachOf calls do for every entry, in the order of compare. An object that does not exist is
// no error.
func applyEachOf[K comparable, V any](all map[K]V, compare func(a, b K) int, do func(K, V) error) error {
	for _, k := range slices.SortedFunc(maps.Keys(all), compare) {
		if err := do(k, all[k]); err != nil && !errors.Is(err, fault.NotFound) {
			return err
		}
	}
	return nil
}

func (at membership) compare(to membership) int {
	return cmp.Or(cmp.Compare(at.tenant, to.tenant), cmp.Compare(at.user, to.user))
}

func (at accountMembership) compare(to accountMembership) int {
	return cmp.Or(cmp.Compare(at.account, to.account), cmp.Compare(at.user, to.user))
}

// countChanged returns a function that increments n if something was changed.
func countChanged(n *int) func(taken bool, err error) error {
	return func(taken bool, err error) error {
		if taken {
			*n++
		}
		return err
	}
}

type applier struct {
	tx  Tx
	now time.Time
	// backup is the last change in the database, committed at madeAt. count is the sequence in
	// which the journal ends.
	backup int64
	madeAt time.Time
	count  int
}

// existedBefore reports whether something that began at a time existed when the person left. If
// they left by a change of the current sequence after the backup, everything in the backup existed
// before.
func (a applier) existedBefore(left changePoint, began time.Time) bool {
	return began.Before(left.time) || a.afterBackup(left)
}

// afterBackup reports whether the change was made after the backup, in the current sequence.
func (a applier) afterBackup(at changePoint) bool {
	return at.sequence == a.count && at.change > a.backup
}

func (a applier) key(ctx context.Context, id ident.KeyID, last *keyState) (taken bool, err error) {
	k, err := a.tx.Keys.LockKey(ctx, last.tenant, id)
	if err != nil || !k.RevokedAt.IsZero() {
		return false, err
	}
	if last.revoked || k.Serial < last.serial { // the secret of a later refresh is lost, and the old one was to end
		return true, a.tx.Keys.RevokeKey(ctx, id, a.now, "", revokeReason)
	}
	if last.previousEndedAt == k.Serial && !k.Previous.Until.IsZero() {
		taken, err = true, a.tx.Keys.EndPrevious(ctx, id, a.now)
	}
	if err == nil && last.restrict(&k) {
		k.UpdatedAt = a.now
		k.Applications.IDs, err = a.existingApplications(ctx, last.tenant, k.Applications.IDs)
		if err == nil {
			taken, err = true, a.tx.Keys.EditKey(ctx, k)
		}
	}
	// In the backup, its owner or a program may have disabled what an admin disabled later.
	if err == nil && last.disabled && (k.DisabledAt.IsZero() || a.afterBackup(last.disabledAt)) {
		k.DisabledAt = a.now
		k.DisabledBy, k.DisabledByAdmin = "", true
		k.UpdatedAt = a.now
		taken, err = true, a.tx.Keys.SetDisabled(ctx, k)
	}
	return taken, err
}

// existingApplications returns those applications that the backup contains.
func (a applier) existingApplications(ctx context.Context, tenant ident.TenantID,
	ids []string,
) (found []string, err error) {
	if len(ids) == 0 {
		return nil, nil
	}
	missing, err := a.tx.Keys.MissingApplications(ctx, tenant, ids)
	for i, id := range ids {
		if !slices.Contains(missing, i) {
			found = append(found, id)
		}
	}
	return found, err
}

// restrict takes from the key what it has in the backup and lost later. It reports whether the key
// changed.
func (last *keyState) restrict(k *key.Key) (narrowed bool) {
	if !last.expires.IsZero() && (k.ExpiresAt.IsZero() || last.expires.Before(k.ExpiresAt)) {
		k.ExpiresAt, narrowed = last.expires, true
	}
	if last.scopes != nil {
		if less := k.Scopes.Narrowed(last.scopes); !slices.Equal(less, k.Scopes) {
			k.Scopes, narrowed = less, true
		}
	}
	if last.applications != nil {
		less := k.Applications.Narrowed(*last.applications)
		if less.All != k.Applications.All || len(less.IDs) != len(k.Applications.IDs) {
			k.Applications, narrowed = less, true
		}
	}
	if last.addresses != nil {
		if less := k.Addresses.Narrowed(*last.addresses); !less.Equal(k.Addresses) {
			k.Addresses, narrowed = less, true
		}
	}
	return narrowed
}

func (a applier) user(ctx context.Context, id ident.UserID, last userState) (taken bool, err error) {
	u, err := a.tx.People.LockUser(ctx, id)
	switch {
	case err != nil:
		return false, err
	case last.deleted:
		return true, a.delete(ctx, id)
	case last.disabled && !u.Disabled:
		return true, a.tx.People.SetUserDisabled(ctx, id, true, a.now)
	}
	return false, nil
}

// password voids a password that was replaced after the backup. The journal does not contain the
// new one.
func (a applier) password(ctx context.Context, id ident.UserID, last userState) (taken bool, err error) {
	if last.deleted || last.password == (changePoint{}) {
		return false, nil
	}
	u, err := a.tx.People.LockUser(ctx, id)
	if err != nil || u.PasswordSetAt.IsZero() || !a.existedBefore(last.password, u.PasswordSetAt) {
		return false, err
	}
	return true, a.tx.People.VoidPassword(ctx, id, a.now)
}

// email removes an address that was replaced after the backup: who reads its mail must not be able
// to set a password. The journal does not contain the new one, which the operator sets.
func (a applier) email(ctx context.Context, id ident.UserID, last userState) (taken bool, err error) {
	if last.deleted || last.email == (changePoint{}) || !a.existedBefore(last.email, a.madeAt) {
		return false, nil
	}
	u, err := a.tx.People.LockUser(ctx, id)
	if err != nil || u.Email == "" {
		return false, err
	}
	return true, a.tx.People.VoidEmail(ctx, id, a.now)
}

func (a applier) delete(ctx context.Context, id ident.UserID) error {
	tenants, err := a.tx.People.TenantsOfUser(ctx, id)
	if err != nil {
		return err
	}
	for _, t := range tenants {
		if _, err := a.tx.Keys.RevokeKeysOf(ctx, t, id, policy.Tombstone, a.now, "", revokeReason); err != nil {
			return err
		}
	}
	if err := a.tx.People.RemoveMemberships(ctx, id); err != nil {
		return err
	}
	return a.tx.People.DeleteUser(ctx, id, a.now)
}

func (a applier) member(ctx context.Context, at membership, last *memberState) (taken bool, err error) {
	if last.left != (changePoint{}) {
		taken, err = a.revokeKeysBefore(ctx, at, last.left)
		if err != nil {
			return taken, err
		}
	}
	m, err := a.tx.People.Member(ctx, at.tenant, at.user)
	switch {
	case err != nil:
		return taken, err
	case a.existedBefore(last.left, m.CreatedAt):
		return true, a.tx.People.DeleteMember(ctx, at.tenant, at.user)
	case last.restrict(&m):
		return true, a.tx.People.UpdateMember(ctx, m, a.now)
	}
	return taken, nil
}

// restrict takes from the membership what it has in the backup and lost later. It reports whether
// the membership changed.
func (last *memberState) restrict(m *tenancy.Member) bool {
	was := *m
	role, disable := narrowRole(m.Role, last.role)
	m.Role = role
	m.Disabled = m.Disabled || disable || last.disabled
	return *m != was
}

// revokeKeysBefore revokes the keys that a person made before they left.
func (a applier) revokeKeysBefore(ctx context.Context, at membership, left changePoint) (taken bool, err error) {
	held, err := a.tx.Keys.SlotHolders(ctx, at.tenant, ident.PartyID(at.user))
	if err != nil {
		return false, err
	}
	for _, h := range held {
		k, err := a.tx.Keys.LockKey(ctx, at.tenant, h.Key)
		if err != nil {
			return taken, err
		}
		if k.RevokedAt.IsZero() && a.existedBefore(left, k.CreatedAt) {
			if err := a.tx.Keys.RevokeKey(ctx, k.ID, a.now, "", revokeReason); err != nil {
				return taken, err
			}
			taken = true
		}
	}
	return taken, nil
}

// accountMember ends a role in an account that was removed, even if the person got one again later,
// and lowers a role that was lowered.
func (a applier) accountMember(ctx context.Context, at accountMembership,
	last accountRoleState,
) (taken bool, err error) {
	o, _, err := a.tx.People.Candidate(ctx, at.account, at.user)
	switch {
	case err != nil || o.Role == "":
		return false, err
	case a.existedBefore(last.left, o.CreatedAt):
		return true, a.tx.People.DeleteAccountMember(ctx, at.account, at.user)
	case o.Role == scope.AccountOwner && last.role == scope.AccountAdmin:
		return true, a.tx.People.SetAccountMember(ctx, at.account, at.user, last.role, o.CreatedAt)
	}
	return false, nil
}

func (a applier) application(ctx context.Context, id ident.ApplicationID,
	last applicationState,
) (taken bool, err error) {
	if !last.disabled && !last.deleted {
		return false, nil
	}
	app, err := a.tx.Tenants.LockApplication(ctx, last.tenant, id)
	switch {
	case err != nil:
		return false, err
	case last.deleted:
		return true, a.tx.Tenants.DeleteApplication(ctx, last.tenant, id)
	case app.Disabled:
		return false, nil
	}
	app.Disabled, app.UpdatedAt = true, a.now
	return true, a.tx.Tenants.UpdateApplication(ctx, app)
}

func (a applier) serviceAccount(ctx context.Context, id ident.ServiceAccountID,
	last serviceAccountState,
) (taken bool, err error) {
	s, err := a.tx.Machines.LockServiceAccount(ctx, last.tenant, id)
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
		return true, a.tx.Machines.DeleteServiceAccount(ctx, s, a.now, "", revokeReason)
	}
	role, disabled := narrowRole(s.Role, last.role)
	disabled = disabled || last.disabled || s.Disabled
	if role == s.Role && disabled == s.Disabled {
		return false, nil
	}
	s.Role, s.Disabled = role, disabled
	s.UpdatedAt = a.now
	return true, a.tx.Machines.UpdateServiceAccount(ctx, s)
}

// narrowRole returns the role that somebody keeps who has a role in the backup and was given
// another one later; "" where that is unknown. A member and an auditor each may do things that the
// other may not. Who changed between the two is therefore to be disabled until an admin of the
// tenant sets the role.
func narrowRole(backup, later scope.Role) (role scope.Role, disable bool) {
	switch {
	case later == "" || later == backup || later == scope.Admin:
		return backup, false
	case backup == scope.Admin:
		return later, false
	}
	return backup, true
}

func (a applier) tenant(ctx context.Context, id ident.TenantID, last *tenantState) (taken bool, err error) {
	t, err := a.tx.Tenants.LockTenant(ctx, id)
	if err != nil {
		return false, err
	}
	was := t
	t.Disabled = t.Disabled || last.disabled
	if last.settings != nil {
		t.Settings = t.Settings.Narrowed(*last.settings)
	}
	changed := was.Settings.Differences(t.Settings)
	if slices.Contains(changed, "idle_days") {
		t.IdleSince = a.now
	}
	if t.Disabled != was.Disabled || len(changed) > 0 {
		t.UpdatedAt = a.now
		taken, err = true, a.tx.Tenants.UpdateTenant(ctx, t)
	}
	if err == nil && (slices.Contains(changed, "disclosure") || a.existedBefore(last.copies, a.madeAt)) {
		taken, err = true, a.tx.Tenants.ForgetCopies(ctx, id)
	}
	if err == nil && last.catalogue != nil {
		var cut bool
		cut, err = a.catalogue(ctx, id, last.catalogue)
		taken = taken || cut
	}
	return taken, err
}

// catalogue removes from a tenant the scopes, and the roles of scopes, that it lost.
func (a applier) catalogue(ctx context.Context, id ident.TenantID, last map[string][]string) (taken bool, err error) {
	rules, err := a.tx.Tenants.TenantRules(ctx, id)
	if err != nil {
		return false, err
	}
	var own []scope.Entry
	for _, e := range rules.Catalogue.Entries() {
		if e.BuiltIn {
			continue
		}
		held := len(e.Roles)
		e.Roles = slices.DeleteFunc(slices.Clone(e.Roles), func(r scope.Role) bool {
			return !slices.Contains(last[string(e.Name)], string(r))
		})
		taken = taken || len(e.Roles) < held
		if len(e.Roles) > 0 {
			own = append(own, e)
		}
	}
	if !taken {
		return false, nil
	}
	return true, a.tx.Tenants.ReplaceScopes(ctx, id, own)
}

func (a applier) account(ctx context.Context, id ident.AccountID, off bool) (taken bool, err error) {
	c, err := a.tx.Tenants.LockAccount(ctx, id)
	if err != nil || !off || c.Disabled {
		return false, err
	}
	c.Disabled, c.UpdatedAt = true, a.now
	return true, a.tx.Tenants.UpdateAccount(ctx, c)
}

// policy applies the latest bounds to an account's policy if they are stricter, as of when they
// were set. A looser policy must be set again by an owner.
func (a applier) policy(
	ctx context.Context, id ident.AccountID, last map[policy.Reason]policyState, sessions policy.Sessions,
	factors policy.FactorRule,
) (taken bool, err error) {
	if _, err := a.tx.Tenants.LockAccount(ctx, id); err != nil {
		return false, err
	}
	p, err := a.tx.Tenants.Policy(ctx, id)
	if err != nil {
		return false, err
	}
	for _, reason := range slices.SortedFunc(maps.Keys(last),
		func(a, b policy.Reason) int { return last[a].since.Compare(last[b].since) }) {
		if is, was := last[reason], policy.InForce(p.Rules, reason).Days; is.days > 0 && (was == 0 || is.days < was) {
			p.Rules, taken = policy.Revise(p.Rules, reason, is.days, is.since), true
		}
	}
	if sessions != (policy.Sessions{}) {
		was := p.Sessions
		p.Sessions = was.Narrowed(sessions)
		taken = taken || p.Sessions != was
	}
	if rule := p.FactorRule().Stricter(factors); rule != p.FactorRule() {
		p.SecondFactor, taken = rule, true
	}
	if !taken {
		return false, nil
	}
	return true, a.tx.Tenants.SetPolicy(ctx, id, p)
}
