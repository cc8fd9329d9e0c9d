package blazemeter_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/application"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// restricted creates a key of the account owner that is restricted to the applications.
func (w *world) restricted(to ...application.Application) http.Header {
	w.t.Helper()
	n := api.CreateKeyRequest{Name: "Restricted", Scopes: []string{"*"}}
	for _, a := range to {
		n.ApplicationIDs = append(n.ApplicationIDs, string(a.ID))
	}
	return basic(testkit.Must[api.IssuedKey](w.t)(w.admin.CreateKey(w.t.Context(), string(w.tenant.ID), n)))
}

func TestTheAccountAndTheWorkspaceAreThoseOfTheTenant(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	auditor := w.Member(w.tenant, "Auditor", scope.Auditor)
	films := w.Application(w.tenant, "Films")
	wantAccount := fmt.Sprintf(`{"id":%d,"name":"Test account","enabled":true,"aiConsent":true,`+
		`"owner":{"id":%[1]d,"displayName":"Test account"},"created":%d,"updated":%d}`,
		w.Account.Number, w.Account.CreatedAt.Unix(), w.Account.UpdatedAt.Unix())
	wantWorkspace := fmt.Sprintf(`{"id":%d,"name":"Preset blazemeter","enabled":true,"accountId":%d,"membersCount":2,`+
		`"owner":{"id":%[2]d,"displayName":"Test account"},"created":%[3]d,"updated":%[4]d,`+
		`"allowance":{},"locations":[]}`,
		w.tenant.Number, w.Account.Number, w.tenant.CreatedAt.Unix(), w.tenant.UpdatedAt.Unix())
	wantProject := fmt.Sprintf(`{"id":%d,"name":"Films","description":"","workspaceId":%d,"created":%d,"updated":%d}`,
		films.Number, w.tenant.Number, films.CreatedAt.Unix(), films.UpdatedAt.Unix())
	robot := testkit.ServiceAccount(t, w.admin, w.tenant, "Robot", api.RoleMember)
	for name, header := range map[string]http.Header{
		"a key": basic(w.Key(w.admin, w.tenant, "*")), "a key of a program": w.keyOf(api.PartyServiceAccount, robot.ID),
		"a key that may see nothing else": basic(w.Key(w.admin, w.tenant, "keys:verify")),
		"a session":                       testkit.SessionHeader(t, w.Server, w.Owner),
		"an auditor's session":            testkit.SessionHeader(t, w.Server, auditor),
	} {
		for path, want := range map[string]string{
			fmt.Sprintf("/accounts/%d", w.Account.Number):  wantAccount,
			fmt.Sprintf("/workspaces/%d", w.tenant.Number): wantWorkspace,
			fmt.Sprintf("/projects/%d", films.Number):      wantProject,
			"/accounts":   wantAccount,
			"/workspaces": wantWorkspace,
			fmt.Sprintf("/workspaces?accountId=%d", w.Account.Number): wantWorkspace,
			"/projects": wantProject,
			fmt.Sprintf("/projects?workspaceId=%d", w.tenant.Number): wantProject,
			"/web/version": `{"version":"test"}`,
		} {
			envelope := `{"api_version":4,"error":null,"result":%s}`
			if kind, _, _ := strings.Cut(path, "?"); strings.Count(kind, "/") == 1 {
				envelope = `{"api_version":4,"error":null,"limit":50,"skip":0,"total":1,"hidden":0,"result":[%s]}`
			}
			status, got := w.get(header, path)
			if diff := cmp.Diff(fmt.Sprintf(envelope, want)+"\n", got); status != http.StatusOK || diff != "" {
				t.Errorf("%s, %s: %d\n%s", name, path, status, diff)
			}
		}
	}
}

func TestThePageOfAListIsClampedAndNeverRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i := range 3 {
		w.Application(w.tenant, "App "+strconv.Itoa(i))
		w.Clock.Move(time.Second)
	}
	key := basic(w.Key(w.admin, w.tenant, "*"))
	all := []string{"App 2", "App 1", "App 0"}
	for query, want := range map[string]page{
		"":                                 {Limit: 50, Names: all},
		"limit=2":                          {Limit: 2, Names: all[:2]},
		"limit=2&skip=1":                   {Limit: 2, Skipped: 1, Names: all[1:]},
		"limit=2&skip=2":                   {Limit: 2, Skipped: 2, Names: all[2:]},
		"skip=3":                           {Limit: 50, Skipped: 3, Names: []string{}},
		"skip=1000":                        {Limit: 50, Skipped: 1000, Names: []string{}},
		"limit=0":                          {Limit: 1, Names: all[:1]},
		"limit=-5":                         {Limit: 1, Names: all[:1]},
		"limit=1000":                       {Limit: 1000, Names: all},
		"limit=1001":                       {Limit: 1000, Names: all},
		"limit=10000":                      {Limit: 1000, Names: all},
		"limit=99999999999999999999":       {Limit: 1000, Names: all},
		"limit=-99999999999999999999":      {Limit: 1, Names: all[:1]},
		"limit=":                           {Limit: 50, Names: all},
		"limit=many":                       {Limit: 50, Names: all},
		"limit=1.5":                        {Limit: 50, Names: all},
		"skip=-1":                          {Limit: 50, Names: all},
		"skip=none":                        {Limit: 50, Names: all},
		"skip=99999999999999999999":        {Limit: 50, Skipped: 1<<31 - 1, Names: []string{}},
		"limit=2&skip=9223372036854775807": {Limit: 2, Skipped: 1<<31 - 1, Names: []string{}},
	} {
		want.APIVersion, want.Total = 4, len(all)
		if diff := cmp.Diff(want, w.list(key, "/projects?"+query)); diff != "" {
			t.Errorf("%s:\n%s", query, diff)
		}
	}
	for _, path := range []string{"/accounts", "/workspaces"} {
		got := w.list(key, path+"?limit=0&skip=1")
		if diff := cmp.Diff(page{APIVersion: 4, Limit: 1, Skipped: 1, Total: 1, Names: []string{}}, got); diff != "" {
			t.Errorf("%s:\n%s", path, diff)
		}
	}
}

// The plugins of BlazeMeter read one page alone.
func TestOnePageHasRoomForAllProjectsOfATenant(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key := basic(w.Key(w.admin, w.tenant, "*"))
	if got := w.list(key, "/projects?limit=10000"); got.Limit < application.MaxPerTenant {
		t.Errorf("a page has at most %d projects; a tenant has up to %d", got.Limit, application.MaxPerTenant)
	}
}

func TestProjectsComeInTheOrderThatIsAskedFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	renamed := w.Application(w.tenant, "App Z")
	w.Clock.Move(time.Minute)
	w.Application(w.tenant, "App B")
	w.Clock.Move(time.Minute)
	w.Application(w.tenant, "App A")
	w.Application(w.tenant, "App B")
	w.Clock.Move(time.Minute)
	_, err := w.admin.EditApplication(t.Context(), string(w.tenant.ID), string(renamed.ID),
		api.UpdateApplicationRequest{Name: api.To("App C")})
	testkit.NoError(t, err)
	key := basic(w.Key(w.admin, w.tenant, "*"))
	for query, want := range map[string]string{
		"sort[]=name":                       "A B B C",
		"sort%5B%5D=name":                   "A B B C",
		"sort[]=-name":                      "C B B A",
		"sort[]=created":                    "C B",
		"sort[]=-updated":                   "C",
		"sort[]=id":                         "C B A B",
		"sort[]=-id":                        "B A B C",
		"sort[]=name&sort[]=-id":            "A B B C",
		"sort[]=unheard&sort[]=-id":         "B A B C",
		"sort[]=-name&limit=2&skip=1":       "B B",
		"sort[]=&sort[]=-&sort[]=-id":       "B A B C",
		"sort=name&sort[]=-id&enabled=true": "B A B C",
	} {
		got := strings.ReplaceAll(strings.Join(w.list(key, "/projects?"+query).Names, " "), "App ", "")
		if !strings.HasPrefix(got, want) {
			t.Errorf("%s: %s, want %s first", query, got, want)
		}
	}
}

func TestAWorkspaceIsNotListedAmongDisabledOnes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key := basic(w.Key(w.admin, w.tenant, "*"))
	for query, want := range map[string]int{"enabled=true": 1, "enabled=false": 0, "enabled=": 1, "enabled=maybe": 1} {
		if got := w.list(key, "/workspaces?"+query); got.Total != want || len(got.Names) != want {
			t.Errorf("%s: %+v, want %d", query, got, want)
		}
	}
}

// Clients add them to every request.
func TestParametersThatNameTheClientChangeNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	films := w.Application(w.tenant, "Films")
	key := basic(w.Key(w.admin, w.tenant, "*"))
	for _, path := range []string{
		"/user", "/accounts", fmt.Sprintf("/accounts/%d", w.Account.Number), "/workspaces",
		fmt.Sprintf("/workspaces/%d", w.tenant.Number), "/projects", fmt.Sprintf("/projects/%d", films.Number),
		"/web/version",
	} {
		status, want := w.get(key, path)
		for _, query := range []string{
			"app_key=jnk100x987c06f4e10c4&_clientId=CI_JENKINS&_clientVersion=4.25", "_clientId=a&_clientId=b",
			"app_key=", "unheard=1",
		} {
			if _, got := w.get(key, path+"?"+query); status != http.StatusOK || got != want {
				t.Errorf("%s?%s: %d %s, want %s", path, query, status, got, want)
			}
		}
	}
}

