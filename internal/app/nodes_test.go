package app_test

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/app"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/serverkey"
	"github.com/claviger-dev/claviger/internal/store"
	"github.com/claviger-dev/claviger/internal/testkit"
)

func newRoot() string { return credential.NewRoot(rand.Reader).Text().Reveal() }

func TestWhatOneNodeTakesAwayAllRefuseWithinTheBoundAndEverAfter(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		what   string
		change func(ctx context.Context, p *testkit.TwoNodes) error
		want   api.Code
	}{
		{"revoke", func(ctx context.Context, p *testkit.TwoNodes) error {
			_, err := p.Admin.RevokeKey(ctx, string(p.Tenant.ID), p.Key.Key.ID, "")
			return err
		}, api.APIKeyRevoked},
		{"disable", func(ctx context.Context, p *testkit.TwoNodes) error {
			_, err := p.Admin.DisableKey(ctx, string(p.Tenant.ID), p.Key.Key.ID)
			return err
		}, api.APIKeyDisabled},
		{"delete", func(ctx context.Context, p *testkit.TwoNodes) error {
			return p.Admin.DeleteKey(ctx, string(p.Tenant.ID), p.Key.Key.ID)
		}, api.APIKeyInvalid},
		{"refresh", func(ctx context.Context, p *testkit.TwoNodes) error {
			_, err := p.Admin.RefreshKey(ctx, string(p.Tenant.ID), p.Key.Key.ID, api.RefreshKeyRequest{})
			return err
		}, api.APIKeyInvalid},
	} {
		t.Run(c.what, func(t *testing.T) {
			t.Parallel()
			p := testkit.StartTwoNodes(t, testkit.Direct)
			if err := c.change(t.Context(), p); err != nil {
				t.Fatal(err)
			}
			p.ExpectRefusedOnSecond(t, c.want)
		})
	}
}

func TestALostAnnouncementDelaysWhatANodeSeesAndLosesNothing(t *testing.T) {
	t.Parallel()
	p := testkit.StartTwoNodes(t, testkit.Direct)
	testkit.Exec(t, p.First, `DROP TRIGGER announce_change ON audit_events`)
	if _, err := p.Admin.RevokeKey(t.Context(), string(p.Tenant.ID), p.Key.Key.ID, ""); err != nil {
		t.Fatal(err)
	}
	p.ExpectRefusedOnSecond(t, api.APIKeyRevoked)
}

func TestANodeListensAgainWhenItsConnectionWasLost(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.Postgres)
	db := h.Beside()
	const listeners = ` FROM pg_stat_activity WHERE datname = current_database() AND query = 'NOTIFY claviger_changes'`
	listening := func() (pid string) {
		_ = db.QueryRowContext(t.Context(), `SELECT CAST(pid AS TEXT)`+listeners).Scan(&pid)
		return pid
	}
	testkit.Await(t, listening)
	testkit.Exec(t, h, `SELECT pg_terminate_backend(pid)`+listeners)
	testkit.Await(t, func() string {
		_, warned, _ := strings.Cut(h.Log.String(), "changes of other nodes are read every")
		return warned
	})
	testkit.Await(t, listening)
}

func TestANodeThatCannotSeeWhatOthersChangeDecidesNothing(t *testing.T) {
	t.Parallel()
	wire := &testkit.DatabaseLink{}
	p := testkit.StartTwoNodes(t, func(databaseURL string) string { return wire.URL(t, databaseURL) })
	wire.Cut()
	if _, err := p.Admin.RevokeKey(t.Context(), string(p.Tenant.ID), p.Key.Key.ID, ""); err != nil {
		t.Fatal(err)
	}
	p.ExpectRefusedOnSecond(t, api.Unavailable)
	testkit.Await(t, func() string { // other checks may fail sooner
		_, told, _ := strings.Cut(testkit.NotReady(t, p.Second), " changes (")
		return told
	})
	wire.Restore()
	for code := p.VerifyCode(); code != api.APIKeyRevoked; code = p.VerifyCode() {
		if code != api.Unavailable {
			t.Fatalf("mended, the node says %s of a key that was revoked", code)
		}
	}
}

