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

// EffectKind is what an effect is. The set is closed: a program that reads a kind it does not know fails instead of ignoring it.
type EffectKind string

// The kinds. Their text is stored with the event and in the journal of revocations: it never changes.
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

	EffectMemberDisabled EffectKind = "member_disabled"
	// EffectMemberEnabled says that a membership began, or was enabled again.
	EffectMemberEnabled EffectKind = "member_enabled"
	// EffectMemberRemoved says that a membership ended, and with it the keys that the person had there.
	EffectMemberRemoved EffectKind = "member_removed"

	EffectUserDisabled EffectKind = "user_disabled"
	EffectUserEnabled  EffectKind = "user_enabled"
	EffectUserDeleted  EffectKind = "user_deleted"

	EffectTenantDisabled EffectKind = "tenant_disabled"
	EffectTenantEnabled  EffectKind = "tenant_enabled"

	EffectAccountDisabled EffectKind = "account_disabled"
	EffectAccountEnabled  EffectKind = "account_enabled"
	// EffectAccountRoleRemoved says that a person is no longer owner or admin of an account.
	EffectAccountRoleRemoved EffectKind = "account_role_removed"
	// EffectLifetimeSet says how many days the account's policy lets keys live from now on, by reason; 0 for no bound.
	EffectLifetimeSet EffectKind = "lifetime_set"

	// EffectDatabaseRestored says that a backup took the place of everything that was there.
	EffectDatabaseRestored EffectKind = "database_restored"
)

// Effect is one way in which a change took authority away or gave it back. Effects commit with the change, and the journal of revocations is made of nothing
// else. Which members an effect has depends on its kind.
type Effect struct {
	Kind    EffectKind      `json:"kind"`
	Account ident.AccountID `json:"account,omitempty"`
	Tenant  ident.TenantID  `json:"tenant,omitempty"`
	User    ident.UserID    `json:"user,omitempty"`
	Key     ident.KeyID     `json:"key,omitempty"`
	Serial  int             `json:"serial,omitempty"`
	Expires time.Time       `json:"expires,omitzero"`
	Reason  policy.Reason   `json:"reason,omitempty"`
	Days    int             `json:"days,omitempty"`
}

// members says which members of an effect are set.
type members struct {
	account, tenant, user, key, serial, lifetime, expires bool
}

// effectMembers has the members of every kind. Only the expiry may be absent where it is listed, and says then that there is none.
var effectMembers = map[EffectKind]members{
	EffectKeyRevoked:         {tenant: true, key: true},
	EffectKeyDisabled:        {tenant: true, key: true},
	EffectKeyEnabled:         {tenant: true, key: true},
	EffectKeyRefreshed:       {tenant: true, key: true, serial: true},
	EffectKeyPreviousEnded:   {tenant: true, key: true, serial: true},
	EffectKeyExpirySet:       {tenant: true, key: true, expires: true},
	EffectMemberDisabled:     {tenant: true, user: true},
	EffectMemberEnabled:      {tenant: true, user: true},
	EffectMemberRemoved:      {tenant: true, user: true},
	EffectUserDisabled:       {user: true},
	EffectUserEnabled:        {user: true},
	EffectUserDeleted:        {user: true},
	EffectTenantDisabled:     {tenant: true},
	EffectTenantEnabled:      {tenant: true},
	EffectAccountDisabled:    {account: true},
	EffectAccountEnabled:     {account: true},
	EffectAccountRoleRemoved: {account: true, user: true},
	EffectLifetimeSet:        {account: true, lifetime: true},
	EffectDatabaseRestored:   {},
}

// EffectKinds returns every kind, sorted.
func EffectKinds() []EffectKind { return slices.Sorted(maps.Keys(effectMembers)) }

// ErrUnknownEffect says that a later version of the program wrote an effect that this one does not understand.
var ErrUnknownEffect = errors.New("unknown effect")

// Check reports an effect of an unknown kind, or one with other members than its kind has.
func (f Effect) Check() error {
	want, known := effectMembers[f.Kind]
	if !known {
		return fmt.Errorf("%w %q: a newer version of claviger wrote it; run that version", ErrUnknownEffect, f.Kind)
	}
	has := members{
		account: f.Account != "", tenant: f.Tenant != "", user: f.User != "", key: f.Key != "",
		serial: f.Serial > 0, lifetime: f.Reason == policy.ByAutoExpiry || f.Reason == policy.ByMaxLifetime,
		expires: want.expires || !f.Expires.IsZero(),
	}
	if has != want || f.Serial < 0 || f.Days < 0 || f.Days > 0 && !want.lifetime || f.Reason != "" && !want.lifetime {
		return fmt.Errorf("the effect %s has other members than it must have", f.Kind)
	}
	return nil
}

// EncodeEffects returns effects as they are stored. [ParseEffects] reads them.
func EncodeEffects(effects []Effect) []byte {
	stored := make([]Effect, len(effects))
	for i, f := range effects {
		f.Expires = f.Expires.UTC()
		stored[i] = f
	}
	text, err := json.Marshal(stored)
	if err != nil {
		panic("audit: " + err.Error()) // texts, numbers and times of our own
	}
	return text
}

// ParseEffects reads stored effects. It fails on whatever this version would not have written: to skip it could revive what was revoked.
func ParseEffects(text []byte) (effects []Effect, err error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&effects); err != nil {
		if json.Unmarshal(text, &effects) == nil { // but for a member that this version does not know
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
