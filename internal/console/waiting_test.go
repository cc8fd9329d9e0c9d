package console_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/tenancy"
	"github.com/claviger-dev/claviger/internal/testkit"
	"github.com/claviger-dev/claviger/internal/usage"
)

var shownValue = regexp.MustCompile(`clv_ak_[0-9A-Za-z]{16}_[0-9A-Za-z]{48}`)

// shownKey creates a key in the console, and returns the page with its secret.
func (d *visit) shownKey() (page shown, waiting, value string) {
	d.t.Helper()
	page = d.post("/settings/keys/new", d.newKey("Rate watcher"))
	page.see(d.t, "the page with the secret", http.StatusOK, "Waiting for the first request")
	m := regexp.MustCompile(`data-poll="([^"]+)" data-every="2"`).FindStringSubmatch(page.text)
	if m == nil {
		d.t.Fatalf("the page asks for nothing:\n%s", page.text)
	}
	return page, m[1], shownValue.FindString(page.text)
}

// recorded returns the part of the page once everything is on record.
func (d *visit) recorded(path string) shown {
	d.t.Helper()
	testkit.NoError(d.t, d.Watches.Sync(d.t.Context()))
	return d.get(path)
}

func TestThePageWithASecretSaysThatTheFirstRequestWasVerified(t *testing.T) {
	t.Parallel()
	d := newVisit(t, nil)
	_, waiting, value := d.shownKey()
	first := d.recorded(waiting)
	first.see(t, "before any request", http.StatusOK, "Waiting for the first request")
	if strings.Contains(first.text, "data-settled") || strings.Contains(first.text, "<html") {
		t.Errorf("the part of the page:\n%s", first.text)
	}
	tenant := string(d.tenant.ID)
	_, err := d.Anyone().WithKey(value).TenantEvents(t.Context(), tenant, client.EventFilter{}, client.Page{})
	testkit.ExpectCode(t, "a request without its scope", err, api.InsufficientScope)
	refused := d.recorded(waiting)
	for _, text := range []string{
		"A request was refused at", "/docs/errors/insufficient_scope", "<code>audit:read</code>",
	} {
		refused.see(t, "a refused request", http.StatusOK, text)
	}
	d.Clock.Move(41 * time.Second)
	_, err = d.Anyone().WithKey(value).Whoami(t.Context())
	testkit.NoError(t, err)
	works := d.recorded(waiting)
	for _, text := range []string{
		"It works. First request verified at", "from 127.0.0.1 by bearer, 41 seconds after", "Another one was refused",
		"data-settled", d.Clock.Now().UTC().Format("15:04:05"),
	} {
		works.see(t, "a verified request", http.StatusOK, text)
	}
	if strings.Contains(works.text+refused.text, value[len(value)-20:]) {
		t.Error("the secret is on the page")
	}
}

func TestThePageWithASecretSaysThatItsOldSecretWasTried(t *testing.T) {
	t.Parallel()
	d := newVisit(t, nil)
	_, waiting, old := d.shownKey()
	key := strings.TrimSuffix(waiting, "/waiting")
	form := d.get(key + "/regenerate")
	d.post(key+"/regenerate", map[string][]string{
		"once": {field(t, form, "once")}, "overlap": {"0"}, "id": {"keep"},
	}).see(t, "regenerate", http.StatusOK, "Waiting for the first request")
	_, err := d.Anyone().WithKey(old).Whoami(t.Context())
	testkit.ExpectCode(t, "the old secret", err, api.APIKeyInvalid)
	d.recorded(waiting).see(t, "the old secret", http.StatusOK, "it had the ID of this key and another secret")
}

func TestNobodyWaitsLongerThanTenMinutes(t *testing.T) {
	t.Parallel()
	d := newVisit(t, nil)
	_, waiting, value := d.shownKey()
	d.Clock.Move(usage.WatchPeriod)
	late := d.recorded(waiting)
	for _, text := range []string{"No request yet.", "Check again", "data-settled"} {
		late.see(t, "after ten minutes", http.StatusOK, text)
	}
	_, err := d.Anyone().WithKey(value).Whoami(t.Context())
	testkit.NoError(t, err)
	testkit.NoError(t, d.Usage.Flush(t.Context(), d.Store))
	d.recorded(waiting).see(t, "a late request", http.StatusOK, "It works. A request was verified at")
}

func TestAPollOfASessionThatEndedInTheAccountLeadsToTheSignIn(t *testing.T) {
	t.Parallel()
	d := newVisit(t, nil)
	other, _ := d.OtherAccount("Other Owner")
	tenant, err := d.Tenancy.CreateTenant(t.Context(), principal.Operator(), other.ID, "There", policy.Standard, nil)
	there := testkit.Must[tenancy.Tenant](t)(tenant, err)
	d.Join(there, d.person, scope.Member)
	_, waiting, _ := d.shownKey()
	uses := strings.TrimSuffix(waiting, "waiting") + "uses"
	testkit.SetPolicy(t, d.Server, api.UpdatePolicyRequest{SessionIdleMinutes: api.To(10)})
	d.Clock.Move(11 * time.Minute)
	d.get("/t/"+string(there.ID)+"/keys").see(t, "the other account", http.StatusOK, "There")
	for _, path := range []string{waiting, uses} {
		if got := d.get(path); got.status != http.StatusSeeOther || !strings.HasPrefix(got.location, "/sign-in") {
			t.Errorf("%s: %d to %q", path, got.status, got.location)
		}
	}
}

func TestAPollDoesNotKeepASessionFromBeingIdleAndNoOtherRequestClaimsToBeOne(t *testing.T) {
	t.Parallel()
	d := newVisit(t, nil)
	_, waiting, _ := d.shownKey()
	lastSeen := func() int {
		return testkit.QueryInt(t, d.Server, `SELECT MAX(last_seen_at) FROM sessions WHERE user_id = '`+
			string(d.person.ID)+`'`)
	}
	ask := func(path string, header ...string) {
		t.Helper()
		d.Clock.Move(2 * time.Minute)
		req := testkit.Must[*http.Request](t)(http.NewRequestWithContext(t.Context(), http.MethodGet, d.base+path, nil))
		if len(header) > 0 {
			req.Header.Set(header[0], "1")
		}
		if got := d.do(req); got.status != http.StatusOK {
			t.Fatalf("%s: %d\n%s", path, got.status, got.text)
		}
	}
	before := lastSeen()
	ask(waiting, "X-Claviger-Poll")
	if lastSeen() != before {
		t.Error("a poll counts as a use of the session")
	}
	ask(waiting)
	if lastSeen() == before {
		t.Error("a person who asks is not seen")
	}
	before = lastSeen()
	ask("/settings/keys", "X-Claviger-Poll")
	if lastSeen() == before {
		t.Error("a page is taken for a poll")
	}
	d.post("/sign-out", nil)
	if got := d.get(waiting); got.status != http.StatusSeeOther {
		t.Errorf("without a session: %d", got.status)
	}
}

func TestNoRequestIsToldToThoseWhoSeeOnlyTheNameOfAKey(t *testing.T) {
	t.Parallel()
	d := newVisit(t, func(s *policy.Settings) { s.Visibility = policy.SeeAll })
	_, waiting, _ := d.shownKey()
	other := newVisitor(t, d.URL)
	other.signIn(d.Member(d.tenant, "Colleague", "member"))
	other.get(strings.TrimSuffix(waiting, "/waiting")).see(t, "the key", http.StatusOK, "Rate watcher")
	other.get(waiting).see(t, "the part", http.StatusNotFound, "not found")
}
