package ident_test

import (
	"crypto/rand"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/claviger-dev/claviger/internal/ident"
)

func TestWhatIsMadeParses(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		at := time.UnixMilli(rapid.Int64Range(0, 1<<48).Draw(t, "ms"))
		id := ident.New[ident.KeyID](at, rand.Reader)
		back, err := ident.Parse[ident.KeyID](string(id))
		if err != nil || back != id {
			t.Fatalf("Parse(%s) = %s, %v", id, back, err)
		}
	})
}

func TestLaterIdentifiersSortAfterEarlierOnes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := rapid.Int64Range(0, 1<<48).Draw(t, "a")
		b := rapid.Int64Range(a+1, 1<<48+1).Draw(t, "b")
		first := ident.New[ident.EventID](time.UnixMilli(a), rand.Reader)
		second := ident.New[ident.EventID](time.UnixMilli(b), rand.Reader)
		if first >= second {
			t.Fatalf("%s (%d) does not sort before %s (%d)", first, a, second, b)
		}
	})
}

func TestATenantIDFitsTwentyCharacters(t *testing.T) {
	id := ident.New[ident.TenantID](time.Now(), rand.Reader)
	if len(id) > 20 {
		t.Errorf("%s has %d characters", id, len(id))
	}
}

func TestNothingElseParses(t *testing.T) {
	good := string(ident.New[ident.KeyID](time.Now(), rand.Reader))
	for name, text := range map[string]string{
		"empty": "", "prefix only": "key_", "another noun": "usr_" + good[4:], "shorter": good[:len(good)-1],
		"longer": good + "0", "upper case": "KEY_" + good[4:], "outside the alphabet": good[:len(good)-1] + "u",
		"leading space": " " + good[:len(good)-1],
	} {
		if _, err := ident.Parse[ident.KeyID](text); err == nil {
			t.Errorf("%s: %q parses", name, text)
		}
	}
}
