package identity_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/identity"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/testkit"
)

func TestAPasswordIsLongAndNeitherCommonNorOnesOwnWords(t *testing.T) {
	h := testkit.Start(t, testkit.SQLite)
	_, err := h.Identity.Create(t.Context(), principal.Operator(), identity.NewUser{
		Email: "Ada.Lovelace@Analytical.example", Name: "Ada King-Noël",
		Password: credential.NewSecret(testkit.Password),
	})
	if err != nil {
		t.Fatal(err)
	}
	c, _, err := h.Anyone().SignIn(t.Context(), "ada.lovelace@analytical.example", testkit.Password)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []struct{ password, want string }{
		{"", "too_short"},
		{"fourteen chars", "too_short"},
		{strings.Repeat("é", 14), "too_short"}, // 28 bytes
		{strings.Repeat("abcdefgh ", 28) + "12345", "too_long"},

		{"aaaaaaaaaaaaaaaa", "common"},
		{"abcabcabcabcabca", "common"},
		{"111111111111111", "common"},
		{"123456789012345", "common"},
		{"qwertyuiopasdfghjkl", "common"},
		{"QwertyUiopAsdfghjkl", "common"},
		{"ｑｗｅｒｔｙｕｉｏｐａｓｄｆｇｈｊｋｌ", "common"}, // full width
		{"iloveyousomuch!!", "common"},
		{"password1234567", "common"},
		{"!!!Password!!!!!", "common"},
		{"20262026Passwort", "common"},
		{"passwordpassword", "common"},
		{"password123password123", "common"},
		{"Password-password-PASSWORD", "common"},
		{"p@ssw0rd20262026", "common"},
		{"trustno1trustno1", "common"},
		{"monkeymonkeymonkey!1", "common"},

		{"AdaLovelaceAdaLovelace", "own_words"},
		{"ada.lovelace@analytical.example", "own_words"},
		{"ANALYTICAL-EXAMPLE", "own_words"},
		{"lovelace20262026", "own_words"},
		{"ada king-noël 1815", "own_words"},
		{"adakingnoe\u0308l!!!!!", "own_words"}, // in NFD
		{"1815 King 1852 Ada", "own_words"},

		{"ada lovelace is not it", ""},
		{"correct horse battery staple", ""},
		{"83920184756291038", ""},
		{"password of my neighbour", ""},
		{"3f9a-77c1-e0b2-5d", ""},
		{"日本語のとても長い合言葉です。", ""},
		{"               x", ""},
	} {
		_, err := c.ChangePassword(t.Context(), "not the current password", p.password)
		got := ""
		if code := testkit.Code(t, err); code == api.ValidationFailed {
			got = strings.TrimPrefix(testkit.FieldErrors(t, err), "new_password ")
		} else if code != api.SignInFailed {
			t.Errorf("%q: %v", p.password, err)
		}
		if got != p.want {
			t.Errorf("%q is %q, want %q", p.password, got, p.want)
		}
		if p.password != "" && err != nil && strings.Contains(err.Error(), p.password) {
			t.Errorf("%q is repeated: %v", p.password, err)
		}
	}
}

func TestAChangedPasswordReplacesTheOldOneAndEverySession(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	person := h.Person("Some Body")
	c, another := h.As(person), h.As(person)
	before, err := c.Sessions(t.Context(), client.Page{})
	if err != nil || len(before.Items) != 2 {
		t.Fatalf("%+v, %v", before, err)
	}
	const next = "another horse battery staple"
	s, err := c.ChangePassword(t.Context(), testkit.Password, next)
	if err != nil || s.User.ID != string(person.ID) {
		t.Fatalf("%+v, %v", s, err)
	}
	if !testkit.HasSession(t, c) || testkit.HasSession(t, another) {
		t.Error("the one that asked goes on, in a new session, and no other")
	}
	after, err := c.Sessions(t.Context(), client.Page{})
	if err != nil || len(after.Items) != 1 || slices.Contains([]string{before.Items[0].ID, before.Items[1].ID},
		after.Items[0].ID) {
		t.Errorf("afterwards there are %+v, %v", after, err)
	}
	for password, want := range map[string]api.Code{testkit.Password: api.SignInFailed, next: ""} {
		_, _, err := h.Anyone().SignIn(t.Context(), person.Email, password)
		if got := testkit.Code(t, err); got != want {
			t.Errorf("signing in with %q: %q, want %q", password, got, want)
		}
	}
}

func TestAWrongCurrentPasswordCountsLikeAFailedSignIn(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	person := h.Person("Some Body")
	c := h.As(person)
	change := func(current string) api.Code {
		_, err := c.ChangePassword(t.Context(), current, "another horse battery staple")
		return testkit.Code(t, err)
	}
	for range 6 {
		if got := change("not the current password"); got != api.SignInFailed {
			t.Fatalf("a wrong password: %q", got)
		}
	}
	if got := change(testkit.Password); got != api.SignInFailed {
		t.Errorf("the right one before its time: %q", got)
	}
	_, _, err := h.Anyone().SignIn(t.Context(), person.Email, testkit.Password)
	if got := testkit.Code(t, err); got != "" {
		t.Errorf("signing in, which counts apart: %q", got)
	}
	if !testkit.HasSession(t, c) {
		t.Error("the session ended")
	}
	h.Clock.Move(2 * time.Second)
	if got := change(testkit.Password); got != "" {
		t.Errorf("the right one in its time: %q", got)
	}
}
