package tenancy_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/session"
	"github.com/claviger-dev/claviger/internal/tenancy"
	"github.com/claviger-dev/claviger/internal/testkit"
)

const insertUsers = `INSERT INTO users (id, number, email, canonical_email, name, created_at, updated_at)
	SELECT 'usr_many' || i, 1000000 + i, 'many' || i || '@claviger.example', 'many' || i || '@claviger.example',
	'Many', 1, 1 FROM n`

// capCase is something of which there may be so many.
type capCase struct {
	name string
	most int
	code api.Code
	// there says how many there are before; fill makes so many more.
	there int
	fill  func(n int)
	// add makes one more.
	add func(i int) error
	// operator makes one more, as the operator; nil where operators make none.
	operator func() error
}

// capCases are all caps but that of sessions. They share a tenant; owners and admins are people
// that were inserted as members.
func capCases(t *testing.T, h *testkit.Server) []capCase {
	t.Helper()
	ctx, operator := t.Context(), principal.Operator()
	full := h.Tenant("Full tenant", func(s *policy.Settings) { s.KeysPerUser = 0 })
	owner := h.Member(full, "Key Owner", scope.Admin)
	boss, c := h.As(h.Owner), h.As(owner)
	people := make([]principal.Person, racers+1)
	for i := range people {
		people[i] = h.Person("New Person")
	}
	addMember := func(i int) error { return h.Tenancy.AddMember(ctx, operator, full, people[i], scope.Member) }
	addOfficer := func(i int) error {
		_, err := h.Accounts.SetAccountMember(ctx, operator, h.Account.ID, people[i].ID, scope.AccountAdmin, "")
		return err
	}
	return []capCase{
		{
			name: "keys of an owner in a tenant without keys_per_user", most: 10_000, code: api.KeyLimitReached,
			fill: func(n int) { testkit.InsertMany(t, h, n, testkit.KeyRows(full, owner, 0, "NULL")) },
			add: func(int) error {
				_, err := c.CreateKey(ctx, string(full.ID), anyKey)
				return err
			},
		},
		{
			name: "applications of a tenant", most: 1_000, code: api.Conflict,
			fill: func(n int) {
				testkit.InsertMany(t, h, n,
					fmt.Sprintf(`INSERT INTO applications
					(id, number, tenant_id, name, description, created_at, updated_at)
					SELECT 'app_many' || i, 1000000 + i, '%s', 'Application', '', 1, 1 FROM n`, full.ID))
			},
			add: func(int) error {
				_, err := c.CreateApplication(ctx, string(full.ID), api.CreateApplicationRequest{Name: "Application"})
				return err
			},
			operator: func() error {
				_, err := h.Applications.CreateApplication(ctx, operator, full.ID, "Application", "")
				return err
			},
		},
		{
			name: "pending invitations into a tenant", most: 1_000, code: api.Conflict,
			fill: func(n int) {
				testkit.InsertMany(t, h, n, insertInvitations(h, full, h.Clock.Now().Add(7*policy.Day)))
			},
			add: func(i int) error {
				_, err := c.Invite(ctx, string(full.ID),
					api.CreateInvitationRequest{Email: fmt.Sprintf("more%d@claviger.example", i), Role: "member"})
				return err
			},
			operator: func() error {
				_, _, err := h.Tenancy.Invite(ctx, operator, full.ID, "operators@claviger.example", scope.Member)
				return err
			},
		},
		{
			name: "tenants of an account", most: 1_000, code: api.Conflict, there: 1,
			fill: func(n int) {
				testkit.InsertMany(t, h, n,
					fmt.Sprintf(`INSERT INTO tenants
					(id, number, account_id, name, preset, settings, created_at, updated_at)
					SELECT 'ten_many' || i, 1000000 + i, t.account_id, 'Tenant', t.preset, t.settings, 1, 1
					FROM n, tenants t WHERE t.id = '%s'`, full.ID))
			},
			add: func(int) error {
				_, err := boss.CreateTenant(ctx,
					api.CreateTenantRequest{AccountID: string(h.Account.ID), Name: "Tenant", Preset: "standard"})
				return err
			},
			operator: func() error {
				_, err := h.Tenancy.CreateTenant(ctx, operator, h.Account.ID, "Tenant", policy.Standard, nil)
				return err
			},
		},
		{
			name: "members of a tenant", most: 10_000, code: api.Conflict, there: 1,
			fill: func(n int) { testkit.InsertMany(t, h, n, insertUsers, insertMembers(full)) },
			add:  addMember, operator: func() error { return addMember(racers) },
		},
		{
			name: "owners and admins of an account", most: 1_000, code: api.Conflict, there: 1,
			fill: func(n int) {
				testkit.InsertMany(t, h, n,
					fmt.Sprintf(`INSERT INTO account_members (account_id, user_id, role, created_at)
					SELECT '%s', 'usr_many' || i, 'admin', 1 FROM n`, h.Account.ID))
			},
			add: addOfficer, operator: func() error { return addOfficer(racers) },
		},
	}
}

