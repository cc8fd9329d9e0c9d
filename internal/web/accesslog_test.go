package web_test

import (
	"context"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// varying is what is different in each line of the log, and is checked for being there.
var varying = regexp.MustCompile(`time=\S+ level=INFO msg=request (request_id=req_\w+ )(.*)` +
	`( duration=)[\d.]+[µmn]?s( .* ip=127\.0\.0\.1 bytes=)[1-9]\d*$`)

func TestEveryManagementRequestLeavesOneLineInTheLog(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main", nil)
	person := h.Member(tenant, "Key Owner", scope.Member)
	owner := h.As(person)
	k := h.Key(owner, tenant, "applications:read")
	user, key := " caller=session caller_id="+string(person.ID), " caller=key caller_id="+k.Key.ID
	const nobody = ` caller="" caller_id=""`
	keys, apps := "/api/v1/tenants/"+string(tenant.ID)+"/keys", "/api/v1/tenants/"+string(tenant.ID)+"/applications"
	for _, c := range []struct {
		by           *client.Client
		method, path string
		want         string // "" for no line
	}{
		{
			owner, http.MethodGet, keys + "/" + k.Key.ID + "?",
			"method=GET route=/api/v1/tenants/{tenant}/keys/{key} status=200" + user,
		},
		{
			owner, http.MethodGet, keys + "?colour=blue",
			"method=GET route=/api/v1/tenants/{tenant}/keys status=422" + nobody,
		},
		{owner, http.MethodGet, keys + "?limit=x", "method=GET route=/api/v1/tenants/{tenant}/keys status=422" + user},
		{h.With(k), http.MethodGet, apps, "method=GET route=/api/v1/tenants/{tenant}/applications status=200" + key},
		{h.With(k), http.MethodGet, "/api/v1/session", "method=GET route=/api/v1/session status=403" + key},
		{h.Anyone(), http.MethodGet, keys, "method=GET route=/api/v1/tenants/{tenant}/keys status=401" + nobody},
		{h.Anyone(), http.MethodGet, "/nothing", "method=GET route=none status=404" + nobody},
		{h.Anyone(), "BREW", "/api/v1/session", "method=other route=none status=405" + nobody},
		{h.With(k), http.MethodGet, "/api/v1/whoami", ""},
		{h.Anyone(), http.MethodGet, "/healthz", ""},
		{h.Anyone(), http.MethodGet, "/readyz", ""},
		{testkit.Client(t, h.AdminURL), http.MethodGet, "/readyz", ""},
	} {
		since := len(h.Log.String())
		_ = c.by.Do(t.Context(), c.method, c.path, nil, nil)
		var want []string
		if c.want != "" {
			status, caller, _ := strings.Cut(c.want, " caller=")
			want = []string{"… " + status + " duration=… caller=" + caller + " ip=127.0.0.1 bytes=…"}
		}
		logged := testkit.RequestLogLines(t, h, since, c.want != "")
		for i := range logged {
			logged[i] = varying.ReplaceAllString(logged[i], "… $2$3…$4…")
		}
		if diff := cmp.Diff(want, logged); diff != "" {
			t.Errorf("%s %s:\n%s", c.method, c.path, diff)
		}
	}
}

func TestTheLogHoldsNothingThatAClientChose(t *testing.T) {
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main", nil)
	owner := h.As(h.Member(tenant, "Key Owner", scope.Member))
	const canary = "c4n4ryc4n4ryc4n4ry"
	keys := "/api/v1/tenants/" + string(tenant.ID) + "/keys"
	for _, by := range []*client.Client{
		owner, owner.WithHeader("X-Request-Id", canary),
		owner.WithHeader("User-Agent", canary), owner.WithHeader("Idempotency-Key", canary),
	} {
		for _, r := range []struct {
			method, path string
			body         any
		}{
			{http.MethodGet, "/" + canary, nil},
			{http.MethodGet, keys + "/" + canary, nil},
			{http.MethodGet, keys + "?owner_id=" + canary, nil},
			{http.MethodGet, keys + "?" + canary, nil},
			{http.MethodPost, keys, map[string]string{"name": canary, canary: canary}},
			{strings.ToUpper(canary), keys, nil},
			{canary, "/api/v1/whoami", nil},
			{
				http.MethodPost, "/api/v1/session",
				map[string]string{"email": canary + "@claviger.example", "password": canary + canary},
			},
			{http.MethodPost, "/api/v1/verify", map[string]string{"credential": canary}},
		} {
			_ = by.Do(t.Context(), r.method, r.path, r.body, nil)
		}
	}
	_ = h.Anyone().WithKey(canary).Do(t.Context(), http.MethodGet, "/last", nil, nil)
	logged := testkit.Await(t, func() string {
		// the last, and four times all but those to verify and whoami
		if text := h.Log.String(); strings.Count(text, "msg=request ") >= 29 {
			return text
		}
		return ""
	})
	_, metrics := testkit.Get(t, h.AdminURL+"/metrics")
	for place, text := range map[string]string{"the log": logged, "the metrics": metrics} {
		if at := strings.Index(strings.ToLower(text), canary); at >= 0 {
			t.Errorf("it is in %s: …%s", place, text[max(0, at-200):at+len(canary)])
		}
	}
}

func TestOfTheRefusalsOnTheVerificationPathAFewASecondAreLogged(t *testing.T) {
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main", nil)
	k := h.Key(h.As(h.Member(tenant, "Key Owner", scope.Member)), tenant, "applications:read")
	verifier := h.Verifier()
	since := len(h.Log.String())
	for range 300 {
		for _, r := range []api.VerifyRequest{
			{Credential: "none"},
			{Credential: k.Credential.Value, Scopes: []string{"scopes:read"}},
		} {
			if _, err := verifier.Verify(context.WithoutCancel(t.Context()), r); err != nil {
				t.Fatal(err)
			}
		}
	}
	logged := testkit.LogLines(h, since, `"credential refused"`)
	if len(logged) == 0 || len(logged) > 100 {
		t.Errorf("%d lines", len(logged))
	}
	text := strings.Join(logged, "\n")
	for _, want := range []string{
		"code=api_key_invalid transport=\"\"\n",
		"code=insufficient_scope transport=\"\" tenant_id=" + string(tenant.ID) + " key_id=" + k.Key.ID,
	} {
		if !strings.Contains(text+"\n", want) {
			t.Errorf("no line with %q in\n%s", want, text)
		}
	}
}
