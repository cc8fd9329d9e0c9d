package console_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/key"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// memberKeys creates two keys of a member, and returns their ids and names.
func (d *visit) memberKeys() (ids, names []string) {
	d.t.Helper()
	c := d.As(d.Member(d.tenant, "Daniel Abreu", scope.Member))
	for _, name := range []string{"test", "Route planner"} {
		k := testkit.NamedKey(d.t, c, d.tenant, name, nil)
		ids, names = append(ids, k.Key.ID), append(names, name)
	}
	return ids, names
}

func (d *visit) statusOf(id string) api.KeyStatus {
	d.t.Helper()
	for _, k := range d.tenantKeys() {
		if k.ID == id {
			return k.Status
		}
	}
	return ""
}

// bulkForm is the form that ends selected keys, filled in.
func (d *visit) bulkForm(path, phrase string, ids ...string) url.Values {
	d.t.Helper()
	page := d.get(path + "?" + url.Values{"id": ids}.Encode())
	page.see(d.t, path, http.StatusOK, "<code>"+phrase+"</code>")
	return url.Values{"id": ids, "once": {field(d.t, page, "once")}, "sure": {phrase}, "reason": {"Not needed"}}
}

func TestAnAdminRevokesAndDisablesSeveralKeysAtOnce(t *testing.T) {
	t.Parallel()
	d := newAdminVisit(t)
	ids, names := d.memberKeys()
	list := d.get(d.at("keys"))
	for _, text := range []string{
		`formaction="` + d.at("keys/revoke") + `"`, `formaction="` + d.at("keys/disable") + `"`,
		`value="` + ids[0] + `"`,
	} {
		list.see(t, "the list", http.StatusOK, text)
	}
	path := d.at("keys/disable")
	d.post(path, d.bulkForm(path, "disable 2 keys", ids...)).see(t, "disable", http.StatusOK, "2 keys disabled")
	if got := d.statusOf(ids[0]); got != "disabled" {
		t.Errorf("the key is %s", got)
	}
	path = d.at("keys/revoke")
	form := d.bulkForm(path, "revoke 2 keys", ids...)
	form.Set("sure", "revoke 3 keys")
	wrong := d.post(path, form)
	wrong.see(t, "another phrase", http.StatusUnprocessableEntity, "Type revoke 2 keys to say that you are sure.")
	wrong.see(t, "another phrase", http.StatusUnprocessableEntity, `value="Not needed"`)
	if got := d.statusOf(ids[0]); got != "disabled" {
		t.Errorf("after another phrase, the key is %s", got)
	}
	form.Set("sure", " revoke 2 keys ")
	for range 2 {
		page := d.post(path, form)
		page.see(t, "revoke", http.StatusOK, "<h1>2 keys revoked</h1>")
		for _, name := range names {
			page.see(t, "the results", http.StatusOK, name)
		}
	}
	for _, id := range ids {
		if got := d.statusOf(id); got != "revoked" {
			t.Errorf("the key is %s", got)
		}
	}
	d.get(d.at("keys")+"/"+ids[0]).see(t, "a revoked key", http.StatusOK, "Not needed")
	if list := d.get(d.at("keys")); strings.Contains(list.text, `type="checkbox"`) {
		t.Error("revoked keys can be selected")
	}
}

func TestOfSeveralKeysOneThatCannotBeChangedIsNamed(t *testing.T) {
	t.Parallel()
	d := newAdminVisit(t)
	ids, _ := d.memberKeys()
	path := d.at("keys/disable")
	form := d.bulkForm(path, "disable 2 keys", ids...)
	c := d.As(d.person)
	_, err := c.RevokeKey(t.Context(), string(d.tenant.ID), ids[0], "")
	testkit.NoError(t, err)
	page := d.post(path, form)
	page.see(t, "the results", http.StatusOK, "<h1>1 key disabled</h1>")
	page.see(t, "the results", http.StatusOK, "The key is revoked, and that cannot be undone")
	if got := d.statusOf(ids[1]); got != "disabled" {
		t.Errorf("the other key is %s", got)
	}
}

func TestWhereNoRevokedKeysAreKeptTheyAreDeletedOnce(t *testing.T) {
	t.Parallel()
	d := newAdminVisitIn(t, func(s *policy.Settings) { s.RevokeMode = policy.Delete })
	ids, _ := d.memberKeys()
	path := d.at("keys/revoke")
	d.get(d.at("keys")).see(t, "the list", http.StatusOK, ">Delete…<")
	form := d.bulkForm(path, "delete 2 keys", ids...)
	for range 2 {
		d.post(path, form).see(t, "delete", http.StatusOK, "<h1>2 keys deleted</h1>")
	}
	if n := len(d.tenantKeys()); n != 0 {
		t.Errorf("%d keys", n)
	}
}

