package credential

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/claviger-dev/claviger/internal/ident"
)

// accessTokens generates what tokens say.
func accessTokens() *rapid.Generator[AccessToken] {
	text := rapid.StringMatching(`[a-z0-9_@.:-]{0,120}`)
	return rapid.Custom(func(t *rapid.T) AccessToken {
		token := AccessToken{
			Key: ident.KeyID(text.Draw(t, "key")), Lookup: text.Draw(t, "lookup"),
			Serial:   rapid.IntRange(0, 1<<40).Draw(t, "serial"),
			IssuedAt: time.UnixMicro(rapid.Int64Range(0, 1<<50).Draw(t, "issued")),
			Expires:  time.UnixMicro(rapid.Int64Range(0, 1<<50).Draw(t, "expires")),
			Narrowed: rapid.Bool().Draw(t, "narrowed"),
		}
		copy(token.ID[:], rapid.SliceOfN(rapid.Byte(), len(token.ID), len(token.ID)).Draw(t, "id"))
		if token.Narrowed {
			token.Scopes = rapid.SliceOfN(rapid.StringMatching(`[a-z]{1,20}:[a-z]{1,20}`), 1, 20).Draw(t, "scopes")
		}
		return token
	})
}

func TestAnAccessTokenSaysWhatItWasIssuedWith(t *testing.T) {
	t.Parallel()
	k, other := keyring(t), keyring(t)
	rapid.Check(t, func(t *rapid.T) {
		token := accessTokens().Draw(t, "token")
		issued := k.IssueAccessToken(token)
		value := issued.Reveal()
		if !HasAccessTokenForm(value) || strings.ContainsAny(value, "+/= .") {
			t.Fatalf("the token has the form %.10s…", value)
		}
		got, ok := k.ParseAccessToken(value)
		if diff := cmp.Diff(token, got); !ok || diff != "" {
			t.Fatalf("%t: %s", ok, diff)
		}
		if _, ok := other.ParseAccessToken(value); ok {
			t.Fatal("another server accepts the token")
		}
		if _, ok := Parse(value); ok {
			t.Fatal("the token is taken for a key")
		}
		if shown := fmt.Sprint(issued); shown != redacted {
			t.Fatalf("the token is printed as %s", shown)
		}
	})
}

// The keys of access tokens rotate with those of sessions: a token of a version that is live is
// accepted, and one of a version that was retired is not.
func TestAnAccessTokenDiesWithTheVersionOfItsKeys(t *testing.T) {
	t.Parallel()
	k := keyring(t)
	value := k.IssueAccessToken(AccessToken{Key: "key_1", Lookup: "x"}).Reveal()
	versions := FirstVersions()
	next := Version{Purpose: SessionPurpose, Number: 2}
	if err := k.Use(append(versions, next)); err != nil {
		t.Fatal(err)
	}
	if _, ok := k.ParseAccessToken(value); !ok {
		t.Error("a token of a superseded version is refused")
	}
	for i, v := range versions {
		if v.Purpose == SessionPurpose {
			versions[i] = next
		}
	}
	if err := k.Use(versions); err != nil {
		t.Fatal(err)
	}
	if _, ok := k.ParseAccessToken(value); ok {
		t.Error("a token of a retired version is accepted")
	}
}

// What parses was issued: there is one text of every token.
func FuzzParseAccessToken(f *testing.F) {
	k := keyring(f)
	genuine := k.IssueAccessToken(AccessToken{Key: "key_1", Lookup: "ak_1", Narrowed: true, Scopes: []string{"a:b"}})
	for _, seed := range []string{
		"", "clv_at_", "clv_at_0123456789abcdef", genuine.Reveal(), genuine.Reveal() + "\n", genuine.Reveal()[:90],
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		if _, ok := k.ParseAccessToken(value); ok != (value == genuine.Reveal()) {
			t.Fatalf("%q is accepted: %t", value, ok)
		}
	})
}

// An encoding that is cut short, or that says more than it holds, is refused and never read beyond
// its end.
func FuzzDecodeAccessToken(f *testing.F) {
	f.Add(AccessToken{Key: "key_1", Lookup: "x", Narrowed: true, Scopes: []string{"a:b", "c:d"}}.encode())
	f.Add([]byte{accessTokenFormat})
	f.Fuzz(func(t *testing.T, encoded []byte) {
		token, err := decodeAccessToken(encoded)
		if err != nil {
			return
		}
		again, err := decodeAccessToken(token.encode())
		if diff := cmp.Diff(token, again); err != nil || diff != "" {
			t.Fatalf("%x: %v %s", encoded, err, diff)
		}
	})
}
