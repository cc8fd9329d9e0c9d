package app_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/app"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/tenancy"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// reachWorld is an account with two tenants. Its keys belong to the first. Only a key with rights
// in the whole account may verify the key of the second.
type reachWorld struct {
	*testkit.Server
	t           *testing.T
	here, there tenancy.Tenant
	// admin of the first tenant, and the person who becomes an admin of the account.
	admin, person principal.Person
	otherKey      api.IssuedKey
}

func newReachWorld(t *testing.T, e testkit.Engine, role scope.Role) *reachWorld {
	t.Helper()
	h := testkit.Start(t, e)
	w := &reachWorld{Server: h, t: t}
	w.here = h.Tenant("Here", func(s *policy.Settings) { s.AdminRefresh, s.KeysPerUser = true, 0 })
	w.there = h.Tenant("There", nil)
	w.admin = h.Member(w.here, "Tenant Admin", scope.Admin)
	w.person = h.Member(w.here, "Key Owner", role)
	w.otherKey = h.Key(h.As(h.Member(w.there, "Somebody There", scope.Member)), w.there, "applications:read")
	return w
}

// promote makes the person an admin of the account.
func (w *reachWorld) promote() {
	w.t.Helper()
	_, err := w.As(w.Owner).SetAccountMember(w.t.Context(), string(w.Account.ID), string(w.person.ID), "admin")
	testkit.NoError(w.t, err)
}

// made creates a key of the person as the client.
func (w *reachWorld) made(by principal.Person) api.IssuedKey {
	w.t.Helper()
	k, err := w.As(by).CreateKey(w.t.Context(), string(w.here.ID), api.CreateKeyRequest{
		Name: "Verifier", OwnerID: string(w.person.ID), Scopes: []string{"keys:verify"}, AllApplications: true,
	})
	testkit.NoError(w.t, err)
	return k
}

func (w *reachWorld) refreshed(by principal.Person, k api.IssuedKey, r api.RefreshKeyRequest) api.IssuedKey {
	w.t.Helper()
	return testkit.RefreshKey(w.t, w.As(by), w.here, k, r)
}

// reaches reports whether a key may verify a key of another tenant of the account.
func (w *reachWorld) reaches(k api.IssuedKey) bool {
	w.t.Helper()
	d, err := w.With(k).Verify(w.t.Context(), api.VerifyRequest{Credential: w.otherKey.Credential.Value})
	testkit.NoError(w.t, err)
	return d.Active
}

// expect compares who reaches the account.
func (w *reachWorld) expect(when string, k api.IssuedKey, want bool) {
	w.t.Helper()
	if got := w.reaches(k); got != want {
		w.t.Errorf("%s: reach over the account is %t", when, got)
	}
}

// Everybody who has seen a secret can use it. So the role in the account counts only for secrets
// that the holder of the role set themselves.
func TestAKeyReachesTheAccountOnlyByASecretThatItsOwnerSet(t *testing.T) {
	w := newReachWorld(t, testkit.SQLite, scope.Admin)
	own, others := w.made(w.person), w.made(w.admin)
	later := w.made(w.person)
	handed, token := testkit.KeyByLink(t, w.As(w.admin), w.here, w.person, nil)
	w.expect("before the promotion, an own key", own, false)

	shown := w.refreshed(w.admin, later, api.RefreshKeyRequest{OverlapSeconds: 3600})
	w.promote()
	w.expect("an own key", own, true)
	w.expect("a key that another made", others, false)
	w.expect("a secret that another set", shown, false)
	w.expect("an own secret, of before another set the current one", later, false)

	taken := w.refreshed(w.person, others, api.RefreshKeyRequest{OverlapSeconds: 3600})
	w.expect("once the owner refreshed", taken, true)
	w.expect("the secret of before, that another has seen", others, false)
	apart := w.refreshed(w.person, shown, api.RefreshKeyRequest{KeepID: new(false), OverlapSeconds: 3600})
	w.expect("once the owner refreshed with another id", apart, true)
	w.expect("the id of before, of which another has seen the secret", shown, false)

	again := w.refreshed(w.person, own, api.RefreshKeyRequest{OverlapSeconds: 3600})
	w.expect("an own secret after another own one", again, true)
	w.expect("an own secret, in the overlap with another own one", own, true)

	claimed, err := w.As(w.person).ClaimKey(t.Context(), token)
	testkit.NoError(t, err)
	_, err = w.As(w.person).EditKey(t.Context(), string(w.here.ID), handed.Key.ID, api.UpdateKeyRequest{
		Scopes: api.To([]string{"keys:verify"}),
	})
	testkit.NoError(t, err)
	w.expect("a claimed key", claimed, true)

	w.Restart()
	for name, c := range map[string]struct {
		key  api.IssuedKey
		want bool
	}{"own": {again, true}, "taken over": {taken, true}, "shown": {others, false}, "claimed": {claimed, true}} {
		w.expect("after a restart, "+name, c.key, c.want)
	}
	testkit.NoError(t, w.As(w.Owner).RemoveAccountMember(t.Context(), string(w.Account.ID), string(w.person.ID)))
	w.expect("without the role", taken, false)
}