// During an upgrade a node that still runs the version before schema 8 may edit a tenant.
func TestANodeLearnsAKeyHeaderThatAnEarlierVersionSet(t *testing.T) {
	t.Parallel()
	p := testkit.StartTwoNodes(t, testkit.Direct)
	testkit.Must[api.Tenant](t)(p.Admin.EditTenant(t.Context(), string(p.Tenant.ID),
		api.UpdateTenantRequest{Settings: &api.SettingsPatch{KeyHeader: api.To("X-First-Key")}}))
	testkit.Exec(t, p.First,
		`UPDATE tenants SET settings = REPLACE(settings, 'X-First-Key', 'X-Earlier-Key'), updated_at = updated_at + 1
		WHERE id = $1`, string(p.Tenant.ID))
	testkit.Exec(t, p.First, `UPDATE counters SET value = value + 1 WHERE name = 'change'`)
	testkit.Exec(t, p.First, `WITH last(n) AS (SELECT MAX(change_number) FROM audit_events)
		INSERT INTO audit_events
			(chain, seq, prev_hash, hash, id, change_number, stale, at, actor_type, actor_id, actor_email, action,
			target_type, target_id, target_name, ip, request_id, details)
		SELECT 'made up', 1, prev_hash, hash, 'evt_earlier', n + 1,
			'{"tenants":["' || $1 || '"],"key_headers":["X-Earlier-Key"]}', at,
			'', '', '', 'tenant.edit', '', '', '', '', '', '{}' FROM audit_events, last WHERE change_number = n`,
		string(p.Tenant.ID))
	testkit.Await(t, func() string {
		if _, err := p.Second.Anyone().WithHeader("X-Earlier-Key",
			p.Key.Credential.Value).Whoami(t.Context()); err != nil {
			return ""
		}
		return "known"
	})
	if detail := testkit.NotReady(t, p.Second); detail != "" {
		t.Errorf("a node that met a change of the version before is not ready: %s", detail)
	}
}

// During an upgrade nodes of two versions run on one database.
func TestANodeThatIsOlderThanTheDatabaseDecidesAndWritesNothingAndSaysWhy(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		newer  string
		reason string
	}{
		"a newer schema": {
			`INSERT INTO goose_db_version (version_id, is_applied) VALUES (99999, TRUE)`,
			"schema (the database is at version 99999, this program knows ",
		},
		"an invalidation of a kind that is not known": {
			`WITH RECURSIVE last(n) AS (SELECT MAX(change_number) FROM audit_events)
			INSERT INTO audit_events
			(chain, seq, prev_hash, hash, id, change_number, stale, at, actor_type, actor_id, actor_email, action,
				target_type, target_id, target_name, ip, request_id, details)
			SELECT 'made up', 1, prev_hash, hash, 'evt_newer', n + 1,
				'{"networks":["198.51.100.0/24"]}', at, '', '', '', '', '', '', '', '', '', '{}'
			FROM audit_events, last WHERE change_number = n`,
			`is not understood (json: unknown field "networks"): upgrade this node`,
		},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			p := testkit.StartTwoNodes(t, testkit.Direct)
			testkit.Exec(t, p.First, c.newer)
			p.ExpectRefusedOnSecond(t, api.Unavailable)
			if detail := testkit.Await(t,
				func() string { return testkit.NotReady(t, p.Second) }); !strings.Contains(detail, c.reason) {
				t.Errorf("readyz says %q, and should say %q", detail, c.reason)
			}
			before := testkit.QueryInt(t, p.First, `SELECT COUNT(*) FROM keys`)
			_, err := p.Admin.CreateKey(t.Context(), string(p.Tenant.ID), api.CreateKeyRequest{
				Name: "Late key", Scopes: []string{"applications:read"}, AllApplications: true,
			})
			testkit.ExpectCode(t, "a change", err, api.Unavailable)
			if after := testkit.QueryInt(t, p.First, `SELECT COUNT(*) FROM keys`); after != before {
				t.Error("an old node has made a key in a newer database")
			}
		})
	}
}

func TestTheCapAndSingleUseHoldOverNodes(t *testing.T) {
	t.Parallel()
	p := testkit.StartTwoNodes(t, testkit.Direct)
	member := p.First.Member(p.Tenant, "Member", scope.Member)
	nodes := []*client.Client{p.First.As(member), p.Second.As(member)}
	race := func(act func(c *client.Client) error) (done int64) {
		var succeeded atomic.Int64
		var all sync.WaitGroup
		for i := range 16 {
			all.Go(func() {
				if act(nodes[i%2]) == nil {
					succeeded.Add(1)
				}
			})
		}
		all.Wait()
		return succeeded.Load()
	}
	ctx := context.WithoutCancel(t.Context())
	if made := race(func(c *client.Client) error {
		_, err := c.CreateKey(ctx, string(p.Tenant.ID),
			api.CreateKeyRequest{Name: "Test key", Scopes: []string{"applications:read"}, AllApplications: true})
		return err
	}); made != 2 {
		t.Errorf("%d keys of one person, the cap is 2", made)
	}
	other := p.First.Member(p.Tenant, "Other member", scope.Member)
	nodes = []*client.Client{p.First.As(other), p.Second.As(other)}
	waiting, err := p.Admin.CreateKey(ctx, string(p.Tenant.ID), api.CreateKeyRequest{
		Name: "Test key", OwnerID: string(other.ID), Scopes: []string{"applications:read"}, AllApplications: true,
		Delivery: "link",
	})
	if err != nil {
		t.Fatal(err)
	}
	_, token, _ := strings.Cut(*waiting.Link.URL, "/claims/")
	if claimed := race(func(c *client.Client) error {
		_, err := c.ClaimKey(ctx, token)
		return err
	}); claimed != 1 {
		t.Errorf("a link was used %d times", claimed)
	}
}

