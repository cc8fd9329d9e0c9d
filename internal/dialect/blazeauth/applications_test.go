package blazeauth_test

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/claviger-dev/claviger/internal/application"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// names returns the names of the listed objects.
func names(list []any) (names []string) {
	for _, item := range list {
		names = append(names, textOf(item.(map[string]any), "name"))
	}
	return names
}

func TestApplicationsAreCreatedAndListed(t *testing.T) {
	t.Parallel()
	p := startPanel(t)
	member := p.member("Key Owner")
	all := withKey(textOf(p.create(member, "applications:read", "applications:create"), "plaintextKey"))
	for name, who := range map[string]caller{"a session": member, "a key": all} {
		created := p.object(who, http.MethodPost, "create-application",
			`{"name":" Orders API ","description":"Orders."}`)
		want := map[string]any{
			"id": created["id"], "name": "Orders API", "description": "Orders.", "status": "active",
			"createdAt": created["createdAt"], "updatedAt": created["createdAt"],
		}
		if diff := cmp.Diff(want, created); diff != "" {
			t.Errorf("%s creates: %s", name, diff)
		}
		if n := numberOf(t, textOf(created, "id")); n < 1 || !strings.HasSuffix(textOf(created, "createdAt"), "Z") {
			t.Errorf("%s creates %v", name, created)
		}
		found := false
		for _, app := range p.list(who, "get-applications") {
			found = found || cmp.Equal(app, any(created))
		}
		if !found {
			t.Errorf("%s does not find what it created: %v", name, p.list(who, "get-applications"))
		}
	}
}

func TestTheNameOfAnApplicationHas6To32Characters(t *testing.T) {
	t.Parallel()
	p := startPanel(t)
	member := p.member("Key Owner")
	for _, c := range []struct {
		name    string
		allowed bool
	}{
		{"", false},
		{"Order", false},
		{" Order ", false},
		{"Orders", true},
		{"Örders", true},
		{strings.Repeat("x", 32), true},
		{strings.Repeat("ö", 32), true},
		{strings.Repeat("x", 33), false},
		{strings.Repeat("x", 65), false},
		{"Orders\x00", false},
	} {
		body := `{"name":` + strconv.QuoteToASCII(c.name) + `}`
		body = strings.ReplaceAll(body, `\x00`, `\u0000`)
		if c.allowed {
			p.object(member, http.MethodPost, "create-application", body)
			continue
		}
		message := p.refused(member, http.MethodPost, "create-application", body, http.StatusUnprocessableEntity,
			"validation_failed")
		if !strings.HasPrefix(message, "name: ") {
			t.Errorf("%s: %s", body, message)
		}
	}
	if got := p.list(member, "get-applications"); len(got) != 4 {
		t.Errorf("there are %d applications", len(got))
	}
}

func TestARestrictedKeySeesOnlyItsApplicationsAndCreatesNone(t *testing.T) {
	t.Parallel()
	p := startPanel(t)
	member := p.member("Key Owner")
	own := p.Application(p.tenant, "Orders API")
	p.Application(p.tenant, "Reports API")
	restricted := p.object(member, http.MethodPost, "api-keys", `{"name":"Some key","applicationIds":["`+
		strconv.FormatInt(own.Number, 10)+`"],"scopes":["applications:read","applications:create"]}`)
	who := withKey(textOf(restricted, "plaintextKey"))
	if got := names(p.list(who, "get-applications")); !cmp.Equal(got, []string{"Orders API"}) {
		t.Errorf("the key sees %v", got)
	}
	for _, body := range []string{`{"name":"Third API"}`, `{"name":"x"}`, `{`} { // the body is not read
		p.refused(who, http.MethodPost, "create-application", body, http.StatusForbidden, "application_forbidden")
	}
	if got := names(p.list(member, "get-applications")); !cmp.Equal(got, []string{"Reports API", "Orders API"}) {
		t.Errorf("its owner sees %v", got)
	}
}

func TestAllApplicationsAreListed(t *testing.T) {
	t.Parallel()
	p := startPanel(t)
	member := p.member("Key Owner")
	const count = 201
	for i := range count {
		testkit.Must[application.Application](t)(p.Applications.CreateApplication(t.Context(), principal.Operator(),
			p.tenant.ID, fmt.Sprintf("Application %d", i), ""))
	}
	distinct := map[string]bool{}
	for _, name := range names(p.list(member, "get-applications")) {
		distinct[name] = true
	}
	if len(distinct) != count {
		t.Errorf("%d of %d applications are listed", len(distinct), count)
	}
}

func TestARouteNeedsItsScope(t *testing.T) {
	t.Parallel()
	p := startPanel(t)
	member := p.member("Key Owner")
	without := withKey(textOf(p.create(member, "files:read"), "plaintextKey"))
	for _, c := range []struct{ method, path, body, scope string }{
		{http.MethodGet, "get-applications", "", "applications:read"},
		{http.MethodPost, "create-application", `{"name":"Orders API"}`, "applications:create"},
		{http.MethodGet, "get-account-limits", "", "account:read"},
	} {
		p.refused(without, c.method, c.path, c.body, http.StatusForbidden, "insufficient_scope")
		p.ask(withKey(textOf(p.create(member, c.scope), "plaintextKey")), c.method, c.path, c.body)
		p.ask(member, c.method, c.path, c.body)
	}
}

func TestTheLimitsAreThoseOfTheTenant(t *testing.T) {
	t.Parallel()
	p := startPanel(t)
	for _, c := range []struct {
		name   string
		change func(*policy.Settings)
		want   map[string]any
	}{
		{
			"the preset", nil,
			map[string]any{"maxApiKeys": 10_000.0, "maxApplications": 1_000.0, "requestsPerMinute": nil},
		},
		{
			"limits", func(s *policy.Settings) { s.KeysPerUser, s.RequestsPerMinute = 3, 600 },
			map[string]any{"maxApiKeys": 3.0, "maxApplications": 1_000.0, "requestsPerMinute": 600.0},
		},
	} {
		in := p.in(p.Preset(policy.Blazeauth, c.change))
		person := in.Member(in.tenant, "Key Owner", scope.Member)
		session := in.session(person)
		with := withKey(textOf(in.create(session, "account:read"), "plaintextKey"))
		for _, who := range []caller{session, with} {
			if diff := cmp.Diff(c.want, in.object(who, http.MethodGet, "get-account-limits", "")); diff != "" {
				t.Errorf("%s: %s", c.name, diff)
			}
		}
	}
}
