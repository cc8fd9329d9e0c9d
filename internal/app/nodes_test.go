package app_test

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net"
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
	"github.com/claviger-dev/claviger/internal/tenancy"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// neighbours are two nodes on one database, and a key that both have in memory.
type neighbours struct {
	here, there *testkit.House
	tenant      tenancy.Tenant
	admin       *client.Client // of here
	key         api.IssuedKey
	// judge asks there about the key.
	judge func() api.Code
}

// twoNodes starts the second node on the URL that reach makes of the first one's.
func twoNodes(t *testing.T, reach func(databaseURL string) string) *neighbours {
	t.Helper()
	p := &neighbours{here: testkit.Start(t, testkit.Postgres)}
	p.there = p.here.Node(reach(p.here.Config.Database.URL.Reveal()))
	p.tenant = p.here.Tenant("Main tenant", nil)
	p.here.Join(p.tenant, p.here.Owner, scope.Admin)
	p.admin = p.here.As(p.here.Owner)
	p.key = p.here.Key(p.admin, p.tenant, "applications:read")
	verifier := *p.here.Key(p.admin, p.tenant, "keys:verify").Credential.Value
	there := p.there.Anyone().WithKey(verifier)
	p.judge = func() api.Code {
		d, err := there.Verify(context.WithoutCancel(t.Context()), api.VerifyRequest{Credential: *p.key.Credential.Value})
		if err != nil {
			return testkit.Code(t, err)
		}
		return d.Code
	}
	for range 2 { // read, then remembered
		if code := p.judge(); code != api.OK {
			t.Fatalf("a key that another node made is %s here", code)
		}
	}
	return p
}

func newRoot() string { return credential.NewRoot(rand.Reader).Text().Reveal() }

func direct(databaseURL string) string { return databaseURL }

// refusedThere demands that the other node refuses the key within the bound, and ever after.
func (p *neighbours) refusedThere(t *testing.T, want api.Code) {
	t.Helper()
	answered := time.Now()
	for p.judge() == api.OK {
		if since := time.Since(answered); since > time.Duration(p.there.Config.Database.MaxStaleness) {
			t.Fatalf("still accepted %s after the change was answered", since)
		}
	}
	for range 50 {
		if code := p.judge(); code != want {
			t.Fatalf("first refused, then %s, want %s", code, want)
		}
	}
}

func TestWhatOneNodeTakesAwayAllRefuseWithinTheBoundAndEverAfter(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		what   string
		change func(ctx context.Context, p *neighbours) error
		want   api.Code
	}{
		{"revoke", func(ctx context.Context, p *neighbours) error {
			_, err := p.admin.RevokeKey(ctx, string(p.tenant.ID), p.key.Key.ID, "")
			return err
		}, api.APIKeyRevoked},
		{"disable", func(ctx context.Context, p *neighbours) error {
			_, err := p.admin.DisableKey(ctx, string(p.tenant.ID), p.key.Key.ID)
			return err
		}, api.APIKeyDisabled},
		{"delete", func(ctx context.Context, p *neighbours) error {
			return p.admin.DeleteKey(ctx, string(p.tenant.ID), p.key.Key.ID)
		}, api.APIKeyInvalid},
		{"refresh", func(ctx context.Context, p *neighbours) error {
			_, err := p.admin.RefreshKey(ctx, string(p.tenant.ID), p.key.Key.ID, api.Refresh{})
			return err
		}, api.APIKeyInvalid},
	} {
		t.Run(c.what, func(t *testing.T) {
			t.Parallel()
			p := twoNodes(t, direct)
			if err := c.change(t.Context(), p); err != nil {
				t.Fatal(err)
			}
			p.refusedThere(t, c.want)
		})
	}
}

func TestALostAnnouncementDelaysWhatANodeSeesAndLosesNothing(t *testing.T) {
	t.Parallel()
	p := twoNodes(t, direct)
	execute(t, p.here, `DROP TRIGGER announce_change ON audit_events`)
	if _, err := p.admin.RevokeKey(t.Context(), string(p.tenant.ID), p.key.Key.ID, ""); err != nil {
		t.Fatal(err)
	}
	p.refusedThere(t, api.APIKeyRevoked)
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
	await(t, listening)
	execute(t, h, `SELECT pg_terminate_backend(pid)`+listeners)
	await(t, func() string {
		_, warned, _ := strings.Cut(h.Log.String(), "changes of other nodes are seen only every")
		return warned
	})
	await(t, listening)
}

