package machine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/etag"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/text"
)

// MaxManagementKeys is how many management keys of a service account are alive at most: neither
// revoked nor expired.
const MaxManagementKeys = 5

// MaxManagementOverlap is the longest overlap of two secrets of a management key, in seconds.
const MaxManagementOverlap = 604800

// ManagementKeySpec is what a person asks a new management key to be.
type ManagementKeySpec struct {
	Name   string
	Rights policy.ManagementRights
	// ExpiresAt is nil for the default.
	ExpiresAt *time.Time
}

// Create creates a management key of a service account and returns its credential, once. It needs a
// recent sign-in, or the operator.
func (s *ManagementKeys) Create(ctx context.Context, who principal.Principal, tenant ident.TenantID,
	account ident.ServiceAccountID, spec ManagementKeySpec,
) (issued IssuedManagementKey, err error) {
	now := s.Now()
	name, faults := text.Name("name", spec.Name)
	if err := fault.Refuse(append(faults, managementExpiryFaults(spec.ExpiresAt, now)...)...); err != nil {
		return IssuedManagementKey{}, err
	}
	k := ManagementKey{
		ID: ident.New[ident.ManagementKeyID](now, s.Rand), Tenant: tenant, Name: name, CreatedAt: now, UpdatedAt: now,
		ExpiresAt: storedExpiry(spec.ExpiresAt, now), Rights: spec.Rights,
	}
	fresh, err := s.issue(k.ID, 1, now)
	if err != nil {
		return IssuedManagementKey{}, err
	}
	err = inTenant(ctx, s.Ledger, who, tenant, nil,
		func(ctx context.Context, tx ManagementKeyTx, by admin) (audit.Event, error) {
			made, t, err := s.insert(ctx, tx, who, by, account, k, spec.ExpiresAt == nil, fresh.secret)
			if err != nil {
				return audit.Event{}, err
			}
			issued = IssuedManagementKey{ManagementKeyView: s.view(made, t), Credential: fresh.issued}
			e := audit.By(who, audit.ActionManagementKeyCreate, managementTarget(made))
			e = e.With(audit.DetailServiceAccount, string(account)).With("public_id", made.PublicID)
			return e.With("permissions", permissionsText(made.Rights.Permissions)), nil
		})
	if err != nil {
		return IssuedManagementKey{}, err
	}
	return issued, nil
}

// insert checks and stores a new management key. Its expiry is cut to what the account's policy
// allows if nobody chose it.
func (s *ManagementKeys) insert(ctx context.Context, tx ManagementKeyTx, who principal.Principal, by admin,
	account ident.ServiceAccountID, k ManagementKey, cuts bool, secret ManagementSecret,
) (ManagementKey, policy.Tenant, error) {
	owner, err := tx.LockManagementOwner(ctx, k.Tenant, account)
	if err == nil {
		err = requireRecent(who, s.Now())
	}
	if err == nil {
		err = owner.requireActive()
	}
	if err != nil {
		return k, policy.Tenant{}, err
	}
	t, err := tx.TenantRules(ctx, k.Tenant)
	if err != nil {
		return k, t, err
	}
	if cuts {
		k.ExpiresAt = cutToPolicy(t.Rules, k.ExpiresAt, k.CreatedAt)
	}
	faults := k.Rights.Faults(owner.Role)
	faults = append(faults, unknownScopes(k.Rights.Ceilings.Scopes, t.Catalogue)...)
	faults = append(faults, managementPolicyFaults(t.Rules, k.ExpiresAt, k.CreatedAt)...)
	if err := fault.Refuse(faults...); err != nil {
		return k, t, err
	}
	k.Rights = k.Rights.Normal()
	if err := checkCeilingApplications(ctx, tx, k.Tenant, k.Rights.Ceilings.Applications.IDs); err != nil {
		return k, t, err
	}
	if err := requireRoom(ctx, tx, account, k.CreatedAt); err != nil {
		return k, t, err
	}
	k.ServiceAccount, k.CreatedBy = owner, by.party
	secret.SetBy = by.party.ID
	k.setCurrent(secret)
	return k, t, tx.InsertManagementKey(ctx, k, secret)
}

// requireActive refuses management keys to a service account that is deleted or disabled.
func (o ManagementOwner) requireActive() error {
	switch {
	case !o.Exists:
		return fault.NotFound
	case !o.Active:
		return fault.New(fault.Conflict, "The service account is disabled. Enable it first.")
	}
	return nil
}

// requireRoom refuses one more management key that is alive, beyond the limit.
func requireRoom(ctx context.Context, tx ManagementKeyTx, account ident.ServiceAccountID, now time.Time) error {
	alive, err := tx.CountManagementKeys(ctx, account, now)
	if err == nil && alive >= MaxManagementKeys {
		err = fault.New(fault.KeyLimitReached, fmt.Sprintf(
			"The service account has %d of at most %d management keys. Revoke one first.", alive, MaxManagementKeys))
	}
	return err
}

