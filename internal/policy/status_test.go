package policy_test

import (
	"testing"
	"time"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/policy"
)

// Every combination of revoked, expired, disabled, slot lost, the chain above and the secret shown.
func TestAKeyHasTheFirstStatusThatHolds(t *testing.T) {
	now := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	past, future := now.Add(-time.Hour), now.Add(time.Hour)
	all := policy.Dependencies{Owner: true, Member: true, Tenant: true}
	chains := map[policy.Dependencies]bool{
		all: true, {Member: true, Tenant: true}: false, {Owner: true, Tenant: true}: false,
		{Owner: true, Member: true}: false, {}: false,
	}
	secrets := []struct {
		dates           policy.SecretDates
		over, forgotten bool
	}{
		{policy.SecretDates{}, false, false},
		{policy.SecretDates{Previous: true, SetAt: past, Until: future}, false, false},
		{policy.SecretDates{Previous: true, SetAt: past, Until: now}, true, false},
		{policy.SecretDates{Previous: true, SetAt: past, Until: now.Add(-policy.Grace)}, true, true},
		{policy.SecretDates{Previous: true}, true, true},
	}
	for mask := range 1 << 4 {
		var d policy.KeyDates
		revoked := mask&1 != 0
		expired := mask&2 != 0
		disabled := mask&4 != 0
		slotLost := mask&8 != 0
		if revoked {
			d.RevokedAt = past
		}
		if expired {
			d.ExpiresAt = now
		}
		if disabled {
			d.DisabledAt = past
		}
		if !slotLost {
			d.Slot = 1
		}
		for chain, live := range chains {
			for _, s := range secrets {
				want, code := policy.Active, fault.Kind("")
				switch {
				case s.forgotten:
					want, code = policy.Unknown, fault.KeyInvalid
				case revoked:
					want, code = policy.Revoked, fault.KeyRevoked
				case expired, slotLost, s.over:
					want, code = policy.Expired, fault.KeyExpired
				case disabled, !live:
					want, code = policy.Disabled, fault.KeyDisabled
				}
				got := policy.KeyStatus(d.Under(nil), s.dates.Under(nil), chain, now)
				if got != want || got.Refusal() != code {
					t.Errorf("%+v, %+v, %+v: %s (%s), want %s (%s)", d, s.dates, chain, got, got.Refusal(), want, code)
				}
			}
		}
	}
	if got := policy.Status("whatever").Refusal(); got != fault.KeyInvalid {
		t.Errorf("a status that is none is %q", got)
	}
}