// racers is how many add the last one at once.
const racers = 6

var anyKey = api.CreateKeyRequest{Name: "Test key", Scopes: []string{"applications:read"}, AllApplications: true}

func insertMembers(tenant tenancy.Tenant) string {
	return fmt.Sprintf(`INSERT INTO members (tenant_id, user_id, role, created_at, updated_at)
		SELECT '%s', 'usr_many' || i, 'member', 1, 1 FROM n`, tenant.ID)
}

func insertInvitations(h *testkit.Server, tenant tenancy.Tenant, expires time.Time) string {
	return fmt.Sprintf(`INSERT INTO links
		(id, kind, token_hash, tenant_id, email, canonical_email, role, created_at, expires_at)
		SELECT 'lnk_%d' || i, 'invitation', %s, '%s', 'many' || i || '@claviger.example',
		'many' || i || '@claviger.example', 'member', 1, %d FROM n`,
		expires.Unix(), blob(h, fmt.Sprintf("'%d ' || i", expires.Unix())), tenant.ID, expires.UnixMicro())
}

// refusal returns the code of a refusal by the API or the domain; "" for success.
func refusal(t *testing.T, err error) api.Code {
	t.Helper()
	if kind := fault.KindOf(err); kind != "" && kind != fault.Internal {
		return api.Code(kind)
	}
	return testkit.Code(t, err)
}

func TestCapsHoldAgainstManyAtOnceAndBindOperators(t *testing.T) {
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		h := testkit.Start(t, e)
		for _, c := range capCases(t, h) {
			c.fill(c.most - 1 - c.there)
			errs := make([]error, racers)
			var group sync.WaitGroup
			for i := range racers {
				group.Go(func() { errs[i] = c.add(i) })
			}
			group.Wait()
			added := 0
			for _, err := range errs {
				switch code := refusal(t, err); {
				case code == "":
					added++
				case code != c.code:
					t.Errorf("%s beyond the cap: %s, want %s", c.name, code, c.code)
				case !strings.Contains(err.Error(), fmt.Sprint(c.most)):
					t.Errorf("%s beyond the cap: %q does not name it", c.name, err)
				}
			}
			if added != 1 {
				t.Errorf("%s: %d were added to one less than %d, want 1", c.name, added, c.most)
			}
			if c.operator == nil {
				continue
			}
			if code := refusal(t, c.operator()); code != c.code {
				t.Errorf("%s: an operator is told %q, want %s", c.name, code, c.code)
			}
		}
	})
}

// blob returns the SQL of a text as bytes.
func blob(h *testkit.Server, text string) string {
	if h.Store.Engine() == "postgres" {
		return "CAST(" + text + " AS BYTEA)"
	}
	return "CAST(" + text + " AS BLOB)"
}

func TestAFullTenantInvitesAgainOnceInvitationsAreUsedReplacedOrExpired(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Full tenant", nil)
	admin := h.As(h.Member(tenant, "Tenant Admin", scope.Admin))
	try := func(email string) error {
		_, err := admin.Invite(t.Context(), string(tenant.ID),
			api.CreateInvitationRequest{Email: email, Role: "member"})
		return err
	}
	first := testkit.Invite(t, admin, tenant, "first@claviger.example", "member")
	testkit.InsertMany(t, h, 999, insertInvitations(h, tenant, h.Clock.Now().Add(time.Hour)))
	testkit.ExpectCode(t, "one more than may be pending", try("more@claviger.example"), api.Conflict)
	testkit.ExpectCode(t, "one that takes the place of another", try("many1@claviger.example"), "")
	testkit.ExpectCode(t, "accept", testkit.Accepting(t, h, testkit.InvitationToken(first), testkit.Newcomer)(), "")
	testkit.ExpectCode(t, "one in the room of the used one", try("more@claviger.example"), "")
	testkit.ExpectCode(t, "another", try("another@claviger.example"), api.Conflict)
	h.Clock.Move(2 * time.Hour)
	testkit.ExpectCode(t, "another, once the others expired", try("another@claviger.example"), "")
}

