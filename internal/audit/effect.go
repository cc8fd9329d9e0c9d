package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
)

// EffectKind is what an effect is. The set is closed: a program that reads a kind it does not know
// fails instead of ignoring it.
type EffectKind string

// The kinds. Their texts are stored in events and in the revocation journal, so they never change.
const (
	// EffectKeyRevoked says that a key was revoked or deleted.
	EffectKeyRevoked  EffectKind = "key_revoked"
	EffectKeyDisabled EffectKind = "key_disabled"
	EffectKeyEnabled  EffectKind = "key_enabled"
	// EffectKeyRefreshed says that a key has a new secret of this serial.
	EffectKeyRefreshed EffectKind = "key_refreshed"
	// EffectKeyPreviousEnded says that the secret before the one of this serial ended early.
	EffectKeyPreviousEnded EffectKind = "key_previous_ended"
	// EffectKeyExpirySet says when the key itself expires; zero for never.
	EffectKeyExpirySet EffectKind = "key_expiry_set"
	// EffectKeyScopesSet says which scopes a key has from now on.
	EffectKeyScopesSet EffectKind = "key_scopes_set"
	// EffectKeyApplicationsSet says which applications a key reaches from now on.
	EffectKeyApplicationsSet EffectKind = "key_applications_set"
	// EffectKeyAddressesSet says from which addresses a key may be used from now on.
	EffectKeyAddressesSet EffectKind = "key_addresses_set"

	// EffectManagementKeyRevoked says that a management key was revoked or deleted.
	EffectManagementKeyRevoked EffectKind = "management_key_revoked"
	// EffectManagementKeyRefreshed says that a management key has a new secret of this serial.
	EffectManagementKeyRefreshed EffectKind = "management_key_refreshed"
	// EffectManagementKeyPreviousEnded says that the secret before the one of this serial ended
	// early.
	EffectManagementKeyPreviousEnded EffectKind = "management_key_previous_ended"
	// EffectManagementKeyNarrowed says what a management key may do from now on, and when it
	// expires.
	EffectManagementKeyNarrowed EffectKind = "management_key_narrowed"

	EffectMemberDisabled EffectKind = "member_disabled"
	// EffectMemberEnabled says that a membership began, or was enabled again.
	EffectMemberEnabled EffectKind = "member_enabled"
	// EffectMemberRemoved says that a membership ended, and with it the keys that the person had
	// there.
	EffectMemberRemoved EffectKind = "member_removed"
	// EffectMemberRoleSet says that a member has another role from now on.
	EffectMemberRoleSet EffectKind = "member_role_set"

	EffectUserDisabled EffectKind = "user_disabled"
	EffectUserEnabled  EffectKind = "user_enabled"
	EffectUserDeleted  EffectKind = "user_deleted"
	// EffectPasswordSet says since when a person has another password. It tells nothing of either.
	EffectPasswordSet EffectKind = "password_set"
	// EffectEmailSet says that a person has another e-mail address from now on. It tells nothing of
	// either, so that the journal does not keep the address of a person who is deleted later.
	EffectEmailSet EffectKind = "email_set"
	// EffectSecondFactorSet says since when a person has another second factor. It tells nothing of
	// it. EffectSecondFactorRemoved says that a person has none from now on.
	EffectSecondFactorSet     EffectKind = "second_factor_set"
	EffectSecondFactorRemoved EffectKind = "second_factor_removed"
	// EffectRecoveryCodesEnded says that recovery codes of a person no longer work: one was used,
	// or others took their place.
	EffectRecoveryCodesEnded EffectKind = "recovery_codes_ended"

	EffectTenantDisabled EffectKind = "tenant_disabled"
	EffectTenantEnabled  EffectKind = "tenant_enabled"
	// EffectSettingsSet says what the settings of a tenant allow from now on
	// ([policy.Settings.Bounds]).
	EffectSettingsSet EffectKind = "settings_set"
	// EffectCopiesForgotten says that the sealed copies of all secrets of a tenant were destroyed.
	EffectCopiesForgotten EffectKind = "copies_forgotten"
	// EffectCatalogueSet says which scopes of its own a tenant has from now on, and who may hold
	// them.
	EffectCatalogueSet EffectKind = "catalogue_set"

	EffectApplicationDisabled EffectKind = "application_disabled"
	EffectApplicationEnabled  EffectKind = "application_enabled"
	EffectApplicationDeleted  EffectKind = "application_deleted"

	// EffectRoutesSet says which route rules an application has from now on.
	EffectRoutesSet EffectKind = "routes_set"
	// EffectEntryOtherwiseSet says what happens from now on to requests of an entry that no rule
	// matches.
	EffectEntryOtherwiseSet EffectKind = "entry_otherwise_set"
	EffectEntryDeleted      EffectKind = "entry_deleted"

	EffectSubjectDisabled EffectKind = "subject_disabled"
	EffectSubjectEnabled  EffectKind = "subject_enabled"
	EffectSubjectDeleted  EffectKind = "subject_deleted"
	// EffectSubjectPlanSet says which plan a subject has from now on; none if Plan is "".
	EffectSubjectPlanSet EffectKind = "subject_plan_set"
	// EffectPlanSet says what a plan contains from now on.
	EffectPlanSet                EffectKind = "plan_set"
	EffectPlanDeleted            EffectKind = "plan_deleted"
	EffectServiceAccountDisabled EffectKind = "service_account_disabled"
	EffectServiceAccountEnabled  EffectKind = "service_account_enabled"
	// EffectServiceAccountRoleSet says that a service account has another role from now on.
	EffectServiceAccountRoleSet EffectKind = "service_account_role_set"
	// EffectServiceAccountDeleted says that a service account was deleted, and with it its keys and
	// management keys.
	EffectServiceAccountDeleted EffectKind = "service_account_deleted"

	EffectAccountDisabled EffectKind = "account_disabled"
	EffectAccountEnabled  EffectKind = "account_enabled"
	// EffectAccountRoleRemoved says that a person is no longer owner or admin of an account.
	EffectAccountRoleRemoved EffectKind = "account_role_removed"
	// EffectAccountRoleSet says that a person has this role in an account from now on.
	EffectAccountRoleSet EffectKind = "account_role_set"
	// EffectSessionBoundsSet says how long sessions of people of an account may last from now on.
	EffectSessionBoundsSet EffectKind = "session_bounds_set"
	// EffectSecondFactorRequired says who needs a second factor in an account from now on.
	EffectSecondFactorRequired EffectKind = "second_factor_required"
	// EffectLifetimeSet says how many days the account's policy lets keys live from now on, by
	// reason; 0 for no bound.
	EffectLifetimeSet EffectKind = "lifetime_set"

	// EffectDatabaseRestored says that a backup took the place of everything that was there.
	EffectDatabaseRestored EffectKind = "database_restored"
	// EffectTimeRepaired says that no change before this one happened later than it, whatever their
	// times say.
	EffectTimeRepaired EffectKind = "time_repaired"
)