func checkCeilingApplications(ctx context.Context, tx ManagementKeyTx, tenant ident.TenantID, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	missing, err := tx.MissingApplications(ctx, tenant, ids)
	if err != nil {
		return err
	}
	var faults []fault.Field
	for _, i := range missing {
		faults = append(faults, fault.Field{
			Name: "ceilings.application_ids." + strconv.Itoa(i), Code: "unknown",
			Message: "The tenant has no such application. Use one of its own.",
		})
	}
	return fault.Refuse(faults...)
}

// unknownScopes returns the scopes of a ceiling that the tenant does not have.
func unknownScopes(names scope.Set, catalogue scope.Catalogue) (faults []fault.Field) {
	for i, name := range names {
		if name.Valid() && !catalogue.Knows(name) {
			faults = append(faults, fault.Field{
				Name: "ceilings.scopes." + strconv.Itoa(i), Code: "unknown",
				Message: "The tenant's catalogue has no such scope. Use one of its scopes.",
			})
		}
	}
	return faults
}

// managementExpiryFaults checks the expiry of a management key; nil is the default.
func managementExpiryFaults(at *time.Time, now time.Time) []fault.Field {
	switch {
	case at == nil:
		return nil
	case !at.After(now):
		return []fault.Field{{Name: "expires_at", Code: "past", Message: "Use a time in the future."}}
	case at.After(now.Add(policy.MaxManagementDays * policy.Day)):
		return []fault.Field{{
			Name: "expires_at", Code: "range",
			Message: fmt.Sprintf("Use a time within %d days.", policy.MaxManagementDays),
		}}
	}
	return nil
}

// managementPolicyFaults refuses an expiry after the maximum lifetime of the account's policy.
func managementPolicyFaults(rules []policy.Rule, expires, setAt time.Time) []fault.Field {
	limit := policy.InForce(rules, policy.ByMaxLifetime)
	if limit.Days == 0 || !expires.After(limit.Deadline(setAt)) {
		return nil
	}
	return []fault.Field{{
		Name: "expires_at", Code: "beyond_policy",
		Message: "The account limits the lifetime of keys. Use a time not later than " +
			limit.Deadline(setAt).UTC().Format(time.RFC3339) + ".",
	}}
}

// cutToPolicy returns the expiry, or the latest one that the account's policy allows for a secret
// that was set at the given time.
func cutToPolicy(rules []policy.Rule, expires, setAt time.Time) time.Time {
	limit := policy.InForce(rules, policy.ByMaxLifetime)
	if limit.Days == 0 || !expires.After(limit.Deadline(setAt)) {
		return expires
	}
	return limit.Deadline(setAt)
}

// storedExpiry returns the expiry as it is stored; nil is the default.
func storedExpiry(at *time.Time, now time.Time) time.Time {
	if at == nil {
		return now.Add(policy.DefaultManagementDays * policy.Day).UTC().Truncate(time.Microsecond)
	}
	return at.UTC().Truncate(time.Microsecond)
}

// requireRecent lets the operator pass, and people whose sign-in is recent.
func requireRecent(who principal.Principal, now time.Time) error {
	if who.Kind() == principal.KindOperator {
		return nil
	}
	s, ok := who.Session()
	switch {
	case !ok:
		return fault.SessionRequired
	case !s.Recent(now):
		return fault.SignInAgain
	}
	return nil
}

// managementDraft is a credential that was issued before the transaction that stores it.
type managementDraft struct {
	issued credential.Issued
	secret ManagementSecret
}

var errNotUpgraded = fault.New(fault.Conflict,
	"The upgrade of the database is not finished. Ask the operator to run `claviger migrate finish`.")

// issue issues the credential of this serial. Who is shown it is set later.
func (s *ManagementKeys) issue(id ident.ManagementKeyID, serial int, now time.Time) (d managementDraft, err error) {
	issued, ok := s.Keyring.IssueManagementKey()
	if !ok {
		return d, errNotUpgraded
	}
	digest, err := s.Keyring.SealManagementDigest(credential.ManagementDigestOf(id, issued.Secret),
		credential.ManagementRow(id, serial))
	return managementDraft{issued, ManagementSecret{
		Serial: serial, Lookup: issued.Lookup, PublicID: issued.PublicID, TagVersion: issued.TagVersion,
		Last4: issued.Last4, Digest: digest, SetAt: now,
	}}, err
}

