package key

import (
	"testing"
	"time"

	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
)

// policy.KeyStatus has a table of its own; this one says which fields of a key decide.
func TestTheStatusOfAKey(t *testing.T) {
	rule := policy.Rule{Reason: policy.ByAutoExpiry, Days: 90, Since: testNow.Add(-365 * policy.Day)}
	earlier, later := testNow.Add(-time.Hour), testNow.Add(time.Hour)
	for name, c := range map[string]struct {
		change func(*Key)
		want   policy.Status
	}{
		"as created":               {func(*Key) {}, policy.Active},
		"unclaimed":                {func(k *Key) { k.SecretSetAt = time.Time{} }, policy.Active},
		"with an expiry":           {func(k *Key) { k.ExpiresAt = later }, policy.Active},
		"at its expiry":            {func(k *Key) { k.ExpiresAt = testNow }, policy.Expired},
		"90 days old":              {func(k *Key) { k.SecretSetAt = testNow.Add(-90 * policy.Day) }, policy.Expired},
		"without its slot":         {func(k *Key) { k.Slot = 0 }, policy.Expired},
		"disabled":                 {func(k *Key) { k.DisabledAt = earlier }, policy.Disabled},
		"disabled and expired":     {func(k *Key) { k.DisabledAt, k.ExpiresAt = earlier, earlier }, policy.Expired},
		"revoked":                  {func(k *Key) { k.RevokedAt, k.Slot = earlier, 0 }, policy.Revoked},
		"revoked after its expiry": {func(k *Key) { k.RevokedAt, k.ExpiresAt = testNow, earlier }, policy.Revoked},
	} {
		t.Run(name, func(t *testing.T) {
			k := Key{SecretSetAt: earlier, Slot: 1}
			c.change(&k)
			if got := k.Life([]policy.Rule{rule}).Status(testNow); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

func TestWhenThePreviousSecretIsValid(t *testing.T) {
	rule := policy.Rule{Reason: policy.ByAutoExpiry, Days: 90, Since: testNow.Add(-365 * policy.Day)}
	end := testNow.Add(time.Hour)
	for name, c := range map[string]struct {
		change func(*Key)
		want   time.Time // zero if it is not valid
	}{
		"until the end of the overlap":  {func(*Key) {}, end},
		"not at the end of the overlap": {func(k *Key) { k.Previous.Until = testNow }, time.Time{}},
		"not without a refresh":         {func(k *Key) { k.Previous = Previous{} }, time.Time{}},
		"not longer than the key": {
			func(k *Key) { k.ExpiresAt = testNow.Add(time.Minute) },
			testNow.Add(time.Minute),
		},
		"not longer than by the rules": {func(k *Key) {
			k.Previous.SetAt = testNow.Add(time.Minute - 90*policy.Day)
		}, testNow.Add(time.Minute)},
		"not once the key is revoked":    {func(k *Key) { k.RevokedAt = testNow }, time.Time{}},
		"also while the key is disabled": {func(k *Key) { k.DisabledAt = testNow }, end},
		"not once its own lifetime has ended": {
			func(k *Key) { k.Previous.SetAt = testNow.Add(-91 * policy.Day) },
			time.Time{},
		},
	} {
		t.Run(name, func(t *testing.T) {
			k := Key{
				SecretSetAt: testNow.Add(-time.Minute), Slot: 1,
				Previous: Previous{SetAt: testNow.Add(-policy.Day), Until: end},
			}
			c.change(&k)
			rules := []policy.Rule{rule}
			if got := k.validPrevious(k.Life(rules), rules, testNow).Until; !got.Equal(c.want) {
				t.Errorf("until %v, want %v", got, c.want)
			}
		})
	}
}

func TestWhoSetASecret(t *testing.T) {
	const owner, creator = ident.UserID("usr_owner"), ident.UserID("usr_creator")
	for name, c := range map[string]struct {
		createdBy, setBy ident.UserID
		byOwner          bool
		shownTo          bool // the creator
	}{
		"by the owner":   {creator, owner, true, false},
		"by the creator": {creator, creator, false, true},
		"unrecorded, of a key that the owner created":   {owner, "", true, false},
		"unrecorded, of a key that the creator created": {creator, "", false, true},
	} {
		t.Run(name, func(t *testing.T) {
			k := Key{
				Owner: principal.Person{ID: owner}.Party(), CreatedBy: principal.Person{ID: c.createdBy}.Party(),
				SetBy: ident.PartyID(c.setBy), SecretSetAt: testNow, Delivery: Direct,
			}
			if got := k.OwnerSetSecret(); got != c.byOwner {
				t.Errorf("by the owner: %t, want %t", got, c.byOwner)
			}
			if got := (View{Key: k}).wasShownTo(creator); got != c.shownTo {
				t.Errorf("shown to the creator: %t, want %t", got, c.shownTo)
			}
		})
	}
}