// Effect is one respect in which a change took authority away or gave it back. Effects are
// committed with the change, and the revocation journal consists of nothing else. The kind of an
// effect decides which members it has.
type Effect struct {
	Kind    EffectKind      `json:"kind"`
	Account ident.AccountID `json:"account,omitempty"`
	Tenant  ident.TenantID  `json:"tenant,omitempty"`
	User    ident.UserID    `json:"user,omitempty"`
	// Owner is a service account or a subject.
	Owner       ident.PartyID       `json:"owner,omitempty"`
	Key         ident.KeyID         `json:"key,omitempty"`
	Application ident.ApplicationID `json:"application,omitempty"`
	Plan        string              `json:"plan,omitempty"`
	Serial      int                 `json:"serial,omitempty"`
	Expires     time.Time           `json:"expires,omitzero"`
	Since       time.Time           `json:"since,omitzero"`
	Reason      policy.Reason       `json:"reason,omitempty"`
	Days        int                 `json:"days,omitempty"`
	Role        string              `json:"role,omitempty"`
	// ManagementKey may do what Rights say.
	ManagementKey ident.ManagementKeyID    `json:"management_key,omitempty"`
	Rights        *policy.ManagementRights `json:"rights,omitempty"`
	// Entry is the name of an entry. Otherwise says what happens to requests that no rule matches.
	Entry     string `json:"entry,omitempty"`
	Otherwise string `json:"otherwise,omitempty"`
	// Routes are the rules of an application in the form in which they are stored; "" for none.
	Routes string `json:"routes,omitempty"`
	// Scopes of a key or a plan.
	Scopes []string `json:"scopes,omitempty"`
	// AllApplications and Applications say which applications a key may use, or a plan contains:
	// all, or those listed.
	AllApplications bool     `json:"all_applications,omitempty"`
	Applications    []string `json:"applications,omitempty"`
	// Addresses from which a key may be used. They are absent if every address is allowed.
	Addresses policy.Addresses `json:"addresses,omitzero"`
	// Catalogue contains a tenant's own scopes by name, with the roles that may hold each.
	Catalogue map[string][]string `json:"catalogue,omitempty"`
	Settings  *policy.Settings    `json:"settings,omitempty"`
	// IdleMinutes and AbsoluteHours bound sessions.
	IdleMinutes   int `json:"idle_minutes,omitempty"`
	AbsoluteHours int `json:"absolute_hours,omitempty"`
	// Require says who needs a second factor.
	Require policy.FactorRule `json:"require,omitempty"`
}