func TestNodesThatBeginAtOnceOnANewDatabaseShareOneRootSecretOrOneIsRefused(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		roots [2]string
		want  int
	}{
		"one root secret":  {[2]string{newRoot(), ""}, 2},
		"two root secrets": {[2]string{newRoot(), newRoot()}, 1},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			if c.roots[1] == "" {
				c.roots[1] = c.roots[0]
			}
			database, began := testkit.NewDatabase(t), make(chan error, 2)
			for _, root := range c.roots {
				conf := testkit.SQLite.Config(t)
				conf.Database.URL, conf.RootSecret = credential.NewSecret(database), credential.NewSecret(root)
				go func() {
					a, err := app.Start(context.Background(), conf, app.Options{Log: slog.New(slog.DiscardHandler)})
					if err == nil {
						t.Cleanup(func() { _ = a.Stop(context.Background()) })
					}
					began <- err
				}()
			}
			running := 0
			for range c.roots {
				if err := <-began; err == nil {
					running++
				} else if !errors.Is(err, store.ErrWrongRoot) {
					t.Error(err)
				}
			}
			if running != c.want {
				t.Errorf("%d nodes run, want %d", running, c.want)
			}
		})
	}
}

func TestADatabaseThatWentBackInTimeEndsTheNode(t *testing.T) {
	t.Parallel()
	p := testkit.StartTwoNodes(t, testkit.Direct)
	p.First.ExpectStopToFail()
	p.Second.ExpectStopToFail()
	const forget = `DELETE FROM audit_events WHERE change_number = (SELECT MAX(change_number) FROM audit_events)`
	testkit.Exec(t, p.First, forget)
	for _, h := range []*testkit.Server{p.First, p.Second} {
		select {
		case err := <-h.Failed():
			if !errors.Is(err, store.ErrRewritten) {
				t.Error(err)
			}
		case <-time.After(5 * time.Minute):
			t.Fatal("the node goes on with a memory of what never was")
		}
	}
	if code := p.VerifyCode(); code != api.Unavailable {
		t.Errorf("a key is still judged: %s", code)
	}
}

func TestNoNodeBelievesItToBeEarlierThanAnotherRecorded(t *testing.T) {
	t.Parallel()
	p := testkit.StartTwoNodes(t, testkit.Direct)
	expires := p.First.Clock.Now().Add(30 * time.Second)
	if _, err := p.Admin.EditKey(t.Context(), string(p.Tenant.ID), p.Key.Key.ID,
		api.UpdateKeyRequest{ExpiresAt: api.To(expires)}); err != nil {
		t.Fatal(err)
	}
	p.First.Clock.Move(50 * time.Second) // the other node's clock stands still
	p.First.Application(p.Tenant, "Any change")
	p.ExpectRefusedOnSecond(t, api.APIKeyExpired)
}