// setCurrent makes the secret the current one.
func (k *ManagementKey) setCurrent(s ManagementSecret) {
	k.PublicID, k.Last4 = s.PublicID, s.Last4
	k.Serial, k.TagVersion = s.Serial, s.TagVersion
	k.SecretSetAt, k.SetBy = s.SetAt, s.SetBy
}

// ManagementRefresh is what a person asks of a refresh.
type ManagementRefresh struct {
	// ExpiresAt is the next expiry. If it is nil, the expiry moves with the secret: it is as far
	// from the new secret as it was from the old one, or as the account's policy allows.
	ExpiresAt *time.Time
	// Overlap is how long the old secret stays valid beside the new one, in seconds.
	Overlap int
}

// Refresh replaces the secret of a management key and returns the new one, once. It needs a recent
// sign-in, or the operator. An expired one becomes usable again within policy.Grace.
func (s *ManagementKeys) Refresh(ctx context.Context, who principal.Principal, tenant ident.TenantID,
	account ident.ServiceAccountID, id ident.ManagementKeyID, r ManagementRefresh,
) (issued IssuedManagementKey, err error) {
	now := s.Now()
	faults := managementExpiryFaults(r.ExpiresAt, now)
	if r.Overlap < 0 || r.Overlap > MaxManagementOverlap {
		faults = append(faults, fault.Field{
			Name: "overlap_seconds", Code: "range", Message: fmt.Sprintf("Use 0 to %d seconds.", MaxManagementOverlap),
		})
	}
	if err := fault.Refuse(faults...); err != nil {
		return IssuedManagementKey{}, err
	}
	k, err := s.Store.ManagementKey(ctx, tenant, id)
	if err != nil && !errors.Is(err, fault.NotFound) { // who may not know of it is told so by the transaction
		return IssuedManagementKey{}, err
	}
	fresh, err := s.issue(id, k.Serial+1, now)
	if err != nil {
		return IssuedManagementKey{}, err
	}
	issued.Credential = fresh.issued
	issued.ManagementKeyView, err = s.change(ctx, who, tenant, account, id,
		func(ctx context.Context, tx ManagementKeyTx, c *managementChange) (audit.Action, error) {
			if err := requireRecent(who, c.now); err != nil {
				return "", err
			}
			if err := c.checkRefresh(ctx, tx, account, fresh.secret); err != nil {
				return "", err
			}
			secret := fresh.secret
			secret.SetBy = c.by.party.ID
			c.applyRefresh(r, secret)
			if err := fault.Refuse(managementPolicyFaults(c.rules.Rules, c.ExpiresAt, c.now)...); err != nil {
				return "", err
			}
			return audit.ActionManagementKeyRefresh, tx.ReplaceManagementSecret(ctx, c.ManagementKey, secret)
		})
	if err != nil {
		return IssuedManagementKey{}, err
	}
	return issued, nil
}

// checkRefresh returns why the management key cannot be refreshed.
func (c *managementChange) checkRefresh(ctx context.Context, tx ManagementKeyTx, account ident.ServiceAccountID,
	fresh ManagementSecret,
) error {
	if err := c.ServiceAccount.requireActive(); err != nil {
		return err
	}
	expiry := c.Expiry(c.rules.Rules)
	switch {
	case !c.RevokedAt.IsZero():
		return fault.New(fault.Conflict,
			"The management key is revoked, and that cannot be undone. Create another one.")
	case fresh.Serial != c.Serial+1:
		return fault.New(fault.Conflict,
			"The management key was refreshed during this request. Check whether you still need another secret.")
	case expiry.Passed(c.now) && !c.now.Before(expiry.At.Add(policy.Grace)):
		return fault.New(fault.Conflict, "The management key expired more than 30 days ago. Create another one.")
	case !c.now.Before(c.ExpiresAt): // it does not count as alive now
		return requireRoom(ctx, tx, account, c.now)
	}
	return nil
}

// applyRefresh makes the secret the current one. The old secret stays valid for the overlap, but
// never longer than it would have been without the refresh.
func (c *managementChange) applyRefresh(r ManagementRefresh, secret ManagementSecret) {
	until := c.now.Add(time.Duration(r.Overlap) * time.Second)
	if ends := c.Expiry(c.rules.Rules); !ends.At.IsZero() && ends.At.Before(until) {
		until = ends.At
	}
	previous := PreviousSecret{PublicID: c.PublicID, Last4: c.Last4, SetAt: c.SecretSetAt, SetBy: c.SetBy, Until: until}
	c.details = map[string]string{"serial": strconv.Itoa(secret.Serial)}
	c.Previous = PreviousSecret{}
	if until.After(c.now) {
		c.Previous = previous
		c.details["previous_until"] = until.UTC().Format(time.RFC3339)
	}
	if r.ExpiresAt != nil {
		c.ExpiresAt = storedExpiry(r.ExpiresAt, c.now)
	} else {
		lifetime := min(c.ExpiresAt.Sub(c.SecretSetAt), policy.MaxManagementDays*policy.Day)
		c.ExpiresAt = cutToPolicy(c.rules.Rules, secret.SetAt.Add(lifetime), secret.SetAt)
	}
	c.setCurrent(secret)
	c.UpdatedAt = c.now
	c.addEffect(audit.Effect{Kind: audit.EffectManagementKeyRefreshed, Serial: secret.Serial})
}

