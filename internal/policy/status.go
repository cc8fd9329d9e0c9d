package policy

import (
	"slices"
	"time"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/scope"
)

// KeyDates are the stored dates that decide the status of a key.
type KeyDates struct {
	// RevokedAt and DisabledAt are zero for a key that is not revoked, or not disabled.
	RevokedAt, DisabledAt time.Time
	// ExpiresAt is the key's own expiry; zero for none.
	ExpiresAt time.Time
	// SecretSetAt is when the current secret was set; zero while nobody has claimed the key.
	SecretSetAt time.Time
	// Slot is the slot that the key holds; 0 for none. A key loses its slot when it is revoked, or
	// to another key after it expired. It gets a slot again only when it is refreshed.
	Slot int64
}

// Under returns the key's life under the rules of its account.
func (d KeyDates) Under(rules []Rule) Life {
	return Life{
		RevokedAt: d.RevokedAt, DisabledAt: d.DisabledAt, SlotLost: d.Slot == 0,
		Expiry: EffectiveExpiry(d.ExpiresAt, d.SecretSetAt, rules),
	}
}

// SecretDates are the stored dates of one of a key's secrets. The zero value is the current secret,
// which expires with its key.
type SecretDates struct {
	// Previous is set for the secret from before the last refresh. Until is the end of its overlap.
	Previous     bool
	SetAt, Until time.Time
}

// Under returns the secret's life under the rules of its account. Their days count from when this
// secret was set.
func (d SecretDates) Under(rules []Rule) SecretLife {
	if !d.Previous {
		return SecretLife{}
	}
	return SecretLife{Previous: true, Ends: EffectiveExpiry(d.Until, d.SetAt, rules).At}
}

// SecretLife is what a secret adds to the life of its key. The zero value is the current secret.
type SecretLife struct {
	Previous bool
	// Ends is when a previous secret expires. A previous secret with a zero Ends has expired.
	Ends time.Time
}

// ended reports whether the secret is a previous one that has expired.
func (l SecretLife) ended(now time.Time) bool { return l.Previous && !now.Before(l.Ends) }

// Dependencies says which of the things that a key depends on are active. A key works only while
// all of them are.
type Dependencies struct {
	// Owner is set if the owner exists and is not disabled, Member if the owner's membership in the
	// tenant does and is not.
	Owner, Member bool
	// Tenant is set if neither the tenant nor its account is disabled.
	Tenant bool
	// Ended is set if the owner was deleted or left the tenant. Its keys are revoked by that, also
	// before the job that revokes each of them.
	Ended bool
}

// Blocker is what keeps an otherwise active key from working: something that the key depends on is
// disabled. The key itself is unchanged, and works again once that is enabled.
type Blocker string

// The blockers. An account blocks what its tenants hold, and a tenant what its members do.
const (
	// BlockedByOwner is the owner of the key, or their membership in the tenant.
	BlockedByOwner   Blocker = "owner"
	BlockedByTenant  Blocker = "tenant"
	BlockedByAccount Blocker = "account"
)

// Blockers lists all blockers.
func Blockers() []Blocker { return []Blocker{BlockedByOwner, BlockedByTenant, BlockedByAccount} }

// Active reports whether everything that the key depends on is active.
func (c Dependencies) Active() bool { return c.Owner && c.Member && c.Tenant }

// KeyStatus returns the status of a key for a request with one of its secrets: the first that
// applies of Revoked, Expired, Disabled and Active. It returns Unknown for a previous secret that
// expired more than [Grace] ago: it no longer belongs to the key.
//
// The status is decided here and nowhere else. The verification path calls it for each request, and
// a transaction calls it again for the key that requested the change.
func KeyStatus(key Life, secret SecretLife, on Dependencies, now time.Time) Status {
	status := key.Status(now)
	switch {
	case secret.ended(now.Add(-Grace)):
		return Unknown
	case status == Revoked, on.Ended:
		return Revoked
	case status == Expired, secret.ended(now):
		return Expired
	case status == Disabled, !on.Active():
		return Disabled
	}
	return Active
}

// Refusal returns the code with which a key of this status is refused; "" for an active key.
func (s Status) Refusal() fault.Kind {
	switch s {
	case Active:
		return ""
	case Revoked:
		return fault.KeyRevoked
	case Expired:
		return fault.KeyExpired
	case Disabled:
		return fault.KeyDisabled
	case Unknown:
	}
	return fault.KeyInvalid
}

// RequireAddress is step 4b of a decision. It returns the code of the refusal, or "" if the key may
// be used from the address. The address "" is one that is not known.
func RequireAddress(allowed Addresses, ip string) fault.Kind {
	if !allowed.Allows(ip) {
		return fault.AddressForbidden
	}
	return ""
}

// RequireScopes is step 6 of a decision. It returns the code of the refusal, or "" if the effective
// scopes include all that are required.
func RequireScopes(effective scope.Set, required ...scope.Scope) fault.Kind {
	for _, name := range required {
		if !effective.Has(name) {
			return fault.InsufficientScope
		}
	}
	return ""
}

// RequireAnyScope is RequireScopes for a requirement that one of the scopes meets. Without scopes
// it is met.
func RequireAnyScope(effective scope.Set, choice ...scope.Scope) fault.Kind {
	if len(choice) == 0 || slices.ContainsFunc(choice, effective.Has) {
		return ""
	}
	return fault.InsufficientScope
}

// RequireApplicationAccess is the first half of step 7. It returns the code of the refusal if a key
// with this restriction has no access to the application or, with every, not to all applications;
// otherwise "". The result does not depend on whether the application exists. The id "" stands for
// no application.
func RequireApplicationAccess(allowed scope.Applications, id string, every bool) fault.Kind {
	if every && !allowed.All || id != "" && !allowed.Includes(id) {
		return fault.ApplicationForbidden
	}
	return ""
}

// RequireActiveApplication is the second half of step 7. It returns the code of the refusal if the
// application does not exist or is disabled; otherwise "".
func RequireActiveApplication(exists, disabled bool) fault.Kind {
	switch {
	case !exists:
		return fault.NotFound
	case disabled:
		return fault.ApplicationForbidden
	}
	return ""
}

// AccountRoleCounts reports whether the owner's role in the account counts for a request with one
// of the key's secrets. It counts only if the owner set that secret and the current one: a person
// who sets a secret for somebody else has seen it.
func AccountRoleCounts(currentByOwner, sentByOwner bool) bool { return currentByOwner && sentByOwner }
