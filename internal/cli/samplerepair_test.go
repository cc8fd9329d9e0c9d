package cli_test

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/identity"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/sample"
	"github.com/claviger-dev/claviger/internal/store"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// sampleChanges are changes of a sample, while the server runs or after it, with the secret that
// the next start replaces.
var sampleChanges = []struct {
	name     string
	running  func(t *testing.T, line sample.Sample)
	stopped  func(t *testing.T, s *installation, line sample.Sample)
	replaced string // "key", "verifier" or "password"
}{
	{name: "the key was revoked", replaced: "key", running: func(t *testing.T, line sample.Sample) {
		_, err := signedIn(t, line).RevokeKey(t.Context(), line.Tenants[0].ID, line.Tenants[0].Key.ID, "")
		must(t, err)
	}},
	{name: "the key was deleted", replaced: "key", running: func(t *testing.T, line sample.Sample) {
		must(t, signedIn(t, line).DeleteKey(t.Context(), line.Tenants[0].ID, line.Tenants[0].Key.ID))
	}},
	{name: "the key has expired", replaced: "key", stopped: func(t *testing.T, s *installation, line sample.Sample) {
		s.exec(t, `UPDATE keys SET expires_at = 1 WHERE id = '`+line.Tenants[0].Key.ID+`'`)
	}},
	{name: "the verifier was revoked", replaced: "verifier", running: func(t *testing.T, line sample.Sample) {
		me, err := testkit.Client(t, line.URL).WithKey(line.Verifier).Whoami(t.Context())
		must(t, err)
		_, err = signedIn(t, line).RevokeKey(t.Context(), line.Tenants[0].ID, *me.KeyID, "")
		must(t, err)
	}},
	{
		name: "the password was changed", replaced: "password",
		stopped: func(t *testing.T, s *installation, line sample.Sample) {
			s.withStore(t, func(st *store.Store) { setPassword(t, st, line.Email) })
		},
	},
}

func TestWhatNoLongerWorksOfTheSampleIsReplacedAndTheRestStays(t *testing.T) {
	t.Parallel()
	for _, m := range sampleChanges {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			s := newSample(t, testkit.SQLite)
			p := s.dev(t)
			before := p.ready()
			if m.running != nil {
				m.running(t, before)
			}
			p.term()
			if m.stopped != nil {
				m.stopped(t, s, before)
			}
			again := s.dev(t)
			after := again.ready()
			requireWorking(t, after)
			requireReplaced(t, m.replaced, before, after)
			requireKept(t, s, after)
			again.term()
		})
	}
}

func TestASampleKeyThatCannotBeReplacedDoesNotStopTheStart(t *testing.T) {
	t.Parallel()
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		s := newSample(t, e)
		p := s.dev(t)
		before := p.ready()
		owner, tenant := signedIn(t, before), before.Tenants[0].ID
		own := api.CreateKeyRequest{
			Name: "A key of my own", Scopes: []string{"applications:read"},
			AllApplications: true,
		}
		var err error
		for err == nil {
			_, err = owner.CreateKey(t.Context(), tenant, own)
		}
		if !errors.Is(err, api.KeyLimitReached) {
			t.Fatal(err)
		}
		_, err = owner.RevokeKey(t.Context(), tenant, before.Tenants[0].Key.ID, "")
		must(t, err)
		_, err = owner.CreateKey(t.Context(), tenant, own)
		must(t, err)
		p.term()
		again := s.dev(t)
		after := again.ready()
		requireReplaced(t, "", before, after)
		signedIn(t, after)
		if log := again.stderr.String(); !strings.Contains(log, "level=WARN") || !strings.Contains(log, tenant) {
			t.Errorf("the log does not warn of the key: %s", log)
		}
		again.term()
	})
}

// requireKept requires that dev.json contains what was printed.
func requireKept(t testing.TB, s *installation, printed sample.Sample) {
	t.Helper()
	var kept sample.Sample
	must(t, json.Unmarshal([]byte(readFile(t, filepath.Join(s.data, "dev.json"))), &kept))
	if diff := cmp.Diff(printed, kept); diff != "" {
		t.Errorf("dev.json does not hold what was printed:\n%s", diff)
	}
}

func requireReplaced(t *testing.T, what string, before, after sample.Sample) {
	t.Helper()
	for name, changed := range map[string]bool{
		"key":      !cmp.Equal(before.Tenants[0].Key, after.Tenants[0].Key),
		"verifier": before.Verifier != after.Verifier,
		"password": before.Password != after.Password,
	} {
		if changed != (name == what) {
			t.Errorf("%s changed: %v", name, changed)
		}
	}
	if before.AccountID != after.AccountID || before.Tenants[0].ID != after.Tenants[0].ID {
		t.Error("the sample is of another account or tenant")
	}
}

func signedIn(t testing.TB, line sample.Sample) *client.Client {
	t.Helper()
	c, _, err := testkit.Client(t, line.URL).SignIn(t.Context(), line.Email, line.Password)
	must(t, err)
	return c
}

// setPassword changes a password without the sample.
func setPassword(t testing.TB, s *store.Store, email string) {
	t.Helper()
	people := identity.Service{
		Ledgers: identity.Ledgers{
			Passwords: store.NewLedger(s, func(tx *store.Tx) identity.PasswordTx { return tx }),
		},
		Store: s, Now: time.Now,
		Rand: rand.Reader, Passwords: identity.NewHasher(testkit.PasswordCost, 4),
	}
	u, _, err := s.UserByEmail(t.Context(), email)
	must(t, err)
	must(t, people.SetPassword(t.Context(), principal.Operator(), u,
		credential.NewSecret("another password of the owner")))
}
