package backup_test

import (
	"testing"
	"time"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/app"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/tenancy"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// taking is a way to lose authority after the backup. It gives the key that must then be refused.
type taking struct {
	name string
	want api.Code
	// begin prepares, and gives what happens after the backup.
	begin func(w *restoring) (k api.IssuedKey, after func())
}

// restoring is a server to be restored.
type restoring struct {
	*testing.T
	*testkit.Server
	tenant tenancy.Tenant
	admin  *client.Client
}

// key makes a member with a key.
func (w *restoring) key() (principal.Person, api.IssuedKey) {
	w.Helper()
	p := w.Member(w.tenant, "Key Owner", scope.Member)
	return p, w.Key(w.As(p), w.tenant, "applications:read")
}

func (w *restoring) check(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *restoring) user(p principal.Person, status string) {
	w.Helper()
	w.check(w.Operator().Do(w.Context(), "PATCH", "/operator/v1/users/"+string(p.ID),
		api.UpdateUserRequest{Status: api.Status(status)},
		nil))
}

// ofKey is a taking by the admin on a key.
func ofKey(act func(w *restoring, k api.IssuedKey) error) func(w *restoring) (api.IssuedKey, func()) {
	return func(w *restoring) (api.IssuedKey, func()) {
		_, k := w.key()
		return k, func() { w.check(act(w, k)) }
	}
}

// ofPerson is a taking on the owner of a key.
func ofPerson(act func(w *restoring, p principal.Person)) func(w *restoring) (api.IssuedKey, func()) {
	return func(w *restoring) (api.IssuedKey, func()) {
		p, k := w.key()
		return k, func() { act(w, p) }
	}
}

// ofServiceAccount is a taking by the admin on the service account that owns a key.
func ofServiceAccount(role api.Role, act func(w *restoring, id string)) func(w *restoring) (api.IssuedKey, func()) {
	return func(w *restoring) (api.IssuedKey, func()) {
		of := testkit.ServiceAccount(w.T, w.As(w.Owner), w.tenant, "Robot of a "+string(role), role)
		return testkit.KeyOfServiceAccount(w.T, w.admin, w.tenant, of, "*"), func() { act(w, of.ID) }
	}
}

func (w *restoring) setServiceAccountRole(id string, role api.Role) {
	w.Helper()
	_, err := w.admin.EditServiceAccount(w.Context(), string(w.tenant.ID), id,
		api.UpdateServiceAccountRequest{Role: api.To(role)})
	w.check(err)
}

func (w *restoring) disableServiceAccount(id string) {
	w.Helper()
	_, err := w.admin.DisableServiceAccount(w.Context(), string(w.tenant.ID), id)
	w.check(err)
}

var revocations = []taking{
	{"nothing happened to the service account", "", ofServiceAccount(api.RoleMember, func(*restoring, string) {})},
	{
		"the service account was disabled", api.APIKeyDisabled,
		ofServiceAccount(api.RoleMember, (*restoring).disableServiceAccount),
	},
	{
		"the service account was disabled and enabled", "",
		ofServiceAccount(api.RoleMember, func(w *restoring, id string) {
			w.disableServiceAccount(id)
			_, err := w.admin.EnableServiceAccount(w.Context(), string(w.tenant.ID), id)
			w.check(err)
		}),
	},
	{
		"the service account was deleted", api.APIKeyRevoked,
		ofServiceAccount(api.RoleMember, func(w *restoring, id string) {
			w.check(w.admin.DeleteServiceAccount(w.Context(), string(w.tenant.ID), id))
		}),
	},
	{
		"the service account was made a member, from an auditor", api.APIKeyDisabled,
		ofServiceAccount(api.RoleAuditor,
			func(w *restoring, id string) { w.setServiceAccountRole(id, api.RoleMember) }),
	},
	{
		"the service account was made a member, from an admin", "",
		ofServiceAccount(api.RoleAdmin, func(w *restoring, id string) { w.setServiceAccountRole(id, api.RoleMember) }),
	},
	{"nothing happened", "", ofKey(func(*restoring, api.IssuedKey) error { return nil })},
	{"the key was revoked", api.APIKeyRevoked, ofKey(func(w *restoring, k api.IssuedKey) error {
		_, err := w.admin.RevokeKey(w.Context(), string(w.tenant.ID), k.Key.ID, "lost")
		return err
	})},
	{"the key was deleted", api.APIKeyRevoked, ofKey(func(w *restoring, k api.IssuedKey) error {
		return w.admin.DeleteKey(w.Context(), string(w.tenant.ID), k.Key.ID)
	})},
	{"the key was disabled", api.APIKeyDisabled, ofKey(func(w *restoring, k api.IssuedKey) error {
		_, err := w.admin.DisableKey(w.Context(), string(w.tenant.ID), k.Key.ID)
		return err
	})},
	{"the key was disabled and enabled", "", ofKey(func(w *restoring, k api.IssuedKey) error {
		_, err := w.admin.DisableKey(w.Context(), string(w.tenant.ID), k.Key.ID)
		w.check(err)
		_, err = w.admin.EnableKey(w.Context(), string(w.tenant.ID), k.Key.ID)
		return err
	})},
	{"the key got an end that has come", api.APIKeyExpired, ofKey(func(w *restoring, k api.IssuedKey) error {
		soon := w.Clock.Now().Add(10 * time.Minute)
		_, err := w.admin.EditKey(w.Context(), string(w.tenant.ID), k.Key.ID,
			api.UpdateKeyRequest{ExpiresAt: api.To(soon)})
		return err
	})},
	{"the key got an end and lost it again", "", ofKey(func(w *restoring, k api.IssuedKey) error {
		soon := w.Clock.Now().Add(10 * time.Minute)
		_, err := w.admin.EditKey(w.Context(), string(w.tenant.ID), k.Key.ID,
			api.UpdateKeyRequest{ExpiresAt: api.To(soon)})
		w.check(err)
		_, err = w.admin.EditKey(w.Context(), string(w.tenant.ID), k.Key.ID,
			api.UpdateKeyRequest{ExpiresAt: api.Cleared[time.Time]()})
		return err
	})},
	{
		"the key got an end and a refresh that freed it, before the backup", "",
		func(w *restoring) (api.IssuedKey, func()) {
			p, k := w.key()
			soon := w.Clock.Now().Add(10 * time.Minute)
			_, err := w.admin.EditKey(w.Context(), string(w.tenant.ID), k.Key.ID,
				api.UpdateKeyRequest{ExpiresAt: api.To(soon)})
			w.check(err)
			k, err = w.As(p).RefreshKey(w.Context(), string(w.tenant.ID), k.Key.ID,
				api.RefreshKeyRequest{ExpiresAt: api.Cleared[time.Time]()})
			w.check(err)
			return k, func() {}
		},
	},
	{"the key was refreshed", api.APIKeyRevoked, ofPerson(func(w *restoring, p principal.Person) {
		c := w.As(p)
		keys := testkit.Must[api.List[api.Key]](w.T)(c.Keys(w.Context(), string(w.tenant.ID),
			client.KeyFilter{Owner: "me"},
			client.Page{}))
		_, err := c.RefreshKey(w.Context(), string(w.tenant.ID), keys.Items[0].ID, api.RefreshKeyRequest{})
		w.check(err)
	})},
	{
		"the owner was disabled", api.APIKeyDisabled,
		ofPerson(func(w *restoring, p principal.Person) { w.user(p, "disabled") }),
	},
	{
		"the owner was disabled and enabled", "",
		ofPerson(func(w *restoring, p principal.Person) { w.user(p, "disabled"); w.user(p, "active") }),
	},
	{"the owner was deleted", api.APIKeyRevoked, ofPerson(func(w *restoring, p principal.Person) {
		w.check(w.As(p).DeleteMe(w.Context()))
	})},
	{"the owner of many keys was deleted", api.APIKeyRevoked, func(w *restoring) (api.IssuedKey, func()) {
		p, k := w.key()
		testkit.InsertMany(w.T, w.Server, 2*tenancy.MaxEndedAtOnce, testkit.KeyRows(w.tenant, p, 10, "NULL"))
		return k, func() { w.check(w.As(p).DeleteMe(w.Context())) }
	}},
	{"the owner's membership was disabled", api.APIKeyDisabled, ofPerson(func(w *restoring, p principal.Person) {
		_, err := w.admin.EditMember(w.Context(), string(w.tenant.ID), string(p.ID),
			api.UpdateMemberRequest{Status: api.To(api.Status("disabled"))})
		w.check(err)
	})},
	{"the owner was removed", api.APIKeyRevoked, ofPerson(func(w *restoring, p principal.Person) {
		w.check(w.admin.RemoveMember(w.Context(), string(w.tenant.ID), string(p.ID)))
	})},
	{"the owner was removed and joined again", api.APIKeyRevoked, ofPerson(func(w *restoring, p principal.Person) {
		w.check(w.admin.RemoveMember(w.Context(), string(w.tenant.ID), string(p.ID)))
		w.Join(w.tenant, p, scope.Member)
	})},
}

func TestWhatWasRevokedAfterABackupStaysRevoked(t *testing.T) {
	t.Parallel()
	testkit.OnEachPairOfEngines(t, func(t *testing.T, from, to testkit.Engine) {
		h := testkit.Start(t, from)
		w := &restoring{T: t, Server: h, tenant: h.Tenant("Main tenant", nil)}
		w.admin = h.As(h.Member(w.tenant, "Tenant Admin", scope.Admin))
		keys, afters := make([]api.IssuedKey, len(revocations)), make([]func(), len(revocations))
		for i, taking := range revocations {
			keys[i], afters[i] = taking.begin(w)
		}
		b := testkit.Backup(t, h)
		for _, after := range afters {
			after()
		}
		h.Clock.Move(time.Hour)
		c := testkit.RestoreTarget(t, h, to)
		r, err := testkit.Restore(t, h, c, b, app.Restoring{Journals: []string{testkit.JournalPath(h.Config)}})
		if err != nil || !r.Covered || r.Revocations.Keys == 0 || r.Revocations.Users != 3 ||
			r.Revocations.Members != 3 || r.Revocations.ServiceAccounts != 4 {
			t.Fatalf("%+v, %v", r, err)
		}
		h.Move(c)
		for i, taking := range revocations {
			if got := testkit.WhoamiCode(t, h.With(keys[i])); got != taking.want {
				t.Errorf("%s: the key is %q, want %q", taking.name, got, taking.want)
			}
		}
		for a, err := range h.As(h.Owner).AllServiceAccounts(t.Context(), string(w.tenant.ID)) {
			if err != nil || a.Role == api.RoleAdmin {
				t.Errorf("a service account has the role that it lost: %+v, %v", a, err)
			}
		}
		testkit.ExpectWholeTrail(t, h)

		// What was restored can be backed up and restored with its own journal, and nothing more is
		// taken.
		again := testkit.RestoreTarget(t, h, from)
		r, err = testkit.Restore(t, h, again, testkit.Backup(t, h),
			app.Restoring{Journals: []string{testkit.JournalPath(h.Config)}})
		if err != nil || !r.Covered || r.Revocations != (app.Restored{}).Revocations {
			t.Errorf("again: %+v, %v", r, err)
		}
	})
}