// ManagementKeyEdit is what a person asks a management key to become. A nil field stays as it is.
type ManagementKeyEdit struct {
	// Expected is the version that the management key must have; "" for any.
	Expected etag.Tag
	Name     *string
	// Rights changes a copy of the rights, which must not become wider.
	Rights func(*policy.ManagementRights)
	// ExpiresAt must not be later than the present expiry.
	ExpiresAt *time.Time
}

// Version returns the version of what an edit can change in the management key.
func (k ManagementKey) Version() etag.Tag {
	r := k.Rights.Normal()
	most := r.Ceilings
	return etag.Of(k.Name, k.ExpiresAt, r.Permissions, r.Owners, r.Addresses.Restricted(), r.Addresses.Strings(),
		most.Scopes.Strings(), most.Applications, most.Plans, most.MaxLifetimeDays, most.CreatesPerHour,
		most.Addresses.Restricted(), most.Addresses.Strings())
}

// Edit renames or narrows a management key. With [etag.ErrChanged] it also returns the management
// key as it is.
func (s *ManagementKeys) Edit(ctx context.Context, who principal.Principal, tenant ident.TenantID,
	account ident.ServiceAccountID, id ident.ManagementKeyID, e ManagementKeyEdit,
) (ManagementKeyView, error) {
	faults := managementExpiryFaults(e.ExpiresAt, s.Now())
	if e.Name != nil {
		name, more := text.Name("name", *e.Name)
		e.Name = &name
		faults = append(faults, more...)
	}
	if err := fault.Refuse(faults...); err != nil {
		return ManagementKeyView{}, err
	}
	return s.change(ctx, who, tenant, account, id,
		func(ctx context.Context, tx ManagementKeyTx, c *managementChange) (audit.Action, error) {
			if err := e.Expected.Check(c.Version()); err != nil {
				return "", err
			}
			if !c.RevokedAt.IsZero() {
				return "", fault.New(fault.Conflict,
					"The management key is revoked, and that cannot be undone. Create another one.")
			}
			changed, err := e.apply(c)
			if err != nil {
				return "", err
			}
			if len(changed) == 0 {
				return "", audit.ErrNothing
			}
			c.UpdatedAt = c.now
			c.details = map[string]string{"changed": strings.Join(changed, " ")}
			return audit.ActionManagementKeyEdit, tx.EditManagementKey(ctx, c.ManagementKey)
		})
}

// apply changes the management key and returns what is different afterwards.
func (e ManagementKeyEdit) apply(c *managementChange) (changed []string, err error) {
	if e.Name != nil && *e.Name != c.Name {
		c.Name = *e.Name
		changed = append(changed, "name")
	}
	before, expires := c.Rights, c.ExpiresAt
	narrowed := before.Clone()
	if e.Rights != nil {
		e.Rights(&narrowed)
	}
	faults := narrowed.Faults(scope.Admin) // a role that was lowered meanwhile must not prevent a narrowing
	narrowed = narrowed.Normal()
	faults = append(faults, before.WidenedFaults(narrowed)...)
	if e.ExpiresAt != nil {
		c.ExpiresAt = storedExpiry(e.ExpiresAt, c.now)
		if c.ExpiresAt.After(expires) {
			faults = append(faults, fault.Field{
				Name: "expires_at", Code: "widened",
				Message: "Use a time not later than " + expires.Format(time.RFC3339) +
					", or refresh the management key.",
			})
		}
	}
	if err := fault.Refuse(faults...); err != nil {
		return nil, err
	}
	c.Rights = narrowed
	differences := before.Differences(narrowed)
	if !c.ExpiresAt.Equal(expires) {
		differences = append(differences, "expires_at")
	}
	if len(differences) > 0 {
		c.addEffect(audit.Effect{
			Kind: audit.EffectManagementKeyNarrowed, Rights: &narrowed, Expires: c.ExpiresAt.UTC(),
		})
	}
	return slices.Concat(changed, differences), nil
}

func permissionsText(list []policy.Permission) string {
	words := make([]string, len(list))
	for i, p := range list {
		words[i] = string(p)
	}
	return strings.Join(words, " ")
}
