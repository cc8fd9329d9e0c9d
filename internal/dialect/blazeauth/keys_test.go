package blazeauth_test

import (
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/key"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

var plaintextForm = regexp.MustCompile(`^blz_mgmt_bak_[0-9A-Za-z]{16}_[0-9A-Za-z]{48}$`)

func TestASessionCreatesListsEditsAndRevokesItsKeys(t *testing.T) {
	t.Parallel()
	p := startPanel(t)
	member := p.member("Key Owner")
	app := p.Application(p.tenant, "Orders API")
	number := strconv.FormatInt(app.Number, 10)

	created := p.object(member, http.MethodPost, "api-keys",
		`{"name":"Deploy key","scopes":["licenses:read","applications:read"],"applicationIds":["`+number+`"]}`)
	plaintext, id := textOf(created, "plaintextKey"), textOf(created, "id")
	at := textOf(created, "createdAt")
	if !plaintextForm.MatchString(plaintext) {
		t.Errorf("the key is %q", plaintext)
	}
	if n, err := strconv.ParseInt(id, 10, 64); err != nil || n < 1 {
		t.Errorf("the id is %q", id)
	}
	if when, err := time.Parse(time.RFC3339Nano, at); err != nil || !strings.HasSuffix(at, "Z") ||
		when.Sub(p.Clock.Now()).Abs() > time.Minute {
		t.Errorf("created at %q", at)
	}
	want := map[string]any{
		"id": id, "name": "Deploy key", "publicId": strings.TrimPrefix(plaintext, "blz_mgmt_")[:len("bak_")+16],
		"keyLast4": plaintext[len(plaintext)-4:], "scopes": []any{"applications:read", "licenses:read"},
		"allApplications": false, "applicationIds": []any{number}, "expiresAt": nil, "revokedAt": nil,
		"lastUsedAt": nil, "lastUsedIp": nil, "createdAt": at, "updatedAt": at,
	}
	if diff := cmp.Diff(want, without(created, "plaintextKey")); diff != "" {
		t.Errorf("created: %s", diff)
	}
	list := func() map[string]any {
		t.Helper()
		found := p.list(member, "api-keys")
		if len(found) != 1 {
			t.Fatalf("%d keys are listed", len(found))
		}
		return found[0].(map[string]any)
	}
	if diff := cmp.Diff(want, list()); diff != "" {
		t.Errorf("listed: %s", diff)
	}

	p.Clock.Move(time.Minute)
	expires := p.Clock.Now().Add(time.Hour).UTC().Truncate(time.Second).Format(time.RFC3339)
	for _, step := range []struct {
		name, body string
		changed    map[string]any
	}{
		{"the name", `{"name":"Other name"}`, map[string]any{"name": "Other name"}},
		{"the scopes", `{"scopes":["files:read"]}`, map[string]any{"scopes": []any{"files:read"}}},
		{
			"all applications", `{"allApplications":true}`,
			map[string]any{"allApplications": true, "applicationIds": []any{}},
		},
		{
			"one application", `{"applicationIds":["` + number + `"]}`,
			map[string]any{"allApplications": false, "applicationIds": []any{number}},
		},
		{"an expiry", `{"expiresAt":"` + expires + `"}`, map[string]any{"expiresAt": expires}},
		{"nothing", `{"unknown":1}`, nil},
		{"null for what has no null", `{"name":null,"scopes":null,"allApplications":null,"applicationIds":null}`, nil},
		{"no expiry", `{"expiresAt":null}`, map[string]any{"expiresAt": nil}},
	} {
		edited := p.object(member, http.MethodPatch, "api-keys/"+id, step.body)
		maps.Copy(want, step.changed)
		want["updatedAt"] = edited["updatedAt"]
		if diff := cmp.Diff(want, edited); diff != "" {
			t.Errorf("%s: %s", step.name, diff)
		}
		if diff := cmp.Diff(edited, list()); diff != "" {
			t.Errorf("%s, listed: %s", step.name, diff)
		}
	}

	for range 2 { // to revoke it again changes nothing
		revoked := p.object(member, http.MethodPost, "api-keys/"+id+"/revoke", "")
		if textOf(revoked, "revokedAt") == "" {
			t.Errorf("revoked: %v", revoked)
		}
		want["revokedAt"], want["updatedAt"] = revoked["revokedAt"], revoked["updatedAt"]
		if diff := cmp.Diff(want, revoked); diff != "" {
			t.Errorf("revoked: %s", diff)
		}
	}
	if diff := cmp.Diff(want, list()); diff != "" {
		t.Errorf("listed after the revocation: %s", diff)
	}
	if code := p.codeOf(plaintext); code != api.APIKeyRevoked {
		t.Errorf("the revoked key answers %q", code)
	}
	p.refused(member, http.MethodPatch, "api-keys/"+id, `{"name":"Third name"}`, http.StatusConflict, "conflict")
}

func TestAKeyIsShownInFullOnlyByItsCreationAndWorks(t *testing.T) {
	t.Parallel()
	p := startPanel(t)
	member := p.member("Key Owner")
	created := p.create(member, "files:read")
	plaintext, path := textOf(created, "plaintextKey"), "api-keys/"+textOf(created, "id")
	if code := p.codeOf(plaintext); code != "" {
		t.Errorf("the new key is refused: %s", code)
	}
	shown := testkit.Await(t, func() string {
		used := p.list(member, "api-keys")[0].(map[string]any)
		if used["lastUsedAt"] == nil {
			return ""
		}
		return textOf(used, "lastUsedIp")
	})
	if shown != "127.0.0.1" {
		t.Errorf("last used from %q", shown)
	}
	secret := plaintext[len(plaintext)-48:]
	for _, request := range []struct{ method, path, body string }{
		{http.MethodGet, "api-keys", ""},
		{http.MethodPatch, path, `{"name":"Other name"}`},
		{http.MethodPost, path + "/revoke", ""},
		{http.MethodGet, "api-keys", ""},
	} {
		status, text := p.send(member, request.method, request.path, request.body)
		if status != http.StatusOK || strings.Contains(text, secret) || strings.Contains(text, "plaintextKey") {
			t.Errorf("%s %s answers %d %s", request.method, request.path, status, text)
		}
	}
}

func TestWhatIsInvalidIsRefusedByTheVendorsName(t *testing.T) {
	t.Parallel()
	p := startPanel(t)
	member := p.member("Key Owner")
	path := "api-keys/" + textOf(p.create(member, "files:read"), "id")
	app := p.Application(p.tenant, "Orders API")
	foreign := p.Application(p.Preset(policy.Blazeauth, nil), "Foreign API")
	number := strconv.FormatInt(app.Number, 10)
	const rest = `"name":"Some key","scopes":["files:read"],`
	for _, c := range []struct{ method, path, body, field string }{
		{http.MethodPost, "api-keys", `{"scopes":["files:read"],"allApplications":true}`, "name: "},
		{http.MethodPost, "api-keys", `{"name":"Some key","allApplications":true}`, "scopes: "},
		{http.MethodPost, "api-keys", `{"name":"Some key","scopes":["no:such"],"allApplications":true}`, "scopes.0: "},
		{
			http.MethodPost, "api-keys", `{"name":"Some key","scopes":["keys:verify"],"allApplications":true}`,
			"scopes.0: ",
		},
		{http.MethodPost, "api-keys", `{"name":1}`, "name: "},
		{http.MethodPost, "api-keys", `{` + rest + `"allApplications":false}`, "applicationIds: "},
		{
			http.MethodPost, "api-keys", `{` + rest + `"allApplications":true,"applicationIds":["` + number + `"]}`,
			"applicationIds: ",
		},
		{http.MethodPost, "api-keys", `{` + rest + `"applicationIds":["` + number + `","0"]}`, "applicationIds.1: "},
		{
			http.MethodPost, "api-keys", `{` + rest + `"applicationIds":["` + string(app.ID) + `"]}`,
			"applicationIds.0: ",
		},
		{
			http.MethodPost, "api-keys",
			`{` + rest + `"applicationIds":["` + strconv.FormatInt(foreign.Number, 10) + `"]}`,
			"applicationIds.0: ",
		},
		{
			http.MethodPost, "api-keys", `{` + rest + `"allApplications":true,"expiresAt":"2020-01-01T00:00:00Z"}`,
			"expiresAt: ",
		},
		{http.MethodPost, "api-keys", `{` + rest + `"allApplications":true,"expiresAt":"tomorrow"}`, "expiresAt: "},
		{http.MethodPatch, path, `{"name":"x"}`, "name: "},
		{http.MethodPatch, path, `{"scopes":[]}`, "scopes: "},
		{http.MethodPatch, path, `{"allApplications":false}`, "applicationIds: "},
		{http.MethodPatch, path, `{"applicationIds":["x"]}`, "applicationIds.0: "},
		{http.MethodPatch, path, `{"expiresAt":"2020-01-01T00:00:00Z"}`, "expiresAt: "},
		{http.MethodGet, "api-keys?page=0", "", "page: "},
		{http.MethodGet, "api-keys?page=51", "", "page: "},
		{http.MethodGet, "api-keys?page=x", "", "page: "},
	} {
		message := p.refused(member, c.method, c.path, c.body, http.StatusUnprocessableEntity, "validation_failed")
		if !strings.HasPrefix(message, c.field) || strings.Contains(message, "_applications") ||
			strings.Contains(message, "application_ids") || strings.Contains(message, "expires_at") {
			t.Errorf("%s: %s", c.body, message)
		}
		if strings.HasPrefix(c.field, "applicationIds.") && !strings.Contains(message, "get-applications") {
			t.Errorf("%s does not say where ids come from: %s", c.body, message)
		}
	}
	p.refused(member, http.MethodPost, "api-keys", `{`, http.StatusBadRequest, "malformed_request")
	if got := p.list(member, "api-keys"); len(got) != 1 {
		t.Errorf("there are %d keys", len(got))
	}
}

func TestAKeyIsReachedOnlyByItsNumberAndItsOwnerInItsTenant(t *testing.T) {
	t.Parallel()
	p := startPanel(t)
	owner := p.member("Key Owner")
	id := textOf(p.create(owner, "files:read"), "id")
	person := p.Member(p.tenant, "In Two Tenants", scope.Member)
	second := p.in(p.Preset(policy.Blazeauth, nil))
	p.Join(second.tenant, person, scope.Member)
	both := p.session(person)
	elsewhere := textOf(second.create(both, "files:read"), "id")
	present, err := p.Keys.ByNumber(t.Context(), p.principalOf(owner), p.tenant.ID, numberOf(t, id))
	if err != nil || present.Key.Number != numberOf(t, id) {
		t.Fatalf("%+v, %v", present, err)
	}
	for _, c := range []struct {
		name string
		who  caller
		id   string
	}{
		{"an unknown number", owner, "999999"},
		{"zero", owner, "0"},
		{"a negative number", owner, "-" + id},
		{"a number with a zero before it", owner, "0" + id},
		{"a number with a plus", owner, "+" + id},
		{"a number beyond 64 bits", owner, "99999999999999999999"},
		{"an id of Claviger", owner, string(present.Key.ID)},
		{"another member", p.member("Other Member"), id},
		{"an admin of the tenant", p.session(p.Member(p.tenant, "Tenant Admin", scope.Admin)), id},
		{"an owner of the account", p.session(p.Owner), id},
		{"their key of another tenant", both, elsewhere},
	} {
		p.refused(c.who, http.MethodPatch, "api-keys/"+c.id, `{"name":"Other name"}`, http.StatusNotFound, "not_found")
		p.refused(c.who, http.MethodPost, "api-keys/"+c.id+"/revoke", "", http.StatusNotFound, "not_found")
		for _, k := range p.list(c.who, "api-keys") {
			if object := k.(map[string]any); textOf(object, "name") != "Some key" || object["revokedAt"] != nil {
				t.Errorf("%s changed %v", c.name, object)
			}
		}
	}
	if got := p.list(both, "api-keys"); len(got) != 0 {
		t.Errorf("keys of another tenant are listed: %v", got)
	}
	if got := p.list(p.session(p.Owner), "api-keys"); len(got) != 0 {
		t.Errorf("keys of others are listed: %v", got)
	}
	if got := second.list(both, "api-keys"); len(got) != 1 {
		t.Errorf("%d keys are listed in the other tenant", len(got))
	}
}

func TestAListOfKeysHasPagesOf200(t *testing.T) {
	t.Parallel()
	p := startPanel(t)
	member := p.member("Key Owner")
	who := p.principalOf(member)
	for i := range 201 {
		testkit.Must[key.Issued](t)(p.Keys.Create(t.Context(), who, p.tenant.ID, key.Spec{
			Name: fmt.Sprintf("Key %d", i), Scopes: []scope.Scope{"files:read"}, AllApplications: true,
		}))
		p.Clock.Move(time.Millisecond)
	}
	for page, want := range map[string][]string{
		"": {"Key 200", "Key 1"}, "?page=2": {"Key 0", "Key 0"}, "?page=3": nil,
	} {
		found := p.list(member, "api-keys"+page)
		if want == nil {
			if len(found) != 0 {
				t.Errorf("%s has %d keys", page, len(found))
			}
			continue
		}
		first, last := found[0].(map[string]any), found[len(found)-1].(map[string]any)
		if textOf(first, "name") != want[0] || textOf(last, "name") != want[1] {
			t.Errorf("%s has %d keys, from %v to %v", page, len(found), first["name"], last["name"])
		}
	}
	_, text := p.send(member, http.MethodGet, "api-keys", "")
	if !strings.Contains(text, "page=2") {
		t.Errorf("the first page does not name the second: %.100s", text)
	}
}

func TestARevokedKeyIsGoneWhereTheTenantKeepsNone(t *testing.T) {
	t.Parallel()
	p := startPanel(t)
	p = p.in(p.Preset(policy.Blazeauth, func(s *policy.Settings) { s.RevokeMode = policy.Delete }))
	member := p.member("Key Owner")
	created := p.create(member, "files:read")
	path := "api-keys/" + textOf(created, "id") + "/revoke"
	if got := p.ask(member, http.MethodPost, path, ""); got != nil {
		t.Errorf("the answer has %v", got)
	}
	p.refused(member, http.MethodPost, path, "", http.StatusNotFound, "not_found")
	if code := p.codeOf(textOf(created, "plaintextKey")); code != api.APIKeyInvalid {
		t.Errorf("the key answers %q", code)
	}
}

func TestAKeyWithoutAnExpiryOfItsOwnHasNoneToItsOwner(t *testing.T) {
	t.Parallel()
	p := startPanel(t)
	member := p.member("Key Owner")
	testkit.SetPolicy(t, p.Server, testkit.AutoExpiry(90))
	if created := p.create(member, "files:read"); created["expiresAt"] != nil {
		t.Errorf("expires at %v", created["expiresAt"])
	}
}

// numberOf returns the number that the vendor's id is.
func numberOf(t *testing.T, id string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// principalOf returns the principal of a session.
func (p *panel) principalOf(who caller) principal.Principal {
	p.t.Helper()
	_, token, _ := strings.Cut(who.Get("Cookie"), "=")
	return testkit.Must[principal.Principal](p.t)(p.Sessions.Resume(p.t.Context(), credential.SessionToken, token))
}
