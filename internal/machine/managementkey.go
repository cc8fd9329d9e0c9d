package machine

import (
	"context"
	"io"
	"time"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/text"
)

// ManagementKey is the credential by which a program manages keys, without its secret.
type ManagementKey struct {
	ID     ident.ManagementKeyID
	Tenant ident.TenantID
	Name   string
	// ServiceAccount is who it belongs to, with its state.
	ServiceAccount ManagementOwner
	Rights         policy.ManagementRights
	// ExpiresAt is its own expiry. The account's policy can end it sooner.
	ExpiresAt time.Time
	CreatedBy principal.Party

	PublicID   string
	Last4      string
	TagVersion int
	// Serial counts the secrets from 1. It is the serial of the current one.
	Serial int
	// SetBy is who was shown the current secret.
	SetBy       ident.PartyID
	SecretSetAt time.Time
	// Previous is the secret before the last refresh; its Until is zero where there is none.
	Previous PreviousSecret

	CreatedAt, UpdatedAt time.Time
	RevokedAt            time.Time
	RevokedBy            ident.PartyID
	RevokedReason        string
	LastUsedAt           time.Time
	LastUsedIP           string
	Hour                 principal.HourlyCount
}

// ManagementOwner is a service account as the owner of management keys.
type ManagementOwner struct {
	principal.Party
	Role scope.Role
	// Active is false while the service account is disabled, Exists once it was deleted.
	Active, Exists bool
}

// PreviousSecret is the secret that the last refresh replaced. It is valid until the end of its
// overlap.
type PreviousSecret struct {
	PublicID     string
	Last4        string
	SetAt, Until time.Time
	SetBy        ident.PartyID
}

// ManagementSecret is what is stored of a management key's secret.
type ManagementSecret struct {
	Serial     int
	Lookup     string
	PublicID   string
	TagVersion int
	Last4      string
	Digest     credential.Sealed
	SetAt      time.Time
	SetBy      ident.PartyID
}

// dates returns the stored dates that decide the status.
func (k ManagementKey) dates() policy.KeyDates {
	return policy.KeyDates{RevokedAt: k.RevokedAt, ExpiresAt: k.ExpiresAt, SecretSetAt: k.SecretSetAt, Slot: 1}
}

// Expiry returns when the management key expires under the rules of its account.
func (k ManagementKey) Expiry(rules []policy.Rule) policy.Expiry {
	return k.dates().Under(rules).Expiry
}

// Status returns the status under the rules of the account. That of its service account is not part
// of it.
func (k ManagementKey) Status(rules []policy.Rule, now time.Time) policy.Status {
	return k.dates().Under(rules).Status(now)
}

// Authority returns what the management key may do.
func (k ManagementKey) Authority() principal.ManagementAuthority {
	return principal.ManagementAuthority{
		ManagementKey: principal.ManagementKey{
			ID: k.ID, Name: k.Name, Tenant: k.Tenant, ServiceAccount: k.ServiceAccount.Party, Rights: k.Rights,
			Expires: k.ExpiresAt, Serial: k.Serial,
		},
		Role:     k.ServiceAccount.Role,
		Owner:    policy.Dependencies{Owner: k.ServiceAccount.Active, Member: true, Ended: !k.ServiceAccount.Exists},
		Dates:    k.dates(),
		Previous: policy.SecretDates{Previous: true, SetAt: k.Previous.SetAt, Until: k.Previous.Until},
		Hour:     k.Hour,
	}
}

// ManagementKeys manages management keys: people create them, and programs use them.
type ManagementKeys struct {
	Ledger  audit.Ledger[ManagementKeyTx]
	Store   ManagementKeyStore
	Tenants Tenants
	Keyring *credential.Keyring
	Now     func() time.Time
	Rand    io.Reader
	// Horizon is the time that decides about changes that cannot be undone.
	Horizon func() time.Time
	// ExpiredRetention is how long the digests of expired management keys are kept.
	ExpiredRetention time.Duration
	// Doubt returns an error while the time is in doubt.
	Doubt func() error
}

