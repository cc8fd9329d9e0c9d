package backup_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/app"
	"github.com/claviger-dev/claviger/internal/hashline"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

func TestABackupBringsBackEverythingOnEitherEngine(t *testing.T) {
	t.Parallel()
	testkit.OnEachPairOfEngines(t, func(t *testing.T, from, to testkit.Engine) {
		h := testkit.Start(t, from)
		tenant := h.Tenant("Main tenant", func(s *policy.Settings) { s.KeysPerUser, s.KeyHeader = 7, "X-Own-Key" })
		application := h.Application(tenant, "Orders \u00e9 \U0001f511 API")
		person := h.Member(tenant, "Key Owner", scope.Admin)
		owner := h.As(person)
		kept := h.Key(owner, tenant, "applications:read")
		disabled := h.Key(owner, tenant, "applications:read")
		testkit.Must[api.Key](t)(owner.DisableKey(t.Context(), string(tenant.ID), disabled.Key.ID))
		testkit.Must[api.Whoami](t)(h.With(kept).Whoami(t.Context()))
		h.Restart() // what is written late is written
		b := testkit.Backup(t, h)
		c := testkit.RestoreTarget(t, h, to)
		r, err := testkit.Restore(t, h, c, b, app.Restoring{Journals: []string{testkit.JournalPath(h.Config)}})
		if err != nil || !r.Covered || r.Rows == 0 || r.Revocations != (app.Restored{}).Revocations {
			t.Fatalf("%+v, %v", r, err)
		}
		h.Move(c)
		owner = h.As(person)
		if got := testkit.Must[api.Key](t)(owner.Key(t.Context(), string(tenant.ID),
			kept.Key.ID)); got.LastUsedAt == nil ||
			!got.CreatedAt.Equal(kept.Key.CreatedAt) || got.Status != "active" {
			t.Errorf("the key is now %+v", got)
		}
		if u := testkit.Must[api.Usage](t)(owner.Usage(t.Context(), string(tenant.ID), client.UsageFilter{},
			client.Page{})); u.Total == nil || u.Total.Accepted != 1 {
			t.Errorf("the usage is now %+v", u)
		}
		if a := testkit.Must[api.Application](t)(owner.Application(t.Context(), string(tenant.ID),
			string(application.ID))); a.Name != application.Name || a.Number != application.Number {
			t.Errorf("the application is now %+v", a)
		}
		if now := testkit.Must[api.Tenant](t)(owner.Tenant(t.Context(),
			string(tenant.ID))); *now.Settings.KeysPerUser != 7 ||
			*now.Settings.KeyHeader != "X-Own-Key" {
			t.Errorf("the settings are now %+v", now.Settings)
		}
		for _, k := range []struct {
			key  api.IssuedKey
			want api.Code
		}{{kept, ""}, {disabled, api.APIKeyDisabled}} {
			if got := testkit.WhoamiCode(t, h.With(k.key)); got != k.want {
				t.Errorf("a key is %q, want %q", got, k.want)
			}
		}
		if got := h.Key(owner, tenant, "applications:read"); got.Key.ID == "" { // life goes on
			t.Errorf("%+v", got)
		}
		testkit.ExpectWholeTrail(t, h)
		if again := tablesOf(t, testkit.Backup(t, h)); !slices.Equal(again, tablesOf(t, b)) {
			t.Errorf("the tables are %q and were %q", again, tablesOf(t, b))
		}
	})
}

// tablesOf returns the lines that announce tables.
func tablesOf(t *testing.T, b []byte) (lines []string) {
	t.Helper()
	for line := range strings.Lines(string(b)) {
		if strings.HasPrefix(line, `{"table":`) {
			lines = append(lines, line)
		}
	}
	return lines
}