func TestSeveralKeysAreThoseOfTheTenantAndNotTooMany(t *testing.T) {
	t.Parallel()
	d := newAdminVisit(t)
	ids, _ := d.memberKeys()
	other := d.Tenant("Other", nil)
	foreign := testkit.NamedKey(t, d.As(d.Member(other, "Elsewhere", scope.Member)), other, "Foreign", nil)
	many := url.Values{}
	for i := range 201 {
		many.Add("id", ids[0]+strings.Repeat("x", i))
	}
	for _, page := range []string{"keys/revoke", "keys/disable"} {
		path := d.at(page)
		verb := strings.TrimPrefix(page, "keys/")
		d.get(path).see(t, "no key", http.StatusBadRequest, "No key is selected.")
		d.get(path+"?"+many.Encode()).see(t, "too many", http.StatusBadRequest, "At most 200 keys")
		d.get(path+"?id="+foreign.Key.ID).see(t, "a key of another tenant", http.StatusNotFound, "not found")
		form := d.bulkForm(path, verb+" 1 key", ids[0])
		form["id"] = []string{foreign.Key.ID}
		d.post(path, form).see(t, "a key of another tenant", http.StatusOK, "<h1>0 keys")
		for _, role := range []scope.Role{scope.Member, scope.Auditor} {
			v := d.as("Somebody else", role)
			got := v.post(path, url.Values{"id": ids, "sure": {verb + " 2 keys"}})
			if got.status != http.StatusForbidden {
				t.Errorf("%s by a person with the role %s: %d", page, role, got.status)
			}
		}
	}
	if code := testkit.WhoamiCode(t, d.With(foreign)); code != "" {
		t.Errorf("the key of another tenant: %s", code)
	}
	if got := d.statusOf(ids[0]); got != "active" {
		t.Errorf("the key is %s", got)
	}
}

// What the page says is true at that moment, not when the form was sent the first time.
func TestABulkFormThatIsSentAgainSaysWhatTheKeysAreNow(t *testing.T) {
	t.Parallel()
	d := newAdminVisit(t)
	ids, _ := d.memberKeys()
	const before = "when the form was sent the first time"
	disable, revoke := d.at("keys/disable"), d.at("keys/revoke")
	form := d.bulkForm(disable, "disable 2 keys", ids...)
	d.post(disable, form).see(t, "disable", http.StatusOK, "<h1>2 keys disabled</h1>")
	again := d.post(disable, form)
	for _, text := range []string{"<h1>2 keys disabled</h1>", before} {
		again.see(t, "the same form", http.StatusOK, text)
	}
	d.post(d.at("keys/"+ids[0]+"/enable"), nil)
	again = d.post(disable, form)
	for _, text := range []string{"<h1>1 key disabled</h1>", "It was disabled " + before + ". It is active now"} {
		again.see(t, "after one was enabled", http.StatusOK, text)
	}
	if got := d.statusOf(ids[0]); got != "active" {
		t.Errorf("the key is %s", got)
	}

	form = d.bulkForm(revoke, "revoke 2 keys", ids...)
	d.post(revoke, form).see(t, "revoke", http.StatusOK, "<h1>2 keys revoked</h1>")
	form.Set("reason", "Another reason")
	other := d.post(revoke, form)
	for _, text := range []string{"<h1>2 keys revoked</h1>", before} {
		other.see(t, "with another reason", http.StatusOK, text)
	}
	if strings.Contains(other.text, "Not revoked") {
		t.Error("revoked keys are said not to be")
	}
}

// failing is a ledger that writes so many changes and then fails.
type failing struct {
	audit.Ledger[key.ChangeTx]
	left int
}

func (f *failing) Write(ctx context.Context, who principal.Principal,
	change func(context.Context, key.ChangeTx) (audit.Event, error),
) error {
	if f.left == 0 {
		return fault.Unavailable
	}
	f.left--
	return f.Ledger.Write(ctx, who, change)
}

func TestABulkActionThatFailsHalfWayShowsWhatItDid(t *testing.T) {
	t.Parallel()
	d := newAdminVisit(t)
	ids, names := d.memberKeys()
	more, _ := d.memberKeys()
	ids = append(ids, more[0])
	path := d.at("keys/revoke")
	form := d.bulkForm(path, "revoke 3 keys", ids...)
	whole := d.Keys.Changes
	d.Keys.Changes = &failing{whole, 1}
	page := d.post(path, form)
	for _, text := range []string{
		"<h1>1 key revoked</h1>", names[0], ">Revoked<", "Not known", "Not tried", ids[2], "1 key not tried",
		"Reload this page to send the same form again",
	} {
		page.see(t, "half-way", http.StatusServiceUnavailable, text)
	}
	for i, want := range []api.KeyStatus{"revoked", "active", "active"} {
		if got := d.statusOf(ids[i]); got != want {
			t.Errorf("key %d is %s, want %s", i, got, want)
		}
	}
	d.Keys.Changes = whole
	d.post(path, form).see(t, "the same form again", http.StatusOK, "<h1>3 keys revoked</h1>")
}