// ManagementKeyStore is what [ManagementKeys] reads outside of a transaction.
type ManagementKeyStore interface {
	TenantRules(ctx context.Context, tenant ident.TenantID) (policy.Tenant, error)
	// ManagementKeysOf lists the management keys of a service account, newest first.
	ManagementKeysOf(ctx context.Context, tenant ident.TenantID, account ident.ServiceAccountID,
		page ManagementKeyPage) ([]ManagementKey, error)
	ManagementKey(ctx context.Context, tenant ident.TenantID, id ident.ManagementKeyID) (ManagementKey, error)
	// CountLiveManagementKeys counts the management keys of service accounts that are neither
	// revoked nor expired by their own date. A service account without one is missing.
	CountLiveManagementKeys(ctx context.Context, tenant ident.TenantID, accounts []ident.ServiceAccountID,
		now time.Time) (map[ident.ServiceAccountID]int, error)
	// ManagementKeyByLookup returns the management key of a secret and what is stored of the secret
	// that has the lookup: after a refresh that kept the id, of two. It fails with fault.NotFound.
	ManagementKeyByLookup(ctx context.Context, lookup string) (ManagementKey, []ManagementSecret, error)
	// ManagementKeysExpiredBy returns some of the management keys, not revoked and not forgotten,
	// whose own expiry was by that time.
	ManagementKeysExpiredBy(ctx context.Context, by time.Time) ([]ManagementKeyRef, error)
	// ManagementKeysWithPreviousEndedBy returns some of the management keys whose previous secret
	// was to end by that time.
	ManagementKeysWithPreviousEndedBy(ctx context.Context, by time.Time) ([]ManagementKeyRef, error)
	// RecordManagementUse records the last use, outside of the ledger.
	RecordManagementUse(ctx context.Context, id ident.ManagementKeyID, at time.Time, ip string) error
	// ServiceAccountExists fails with fault.NotFound if the tenant has no such service account.
	ServiceAccountExists(ctx context.Context, tenant ident.TenantID, id ident.ServiceAccountID) error
}

// ManagementKeyTx is the transaction that changes management keys.
type ManagementKeyTx interface {
	AccessTx
	TenantRules(ctx context.Context, tenant ident.TenantID) (policy.Tenant, error)
	// MissingApplications returns the indexes of the ids that are not applications of the tenant.
	MissingApplications(ctx context.Context, tenant ident.TenantID, ids []string) ([]int, error)
	// LockManagementOwner returns a service account and locks it.
	LockManagementOwner(ctx context.Context, tenant ident.TenantID, id ident.ServiceAccountID) (ManagementOwner, error)
	// LockManagementKey returns a management key and locks it, after its service account.
	LockManagementKey(ctx context.Context, tenant ident.TenantID, id ident.ManagementKeyID) (ManagementKey, error)
	// CountManagementKeys counts those of a service account that are neither revoked nor expired by
	// their own date.
	CountManagementKeys(ctx context.Context, account ident.ServiceAccountID, now time.Time) (int, error)
	InsertManagementKey(ctx context.Context, k ManagementKey, s ManagementSecret) error
	// EditManagementKey stores name, rights, expiry and the time of update.
	EditManagementKey(ctx context.Context, k ManagementKey) error
	// ReplaceManagementSecret stores a new current secret and the expiry. The secret before it is
	// kept as the previous one if k.Previous is set, and deleted if not.
	ReplaceManagementSecret(ctx context.Context, k ManagementKey, s ManagementSecret) error
	EndPreviousManagementSecret(ctx context.Context, id ident.ManagementKeyID, at time.Time) error
	RevokeManagementKey(ctx context.Context, id ident.ManagementKeyID, at time.Time, by ident.PartyID,
		reason string) error
	DeleteManagementKey(ctx context.Context, id ident.ManagementKeyID) error
	// ForgetManagementDigests deletes the digests and returns how many there were.
	ForgetManagementDigests(ctx context.Context, id ident.ManagementKeyID) (int, error)
}

// ManagementKeyView is a management key as people see it.
type ManagementKeyView struct {
	ManagementKey
	Status policy.Status
	// Ends is the effective expiry.
	Ends policy.Expiry
}

// IssuedManagementKey is a management key with its new credential, which is shown once.
type IssuedManagementKey struct {
	ManagementKeyView
	Credential credential.Issued
}

// ManagementKeyPage asks for a part of a list, newest first.
type ManagementKeyPage struct {
	BeforeTime time.Time
	BeforeID   ident.ManagementKeyID
	Limit      int
}