func TestAPolicyThatWasTightenedAfterABackupStaysSo(t *testing.T) {
	t.Parallel()
	testkit.OnEachPairOfEngines(t, func(t *testing.T, from, to testkit.Engine) {
		h := testkit.Start(t, from)
		tenant := h.Tenant("Main tenant", nil)
		h.Join(tenant, h.Owner, scope.Admin)
		k := h.Key(h.As(h.Owner), tenant, "applications:read")
		b := testkit.Backup(t, h)
		h.Clock.Move(time.Hour)
		owner := h.As(h.Owner)
		testkit.Must[api.Policy](t)(owner.EditPolicy(t.Context(), string(h.Account.ID),
			api.UpdatePolicyRequest{MaxLifetimeDays: api.To(2)}))
		testkit.Must[api.Policy](t)(owner.EditPolicy(t.Context(), string(h.Account.ID),
			api.UpdatePolicyRequest{AutoExpiry: &api.AutoExpiryPatch{Days: api.To(360)}}))
		h.Clock.Move(49 * time.Hour)
		if got := testkit.WhoamiCode(t, h.With(k)); got != api.APIKeyExpired {
			t.Fatalf("before the restore the key is %q", got)
		}
		h.Application(tenant, "Any change") // which says how late it is
		c := testkit.RestoreTarget(t, h, to)
		r, err := testkit.Restore(t, h, c, b, app.Restoring{Journals: []string{testkit.JournalPath(h.Config)}})
		if err != nil || r.Revocations.Policies != 1 {
			t.Fatalf("%+v, %v", r, err)
		}
		h.Move(c)
		if got := testkit.WhoamiCode(t, h.With(k)); got != api.APIKeyExpired {
			t.Errorf("after the restore the key is %q", got)
		}
		p := testkit.Must[api.Policy](t)(h.As(h.Owner).Policy(t.Context(), string(h.Account.ID)))
		if *p.MaxLifetimeDays != 2 || *p.AutoExpiry.Days != 90 {
			t.Errorf("the policy is %+v", p)
		}
	})
}

func TestWhoLostARoleAfterABackupDoesNotHaveItAgain(t *testing.T) {
	t.Parallel()
	testkit.OnEachPairOfEngines(t, func(t *testing.T, from, to testkit.Engine) {
		h := testkit.Start(t, from)
		tenant := h.Tenant("Main tenant", nil)
		h.Join(tenant, h.Owner, scope.Admin)
		owner := h.As(h.Owner)
		demoted := h.Member(tenant, "Was Admin", scope.Admin)
		dismissed := h.AccountMember("Was Officer", scope.AccountAdmin)
		renewed := h.AccountMember("Was Owner", scope.AccountOwner)
		b := testkit.Backup(t, h)
		w := &restoring{T: t, Server: h}
		w.check(owner.RemoveMember(t.Context(), string(tenant.ID), string(demoted.ID)))
		h.Join(tenant, demoted, scope.Auditor)
		for _, p := range []principal.Person{dismissed, renewed} {
			w.check(h.Accounts.RemoveAccountMember(t.Context(), principal.Operator(), h.Account.ID, p.ID))
		}
		_, err := h.Accounts.SetAccountMember(t.Context(), principal.Operator(), h.Account.ID, renewed.ID,
			scope.AccountAdmin, "")
		w.check(err)
		c := testkit.RestoreTarget(t, h, to)
		r, err := testkit.Restore(t, h, c, b, app.Restoring{Journals: []string{testkit.JournalPath(h.Config)}})
		if err != nil || r.Revocations.Members != 1 || r.Revocations.AccountMembers != 2 {
			t.Fatalf("%+v, %v", r, err)
		}
		h.Move(c)
		for _, p := range []principal.Person{demoted, dismissed, renewed} {
			_, err := h.As(p).Tenant(t.Context(), string(tenant.ID))
			testkit.ExpectCode(t, p.Name, err, api.NotFound)
		}
	})
}

