package identity_test

import (
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/identity"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

func TestPeopleSeeAndRenameThemselves(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main", nil)
	person := h.Member(tenant, "Key Owner", scope.Member)
	c := h.As(person)
	k := h.Key(c, tenant, "applications:read")
	before, err := c.Me(t.Context())
	if err != nil || before.ID != string(person.ID) || before.Email != person.Email || before.Name != "Key Owner" ||
		before.Status != "active" || before.Number == 0 {
		t.Fatalf("%+v, %v", before, err)
	}
	verifier := h.Verifier()
	owner := func() string {
		d, err := verifier.Verify(t.Context(), api.VerifyRequest{Credential: k.Credential.Value})
		if err != nil || d.Owner.Name == nil {
			t.Fatalf("%+v, %v", d, err)
		}
		return *d.Owner.Name
	}
	if got := owner(); got != "Key Owner" {
		t.Errorf("before, the key's owner is %q", got)
	}
	after, err := c.ChangeMe(t.Context(), api.UpdateMeRequest{Name: api.To("  New Name ")})
	if err != nil || after.Name != "New Name" || !after.UpdatedAt.After(before.UpdatedAt) ||
		!after.CreatedAt.Equal(before.CreatedAt) {
		t.Errorf("%+v, %v", after, err)
	}
	if got := owner(); got != "New Name" {
		t.Errorf("afterwards, the key's owner is %q", got)
	}
	if kept, err := c.ChangeMe(t.Context(), api.UpdateMeRequest{}); err != nil || kept != after {
		t.Errorf("an empty change: %+v, %v", kept, err)
	}
	for name, change := range map[string]api.UpdateMeRequest{
		"null":  {Name: api.Cleared[string]()},
		"short": {Name: api.To("ab")},
	} {
		_, err := c.ChangeMe(t.Context(), change)
		if got := testkit.FieldErrors(t, err); got != "name too_short" {
			t.Errorf("%s: %s", name, got)
		}
	}
	_, err = c.ChangeMe(t.Context(), api.UpdateMeRequest{Name: api.To("a\u202ebc")})
	if got := testkit.FieldErrors(t, err); got != "name character" {
		t.Errorf("a bidi character: %s", got)
	}
}

func TestAKeyCannotActForThePersonWhoOwnsIt(t *testing.T) {
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main", nil)
	key := h.With(h.Key(h.As(h.Member(tenant, "Key Owner", scope.Admin)), tenant, "*"))
	for _, route := range [][2]string{
		{http.MethodGet, "/api/v1/me"},
		{http.MethodPatch, "/api/v1/me"},
		{http.MethodDelete, "/api/v1/me"},
		{http.MethodPost, "/api/v1/me/password"},
		{http.MethodGet, "/api/v1/me/sessions"},
		{http.MethodDelete, "/api/v1/me/sessions/ses_00000000000000000000"},
	} {
		err := key.Do(t.Context(), route[0], route[1], nil, nil)
		if got := testkit.Code(t, err); got != api.SessionRequired {
			t.Errorf("%s %s: %s, want %s", route[0], route[1], got, api.SessionRequired)
		}
	}
}

func TestAUserDisabledEverywhereCanDoNothingUntilEnabled(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	one, two := h.Tenant("One", nil), h.Tenant("Two", nil)
	person := h.Member(one, "Key Owner", scope.Member)
	h.Join(two, person, scope.Admin)
	c := h.As(person)
	keys := []*client.Client{h.With(h.Key(c, one, "applications:read")), h.With(h.Key(c, two, "applications:read"))}
	others := h.As(h.Member(one, "Some Else", scope.Member))
	verdicts := func(want api.Code) {
		t.Helper()
		for i, k := range keys {
			_, err := k.Whoami(t.Context())
			if got := testkit.Code(t, err); got != want {
				t.Errorf("key %d: %q, want %q", i, got, want)
			}
		}
	}
	disable := func(disabled bool) {
		t.Helper()
		for range 2 { // the second time there is nothing to do
			if _, err := h.Identity.SetDisabled(t.Context(), principal.Operator(), person.ID, disabled); err != nil {
				t.Fatal(err)
			}
		}
	}
	verdicts("")
	disable(true)
	verdicts(api.APIKeyDisabled)
	_, _, err := h.Anyone().SignIn(t.Context(), person.Email, testkit.Password)
	if got := testkit.Code(t, err); got != api.SignInFailed {
		t.Errorf("signing in: %q", got)
	}
	if testkit.HasSession(t, c) || !testkit.HasSession(t, others) {
		t.Error("sessions of the wrong people ended")
	}
	disable(false)
	verdicts("")
	if testkit.HasSession(t, c) {
		t.Error("a session of before came back")
	}
	h.As(person)
	for _, action := range []string{"user.disable", "user.enable"} {
		if events := testkit.ChainRecords(t, h, audit.ServerChain, action); len(events) != 1 ||
			events[0].Target.ID != string(person.ID) {
			t.Errorf("%s on record: %+v", action, events)
		}
	}
	if _, err := h.Identity.SetDisabled(t.Context(), principal.Operator(), "usr_nobody", true); !errors.Is(err,
		fault.NotFound) {
		t.Errorf("nobody: %v", err)
	}
}

func TestAPersonWhoDeletesThemselvesLeavesNoAuthorityAndNoName(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	keeps, removes := h.Tenant("Keeps", nil),
		h.Tenant("Removes", func(s *policy.Settings) { s.RevokeMode = policy.Delete })
	person := h.Member(keeps, "Key Owner", scope.Member)
	h.Join(removes, person, scope.Member)
	leaving := h.As(person)
	another := h.As(person)
	admin := h.As(h.Member(keeps, "Tenant Admin", scope.Admin))
	tombstone, gone := h.Key(leaving, keeps, "applications:read"), h.Key(leaving, removes, "applications:read")
	for _, k := range []api.IssuedKey{tombstone, gone} {
		if _, err := h.With(k).Whoami(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := leaving.DeleteMe(t.Context()); err != nil {
		t.Fatal(err)
	}
	for code, k := range map[api.Code]api.IssuedKey{api.APIKeyRevoked: tombstone, api.APIKeyInvalid: gone} {
		_, err := h.With(k).Whoami(t.Context())
		if got := testkit.Code(t, err); got != code {
			t.Errorf("a key: %q, want %s", got, code)
		}
	}
	shown, err := admin.Key(t.Context(), string(keeps.ID), tombstone.Key.ID)
	if err != nil || shown.Owner != (api.Party{Type: "user", ID: string(person.ID)}) || shown.Status != "revoked" {
		t.Errorf("their key is shown as %+v, %v", shown, err)
	}
	if testkit.HasSession(t, leaving) || testkit.HasSession(t, another) {
		t.Error("a session lives on")
	}
	_, _, err = h.Anyone().SignIn(t.Context(), person.Email, testkit.Password)
	if got := testkit.Code(t, err); got != api.SignInFailed {
		t.Errorf("signing in: %q", got)
	}
	if events := testkit.ChainRecords(t, h, audit.ServerChain, "user.delete"); len(events) != 1 ||
		events[0].Details["keys_revoked"] != "2" || events[0].Actor.ID != string(person.ID) {
		t.Errorf("on record: %+v", events)
	}
	again, err := h.Identity.Create(t.Context(), principal.Operator(),
		identity.NewUser{Email: person.Email, Name: "Some Else", Password: credential.NewSecret(testkit.Password)})
	if err != nil || again.ID == person.ID {
		t.Errorf("the address is not free: %+v, %v", again, err)
	}
}

func TestDeletingOneselfAsksForARecentSignIn(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	person := h.Person("Some Body")
	c := h.As(person)
	h.Clock.Move(5 * time.Minute)
	if got := testkit.Code(t, c.DeleteMe(t.Context())); got != api.SignInAgain {
		t.Errorf("five minutes later: %q, want %s", got, api.SignInAgain)
	}
	again := h.As(person)
	h.Clock.Move(5*time.Minute - time.Second)
	if err := again.DeleteMe(t.Context()); err != nil {
		t.Errorf("a second before: %v", err)
	}
}

func TestTheLastOwnerAndTheLastAdminStay(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main", nil)
	last := h.Member(tenant, "First Admin", scope.Admin)
	for name, c := range map[string]*client.Client{"owner": h.As(h.Owner), "admin": h.As(last)} {
		if got := testkit.Code(t, c.DeleteMe(t.Context())); got != api.Conflict {
			t.Errorf("the last %s: %q, want %s", name, got, api.Conflict)
		}
		if !testkit.HasSession(t, c) {
			t.Errorf("the last %s was signed out", name)
		}
	}
	next := h.Member(tenant, "Next Admin", scope.Admin)
	if _, err := h.Accounts.SetAccountMember(t.Context(), principal.Operator(), h.Account.ID, next.ID,
		scope.AccountOwner, ""); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]*client.Client{"owner": h.As(h.Owner), "admin": h.As(last)} {
		if err := c.DeleteMe(t.Context()); err != nil {
			t.Errorf("an %s who is not the last: %v", name, err)
		}
	}
	if got := testkit.Code(t, h.As(next).DeleteMe(t.Context())); got != api.Conflict {
		t.Errorf("who is the last of both now: %q", got)
	}
}

func TestTwoLastOwnersCannotBothLeaveAtOnce(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	clients := []*client.Client{h.As(h.Owner)}
	for range 3 {
		p := h.Person("Some Owner")
		if _, err := h.Accounts.SetAccountMember(t.Context(), principal.Operator(), h.Account.ID, p.ID,
			scope.AccountOwner, ""); err != nil {
			t.Fatal(err)
		}
		clients = append(clients, h.As(p))
	}
	var left atomic.Int64
	var all sync.WaitGroup
	for _, c := range clients {
		all.Go(func() {
			switch code := testkit.Code(t, c.DeleteMe(t.Context())); code {
			case "":
				left.Add(1)
			case api.Conflict:
			default:
				t.Errorf("refused with %s", code)
			}
		})
	}
	all.Wait()
	if left.Load() != 3 {
		t.Errorf("%d of four owners left, want three", left.Load())
	}
}

func TestAProfileThatIsEditedOutdatesItsPersonsKeysAlone(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main", nil)
	c, other := h.As(h.Member(tenant, "Key Owner", scope.Member)), h.As(h.Member(tenant, "Other Member", scope.Member))
	own, others := h.Key(c, tenant, "applications:read"), h.Key(other, tenant, "applications:read")
	verifier := h.Verifier()
	ownerOf := func(k api.IssuedKey) string {
		t.Helper()
		d, err := verifier.Verify(t.Context(), api.VerifyRequest{Credential: k.Credential.Value})
		if err != nil || d.Owner.Name == nil {
			t.Fatalf("%+v, %v", d, err)
		}
		return *d.Owner.Name
	}
	ownerOf(own)
	ownerOf(others)
	for _, step := range []struct {
		name   string
		change api.UpdateMeRequest
		owner  string
		loads  float64
	}{
		{"a preference", api.UpdateMeRequest{Notices: &api.NoticesPatch{KeyRevoked: api.To(false)}}, "Key Owner", 0},
		{"a name", api.UpdateMeRequest{Name: api.To("New Name")}, "New Name", 1},
	} {
		before := testkit.Scrape(t, h)["claviger_loads_seconds_count"]
		if _, err := c.ChangeMe(t.Context(), step.change); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		if got := ownerOf(own); got != step.owner {
			t.Errorf("after %s the owner of the key is %q", step.name, got)
		}
		ownerOf(others)
		if loads := testkit.Scrape(t, h)["claviger_loads_seconds_count"] - before; loads != step.loads {
			t.Errorf("%s has %v keys read anew, want %v", step.name, loads, step.loads)
		}
	}
}