// List returns management keys of a service account to an admin or auditor of the tenant. next is
// nil on the last page.
func (s *ManagementKeys) List(ctx context.Context, who principal.Principal, tenant ident.TenantID,
	account ident.ServiceAccountID, page ManagementKeyPage,
) (list []ManagementKeyView, next *ManagementKeyPage, err error) {
	rules, err := s.reads(ctx, who, tenant)
	if err == nil {
		err = s.Store.ServiceAccountExists(ctx, tenant, account)
	}
	if err != nil {
		return nil, nil, err
	}
	limit := page.Limit
	page.Limit++ // one more shows whether this is the last page
	found, err := s.Store.ManagementKeysOf(ctx, tenant, account, page)
	if err != nil {
		return nil, nil, err
	}
	if len(found) > limit {
		found = found[:limit]
		last := found[limit-1]
		next = &ManagementKeyPage{BeforeTime: last.CreatedAt, BeforeID: last.ID, Limit: limit}
	}
	for _, k := range found {
		list = append(list, s.view(k, rules))
	}
	return list, next, nil
}

// CountLive counts the management keys of service accounts of a tenant that are neither revoked nor
// expired by their own date, for an admin or auditor of the tenant.
func (s *ManagementKeys) CountLive(ctx context.Context, who principal.Principal, tenant ident.TenantID,
	accounts ...ident.ServiceAccountID,
) (map[ident.ServiceAccountID]int, error) {
	if _, err := s.reads(ctx, who, tenant); err != nil || len(accounts) == 0 {
		return nil, err
	}
	return s.Store.CountLiveManagementKeys(ctx, tenant, accounts, s.Now())
}

// Get returns a management key to an admin or auditor of the tenant.
func (s *ManagementKeys) Get(ctx context.Context, who principal.Principal, tenant ident.TenantID,
	account ident.ServiceAccountID, id ident.ManagementKeyID,
) (ManagementKeyView, error) {
	rules, err := s.reads(ctx, who, tenant)
	if err != nil {
		return ManagementKeyView{}, err
	}
	k, err := s.Store.ManagementKey(ctx, tenant, id)
	if err == nil && k.ServiceAccount.ID != ident.PartyID(account) {
		err = fault.NotFound
	}
	if err != nil {
		return ManagementKeyView{}, err
	}
	return s.view(k, rules), nil
}

// Self returns the management key that asks.
func (s *ManagementKeys) Self(ctx context.Context, who principal.Principal) (ManagementKeyView, error) {
	m, ok := who.ManagementKey()
	if !ok {
		return ManagementKeyView{}, fault.New(fault.Forbidden, "Only a management key may ask what it is.")
	}
	rules, err := s.Store.TenantRules(ctx, m.Tenant)
	if err != nil {
		return ManagementKeyView{}, err
	}
	k, err := s.Store.ManagementKey(ctx, m.Tenant, m.ID)
	if err != nil {
		return ManagementKeyView{}, err
	}
	return s.view(k, rules), nil
}

// reads returns the rules of a tenant to somebody who may read its management keys.
func (s *ManagementKeys) reads(ctx context.Context, who principal.Principal,
	tenant ident.TenantID,
) (policy.Tenant, error) {
	if who.Kind() != principal.KindOperator {
		if _, err := readerOf(ctx, s.Tenants, who, tenant); err != nil {
			return policy.Tenant{}, err
		}
	}
	return s.Store.TenantRules(ctx, tenant)
}

func (s *ManagementKeys) view(k ManagementKey, t policy.Tenant) ManagementKeyView {
	return k.View(t, s.Now())
}

// View returns the management key as people see it. It has a previous secret only while that is
// valid.
func (k ManagementKey) View(t policy.Tenant, now time.Time) ManagementKeyView {
	life := k.dates().Under(t.Rules)
	if k.Previous.Until.IsZero() || !k.RevokedAt.IsZero() ||
		!now.Before(policy.EffectiveExpiry(k.Previous.Until, k.Previous.SetAt, t.Rules).At) {
		k.Previous = PreviousSecret{}
	}
	status := life.Status(now)
	if !k.ServiceAccount.Exists {
		status = policy.Revoked
	}
	return ManagementKeyView{ManagementKey: k, Status: status, Ends: life.Expiry}
}

// managementTarget names the management key to the audit trail.
func managementTarget(k ManagementKey) audit.Target {
	return audit.Target{Type: "management_key", ID: string(k.ID), Name: k.Name}
}

