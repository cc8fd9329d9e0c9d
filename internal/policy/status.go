package policy

import (
	"time"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/scope"
)

// KeyDates are the stored dates that decide the status of a key.
type KeyDates struct {
	// RevokedAt and DisabledAt are zero for a key that is not revoked or disabled.
	RevokedAt, DisabledAt time.Time
	// ExpiresAt is the key's own expiry; zero for none.
	ExpiresAt time.Time
	// SecretSetAt is when the current secret was set; zero while nobody has claimed the key.
	SecretSetAt time.Time
	// Slot is the key's place under the owner's cap; 0 once it was freed. A key loses it when it is revoked, or to another
	// key after it expired, and gets one again only when it is refreshed.
	Slot int64
}

// Under returns the key's life under the rules of its account.
func (d KeyDates) Under(rules []Rule) Life {
	return Life{
		RevokedAt: d.RevokedAt, DisabledAt: d.DisabledAt, SlotLost: d.Slot == 0,
		Expiry: EffectiveExpiry(d.ExpiresAt, d.SecretSetAt, rules),
	}
}

// SecretDates are the stored dates of one of a key's secrets. The zero value is the current secret, which ends with its key.
type SecretDates struct {
	// Previous is set for the secret before the last refresh. Until is the end of its overlap.
	Previous     bool
	SetAt, Until time.Time
}

// Under returns the secret's life under the rules of its account: they count from when this secret was set.
func (d SecretDates) Under(rules []Rule) SecretLife {
	if !d.Previous {
		return SecretLife{}
	}
	return SecretLife{Previous: true, Ends: EffectiveExpiry(d.Until, d.SetAt, rules).At}
}

// SecretLife is what a secret adds to the life of its key. The zero value is the current secret.
type SecretLife struct {
	Previous bool
	// Ends is when a previous secret ends. A previous secret without an end is over.
	Ends time.Time
}

// over reports whether the secret is a previous one that has ended.
func (l SecretLife) over(now time.Time) bool { return l.Previous && !now.Before(l.Ends) }

// Chain says which of the things above a key are active. A key works only while all of them are.
type Chain struct {
	// Owner and Member: the owner and the owner's membership in the tenant exist and are not disabled.
	Owner, Member bool
	// Tenant: neither the tenant nor its account is disabled.
	Tenant bool
}

// Active reports whether everything above the key is active.
func (c Chain) Active() bool { return c.Owner && c.Member && c.Tenant }

// KeyStatus returns the status of a key for whoever presents one of its secrets: the first that holds of Revoked, Expired,
// Disabled and Active. It returns Unknown for a previous secret that ended more than a [Grace] ago: it is no secret of the
// key any more.
//
// It is the one place that decides this: the verification path calls it for each request, and a transaction calls it again
// for the key that asked for the change.
func KeyStatus(key Life, secret SecretLife, chain Chain, now time.Time) Status {
	status := key.State(now)
	switch {
	case secret.over(now.Add(-Grace)):
		return Unknown
	case status == Revoked:
		return Revoked
	case status == Expired, secret.over(now):
		return Expired
	case status == Disabled, !chain.Active():
		return Disabled
	}
	return Active
}

// Refusal returns the code that a key of this status is refused with; "" for an active one.
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

// RequireScopes is step 6 of a decision: it returns why a key with these effective scopes is refused; "" if it has all that
// are required.
func RequireScopes(effective scope.Set, required ...scope.Scope) fault.Kind {
	for _, name := range required {
		if !effective.Has(name) {
			return fault.InsufficientScope
		}
	}
	return ""
}

// RequireReach is the first half of step 7: it returns why a key with this restriction is refused an application, or access
// to every one; "" if it has it. The answer is the same whether or not the application exists. The id "" stands for no
// application.
func RequireReach(allowed scope.Applications, id string, every bool) fault.Kind {
	if every && !allowed.All || id != "" && !allowed.Reach(id) {
		return fault.ApplicationForbidden
	}
	return ""
}

// RequireApplication is the second half of step 7: it returns why a key that reaches an application is refused it.
func RequireApplication(exists, disabled bool) fault.Kind {
	switch {
	case !exists:
		return fault.NotFound
	case disabled:
		return fault.ApplicationForbidden
	}
	return ""
}