func TestOnlyTheNumbersOfTheTenantExist(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	second := w.Tenant("Second", nil)
	other, _ := testkit.TenantOfOtherAccount(t, w.Server, "X-Other-Key")
	otherAccount := testkit.Must[application.Application](t)(w.Applications.CreateApplication(t.Context(),
		principal.Operator(), other.ID, "Foreign", ""))
	own, foreign := w.Application(w.tenant, "Own"), w.Application(second, "Foreign")
	disabled := w.Application(w.tenant, "Disabled")
	_, err := w.admin.EditApplication(t.Context(), string(w.tenant.ID), string(disabled.ID),
		api.UpdateApplicationRequest{Status: api.To(api.StatusDisabled)})
	testkit.NoError(t, err)
	paths := map[string]string{
		"the id of the tenant":             "/workspaces/" + string(w.tenant.ID),
		"a second tenant":                  number("/workspaces/", second.Number),
		"another account's tenant":         number("/workspaces/", other.Number),
		"the id of the account":            "/accounts/" + string(w.Account.ID),
		"another account":                  number("/accounts/", w.Account.Number+1),
		"a second tenant's application":    number("/projects/", foreign.Number),
		"another account's application":    number("/projects/", otherAccount.Number),
		"a disabled application":           number("/projects/", disabled.Number),
		"the id of the application":        "/projects/" + string(own.ID),
		"workspaces of another account":    number("/workspaces?accountId=", w.Account.Number+1),
		"workspaces of no number":          "/workspaces?accountId=abc",
		"projects of a second tenant":      number("/projects?workspaceId=", second.Number),
		"projects of the tenant by its id": "/projects?workspaceId=" + string(w.tenant.ID),
	}
	for kind, n := range map[string]int64{
		"accounts": w.Account.Number, "workspaces": w.tenant.Number, "projects": own.Number,
	} {
		for _, form := range []string{"0%d", "+%d", "-%d", "%d.0", "%d0", "%%20%d", "%de0", "0x%d", "%d%%00"} {
			paths[kind+" as "+form] = "/" + kind + "/" + fmt.Sprintf(form, n)
		}
		paths[kind+" 0"] = "/" + kind + "/0"
	}
	const want = `{"error":{"code":404,"message":"Not Found"},"api_version":4,"result":null}` + "\n"
	for name, header := range map[string]http.Header{
		"a key": basic(w.Key(w.admin, w.tenant, "*")), "a session": testkit.SessionHeader(t, w.Server, w.Owner),
	} {
		for what, path := range paths {
			if status, body := w.get(header, path); status != http.StatusNotFound || body != want {
				t.Errorf("%s, %s (%s): %d %s", name, what, path, status, body)
			}
		}
		w.result(header, number("/projects/", own.Number))
	}
}

func number(before string, n int64) string { return before + strconv.FormatInt(n, 10) }

func TestARestrictedKeyIsShownItsOwnProjectsAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	films, books := w.Application(w.tenant, "Films"), w.Application(w.tenant, "Books")
	w.Application(w.tenant, "Music")
	key := w.restricted(films, books)
	got := w.list(key, "/projects?sort[]=name")
	want := page{APIVersion: 4, Limit: 50, Total: 2, Names: []string{"Books", "Films"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	only := w.restricted(films)
	if id := w.result(only, number("/projects/", films.Number))["id"]; id != json.Number(number("", films.Number)) {
		t.Errorf("the project has the id %v", id)
	}
	if status, body := w.get(only, number("/projects/", books.Number)); status != http.StatusNotFound {
		t.Errorf("a project that the key may not use is answered with %d %s", status, body)
	}
}

// BlazeMeter's clients repeat a request ten times within 75 seconds, also one that is refused.
func TestRepeatingARefusedRequestLocksNobodyOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	issued := w.Key(w.admin, w.tenant, "*")
	good := basic(issued)
	issued.Credential.Secret = strings.Repeat("0", len(issued.Credential.Secret))
	const want = `{"error":{"code":401,"message":"Unauthorized"},"api_version":4,"result":null}` + "\n"
	for range 10 {
		if status, body := w.get(basic(issued), "/user"); status != http.StatusUnauthorized || body != want {
			t.Errorf("a wrong secret is answered with %d %s", status, body)
		}
		w.Clock.Move(7500 * time.Millisecond)
	}
	w.result(good, "/user")
}