// members says which members of an effect are set.
type members struct {
	account, tenant, user, owner, key, application, serial, lifetime, role, scopes, settings, sessions, since bool
	plan, managementKey, rights, entry, otherwise, require                                                    bool
	// If these are set, the member may be empty, which means none, or every one of addresses.
	anyScopes, anyPlan, expires, applications, addresses, catalogue, routes bool
}

// effectMembers has the members of every kind.
var effectMembers = map[EffectKind]members{
	EffectKeyRevoked:                 {tenant: true, key: true},
	EffectKeyDisabled:                {tenant: true, key: true},
	EffectKeyEnabled:                 {tenant: true, key: true},
	EffectKeyRefreshed:               {tenant: true, key: true, serial: true},
	EffectKeyPreviousEnded:           {tenant: true, key: true, serial: true},
	EffectKeyExpirySet:               {tenant: true, key: true, expires: true},
	EffectKeyScopesSet:               {tenant: true, key: true, scopes: true},
	EffectKeyApplicationsSet:         {tenant: true, key: true, applications: true},
	EffectKeyAddressesSet:            {tenant: true, key: true, addresses: true},
	EffectMemberDisabled:             {tenant: true, user: true},
	EffectMemberEnabled:              {tenant: true, user: true},
	EffectMemberRemoved:              {tenant: true, user: true},
	EffectMemberRoleSet:              {tenant: true, user: true, role: true},
	EffectUserDisabled:               {user: true},
	EffectUserEnabled:                {user: true},
	EffectUserDeleted:                {user: true},
	EffectPasswordSet:                {user: true, since: true},
	EffectEmailSet:                   {user: true},
	EffectSecondFactorSet:            {user: true, since: true},
	EffectSecondFactorRemoved:        {user: true},
	EffectRecoveryCodesEnded:         {user: true},
	EffectTenantDisabled:             {tenant: true},
	EffectTenantEnabled:              {tenant: true},
	EffectSettingsSet:                {tenant: true, settings: true},
	EffectCopiesForgotten:            {tenant: true},
	EffectCatalogueSet:               {tenant: true, catalogue: true},
	EffectApplicationDisabled:        {tenant: true, application: true},
	EffectApplicationEnabled:         {tenant: true, application: true},
	EffectApplicationDeleted:         {tenant: true, application: true},
	EffectRoutesSet:                  {tenant: true, application: true, routes: true},
	EffectEntryOtherwiseSet:          {entry: true, otherwise: true},
	EffectEntryDeleted:               {entry: true},
	EffectServiceAccountDisabled:     {tenant: true, owner: true},
	EffectServiceAccountEnabled:      {tenant: true, owner: true},
	EffectServiceAccountRoleSet:      {tenant: true, owner: true, role: true},
	EffectServiceAccountDeleted:      {tenant: true, owner: true},
	EffectSubjectDisabled:            {tenant: true, owner: true},
	EffectSubjectEnabled:             {tenant: true, owner: true},
	EffectSubjectDeleted:             {tenant: true, owner: true},
	EffectSubjectPlanSet:             {tenant: true, owner: true, anyPlan: true},
	EffectPlanSet:                    {tenant: true, plan: true, anyScopes: true, applications: true},
	EffectPlanDeleted:                {tenant: true, plan: true},
	EffectManagementKeyRevoked:       {tenant: true, managementKey: true},
	EffectManagementKeyRefreshed:     {tenant: true, managementKey: true, serial: true},
	EffectManagementKeyPreviousEnded: {tenant: true, managementKey: true, serial: true},
	EffectManagementKeyNarrowed:      {tenant: true, managementKey: true, rights: true, expires: true},

	EffectAccountDisabled:      {account: true},
	EffectAccountEnabled:       {account: true},
	EffectAccountRoleRemoved:   {account: true, user: true},
	EffectAccountRoleSet:       {account: true, user: true, role: true},
	EffectLifetimeSet:          {account: true, lifetime: true},
	EffectSessionBoundsSet:     {account: true, sessions: true},
	EffectSecondFactorRequired: {account: true, require: true},
	EffectDatabaseRestored:     {},
	EffectTimeRepaired:         {},
}

