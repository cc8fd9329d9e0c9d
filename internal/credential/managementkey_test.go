package credential

import (
	"crypto/rand"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// issueManagement returns a new management key.
func issueManagement(t rapid.TB, k *Keyring) Issued {
	issued, ok := k.IssueManagementKey()
	if !ok {
		t.Fatal("a keyring of first versions issues no management key")
	}
	return issued
}

func TestAnIssuedManagementKeyIsRecognisedByItsFormAndItsTag(t *testing.T) {
	k := keyring(t)
	issued := issueManagement(t, k)
	if value := issued.Value.Reveal(); !strings.HasPrefix(value, "clv_mk_") || len(value) != len("clv_mk_")+16+1+48 {
		t.Errorf("the value has the form %.7s… of %d characters", value, len(value))
	}
	p, ok := ParseManagementKey(issued.Value.Reveal())
	if !ok || !k.ManagementTagged(p) || p.Lookup() != issued.Lookup {
		t.Fatalf("parsed %t, tagged %t", ok, k.ManagementTagged(p))
	}
	if !p.MatchesManagementKey("mgk_1", ManagementDigestOf("mgk_1", issued.Secret)) {
		t.Error("the secret does not match its own digest")
	}
	if p.MatchesManagementKey("mgk_2", ManagementDigestOf("mgk_1", issued.Secret)) {
		t.Error("the secret matches the digest of another management key")
	}
	if keyring(t).ManagementTagged(p) {
		t.Error("another server recognises the management key")
	}
}

// An API key may have the words of a management key, because a tenant chose them before they were
// reserved.
func TestAManagementKeyIsNeverAnAPIKeyNorTheOtherWayRound(t *testing.T) {
	k := keyring(t)
	rapid.Check(t, func(t *rapid.T) {
		management := issueManagement(t, k)
		value := management.Value.Reveal()
		p, ok := Parse(value)
		if !ok || k.Tagged(p) || p.Matches("mgk_1", ManagementDigestOf("mgk_1", management.Secret)) {
			t.Fatal("a management key passes for an API key")
		}
		publicID, secret, _ := strings.Cut(strings.TrimPrefix(value, "clv_mk_"), "_")
		if pair, ok := ParsePair("mk_"+publicID, secret); ok && (k.Tagged(pair) || k.ManagementTagged(pair)) {
			t.Fatal("the two halves of a management key pass for a credential")
		}
		shape := rapid.OneOf(rapid.Just(managementShape), shapes()).Draw(t, "shape")
		issued := k.Issue(shape)
		own, ok := Parse(issued.Value.Reveal())
		if !ok || k.ManagementTagged(own) ||
			own.MatchesManagementKey("mgk_1", DigestOf("mgk_1", issued.Secret)) {
			t.Fatalf("an API key of %+v passes for a management key", shape)
		}
	})
}

func TestADigestOfAManagementKeyOpensInItsRowOnly(t *testing.T) {
	k := keyring(t)
	issued := issueManagement(t, k)
	d := ManagementDigestOf("mgk_1", issued.Secret)
	sealed, err := k.SealManagementDigest(d, ManagementRow("mgk_1", 2))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := k.OpenManagementDigest(sealed, ManagementRow("mgk_1", 2)); err != nil || got != d {
		t.Errorf("the digest opens as %t, %v", got == d, err)
	}
	for _, other := range []Row{ManagementRow("mgk_1", 1), ManagementRow("mgk_2", 2)} {
		if _, err := k.OpenManagementDigest(sealed, other); err == nil {
			t.Errorf("the digest opens in the row %v", other)
		}
	}
	if _, err := k.OpenDigest(sealed, ManagementRow("mgk_1", 2)); err == nil {
		t.Error("the digest opens as that of an API key")
	}
}

func TestAKeyringWithoutItsServerKeysIssuesNoManagementKey(t *testing.T) {
	var old []Version
	for _, v := range FirstVersions() {
		if v.Purpose != ManagementTagPurpose && v.Purpose != ManagementDigestPurpose {
			old = append(old, v)
		}
	}
	root := NewRoot(rand.Reader)
	before, after := keyringOf(t, root, old...), keyringOf(t, root)
	if _, ok := before.IssueManagementKey(); ok {
		t.Error("a management key is issued before the upgrade is finished")
	}
	if _, err := before.SealManagementDigest(Digest{}, ManagementRow("mgk_1", 1)); err == nil {
		t.Error("a digest is sealed without a server key")
	}
	p, _ := ParseManagementKey(issueManagement(t, after).Value.Reveal())
	if before.ManagementTagged(p) {
		t.Error("a keyring without the tag key recognises a management key")
	}
}

func TestLabelsOfClavigersOwnCredentialsAreReserved(t *testing.T) {
	for label, want := range map[string]bool{"mk": true, "at": true, "ak": false, "mk_a": false, "": false} {
		if got := ReservedLabel(label); got != want {
			t.Errorf("the label %q is reserved: %t", label, got)
		}
		shape := Shape{Style: Token, Prefix: "clv", Label: label}
		if got := shape.Reserved(); got != want {
			t.Errorf("a token with the label %q is reserved: %t", label, got)
		}
	}
	if (Shape{Style: Pair, Label: "mk"}).Reserved() {
		t.Error("a style without a label is reserved")
	}
}

// What parses as a management key encodes to the same bytes, and changing one character of a live
// one is never accepted.
func FuzzManagementKey(f *testing.F) {
	k := keyring(f)
	live := issueManagement(f, k)
	f.Add(live.Value.Reveal())
	f.Add(strings.Replace(live.Value.Reveal(), "mk", "ak", 1))
	f.Add(invalidToken("clv_mk"))
	f.Fuzz(func(t *testing.T, value string) {
		p, ok := ParseManagementKey(value)
		if !ok {
			return
		}
		if p.encode() != value {
			t.Error("a management key encodes to other bytes")
		}
		if k.Tagged(p) {
			t.Error("a value passes for an API key and has the form of a management key")
		}
		if k.ManagementTagged(p) && value != live.Value.Reveal() && p.Lookup() != live.Lookup {
			t.Error("a management key was forged")
		}
	})
}