func TestATenantOrAnAccountThatWasDisabledAfterABackupStaysSo(t *testing.T) {
	t.Parallel()
	testkit.OnEachPairOfEngines(t, func(t *testing.T, from, to testkit.Engine) {
		h := testkit.Start(t, from)
		one, two := h.Tenant("First tenant", nil), h.Tenant("Second tenant", nil)
		h.Join(one, h.Owner, scope.Admin)
		h.Join(two, h.Owner, scope.Admin)
		owner := h.As(h.Owner)
		first, second := h.Key(owner, one, "applications:read"), h.Key(owner, two, "applications:read")
		other, person := h.OtherAccount("Other Owner")
		third, err := h.Tenancy.CreateTenant(t.Context(), principal.Operator(), other.ID, "Third tenant",
			policy.Standard, nil)
		if err != nil {
			t.Fatal(err)
		}
		h.Join(third, person, scope.Admin)
		k := h.Key(h.As(person), third, "applications:read")
		b := testkit.Backup(t, h)
		testkit.Must[api.Tenant](t)(owner.EditTenant(t.Context(), string(one.ID),
			api.UpdateTenantRequest{Status: api.To(api.Status("disabled"))}))
		if _, err := h.Accounts.SetAccountDisabled(t.Context(), principal.Operator(), other.ID, true); err != nil {
			t.Fatal(err)
		}
		c := testkit.RestoreTarget(t, h, to)
		r, err := testkit.Restore(t, h, c, b, app.Restoring{Journals: []string{testkit.JournalPath(h.Config)}})
		if err != nil || r.Revocations.Tenants != 1 || r.Revocations.Accounts != 1 {
			t.Fatalf("%+v, %v", r, err)
		}
		h.Move(c)
		got := []api.Code{
			testkit.WhoamiCode(t, h.With(first)), testkit.WhoamiCode(t, h.With(second)),
			testkit.WhoamiCode(t, h.With(k)),
		}
		if diff := cmp.Diff([]api.Code{api.APIKeyDisabled, "", api.APIKeyDisabled}, got); diff != "" {
			t.Error(diff)
		}
	})
}

// However the clock of the machine stands, it is not earlier than it was when the last revocation
// was noted.
func TestAnExpiredKeyStaysExpiredThroughARestore(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main tenant", nil)
	owner := h.As(h.Member(tenant, "Key Owner", scope.Admin))
	soon := h.Clock.Now().Add(time.Hour)
	k, err := owner.CreateKey(t.Context(), string(tenant.ID),
		api.CreateKeyRequest{
			Name: "Short key", Scopes: []string{"applications:read"}, AllApplications: true,
			ExpiresAt: &soon,
		})
	if err != nil {
		t.Fatal(err)
	}
	b := testkit.Backup(t, h)
	h.Clock.Move(2 * time.Hour)
	revoked := h.Key(owner, tenant, "applications:read")
	testkit.Must[*api.Key](t)(owner.RevokeKey(t.Context(), string(tenant.ID), revoked.Key.ID, ""))
	h.Clock.Move(-2 * time.Hour)
	c := testkit.RestoreTarget(t, h, testkit.SQLite)
	if _, err := testkit.Restore(t, h, c, b,
		app.Restoring{Journals: []string{testkit.JournalPath(h.Config)}}); err != nil {
		t.Fatal(err)
	}
	h.Move(c)
	if got := testkit.WhoamiCode(t, h.With(k)); got != api.Unavailable {
		t.Errorf("the key is %q", got)
	}
	h.Clock.Step(2 * time.Hour)
	testkit.Await(t, func() string { return testkit.ClockTrusted(t, h) })
	if got := testkit.WhoamiCode(t, h.With(k)); got != api.APIKeyExpired {
		t.Errorf("once the clock is right the key is %q", got)
	}
}

func TestLinksOfABackupAreVoid(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main tenant", nil)
	i := testkit.Invite(t, h.As(h.Owner), tenant, "eve@claviger.example", "member")
	b := testkit.Backup(t, h)
	c := testkit.RestoreTarget(t, h, testkit.SQLite)
	if _, err := testkit.Restore(t, h, c, b,
		app.Restoring{Journals: []string{testkit.JournalPath(h.Config)}}); err != nil {
		t.Fatal(err)
	}
	h.Move(c)
	testkit.ExpectCode(t, "an invitation", testkit.Accepting(t, h, testkit.InvitationToken(i), testkit.Newcomer)(),
		api.LinkInvalid)
}