// A role in the account makes its holder an admin of every tenant. A key that somebody else has
// seen has only the rights of the membership, on every path.
func TestAKeyThatAnotherHasSeenHasTheRightsOfTheMembershipAlone(t *testing.T) {
	w := newReachWorld(t, testkit.SQLite, scope.Member)
	orders := w.Application(w.here, "Orders API")
	every := func(by principal.Person) api.IssuedKey {
		k, err := w.As(by).CreateKey(t.Context(), string(w.here.ID), api.CreateKeyRequest{
			Name: "All it may", OwnerID: string(w.person.ID), Scopes: []string{"*"}, AllApplications: true,
		})
		testkit.NoError(t, err)
		return k
	}
	own, shown := every(w.person), every(w.admin)
	w.promote()
	_, err := w.With(shown).Whoami(t.Context()) // so that its facts are cached
	testkit.NoError(t, err)
	taken := w.refreshed(w.person, shown, api.RefreshKeyRequest{OverlapSeconds: 3600})
	for name, c := range map[string]struct {
		key api.IssuedKey
		may bool
	}{"an own key": {own, true}, "a shown secret": {shown, false}, "a secret that took its place": {taken, true}} {
		me, err := w.With(c.key).Whoami(t.Context())
		testkit.NoError(t, err)
		if got := slices.Contains(me.Scopes, "applications:update"); got != c.may {
			t.Errorf("%s: whoami has an admin's scopes: %t", name, got)
		}
		d, err := w.As(w.admin).Verify(t.Context(),
			api.VerifyRequest{Credential: c.key.Credential.Value, Scopes: []string{"applications:update"}})
		testkit.NoError(t, err)
		if d.Active != c.may {
			t.Errorf("%s: verify answers %s", name, d.Code)
		}
		_, err = w.With(c.key).EditApplication(t.Context(), string(w.here.ID), string(orders.ID),
			api.UpdateApplicationRequest{Description: api.To(name)})
		if got := testkit.Code(t, err); (got == "") != c.may {
			t.Errorf("%s: a change is answered %q", name, got)
		}
	}
}

// For secrets older than this record, the creator of the key counts as the one who set them.
func TestASecretOfAnEarlierVersionCountsAsSetByTheCreatorOfTheKey(t *testing.T) {
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		w := newReachWorld(t, e, scope.Admin)
		own, others := w.made(w.person), w.made(w.admin)
		w.promote()
		_, err := w.Beside().ExecContext(t.Context(), `UPDATE key_secrets SET set_by = NULL`)
		testkit.NoError(t, err)
		w.Restart()
		w.expect("an own key", own, true)
		w.expect("a key that another made", others, false)
		w.expect("once its owner refreshed it", w.refreshed(w.person, others, api.RefreshKeyRequest{}), true)
	})
}

// A restore keeps who set a secret, on either engine.
func TestARestoreKeepsWhoSetASecret(t *testing.T) {
	t.Parallel()
	testkit.OnEachPairOfEngines(t, func(t *testing.T, from, to testkit.Engine) {
		w := newReachWorld(t, from, scope.Admin)
		own, others := w.made(w.person), w.made(w.admin)
		taken := w.refreshed(w.person, others, api.RefreshKeyRequest{OverlapSeconds: 3600})
		w.promote()
		b := testkit.Backup(t, w.Server)
		c := testkit.RestoreTarget(t, w.Server, to)
		_, err := testkit.Restore(t, w.Server, c, b, app.Restoring{Journals: []string{testkit.JournalPath(w.Config)}})
		testkit.NoError(t, err)
		w.Move(c)
		w.expect("an own key", own, true)
		w.expect("a secret that another set", others, false)
		w.expect("a secret that took its place", taken, true)
	})
}