// Revoke ends a management key for ever. To revoke a revoked one changes nothing.
func (s *ManagementKeys) Revoke(ctx context.Context, who principal.Principal, tenant ident.TenantID,
	account ident.ServiceAccountID, id ident.ManagementKeyID, reason string,
) (ManagementKeyView, error) {
	reason, faults := text.Description("reason", reason)
	if err := fault.Refuse(faults...); err != nil {
		return ManagementKeyView{}, err
	}
	return s.change(ctx, who, tenant, account, id,
		func(ctx context.Context, tx ManagementKeyTx, c *managementChange) (audit.Action, error) {
			if !c.RevokedAt.IsZero() {
				return "", audit.ErrNothing
			}
			c.RevokedAt, c.UpdatedAt = c.now, c.now
			c.RevokedBy, c.RevokedReason = c.by.party.ID, reason
			c.addEffect(audit.Effect{Kind: audit.EffectManagementKeyRevoked})
			return audit.ActionManagementKeyRevoke, tx.RevokeManagementKey(ctx, id, c.now, c.by.party.ID, reason)
		})
}

// Delete removes a management key. Its audit trail stays.
func (s *ManagementKeys) Delete(ctx context.Context, who principal.Principal, tenant ident.TenantID,
	account ident.ServiceAccountID, id ident.ManagementKeyID,
) error {
	_, err := s.change(ctx, who, tenant, account, id,
		func(ctx context.Context, tx ManagementKeyTx, c *managementChange) (audit.Action, error) {
			c.addEffect(audit.Effect{Kind: audit.EffectManagementKeyRevoked})
			return audit.ActionManagementKeyDelete, tx.DeleteManagementKey(ctx, id)
		})
	return err
}

// EndPrevious ends the previous secret at once. It fails with fault.NotFound if none is valid.
func (s *ManagementKeys) EndPrevious(ctx context.Context, who principal.Principal, tenant ident.TenantID,
	account ident.ServiceAccountID, id ident.ManagementKeyID,
) error {
	_, err := s.change(ctx, who, tenant, account, id,
		func(ctx context.Context, tx ManagementKeyTx, c *managementChange) (audit.Action, error) {
			if s.view(c.ManagementKey, c.rules).Previous.Until.IsZero() {
				return "", fault.NotFound
			}
			c.addEffect(audit.Effect{Kind: audit.EffectManagementKeyPreviousEnded, Serial: c.Serial})
			c.Previous = PreviousSecret{}
			return audit.ActionManagementKeyEndPrevious, tx.EndPreviousManagementSecret(ctx, id, c.now)
		})
	return err
}

// managementChange is a locked management key, with what a change of it reads.
type managementChange struct {
	ManagementKey
	by      admin
	rules   policy.Tenant
	now     time.Time
	details map[string]string
	effects []audit.Effect
}

// addEffect adds an effect on the management key.
func (c *managementChange) addEffect(f audit.Effect) {
	f.Tenant, f.ManagementKey = c.Tenant, c.ID
	c.effects = append(c.effects, f)
}

// change runs a change of a management key by an admin of the tenant or the operator.
func (s *ManagementKeys) change(ctx context.Context, who principal.Principal, tenant ident.TenantID,
	account ident.ServiceAccountID, id ident.ManagementKeyID,
	operate func(context.Context, ManagementKeyTx, *managementChange) (audit.Action, error),
) (v ManagementKeyView, err error) {
	err = inTenant(ctx, s.Ledger, who, tenant, nil,
		func(ctx context.Context, tx ManagementKeyTx, by admin) (audit.Event, error) {
			c := managementChange{by: by}
			if _, err := tx.LockManagementOwner(ctx, tenant, account); err != nil {
				return audit.Event{}, err
			}
			c.ManagementKey, err = tx.LockManagementKey(ctx, tenant, id)
			if err == nil && c.ServiceAccount.ID != ident.PartyID(account) {
				err = fault.NotFound
			}
			if err != nil {
				return audit.Event{}, err
			}
			c.rules, err = tx.TenantRules(ctx, tenant)
			if err != nil {
				return audit.Event{}, err
			}
			c.now = s.Now()
			action, err := operate(ctx, tx, &c)
			v = s.view(c.ManagementKey, c.rules)
			e := audit.By(who, action, managementTarget(c.ManagementKey))
			e = e.With(audit.DetailServiceAccount, string(c.ServiceAccount.ID)).With("public_id", c.PublicID)
			for name, value := range c.details {
				e = e.With(name, value)
			}
			return e.WithEffects(c.effects...), err
		})
	return v, err
}
