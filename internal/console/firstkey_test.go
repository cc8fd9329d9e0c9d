package console_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

const (
	// maxSteps is what a person does between the set-up link and a verified request: open the link,
	// fill in the form, generate, run the call, see that it works.
	maxSteps = 5
	// maxServerTime is how long the server may work for that, its pages and the call together.
	maxServerTime = 10 * time.Second // usually 0.1 s; 3.5 s were seen with the race detector on a busy machine
)

// walk counts what a person does, and how long the server works for it.
type walk struct {
	steps  int
	server time.Duration
}

// step is something that a person does.
func (w *walk) step(do func() shown) shown {
	w.steps++
	return w.wait(do)
}

// wait is a request that the browser makes by itself.
func (w *walk) wait(do func() shown) shown {
	began := time.Now()
	got := do()
	w.server += time.Since(began)
	return got
}

func TestFromTheSetUpLinkToAVerifiedRequestInFiveSteps(t *testing.T) {
	t.Parallel()
	began := time.Now()
	h := testkit.StartEmpty(t, testkit.SQLite.Config(t))
	v := newVisitor(t, h.URL)
	var w walk
	link := "/setup/" + testkit.SetupToken(t, h)
	w.step(func() shown { return v.get(link) }).see(t, "the link", http.StatusOK, "Organisation")
	got := w.step(func() shown {
		return v.post(link, url.Values{
			"account": {"Meridian Freight"}, "name": {"Ines Okafor"}, "email": {"ines@claviger.example"},
			"password": {testkit.Password},
		})
	})
	if got.location != "/first-key?did=set-up" {
		t.Fatalf("set-up: %d to %q\n%s", got.status, got.location, got.text)
	}
	page := w.wait(func() shown { return v.get(got.location) })
	for _, text := range []string{"Your account is set up", `value="My first key"`, "(90 days)", "Skip"} {
		page.see(t, "the first key", http.StatusOK, text)
	}
	secret := w.step(func() shown {
		return v.post("/first-key", url.Values{
			"once": {field(t, page, "once")}, "tenant": {field(t, page, "tenant")}, "name": {"My first key"},
		})
	})
	secret.see(t, "the secret", http.StatusOK, "Waiting for the first request")
	secret.see(t, "what comes then", http.StatusOK, "Invite colleagues")
	value := shownValue.FindString(secret.text)
	if !strings.Contains(secret.text, h.URL+"/api/v1/whoami") {
		t.Errorf("no call of this server:\n%s", secret.text)
	}
	w.step(func() shown {
		_, err := h.Anyone().WithKey(value).Whoami(t.Context())
		testkit.NoError(t, err)
		return shown{}
	})
	testkit.NoError(t, h.Watches.Sync(t.Context())) // the job that does it runs about twice a second
	_, rest, _ := strings.Cut(secret.text, `data-poll="`)
	poll, _, _ := strings.Cut(rest, `"`)
	w.step(func() shown { return v.get(poll) }).see(t, "the end", http.StatusOK, "It works. First request verified at")
	if w.steps != maxSteps || w.server > maxServerTime {
		t.Errorf("%d steps and %s of the server, want %d and at most %s", w.steps, w.server, maxSteps, maxServerTime)
	}
	t.Logf("%d steps, %s of the server, %s with its start", w.steps, w.server, time.Since(began))
	if got := v.get("/"); got.location != "/settings/keys" {
		t.Errorf("with a key, / leads to %q", got.location)
	}
}

func TestTheConsoleLeadsToTheFirstKeyOnlyWhileThereIsNoneAndAnAdminCanMakeIt(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Shipping API", nil)
	admin, member := h.Member(tenant, "Ada Admin", scope.Admin), h.Member(tenant, "Ines Okafor", scope.Member)
	leads := func(v *visitor, want string) {
		t.Helper()
		if got := v.get("/"); got.location != want {
			t.Errorf("/ leads to %q, want %q", got.location, want)
		}
	}
	v, other := newVisitor(t, h.URL), newVisitor(t, h.URL)
	leads(v, "/sign-in?next=%2F")
	v.signIn(admin)
	other.signIn(member)
	leads(v, "/first-key")
	leads(other, "/settings/keys")
	page := v.get("/first-key")
	form := url.Values{"once": {field(t, page, "once")}, "tenant": {string(tenant.ID)}, "name": {"x"}}
	v.post("/first-key", form).see(t, "a short name", http.StatusUnprocessableEntity, `href="#f-name"`)
	form.Set("tenant", "ten_unknown")
	v.post("/first-key", form).see(t, "another tenant", http.StatusNotFound, "not found")
	other.post("/first-key", form).see(t, "a member", http.StatusNotFound, "not found")
	list := "/t/" + string(tenant.ID) + "/keys"
	if got := v.post("/first-key/skip", url.Values{"tenant": {string(tenant.ID)}}); got.location != list {
		t.Errorf("skip leads to %q", got.location)
	}
	leads(v, "/settings/keys")
	again := newVisitor(t, h.URL)
	again.signIn(admin)
	leads(again, "/first-key")
	form.Set("tenant", string(tenant.ID))
	form.Set("name", "My first key")
	for _, want := range []string{"clv_ak_", "This secret was shown once"} { // sent twice
		again.post("/first-key", form).see(t, "the form", http.StatusOK, want)
	}
	leads(again, "/settings/keys")
	keys, err := h.As(admin).OwnKeys(t.Context(), client.KeyFilter{}, client.Page{})
	if items := testkit.Must[api.List[api.OwnKey]](t)(keys, err).Items; len(items) != 1 ||
		!items[0].AllApplications || !strings.Contains(strings.Join(items[0].Scopes, " "), "applications:read") {
		t.Errorf("the keys are %+v", items)
	}
}
