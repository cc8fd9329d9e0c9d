package manageapi_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

func TestSigningInGivesASessionUntilItIsEnded(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main", nil)
	person := h.Member(tenant, "Key Owner", scope.Member)
	// one person whatever the case
	c, s, err := h.Anyone().SignIn(t.Context(), strings.ToUpper(person.Email), testkit.Password)
	if err != nil || s.User.ID != string(person.ID) || len(s.Memberships) != 1 || s.Memberships[0].Role != "member" {
		t.Fatalf("%+v, %v", s, err)
	}
	me, err := c.Whoami(t.Context())
	if err != nil || me.Principal != "session" || *me.Transport != "session" || me.KeyID != nil ||
		me.Memberships[0].TenantID != string(tenant.ID) {
		t.Errorf("whoami by session: %+v, %v", me, err)
	}
	if err := c.SignOut(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, err = c.Whoami(t.Context())
	if got := testkit.Code(t, err); got != api.APIKeyInvalid { // the client forgets the cookie
		t.Errorf("after signing out: %s", got)
	}
}

func TestASignInThatFailsHasOneAnswerForEveryCause(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	var answers []string
	for _, attempt := range []api.SignInRequest{
		{Email: h.Owner.Email, Password: "wrong horse battery staple"},
		{Email: "nobody@claviger.example", Password: testkit.Password},
		{Email: "", Password: ""},
		{Email: "a\x00@claviger.example", Password: "\x00"},
		{Email: h.Owner.Email, Password: strings.Repeat("x", 5000)},
	} {
		_, _, err := h.Anyone().SignIn(t.Context(), attempt.Email, attempt.Password)
		p, ok := err.(*api.Problem)
		if !ok || p.Code != api.SignInFailed || p.Status != http.StatusUnauthorized {
			t.Fatalf("%+v: %v", attempt, err)
		}
		answers = append(answers, p.Detail)
	}
	for _, a := range answers {
		if a != answers[0] {
			t.Errorf("answers differ: %q", answers)
		}
	}
}

func TestARestrictedKeySeesItsApplicationsAndNoOthers(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main", nil)
	owner := h.As(h.Member(tenant, "Key Owner", scope.Member))
	mine := h.Application(tenant, "Orders API")
	h.Application(tenant, "Reports API")
	k, err := owner.CreateKey(t.Context(), string(tenant.ID),
		api.CreateKeyRequest{
			Name: "Restricted", Scopes: []string{"applications:read"},
			ApplicationIDs: []string{string(mine.ID)},
		})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		client *client.Client
		want   []string
	}{
		"restricted key": {h.With(k), []string{"Orders API"}},
		"session":        {owner, []string{"Reports API", "Orders API"}},
	} {
		list, err := c.client.Applications(t.Context(), string(tenant.ID), client.Page{})
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, a := range list.Items {
			names = append(names, a.Name)
		}
		if diff := cmp.Diff(c.want, names); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestAListComesInPagesThatCannotBeForgedOrMoved(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main", func(s *policy.Settings) { s.KeysPerUser = 0 })
	owner := h.As(h.Member(tenant, "Key Owner", scope.Member))
	var want []string
	for range 5 {
		want = append([]string{h.Key(owner, tenant, "applications:read").Key.ID}, want...)
	}
	var got []string
	next := ""
	for {
		list, err := owner.Keys(t.Context(), string(tenant.ID), client.KeyFilter{Owner: "me"},
			client.Page{Limit: 2, Cursor: next})
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range list.Items {
			got = append(got, k.ID)
		}
		if list.NextCursor == nil {
			break
		}
		next = *list.NextCursor
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("pages: %s", diff)
	}
	other := h.As(h.Member(tenant, "Somebody Else", scope.Member))
	for name, c := range map[string]struct {
		client *client.Client
		owner  string
		cursor string
	}{
		"another caller's": {other, "me", next},
		"another filter":   {owner, "", next},
		"an edited one":    {owner, "me", next[:10] + string(next[10]^1) + next[11:]},
		"a made-up one":    {owner, "me", "1.AAAA"},
		"no cursor at all": {owner, "me", "' OR 1=1 --"},
		"a signed version": {owner, "me", "+" + next},
		"a padded version": {owner, "me", "0" + next},
		"a padded text":    {owner, "me", next + "="},
		"a line break":     {owner, "me", next[:10] + "\n" + next[10:]},
		"a break behind":   {owner, "me", next + "\r\n"},
		"a second point":   {owner, "me", next + "."},
		"no version":       {owner, "me", strings.TrimLeft(next, "0123456789")},
	} {
		_, err := c.client.Keys(t.Context(), string(tenant.ID), client.KeyFilter{Owner: c.owner},
			client.Page{Cursor: c.cursor})
		if got := testkit.FieldErrors(t, err); got != "cursor invalid" {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestNoOtherSiteCanMakeABrowserChangeAnything(t *testing.T) {
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main", nil)
	person := h.Member(tenant, "Key Owner", scope.Admin)
	owner := h.As(person)
	k := h.Key(owner, tenant, "applications:read")
	base := "/api/v1/tenants/" + string(tenant.ID) + "/keys"
	requests := []struct {
		method, path string
		body         any
	}{
		{http.MethodPost, "/api/v1/session", api.SignInRequest{Email: person.Email, Password: testkit.Password}},
		{http.MethodPost, base, api.CreateKeyRequest{Name: "Forged key", Scopes: []string{"*"}, AllApplications: true}},
		{http.MethodPost, base + "/" + k.Key.ID + "/revoke", nil},
		{http.MethodDelete, base + "/" + k.Key.ID, nil},
		{http.MethodPost, "/api/v1/verify", api.VerifyRequest{Credential: k.Credential.Value}},
	}
	for _, sent := range [][2]string{
		{"Sec-Fetch-Site", "cross-site"},
		{"Sec-Fetch-Site", "same-site"},
		{"Origin", "https://evil.example"},
	} {
		for _, r := range requests {
			err := owner.WithHeader(sent[0], sent[1]).Do(t.Context(), r.method, r.path, r.body, nil)
			if got := testkit.Code(t, err); got != api.CrossSite {
				t.Errorf("%s: %s, %s %s: %q, want %s", sent[0], sent[1], r.method, r.path, got, api.CrossSite)
			}
		}
	}
	if _, err := h.With(k).Whoami(t.Context()); err != nil {
		t.Errorf("the key no longer works: %v", err)
	}
}

func TestAnIdOfNoFormNamesNothing(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main", nil)
	owner := h.As(h.Member(tenant, "Key Owner", scope.Admin))
	base := "/api/v1/tenants/" + string(tenant.ID)
	for _, path := range []string{
		"/api/v1/tenants/%00/keys", "/api/v1/tenants/%ff/keys", "/api/v1/tenants/x/applications", base + "/keys/%00",
		base + "/keys/..%2f..",
		base + "/applications/%00", base + "/applications/%F0%28", base + "/keys/" + strings.Repeat("k", 5000),
	} {
		err := owner.Do(t.Context(), http.MethodGet, path, nil, nil)
		if got := testkit.Code(t, err); got != api.NotFound {
			t.Errorf("%s: %s, want %s", path, got, api.NotFound)
		}
	}
	_, err := owner.Keys(t.Context(), string(tenant.ID), client.KeyFilter{Owner: "\x00"}, client.Page{})
	if got := testkit.FieldErrors(t, err); got != "owner form" {
		t.Errorf("an owner of no form: %s", got)
	}
}

func TestABadRequestSaysWhatIsWrongAndNeverRepeatsIt(t *testing.T) {
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main", nil)
	owner := h.As(h.Member(tenant, "Key Owner", scope.Admin))
	k := h.Key(owner, tenant, "keys:verify")
	bearer := "Bearer " + k.Credential.Value
	canary := h.Key(owner, tenant, "applications:read").Credential.Value
	one := func(name, value string) http.Header { return http.Header{name: {value}} }
	with := func(h http.Header, name string, values ...string) http.Header {
		h = h.Clone()
		h[name] = values
		return h
	}
	good := with(one("Authorization", bearer), "Content-Type", "application/json")
	cases := []struct {
		name   string
		header http.Header
		body   string
		status int
		code   api.Code
		field  string
	}{
		{"not JSON", good, "credential=" + canary, 400, api.MalformedRequest, ""},
		{"nothing", good, "", 400, api.MalformedRequest, ""},
		{"truncated", good, `{"credential":"` + canary, 400, api.MalformedRequest, ""},
		{"two values", good, `{"credential":"` + canary + `"} {}`, 400, api.MalformedRequest, ""},
		{"a list", good, `["` + canary + `"]`, 422, api.ValidationFailed, ""},
		{"a duplicate member", good, `{"credential":"x","credential":"` + canary + `"}`, 400, api.MalformedRequest, ""},
		{
			"an unknown member", good, `{"credential":"x","secret":"` + canary + `"}`, 422, api.ValidationFailed,
			"secret",
		},
		{"a secret as a member", good, `{"` + canary + `":1}`, 422, api.ValidationFailed, "…"},
		{"another case", good, `{"Credential":"` + canary + `"}`, 422, api.ValidationFailed, "Credential"},
		{"a wrong type", good, `{"credential":["` + canary + `"]}`, 422, api.ValidationFailed, "credential"},
		{
			"a wrong type within", good, `{"credential":"x","scopes":["a:b",{"x":"` + canary + `"}]}`, 422,
			api.ValidationFailed, "scopes.1",
		},
		{"neither credential nor headers", good, `{}`, 422, api.ValidationFailed, "credential"},
		{"both", good, `{"credential":"` + canary + `","headers":{}}`, 422, api.ValidationFailed, "credential"},
		{
			"a header twice", good, `{"headers":{"X-API-Key":"` + canary + `","x-api-key":"y"}}`, 422,
			api.ValidationFailed, "headers",
		},
		{
			"an unknown transport", good, `{"credential":"x","transport":"` + canary + `"}`, 422, api.ValidationFailed,
			"transport",
		},
		{"no address", good, `{"credential":"x","ip":"` + canary + `"}`, 422, api.ValidationFailed, "ip"},
		{"oversized", good, `{"credential":"` + strings.Repeat("x", 64<<10) + `"}`, 413, api.TooLarge, ""},
		{
			"a form", with(good, "Content-Type", "application/x-www-form-urlencoded"), "{}", 415,
			api.UnsupportedMediaType,
			"",
		},
		{"no type", one("Authorization", bearer), "{}", 415, api.UnsupportedMediaType, ""},
		{"a gzipped body", with(good, "Content-Encoding", "gzip"), canary, 415, api.UnsupportedMediaType, ""},
		{
			"an encoding that does not exist", with(good, "Content-Encoding", "none"), "{}", 415,
			api.UnsupportedMediaType,
			"",
		},
		{
			"an encoding after none", with(good, "Content-Encoding", "identity, br"), "{}", 415,
			api.UnsupportedMediaType,
			"",
		},
		{
			"an encoding in a second header", with(good, "Content-Encoding", "identity", "br"), "{}", 415,
			api.UnsupportedMediaType, "",
		},
		{
			"no encoding, said so", with(good, "Content-Encoding", "Identity"), "{}", 422, api.ValidationFailed,
			"credential",
		},
		{"two credentials", with(good, "X-Api-Key", canary), "{}", 400, api.CredentialAmbiguous, ""},
		{"Authorization twice", with(good, "Authorization", bearer, bearer), "{}", 400, api.CredentialAmbiguous, ""},
		{"an unknown scheme", with(good, "Authorization", "Digest "+canary), "{}", 401, api.APIKeyInvalid, ""},
		{"basic without base64", with(good, "Authorization", "Basic "+canary), "{}", 401, api.APIKeyInvalid, ""},
		{"no credential", one("Content-Type", "application/json"), "{}", 401, api.APIKeyInvalid, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			status, header, text := testkit.Post(t, h, "/api/v1/verify", c.header, c.body)
			var p api.Problem
			if err := json.Unmarshal(text, &p); err != nil {
				t.Fatalf("not a problem: %s", text)
			}
			if status != c.status || p.Status != status || p.Code != c.code ||
				header.Get("Content-Type") != "application/problem+json" {
				t.Errorf("%d %s (%s), want %d %s", status, p.Code, header.Get("Content-Type"), c.status, c.code)
			}
			if p.RequestID == "" || p.RequestID != header.Get("X-Request-Id") ||
				p.Type != "/docs/errors/"+string(c.code) {
				t.Errorf("request id %q in the body, %q in the header; type %q", p.RequestID,
					header.Get("X-Request-Id"), p.Type)
			}
			if c.field != "" && (len(p.Errors) != 1 || p.Errors[0].Field != c.field) {
				t.Errorf("fields %+v, want %s", p.Errors, c.field)
			}
			if bytes.Contains(text, []byte(canary)) {
				t.Errorf("what was sent is repeated: %s", text)
			}
			if status == http.StatusUnauthorized && len(header["Www-Authenticate"]) != 2 {
				t.Errorf("challenges: %q", header["Www-Authenticate"])
			}
		})
	}
	if strings.Contains(h.Log.String(), canary) {
		t.Error("the key is in the log")
	}
}

// A body in an encoding that is not undone is never read as it stands, on any route.
func TestABodyInAnEncodingIsRefused(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main", nil)
	owner := h.As(h.Member(tenant, "Key Owner", scope.Admin))
	k := h.Key(owner, tenant, "keys:verify")
	keys := "/api/v1/tenants/" + string(tenant.ID) + "/keys"
	header := http.Header{
		"Content-Type": {"application/json"}, "Content-Encoding": {"gzip"},
		"Cookie": {string(owner.SaveSession())},
	}
	for _, r := range []struct{ method, path, body string }{
		{"POST", "/api/v1/verify", `{"credential":"x"}`},
		{"POST", "/api/v1/session", `{"email":"x@example.com","password":"x"}`},
		{"POST", "/api/v1/setup", `{}`},
		{"POST", "/api/v1/invitations/x", `{"name":"x","password":"x"}`},
		{"PATCH", "/api/v1/me", `{"name":"Other"}`},
		{"POST", keys, `{"name":"Another"}`},
		{"PATCH", keys + "/" + k.Key.ID, `{"name":"Renamed"}`},
		{"POST", keys + "/" + k.Key.ID + "/revoke", `{"reason":"x"}`},
		{"POST", keys + "/" + k.Key.ID + "/refresh", `{"overlap_seconds":60}`},
	} {
		status, answered, text := testkit.Send(t, h, r.method, r.path, header, r.body)
		if status != http.StatusUnsupportedMediaType || answered.Get("Accept-Encoding") != "identity" ||
			!bytes.Contains(text, []byte("Content-Encoding")) {
			t.Errorf("%s %s: %d, Accept-Encoding %q: %s", r.method, r.path, status, answered.Get("Accept-Encoding"),
				text)
		}
	}
	if status, _, text := testkit.Send(t, h, "POST", keys+"/"+k.Key.ID+"/revoke", header, ""); status != http.StatusOK {
		t.Errorf("no body at all: %d %s", status, text)
	}
}