// Clocks of nodes differ a little, and nodes see changes of others a little later. Once any node
// has said that a key is expired, it stays expired.
func TestAKeyThatExpiredOnOneNodeLivesAgainByNoChangeOnAnotherThatIsBehind(t *testing.T) {
	t.Parallel()
	for what, change := range map[string]struct {
		begin func(ctx context.Context, p *testkit.TwoNodes, end time.Time) error
		act   func(ctx context.Context, p *testkit.TwoNodes) error
		want  api.Code
	}{
		"a looser policy": {
			begin: func(context.Context, *testkit.TwoNodes, time.Time) error { return nil },
			act: func(ctx context.Context, p *testkit.TwoNodes) error {
				_, err := p.Admin.EditPolicy(ctx, string(p.First.Account.ID), testkit.AutoExpiry(0))
				return err
			},
		},
		"a later end": {
			begin: func(ctx context.Context, p *testkit.TwoNodes, end time.Time) error {
				_, err := p.Admin.EditKey(ctx, string(p.Tenant.ID), p.Key.Key.ID,
					api.UpdateKeyRequest{ExpiresAt: api.To(end)})
				return err
			},
			act: func(ctx context.Context, p *testkit.TwoNodes) error {
				_, err := p.Admin.EditKey(ctx, string(p.Tenant.ID), p.Key.Key.ID,
					api.UpdateKeyRequest{ExpiresAt: api.Cleared[time.Time]()})
				return err
			},
			want: api.Conflict,
		},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			p := testkit.StartTwoNodes(t, testkit.Direct)
			end := p.Key.Key.SecretSetAt.Add(90 * policy.Day)
			testkit.ExpectCode(t, "the end", change.begin(t.Context(), p, end), "")
			p.Second.Clock.Move(end.Sub(p.Second.Clock.Now()))
			p.First.Clock.Move(end.Add(-50 * time.Second).Sub(p.First.Clock.Now()))
			p.Admin = p.First.As(p.First.Owner)
			p.ExpectRefusedOnSecond(t, api.APIKeyExpired)
			testkit.ExpectCode(t, "the change", change.act(t.Context(), p), change.want)
			p.First.Clock.Move(time.Minute)
			_, err := p.First.With(p.Key).Whoami(t.Context())
			testkit.ExpectCode(t, "the key here", err, api.APIKeyExpired)
			p.ExpectRefusedOnSecond(t, api.APIKeyExpired)
		})
	}
}

// Re-encryption takes long where there is much to re-encrypt. Other versions come meanwhile.
func TestANodeLearnsOfServerKeysWhileItWrapsAnew(t *testing.T) {
	t.Parallel()
	p := testkit.StartTwoNodes(t, testkit.Direct)
	db := p.First.Beside()
	busy, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = busy.Rollback() }()
	if _, err := busy.ExecContext(t.Context(), `UPDATE key_secrets SET serial = serial`); err != nil {
		t.Fatal(err)
	}
	rotateAll := func(set serverkey.Set) {
		before := p.First.Clock.Now()
		testkit.RotateServerKey(t, p.First, set)
		p.Second.Clock.Move(p.First.Clock.Now().Sub(before))
		// in case it saw a time of the other node first
		testkit.Await(t, func() string { return testkit.ClockTrusted(t, p.Second) })
	}
	wrapping := func() (nodes int) {
		const waiting = `SELECT COUNT(*) FROM pg_stat_activity
			WHERE datname = current_database() AND wait_event_type = 'Lock'`
		if err := db.QueryRowContext(t.Context(), waiting).Scan(&nodes); err != nil {
			t.Fatal(err)
		}
		return nodes
	}
	rotateAll(serverkey.Seals)
	testkit.Await(t, func() string {
		if wrapping() == 2 {
			return "both nodes"
		}
		return ""
	})
	rotateAll(serverkey.Tags)
	p.Key = p.First.Key(p.First.As(p.First.Member(p.Tenant, "Another", scope.Admin)), p.Tenant, "applications:read")
	testkit.Await(t, func() string { // nothing can be wrapped as long as the rows are held
		if p.VerifyCode() == api.OK {
			return "known"
		}
		return ""
	})
}

// A change of another node enters the journal late, but does not count as later.
func TestTheLastWordOfAJournalIsThatOfTheLastChangeWhicheverNodeMadeIt(t *testing.T) {
	t.Parallel()
	p := testkit.StartTwoNodes(t, testkit.Direct)
	b := testkit.Backup(t, p.First)
	tenant, id := string(p.Tenant.ID), p.Key.Key.ID
	there := p.Second.As(p.First.Owner)
	testkit.Must[api.Key](t)(there.DisableKey(t.Context(), tenant, id))
	testkit.Must[api.Key](t)(there.EnableKey(t.Context(), tenant, id))
	testkit.Must[api.Key](t)(p.Admin.DisableKey(t.Context(), tenant, id))
	c := testkit.RestoreTarget(t, p.First, testkit.Postgres)
	journal := testkit.JournalPath(p.First.Config)
	// the restart makes it catch up
	p.First.Restart()
	// the journal of the other node is missing
	r, err := testkit.Restore(t, p.First, c, b, app.Restoring{Journals: []string{journal}, WithoutJournal: true})
	if err != nil || r.Revocations.Keys != 1 {
		t.Fatalf("%+v, %v", r, err)
	}
	p.First.Move(c)
	if got := testkit.WhoamiCode(t, p.First.With(p.Key)); got != api.APIKeyDisabled {
		t.Errorf("the key is %q", got)
	}
}