// EffectKinds returns every kind, sorted.
func EffectKinds() []EffectKind { return slices.Sorted(maps.Keys(effectMembers)) }

// ErrUnknownEffect says that a later version of the program wrote an effect that this one does not
// know.
var ErrUnknownEffect = errors.New("unknown effect")

// Check returns an error for an effect of an unknown kind, or with members that do not match its
// kind.
func (f Effect) Check() error {
	want, known := effectMembers[f.Kind]
	if !known {
		return fmt.Errorf("%w %q: a newer version of claviger wrote it; run that version", ErrUnknownEffect, f.Kind)
	}
	has := members{
		managementKey: f.ManagementKey != "",
		rights:        f.Rights != nil,
		entry:         f.Entry != "",
		otherwise:     f.Otherwise != "",
		require:       f.Require != "",
		routes:        want.routes || f.Routes != "",
		account:       f.Account != "",
		tenant:        f.Tenant != "",
		user:          f.User != "",
		key:           f.Key != "",
		owner:         f.Owner != "",
		application:   f.Application != "",
		serial:        f.Serial > 0,
		lifetime:      f.Reason == policy.ByAutoExpiry || f.Reason == policy.ByMaxLifetime,
		plan:          f.Plan != "" && !want.anyPlan,
		anyPlan:       want.anyPlan,
		role:          f.Role != "",
		scopes:        len(f.Scopes) > 0 && !want.anyScopes,
		anyScopes:     want.anyScopes,
		settings:      f.Settings != nil,
		since:         !f.Since.IsZero(),
		sessions:      f.IdleMinutes > 0 && f.AbsoluteHours > 0,
		expires:       want.expires || !f.Expires.IsZero(),
		catalogue:     want.catalogue || f.Catalogue != nil,
		addresses:     want.addresses || f.Addresses.Restricted(),
		applications:  want.applications || f.AllApplications || f.Applications != nil,
	}
	if has != want || f.Serial < 0 || f.Days < 0 || f.Days > 0 && !want.lifetime || f.Reason != "" && !want.lifetime ||
		!want.sessions &&
			(f.IdleMinutes != 0 || f.AbsoluteHours != 0) || f.AllApplications && len(f.Applications) > 0 {
		return fmt.Errorf("the effect %s has other members than it must have", f.Kind)
	}
	return nil
}

// noEffects is how the effects of most events are stored: there are none.
const noEffects = "[]"

// EncodeEffects returns effects as they are stored. [ParseEffects] reads them.
func EncodeEffects(effects []Effect) []byte {
	if len(effects) == 0 {
		return []byte(noEffects)
	}
	stored := make([]Effect, len(effects))
	for i, f := range effects {
		f.Expires = f.Expires.UTC()
		f.Since = f.Since.UTC()
		stored[i] = f
	}
	text, err := json.Marshal(stored)
	if err != nil {
		panic("audit: " + err.Error()) // all values are ours and can be encoded
	}
	return text
}

// ParseEffects reads stored effects. It returns an error for anything that this version does not
// write, because skipping it could bring back what was revoked.
func ParseEffects(text []byte) (effects []Effect, err error) {
	if string(text) == noEffects {
		return []Effect{}, nil
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&effects); err != nil {
		if json.Unmarshal(text, &effects) == nil { // valid except for a member that this version does not know
			err = fmt.Errorf("%w: a newer version of claviger wrote it; run that version: %w", ErrUnknownEffect, err)
		}
		return nil, fmt.Errorf("effects of a change: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("effects of a change: more than one list")
	}
	for _, f := range effects {
		if err := f.Check(); err != nil {
			return nil, err
		}
	}
	return effects, nil
}