// Somebody who created or refreshed a key for another person knows its secret, even after their
// role ends. Admins of the tenant can list such keys and revoke them.
func TestKeysOfWhichSomebodyWasShownASecretAreListed(t *testing.T) {
	w := newReachWorld(t, testkit.SQLite, scope.Member)
	other, auditor := w.Member(w.here, "Other Member", scope.Member), w.Member(w.here, "The Auditor", scope.Auditor)
	of := func(by, owner principal.Person, name string) api.IssuedKey {
		k, err := w.As(by).CreateKey(t.Context(), string(w.here.ID), api.CreateKeyRequest{
			Name: name, OwnerID: string(owner.ID), Scopes: []string{"applications:read"}, AllApplications: true,
		})
		testkit.NoError(t, err)
		return k
	}
	of(w.admin, w.admin, "Own of the admin")
	of(w.person, w.person, "Own of the person")
	of(w.admin, w.person, "Made for them")
	refreshedBy := of(w.person, w.person, "Refreshed")
	w.refreshed(w.admin, refreshedBy, api.RefreshKeyRequest{})
	taken := of(w.admin, w.person, "Taken over")
	w.refreshed(w.person, taken, api.RefreshKeyRequest{})
	overlap := of(w.admin, other, "In the overlap")
	w.refreshed(other, overlap, api.RefreshKeyRequest{OverlapSeconds: 3600})
	ended := of(w.admin, other, "Overlap ended")
	w.refreshed(other, ended, api.RefreshKeyRequest{OverlapSeconds: 3600})
	testkit.NoError(t, w.As(other).EndPrevious(t.Context(), string(w.here.ID), ended.Key.ID))
	testkit.KeyByLink(t, w.As(w.admin), w.here, w.person, nil)
	_, token := testkit.KeyByLink(t, w.As(w.admin), w.here, other, nil)
	testkit.Must[api.IssuedKey](t)(w.As(other).ClaimKey(t.Context(), token))

	auditors, stranger := w.As(auditor), w.As(w.person)
	seen := func(when string, want ...string) {
		t.Helper()
		for _, limit := range []int{1, 200} {
			f := client.KeyFilter{ShownTo: string(w.admin.ID)}
			if diff := cmp.Diff(want, testkit.KeyNames(t, auditors, w.here, f, limit)); diff != "" {
				t.Errorf("%s, in pages of %d: %s", when, limit, diff)
			}
		}
	}
	seen("in office", "In the overlap", "Refreshed", "Made for them")
	for _, c := range []struct {
		filter client.KeyFilter
		want   []string
	}{
		{client.KeyFilter{ShownTo: string(w.admin.ID), Owner: string(other.ID)}, []string{"In the overlap"}},
		{client.KeyFilter{ShownTo: string(w.admin.ID), Query: "made f"}, []string{"Made for them"}},
		{client.KeyFilter{ShownTo: string(w.admin.ID), Status: "disabled"}, []string{}},
		{client.KeyFilter{ShownTo: string(w.person.ID)}, []string{}},
		{client.KeyFilter{ShownTo: "me"}, []string{}},
	} {
		if diff := cmp.Diff(c.want, testkit.KeyNames(t, auditors, w.here, c.filter, 10)); diff != "" {
			t.Errorf("%+v: %s", c.filter, diff)
		}
	}
	if got := testkit.KeyNames(t, w.As(w.admin), w.here, client.KeyFilter{ShownTo: "me"}, 10); len(got) != 3 {
		t.Errorf("the admin sees %v", got)
	}
	_, err := stranger.Keys(t.Context(), string(w.here.ID), client.KeyFilter{ShownTo: string(w.admin.ID)},
		client.Page{})
	if got := testkit.Code(t, err); got != api.Forbidden {
		t.Errorf("a member asks of another: %q", got)
	}
	if got := testkit.KeyNames(t, stranger, w.here, client.KeyFilter{ShownTo: "me"}, 10); len(got) != 0 {
		t.Errorf("a member sees %v", got)
	}
	_, err = auditors.Keys(t.Context(), string(w.here.ID), client.KeyFilter{ShownTo: "x", Owner: "x"},
		client.Page{})
	if got := testkit.FieldErrors(t, err); got != "owner form, shown_to form" {
		t.Errorf("of nobody: %s", got)
	}

	w.Join(w.here, w.Owner, scope.Admin)
	testkit.NoError(t, w.As(w.Owner).RemoveMember(t.Context(), string(w.here.ID), string(w.admin.ID)))
	seen("removed", "In the overlap", "Refreshed", "Made for them")
	w.Clock.Move(2 * time.Hour)
	seen("after the overlap", "Refreshed", "Made for them")
	w.refreshed(w.person, refreshedBy, api.RefreshKeyRequest{})
	seen("once the owner refreshed one", "Made for them")
	_, err = w.Beside().ExecContext(t.Context(), `UPDATE key_secrets SET set_by = NULL`)
	testkit.NoError(t, err)
	w.Restart()
	auditors = w.As(auditor)
	seen("of an earlier version", "Overlap ended", "In the overlap", "Taken over", "Made for them")
}
