package identity_test

import (
	"testing"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/identity"
	"github.com/claviger-dev/claviger/internal/testkit"
)

func TestAPasswordIsTheSameHoweverAKeyboardComposesIt(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	p := h.Person("Some Body")
	spellings := []string{
		"vòng quay của thế giới",                                     // as one character each
		"vo\u0300ng quay cu\u0309a the\u0302\u0301 gio\u031b\u0301i", // with combining marks
		"vòng\u00a0quay\u3000của thế giới",                           // with the spaces of other keyboards
		"ｖòng quay của thế giới",                                     // full width
	}
	for _, set := range spellings {
		h.ChangePassword(p, set)
		for _, typed := range spellings {
			if got := testkit.SignInCode(t, h, p.Email, typed); got != "" {
				t.Errorf("set as %+q and typed as %+q: %q", set, typed, got)
			}
		}
		if got := testkit.SignInCode(t, h, p.Email, "vong quay cua the gioi"); got != api.SignInFailed {
			t.Errorf("without its marks: %q", got)
		}
	}
}

func TestAPasswordThatAnEarlierVersionHashedAsTypedIsTakenAndHashedAnew(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	p := h.Person("Some Body")
	const typed, composed = "vo\u0300ng quay cu\u0309a trai dat", "vòng quay của trai dat"
	// of typed
	const earlier = "$argon2id$v=19$m=8,t=1,p=1$c3Nzc3Nzc3Nzc3Nzc3Nzcw$+/VPsD0mynFfSr4xIOvymGZ74QgfoFDB8ZlT7//gZRg"
	if _, err := h.Beside().ExecContext(t.Context(), `UPDATE users SET password = $1 WHERE id = $2`, earlier,
		p.ID); err != nil {
		t.Fatal(err)
	}
	if got := testkit.SignInCode(t, h, p.Email, composed); got != api.SignInFailed {
		t.Errorf("before it is hashed anew, typed otherwise: %q", got)
	}
	for _, password := range []string{typed, composed} {
		if got := testkit.SignInCode(t, h, p.Email, password); got != "" {
			t.Errorf("%+q: %q", password, got)
		}
	}
	_, encoded, err := h.Store.UserByEmail(t.Context(), identity.CanonicalEmail(p.Email))
	if err != nil || encoded == earlier {
		t.Errorf("it was not hashed anew: %v", err)
	}
}

func TestOneLongCharacterIsNoLongPassword(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	c := h.As(h.Person("Some Body"))
	_, err := c.ChangePassword(t.Context(), testkit.Password, "\ufdfa") // 18 characters when it is taken apart
	if got := testkit.Code(t, err); got != api.ValidationFailed || testkit.FieldErrors(t,
		err) != "new_password too_short" {
		t.Errorf("%v", err)
	}
}