func TestAnInvitationIntoAFullTenantIsGoodAgainOnceAMemberLeft(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Full tenant", nil)
	admin := h.As(h.Member(tenant, "Tenant Admin", scope.Admin))
	i := testkit.Invite(t, admin, tenant, "eve@claviger.example", "member")
	testkit.InsertMany(t, h, 9_999, insertUsers, insertMembers(tenant))
	testkit.ExpectCode(t, "accepted in a full tenant",
		testkit.Accepting(t, h, testkit.InvitationToken(i), testkit.Newcomer)(), api.Conflict)
	testkit.NoError(t, h.Tenancy.RemoveMember(t.Context(), principal.Operator(), tenant.ID, "usr_many1"))
	testkit.ExpectCode(t, "accepted once a member left",
		testkit.Accepting(t, h, testkit.InvitationToken(i), testkit.Newcomer)(), "")
}

func TestASignInBeyondTheCapEndsTheOldestSessionAtOnce(t *testing.T) {
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		h := testkit.Start(t, e)
		person := h.Person("Some Body")
		oldest, second := h.As(person), h.As(person)
		for range session.MaxSessions - 2 {
			h.As(person)
		}
		if !testkit.HasSession(t, oldest) || !testkit.HasSession(t, second) {
			t.Fatal("a session ended before there were too many")
		}
		newest, _, err := h.Anyone().SignIn(t.Context(), person.Email, testkit.Password)
		testkit.NoError(t, err)
		for name, c := range map[string]struct {
			client *client.Client
			lives  bool
		}{"the oldest": {oldest, false}, "the second": {second, true}, "the newest": {newest, true}} {
			if got := testkit.HasSession(t, c.client); got != c.lives {
				t.Errorf("%s: signed in is %t, want %t", name, got, c.lives)
			}
		}
		begun := testkit.ChainRecords(t, h, audit.Event{}.Chain(), "session.begin")
		if last := begun[len(begun)-1]; last.Details["sessions_ended"] != "1" {
			t.Errorf("on record is %+v", last)
		}
		acts := make([]func() error, racers)
		for i := range acts {
			acts[i] = func() error {
				_, _, err := h.Anyone().SignIn(t.Context(), person.Email, testkit.Password)
				return err
			}
		}
		if codes := testkit.Concurrently(t, acts...); codes[""] != racers {
			t.Errorf("of %d sign-ins at once the codes are %v", racers, codes)
		}
		if n := testkit.CountRows(t, h, "sessions"); n != session.MaxSessions {
			t.Errorf("there are %d sessions, want %d", n, session.MaxSessions)
		}
	})
}

func TestOfAPersonTheLatestPlacesAreKnown(t *testing.T) {
	h := testkit.Start(t, testkit.SQLite)
	person := h.Person("Some Body")
	now := h.Clock.Now().UnixMicro()
	testkit.InsertMany(t, h, 300, fmt.Sprintf(`INSERT INTO sign_in_places (user_id, place, seen_at)
		SELECT '%s', 'address ' || i, %d + i FROM n`, person.ID, now-1000))
	h.As(person) // from an address and with a device that are new
	if n := testkit.CountRows(t, h, "sign_in_places"); n != 200 {
		t.Errorf("%d places are known, want 200", n)
	}
	told := testkit.CountRows(t, h, "outbox WHERE kind = 'new_sign_in'")
	h.As(person)
	if again := testkit.CountRows(t, h, "outbox WHERE kind = 'new_sign_in'"); told != 1 || again != 1 {
		t.Errorf("the person was told %d times, and %d times after another sign-in from there; want once", told,
			again)
	}
	if n := testkit.CountRows(t, h, "sign_in_places WHERE place IN ('address 300', 'address 103')"); n != 2 {
		t.Errorf("of the latest places %d are known", n)
	}
}
