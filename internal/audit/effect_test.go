package audit_test

import (
	"encoding/hex"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/policy"
)

func TestEffectsComeBackAsTheyWereStored(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 123456000, time.FixedZone("", 3600))
	list, _ := policy.ParseAddresses("allowed_cidrs", []string{"192.0.2.0/24", "2001:db8::/32"})
	other, _ := policy.ParseAddresses("allowed_cidrs", []string{"10.0.0.0/8"})
	want := []audit.Effect{
		{Kind: audit.EffectKeyExpirySet, Tenant: "ten_1", Key: "key_1", Expires: at},
		{Kind: audit.EffectUserDeleted, User: "usr_1"},
		{Kind: audit.EffectKeyAddressesSet, Tenant: "ten_1", Key: "key_1"},
		{Kind: audit.EffectKeyAddressesSet, Tenant: "ten_1", Key: "key_1", Addresses: list},
		{Kind: audit.EffectKeyAddressesSet, Tenant: "ten_1", Key: "key_1", Addresses: list.Narrowed(other)}, // nowhere
	}
	got, err := audit.ParseEffects(audit.EncodeEffects(want))
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	if got, err := audit.ParseEffects(audit.EncodeEffects(nil)); err != nil || got == nil || len(got) != 0 {
		t.Errorf("none come back as %v, %v", got, err)
	}
}

func TestStoredEffectsThatThisVersionDidNotWriteAreAnError(t *testing.T) {
	for _, c := range []struct {
		text    string
		unknown bool
	}{
		{`[{"kind":"key_stolen","tenant":"ten_1","key":"key_1"}]`, true},
		{`[{"kind":"key_revoked","tenant":"ten_1","key":"key_1"},{"kind":""}]`, true},
		{`[{"kind":"key_revoked","tenant":"ten_1","key":"key_1","until":7}]`, true},
		{`[{"kind":"key_revoked","tenant":"ten_1"}]`, false},
		{`[{"kind":"key_revoked","tenant":"ten_1","key":"key_1","addresses":[]}]`, false},
		{`[{"kind":"key_addresses_set","tenant":"ten_1","key":"key_1","addresses":["10.0.0.1/8"]}]`, false},
		{`[{"kind":"key_addresses_set","tenant":"ten_1","key":"key_1","addresses":"10.0.0.0/8"}]`, false},
		{`[{"kind":"key_addresses_set","addresses":["10.0.0.0/8"]}]`, false},
		{`[] []`, false},
		{`{}`, false},
		{``, false},
	} {
		got, err := audit.ParseEffects([]byte(c.text))
		if err == nil || got != nil || errors.Is(err, audit.ErrUnknownEffect) != c.unknown {
			t.Errorf("%s: %v, %v", c.text, got, err)
		}
	}
}

// The hashes are those of the version before records had effects.
func TestRecordsOfBeforeEffectsKeepTheirHash(t *testing.T) {
	records, _ := chain(2)
	var head audit.Head
	for i, want := range []string{
		"70e0866cb40dc720a1699a6ddb3a1d59af4ba8a7ae90d025e2b9d853360d22e5",
		"bf6d3ccd357737cbe8a1f00e0cde738d981c3dd100986cc4c657dd33cf1690a6",
	} {
		r := records[i]
		r.Effects, r.PrevHash = nil, head.Hash
		if _, err := hex.Decode(r.Hash[:], []byte(want)); err != nil {
			t.Fatal(err)
		}
		next, err := head.Follow(r)
		if err != nil {
			t.Error(err)
		}
		head = next
	}
}