// The journal still has the role that the person had before.
func TestWhoAcceptedTheInvitationOfAnOwnerIsAnOwnerAfterARestore(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main tenant", nil)
	admin := h.AccountMember("An Admin", scope.AccountAdmin)
	i := testkit.Invite(t, h.As(h.Owner), tenant, admin.Email, "admin")
	testkit.Exec(t, h, `UPDATE links SET account_id = $1 WHERE id = $2`, string(h.Account.ID), i.ID)
	testkit.NoError(t, testkit.Accepting(t, h, testkit.InvitationToken(i),
		api.AcceptInvitationRequest{Name: admin.Name, Password: testkit.Password})())
	b := testkit.Backup(t, h)
	c := testkit.RestoreTarget(t, h, testkit.SQLite)
	r, err := testkit.Restore(t, h, c, b, app.Restoring{Journals: []string{testkit.JournalPath(h.Config)}})
	testkit.NoError(t, err)
	h.Move(c)
	me := testkit.Must[api.Whoami](t)(h.As(admin).Whoami(t.Context()))
	if r.Revocations.AccountMembers != 0 || len(me.Accounts) != 1 || me.Accounts[0].Role != "owner" {
		t.Errorf("after the restore: %+v, %+v", me.Accounts, r.Revocations)
	}
}

func TestARestoreThatNoJournalCoversIsRefusedUnlessThatIsAccepted(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main tenant", nil)
	owner := h.As(h.Member(tenant, "Key Owner", scope.Admin))
	k := h.Key(owner, tenant, "applications:read")
	b := testkit.Backup(t, h)
	testkit.Must[*api.Key](t)(owner.RevokeKey(t.Context(), string(tenant.ID), k.Key.ID, ""))
	c := testkit.RestoreTarget(t, h, testkit.SQLite)
	if _, err := testkit.Restore(t, h, c, b, app.Restoring{}); !errors.Is(err, app.ErrUncovered) {
		t.Fatalf("without a journal: %v", err)
	}
	if r, err := testkit.Restore(t, h, c, b, app.Restoring{WithoutJournal: true}); err != nil || r.Covered {
		t.Fatalf("accepted: %+v, %v", r, err)
	}
	h.Move(c)
	if got := testkit.WhoamiCode(t, h.With(k)); got != "" {
		t.Errorf("the key is %q", got)
	}

	// The journal that begins then does not reach back to the backup, but to those that are made
	// from now on.
	h.Clock.Move(time.Minute)
	later := testkit.Backup(t, h)
	if _, err := testkit.Restore(t, h, testkit.RestoreTarget(t, h, testkit.SQLite), b,
		app.Restoring{Journals: []string{testkit.JournalPath(c)}}); !errors.Is(err, app.ErrUncovered) ||
		!strings.Contains(err.Error(), "when the journal begins") {
		t.Errorf("with the journal of after: %v", err)
	}
	if r, err := testkit.Restore(t, h, testkit.RestoreTarget(t, h, testkit.SQLite), later,
		app.Restoring{Journals: []string{testkit.JournalPath(c)}}); err != nil || !r.Covered {
		t.Errorf("a later backup: %+v, %v", r, err)
	}
}

// As that of a node that was stopped before others went on.
func TestAJournalThatEndsBeforeTheBackupCoversNothing(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main tenant", nil)
	owner := h.As(h.Member(tenant, "Key Owner", scope.Admin))
	testkit.Backup(t, h)
	old := filepath.Join(t.TempDir(), "old.journal")
	if err := os.WriteFile(old, testkit.Must[[]byte](t)(os.ReadFile(testkit.JournalPath(h.Config))),
		0o600); err != nil {
		t.Fatal(err)
	}
	h.Key(owner, tenant, "applications:read")
	b := testkit.Backup(t, h)
	if _, err := testkit.Restore(t, h, testkit.RestoreTarget(t, h, testkit.SQLite), b,
		app.Restoring{Journals: []string{old}}); !errors.Is(err, app.ErrUncovered) || !strings.Contains(err.Error(),
		"when the journal ends") {
		t.Errorf("with the journal of before: %v", err)
	}
	if r, err := testkit.Restore(t, h, testkit.RestoreTarget(t, h, testkit.SQLite), b,
		app.Restoring{Journals: []string{testkit.JournalPath(h.Config)}}); err != nil || !r.Covered {
		t.Errorf("with that of now: %+v, %v", r, err)
	}
}