func TestANodeThatCannotSeeWhatOthersChangeDecidesNothing(t *testing.T) {
	t.Parallel()
	wire := &wire{}
	p := twoNodes(t, func(databaseURL string) string { return wire.to(t, databaseURL) })
	wire.cut()
	if _, err := p.admin.RevokeKey(t.Context(), string(p.tenant.ID), p.key.Key.ID, ""); err != nil {
		t.Fatal(err)
	}
	p.refusedThere(t, api.Unavailable)
	if detail := await(t, func() string { return notReady(t, p.there) }); !strings.Contains(detail, " changes (") {
		t.Errorf("readyz says %q", detail)
	}
	wire.mend()
	for code := p.judge(); code != api.APIKeyRevoked; code = p.judge() {
		if code != api.Unavailable {
			t.Fatalf("mended, the node says %s of a key that was revoked", code)
		}
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
			INSERT INTO audit_events (chain, seq, prev_hash, hash, id, change_number, stale, at, actor_type, actor_id, actor_email, action,
				target_type, target_id, target_name, ip, request_id, details)
			SELECT 'made up', 1, prev_hash, hash, 'evt_newer', n + 1, '{"networks":["198.51.100.0/24"]}', at, '', '', '', '', '', '', '', '', '', '{}'
			FROM audit_events, last WHERE change_number = n`,
			`is not understood (json: unknown field "networks"): upgrade this node`,
		},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			p := twoNodes(t, direct)
			execute(t, p.here, c.newer)
			p.refusedThere(t, api.Unavailable)
			if detail := await(t, func() string { return notReady(t, p.there) }); !strings.Contains(detail, c.reason) {
				t.Errorf("readyz says %q, and should say %q", detail, c.reason)
			}
			before := counted(t, p.here, `SELECT COUNT(*) FROM keys`)
			_, err := p.admin.CreateKey(t.Context(), string(p.tenant.ID), api.NewKey{
				Name: "Late key", Scopes: []string{"applications:read"}, AllApplications: true,
			})
			expect(t, "a change", err, api.Unavailable)
			if after := counted(t, p.here, `SELECT COUNT(*) FROM keys`); after != before {
				t.Error("an old node has made a key in a newer database")
			}
		})
	}
}

func TestTheCapAndSingleUseHoldOverNodes(t *testing.T) {
	t.Parallel()
	p := twoNodes(t, direct)
	member := p.here.Member(p.tenant, "Member", scope.Member)
	nodes := []*client.Client{p.here.As(member), p.there.As(member)}
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
		_, err := c.CreateKey(ctx, string(p.tenant.ID), api.NewKey{Name: "Test key", Scopes: []string{"applications:read"}, AllApplications: true})
		return err
	}); made != 2 {
		t.Errorf("%d keys of one person, the cap is 2", made)
	}
	other := p.here.Member(p.tenant, "Other member", scope.Member)
	nodes = []*client.Client{p.here.As(other), p.there.As(other)}
	waiting, err := p.admin.CreateKey(ctx, string(p.tenant.ID), api.NewKey{
		Name: "Test key", OwnerID: string(other.ID), Scopes: []string{"applications:read"}, AllApplications: true, Delivery: "link",
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
	p := twoNodes(t, direct)
	p.here.ExpectStopToFail()
	p.there.ExpectStopToFail()
	const forget = `DELETE FROM audit_events WHERE change_number = (SELECT MAX(change_number) FROM audit_events)`
	execute(t, p.here, forget)
	for _, h := range []*testkit.House{p.here, p.there} {
		select {
		case err := <-h.Failed():
			if !errors.Is(err, store.ErrRewritten) {
				t.Error(err)
			}
		case <-time.After(5 * time.Minute):
			t.Fatal("the node goes on with a memory of what never was")
		}
	}
	if code := p.judge(); code != api.Unavailable {
		t.Errorf("a key is still judged: %s", code)
	}
}

func TestNoNodeBelievesItToBeEarlierThanAnotherRecorded(t *testing.T) {
	t.Parallel()
	p := twoNodes(t, direct)
	expires := p.here.Clock.Now().Add(30 * time.Second)
	if _, err := p.admin.EditKey(t.Context(), string(p.tenant.ID), p.key.Key.ID, api.KeyEdit{ExpiresAt: api.To(expires)}); err != nil {
		t.Fatal(err)
	}
	p.here.Clock.Move(50 * time.Second) // the other node's clock stands still
	p.here.Application(p.tenant, "Any change")
	p.refusedThere(t, api.APIKeyExpired)
}

// Clocks of nodes differ a little, and what one changes others see a little later. Whichever of them said so, an expiry is over when it is said.
func TestAKeyThatExpiredOnOneNodeLivesAgainByNoChangeOnAnotherThatIsBehind(t *testing.T) {
	t.Parallel()
	for what, change := range map[string]struct {
		begin func(ctx context.Context, p *neighbours, end time.Time) error
		act   func(ctx context.Context, p *neighbours) error
		want  api.Code
	}{
		"a looser policy": {
			begin: func(context.Context, *neighbours, time.Time) error { return nil },
			act: func(ctx context.Context, p *neighbours) error {
				_, err := p.admin.EditPolicy(ctx, string(p.here.Account.ID), autoExpiry(0))
				return err
			},
		},
		"a later end": {
			begin: func(ctx context.Context, p *neighbours, end time.Time) error {
				_, err := p.admin.EditKey(ctx, string(p.tenant.ID), p.key.Key.ID, api.KeyEdit{ExpiresAt: api.To(end)})
				return err
			},
			act: func(ctx context.Context, p *neighbours) error {
				_, err := p.admin.EditKey(ctx, string(p.tenant.ID), p.key.Key.ID, api.KeyEdit{ExpiresAt: api.Cleared[time.Time]()})
				return err
			},
			want: api.Conflict,
		},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			p := twoNodes(t, direct)
			end := p.key.Key.SecretSetAt.Add(90 * policy.Day)
			expect(t, "the end", change.begin(t.Context(), p, end), "")
			p.there.Clock.Move(end.Sub(p.there.Clock.Now()))
			p.here.Clock.Move(end.Add(-50 * time.Second).Sub(p.here.Clock.Now()))
			p.admin = p.here.As(p.here.Owner)
			p.refusedThere(t, api.APIKeyExpired)
			expect(t, "the change", change.act(t.Context(), p), change.want)
			p.here.Clock.Move(time.Minute)
			_, err := p.here.With(p.key).Whoami(t.Context())
			expect(t, "the key here", err, api.APIKeyExpired)
			p.refusedThere(t, api.APIKeyExpired)
		})
	}
}

// Wrapping anew can take as long as there is much of it. Meanwhile other versions come.
func TestANodeLearnsOfServerKeysWhileItWrapsAnew(t *testing.T) {
	t.Parallel()
	p := twoNodes(t, direct)
	db := p.here.Beside()
	busy, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = busy.Rollback() }()
	if _, err := busy.ExecContext(t.Context(), `UPDATE key_secrets SET serial = serial`); err != nil {
		t.Fatal(err)
	}
	rotateAll := func(set serverkey.Set) {
		before := p.here.Clock.Now()
		rotate(t, p.here, set)
		p.there.Clock.Move(p.here.Clock.Now().Sub(before))
		await(t, func() string { return trusted(t, p.there) }) // should it have seen a time of the other's first
	}
	wrapping := func() (nodes int) {
		const waiting = `SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`
		if err := db.QueryRowContext(t.Context(), waiting).Scan(&nodes); err != nil {
			t.Fatal(err)
		}
		return nodes
	}
	rotateAll(serverkey.Seals)
	await(t, func() string {
		if wrapping() == 2 {
			return "both nodes"
		}
		return ""
	})
	rotateAll(serverkey.Tags)
	p.key = p.here.Key(p.here.As(p.here.Member(p.tenant, "Another", scope.Admin)), p.tenant, "applications:read")
	await(t, func() string { // nothing can be wrapped as long as the rows are held
		if p.judge() == api.OK {
			return "known"
		}
		return ""
	})
}

// What another node changed comes late into the journal, but does not count as later.
func TestTheLastWordOfAJournalIsThatOfTheLastChangeWhicheverNodeMadeIt(t *testing.T) {
	t.Parallel()
	p := twoNodes(t, direct)
	b := backUp(t, p.here)
	tenant, id := string(p.tenant.ID), p.key.Key.ID
	there := p.there.As(p.here.Owner)
	must[api.Key](t)(there.DisableKey(t.Context(), tenant, id))
	must[api.Key](t)(there.EnableKey(t.Context(), tenant, id))
	must[api.Key](t)(p.admin.DisableKey(t.Context(), tenant, id))
	c := emptyPlace(t, p.here, testkit.Postgres)
	journal := journalOf(p.here.Config)
	p.here.Restart() // so that it catches up
	r, err := restore(t, p.here, c, b, app.Restoring{Journal: journal})
	if err != nil || !r.Covered || r.Taken.Keys != 1 {
		t.Fatalf("%+v, %v", r, err)
	}
	p.here.Move(c)
	if got := codeOf(t, p.here.With(p.key)); got != api.APIKeyDisabled {
		t.Errorf("the key is %q", got)
	}
}

// wire is a connection to the database that can be cut.
type wire struct{ gate sync.RWMutex }

// to returns the URL that leads to the database through the wire.
func (w *wire) to(t *testing.T, databaseURL string) string {
	t.Helper()
	return testkit.DatabaseProxy(t, databaseURL, func(near, far net.Conn) {
		go w.carry(near, far)
		w.carry(far, near)
	})
}

func (w *wire) carry(from, to net.Conn) {
	defer from.Close()
	defer to.Close()
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		w.gate.RLock()
		_, lost := to.Write(buffer[:n])
		w.gate.RUnlock()
		if err != nil || lost != nil {
			return
		}
	}
}

// cut keeps back whatever is sent, as a network does that drops packets.
func (w *wire) cut()  { w.gate.Lock() }
func (w *wire) mend() { w.gate.Unlock() }
