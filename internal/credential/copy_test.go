package credential

import (
	"bytes"
	"testing"

	"github.com/claviger-dev/claviger/internal/ident"
)

func TestACopyOpensOnlyInItsOwnRowOfItsOwnTenant(t *testing.T) {
	k := keyring(t)
	const tenant = "ten_1"
	row := Row{Key: "key_1", Serial: 1}
	secret := k.Issue(standard).Secret
	sealed := k.SealCopy(secret, tenant, row)
	if back, err := k.OpenCopy(sealed, tenant, row); err != nil || back.Reveal() != secret.Reveal() {
		t.Fatalf("does not open in its own row: %v", err)
	}
	if bytes.Contains(sealed.Bytes, []byte(secret.Reveal()[:8])) {
		t.Error("the secret can be read in the sealed text")
	}
	digest := k.SealDigest(DigestOf(row.Key, secret), row)
	for name, attempt := range map[string]struct {
		sealed Sealed
		tenant ident.TenantID
		row    Row
	}{
		"another key":        {sealed, tenant, Row{Key: "key_2", Serial: 1}},
		"another secret":     {sealed, tenant, Row{Key: "key_1", Serial: 2}},
		"another tenant":     {sealed, "ten_2", row},
		"a digest":           {digest, tenant, row},
		"an unknown version": {Sealed{Version: 9, Bytes: sealed.Bytes}, tenant, row},
	} {
		if _, err := k.OpenCopy(attempt.sealed, attempt.tenant, attempt.row); err == nil {
			t.Errorf("%s: opens", name)
		}
	}
}

func TestACredentialIsAssembledAsItWasIssued(t *testing.T) {
	k := keyring(t)
	for _, shape := range everyShape {
		m := k.Issue(shape)
		again := Assemble(shape, m.PublicID, m.Secret)
		if again.Value.Reveal() != m.Value.Reveal() || again.Secret.Reveal() != m.Secret.Reveal() ||
			again.PublicID != m.PublicID || again.Lookup != m.Lookup ||
			again.Last4 != m.Last4 || again.Shape != shape {
			t.Errorf("style %s: another credential", shape.Style)
		}
	}
}