func TestARestoreThatIsRefusedLeavesNothing(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	b := testkit.Backup(t, h)
	c, how := testkit.RestoreTarget(t, h, testkit.SQLite),
		app.Restoring{Journals: []string{testkit.JournalPath(h.Config)}}
	last := bytes.LastIndexByte(b[:len(b)-1], '\n') + 1
	line := bytes.IndexByte(b, '\n') + 1
	for what, broken := range map[string][]byte{
		"nothing":                nil,
		"no backup":              []byte("no backup"),
		"cut in a line":          b[:len(b)/2],
		"without its trailer":    b[:last],
		"without the last break": b[:len(b)-1],
		"with more behind it":    append(slices.Clone(b), '\n'),
		"a row changed":          bytes.Replace(b, []byte("Test account"), []byte("Best account"), 1),
		"a row less":             append(slices.Clone(b[:line]), b[line+bytes.IndexByte(b[line:], '\n')+1:]...),
		"of another format":      bytes.Replace(b, []byte(`"claviger_backup":1`), []byte(`"claviger_backup":2`), 1),
		"of another schema":      bytes.Replace(b, []byte(`"schema":`), []byte(`"schema":9`), 1),
		"of another root secret": bytes.Replace(b, []byte(`"root_check":"`), []byte(`"root_check":"x`), 1),
	} {
		if _, err := testkit.Restore(t, h, c, broken, how); err == nil {
			t.Errorf("%s: restored", what)
		}
	}
	if r, err := testkit.Restore(t, h, c, b, how); err != nil || r.Rows == 0 {
		t.Errorf("the good one after the others: %+v, %v", r, err)
	}
	if _, err := testkit.Restore(t, h, h.Config, b, how); err == nil || !strings.Contains(err.Error(),
		"another claviger is using it") {
		t.Errorf("beside the server: %v", err)
	}
	full := h.Config
	h.Move(c)
	if _, err := testkit.Restore(t, h, full, b, how); !errors.Is(err, app.ErrInUse) {
		t.Errorf("over accounts: %v", err)
	}
}

func TestABackupShowsOneMomentWhileChangesGoOn(t *testing.T) {
	t.Parallel()
	testkit.OnEachPairOfEngines(t, func(t *testing.T, from, to testkit.Engine) {
		h := testkit.Start(t, from)
		tenant := h.Tenant("Main tenant", func(s *policy.Settings) { s.KeysPerUser = 0 })
		person := h.Member(tenant, "Key Owner", scope.Admin)
		owner := h.As(person)
		done, stopped := make(chan struct{}), make(chan error)
		go func() {
			for {
				select {
				case <-done:
					stopped <- nil
					return
				default:
				}
				if _, err := owner.CreateKey(t.Context(), string(tenant.ID),
					api.CreateKeyRequest{
						Name: "Test key", Scopes: []string{"applications:read"},
						AllApplications: true,
					}); err != nil {
					stopped <- err
					return
				}
			}
		}()
		var backups [][]byte
		for range 5 {
			backups = append(backups, testkit.Backup(t, h))
		}
		close(done)
		if err := <-stopped; err != nil {
			t.Fatal(err)
		}
		c := testkit.RestoreTarget(t, h, to)
		if _, err := testkit.Restore(t, h, c, backups[4],
			app.Restoring{Journals: []string{testkit.JournalPath(h.Config)}}); err != nil {
			t.Fatal(err)
		}
		h.Move(c)
		testkit.ExpectWholeTrail(t, h)
		owner = h.As(person)
		keys := testkit.Must[api.List[api.Key]](t)(owner.Keys(t.Context(), string(tenant.ID), client.KeyFilter{},
			client.Page{}))
		for _, k := range keys.Items {
			if k.PublicID == "" || len(k.Scopes) != 1 {
				t.Errorf("a key by halves: %+v", k)
			}
		}
	})
}

