package manageapi_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// timeSpellings are times as requests may write them, and of each the time that is read or the code
// of the refusal. %Y stands for a year that is to come.
var timeSpellings = []struct{ text, want string }{
	{"%Y-01-31T12:00:00Z", "%Y-01-31T12:00:00Z"},
	{"%Y-01-31t12:00:00z", "%Y-01-31T12:00:00Z"},
	{"%Y-01-31T12:00:00z", "%Y-01-31T12:00:00Z"},
	{"%Y-01-31t12:00:00.5z", "%Y-01-31T12:00:00.5Z"},
	{"%Y-01-31T12:00:00.123456Z", "%Y-01-31T12:00:00.123456Z"},
	{"%Y-01-31T12:00:00.123456000Z", "%Y-01-31T12:00:00.123456Z"},
	{"%Y-01-31T12:00:00.0000000000000Z", "%Y-01-31T12:00:00Z"},
	{"%Y-01-31t14:00:00.000001+02:00", "%Y-01-31T12:00:00.000001Z"},
	{"%Y-01-31T12:00:00-00:00", "%Y-01-31T12:00:00Z"},
	{"%Y-01-31T12:00:00.1234567Z", "precision"},
	{"%Y-01-31T12:00:00.123456789Z", "precision"},
	{"%Y-01-31T12:00:00.0000001Z", "precision"},
	{"%Y-01-31T12:00:00.0000000000001z", "precision"},
	{"%Y-01-31T14:00:00.123456001+02:00", "precision"},
	{"%Y-01-31", "type"},
	{"%Y-01-31 12:00:00Z", "type"},
	{"%Y-01-31T12:00:00", "type"},
	{"%Y-01-31T12:00Z", "type"},
	{"%Y-01-31T12:00:00,5Z", "type"},
	{"%Y-01-31T12:00:00.Z", "type"},
	{"%Y-01-31T1:00:00Z", "type"},
	{"%Y-02-30T12:00:00Z", "type"},
	{"%Y-01-31T12:00:00+24:00", "type"},
	{"%Y-01-31T12:00:00+0200", "type"},
	{" %Y-01-31T12:00:00Z", "type"},
	{"%Y-01-31T12:00:00Z ", "type"},
	{"90d", "type"},
}

func TestATimeIsReadAlikeWhereverARequestHasOne(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main tenant", testkit.UnlimitedKeys)
	person := h.Member(tenant, "Key Owner", scope.Admin)
	owner, signedIn := h.As(person), testkit.SessionHeader(t, h, person)
	k := h.Key(owner, tenant, "applications:read")
	keys := testkit.TenantPath(tenant.ID) + "/keys"
	key := keys + "/" + k.Key.ID
	admin := testkit.SessionHeader(t, h, h.Owner)
	body := func(method, path, others string) func(string) (int, string) {
		return func(text string) (int, string) {
			quoted, err := json.Marshal(text)
			if err != nil {
				t.Fatal(err)
			}
			status, _, answer := testkit.Send(t, h, method, path, signedIn,
				`{`+others+`"expires_at":`+string(quoted)+`}`)
			return status, string(answer)
		}
	}
	query := func(path, name string, cookie http.Header) func(string) (int, string) {
		return func(text string) (int, string) {
			status, _, answer := testkit.Send(t, h, http.MethodGet, path+"?"+url.Values{name: {text}}.Encode(), cookie,
				"")
			return status, string(answer)
		}
	}
	const newKey = `"name":"A key","scopes":["applications:read"],"all_applications":true,`
	year := time.Now().AddDate(2, 0, 0).Format("2006")
	for where, ask := range map[string]struct {
		field string
		with  func(string) (int, string)
	}{
		"create":                {"expires_at", body(http.MethodPost, keys, newKey)},
		"edit":                  {"expires_at", body(http.MethodPatch, key, "")},
		"refresh":               {"expires_at", body(http.MethodPost, key+"/refresh", "")},
		"tenant's trail, since": {"since", query(testkit.TenantPath(tenant.ID)+"/audit", "since", signedIn)},
		"tenant's trail, until": {"until", query(testkit.TenantPath(tenant.ID)+"/audit", "until", signedIn)},
		"account's trail, since": {
			"since",
			query("/api/v1/accounts/"+string(tenant.Account)+"/audit", "since", admin),
		},
		"account's trail, until ": {
			"until",
			query("/api/v1/accounts/"+string(tenant.Account)+"/audit", "until", admin),
		},
	} {
		for _, s := range timeSpellings {
			text, want := strings.ReplaceAll(s.text, "%Y", year), strings.ReplaceAll(s.want, "%Y", year)
			status, answer := ask.with(text)
			if want == "type" && ask.field != "expires_at" {
				want = "invalid" // as every parameter of a query string that cannot be read
			}
			if want == "precision" || want == "type" || want == "invalid" {
				var p api.Problem
				err := json.Unmarshal([]byte(answer), &p)
				if err != nil || status != 422 || len(p.Errors) != 1 || p.Errors[0].Field != ask.field ||
					p.Errors[0].Code != want {
					t.Errorf("%s, %s: %d %s; want %s of %s", where, text, status, answer, want, ask.field)
				}
				continue
			}
			if status != 200 && status != 201 {
				t.Errorf("%s, %s: %d %s", where, text, status, answer)
			} else if ask.field == "expires_at" && !strings.Contains(answer, `"expires_at":"`+want+`"`) {
				t.Errorf("%s, %s is not read as %s: %s", where, text, want, answer)
			}
		}
	}
}

func TestTheOperatorsTimeIsReadAsEveryTime(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	for text, code := range map[string]string{"2027-01-31T12:00:00.1234567Z": "precision", "2027-01-31": "type"} {
		body := map[string]string{"time": text}
		err := h.Operator().Do(t.Context(), http.MethodPost, "/operator/v1/clock/repair", body, nil)
		p, ok := errors.AsType[*api.Problem](err)
		if !ok || p.Status != 422 || len(p.Errors) != 1 || p.Errors[0].Field != "time" || p.Errors[0].Code != code {
			t.Errorf("%s: %v %+v", text, err, p)
		}
	}
}