// A node of the version before writes such a backup before the upgrade, or while it is not
// finished.
func TestABackupOfTheVersionBeforeIsRestored(t *testing.T) {
	t.Parallel()
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		expanded := testkit.Backup(t, testkit.StartReleased(t, testkit.ReleasedConfig(t, testkit.Postgres)))
		if !bytes.Contains(expanded[:bytes.IndexByte(expanded, '\n')], []byte(`"schema":15,`)) ||
			!bytes.Contains(expanded, []byte(`{"table":"subjects"`)) {
			t.Fatal("a backup of a database that is expanded says another schema, or lacks a table")
		}
		for name, b := range map[string][]byte{
			"from before the upgrade": testkit.ReleasedBackup(t),
			"of an expanded database": expanded,
			"of an expanded database, by the old": withoutTables(t, expanded, "service_account", "plan", "subject",
				"ended_owners", "management_key"),
		} {
			c := testkit.ReleasedTarget(t, e)
			r, err := testkit.RestoreReleased(t, c, b)
			if err != nil || r.Rows == 0 {
				t.Fatalf("%s: %+v, %v", name, r, err)
			}
			h := testkit.StartReleased(t, c)
			testkit.ExpectReleased(t, h, name)
			testkit.ExpectWholeTrail(t, h)
			unnumbered := testkit.QueryInt(t, h, `SELECT COUNT(*) FROM keys WHERE number IS NULL`)
			next := testkit.QueryInt(t, h, `SELECT value FROM counters WHERE name = 'key'`)
			highest := testkit.QueryInt(t, h, `SELECT MAX(number) FROM keys`)
			if unnumbered != 0 || highest < 50 || next < highest {
				t.Errorf("%s: %d keys have no number, the highest is %d, and the counter is at %d", name, unnumbered,
					highest, next)
			}
			again := testkit.Backup(t, h)
			if !bytes.Contains(again[:bytes.IndexByte(again, '\n')], []byte(`"schema":17,`)) {
				t.Errorf("%s: the next backup says %.100s", name, again)
			}
			c = testkit.ReleasedTarget(t, e)
			if _, err := testkit.RestoreReleased(t, c, again); err != nil {
				t.Errorf("%s: again: %v", name, err)
			}
		}
	})
}

// withoutTables returns a backup without the tables whose names begin with one of the prefixes.
func withoutTables(t *testing.T, b []byte, prefixes ...string) []byte {
	t.Helper()
	var kept bytes.Buffer
	w := hashline.NewWriter(&kept)
	rows, keep := 0, true
	for line := range bytes.Lines(b) {
		switch {
		case bytes.HasPrefix(line, []byte(`{"end":`)):
			testkit.NoError(t, w.Flush())
			fmt.Fprintf(&kept, `{"end":{"rows":%d,"sha256":"%x"}}`+"\n", rows, w.Sum())
			return kept.Bytes()
		case bytes.HasPrefix(line, []byte(`{"table":`)):
			keep = !slices.ContainsFunc(prefixes,
				func(p string) bool { return bytes.HasPrefix(line, []byte(`{"table":"`+p)) })
		case line[0] == '[' && keep:
			rows++
		}
		if keep {
			testkit.NoError(t, w.Write(json.RawMessage(bytes.TrimSpace(line))))
		}
	}
	t.Fatal("no trailer")
	return nil
}

func TestOnlyBackupsOfTwoSchemasAreRestored(t *testing.T) {
	t.Parallel()
	whole := testkit.ReleasedBackup(t)
	for _, schema := range []string{"14", "16", "18"} {
		b := bytes.Replace(whole, []byte(`"schema":15,`), []byte(`"schema":`+schema+`,`), 1)
		c := testkit.ReleasedTarget(t, testkit.SQLite)
		if _, err := testkit.RestoreReleased(t, c, b); err == nil ||
			!strings.Contains(err.Error(), "schema version "+schema+", and this program's is 17") {
			t.Errorf("schema %s: %v", schema, err)
		}
	}
	// what has the newest schema has every table and column
	for _, b := range [][]byte{
		bytes.Replace(whole, []byte(`"schema":15,`), []byte(`"schema":17,`), 1),
		withoutTables(t, whole, "scope_roles"), withoutTables(t, whole, "outbox"),
	} {
		if _, err := testkit.RestoreReleased(t, testkit.ReleasedTarget(t, testkit.SQLite), b); err == nil {
			t.Error("a backup that lacks a table is restored")
		}
	}
}
