package journal_test

import (
	"maps"
	"slices"
	"time"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// program is a management key of a narrowed tenant.
type program struct {
	*narrowed
	account string
	key     api.IssuedManagementKey
}

// program creates a management key that may do everything for service accounts and subjects.
func (n *narrowed) program() *program {
	n.Helper()
	admin := n.As(n.admin)
	account := testkit.Must[api.ServiceAccount](n.T)(admin.CreateServiceAccount(n.Context(), n.id,
		api.CreateServiceAccountRequest{Name: "Program", Role: api.RoleMember}))
	return &program{n, account.ID, testkit.Must[api.IssuedManagementKey](n.T)(
		admin.CreateManagementKey(n.Context(), n.id, account.ID, api.CreateManagementKeyRequest{
			Name: "Program", Permissions: api.Permission("").Values()[:8],
			Owners: []api.PartyType{api.PartyServiceAccount, api.PartySubject},
			Ceilings: api.ManagementCeilingsRequest{
				Scopes: []string{"reports:read", "reports:export"}, AllApplications: true, Plans: []*string{nil},
				CreatesPerHour: 100,
			},
		}))}
}

// with returns a client with a value of the management key.
func (p *program) with(k api.IssuedManagementKey) *client.Client { return p.Anyone().WithKey(*k.Value) }

// self demands what refuses a value of the management key; "" for nothing.
func (p *program) self(what string, k api.IssuedManagementKey, want api.Code) {
	p.Helper()
	p.code(what, testkit.ErrorOf(p.with(k).ManagementSelf(p.Context())), want)
}

func (p *program) refresh(overlap int) api.IssuedManagementKey {
	p.Helper()
	return testkit.Must[api.IssuedManagementKey](p.T)(p.As(p.admin).RefreshManagementKey(p.Context(), p.id, p.account,
		p.key.ID, api.RefreshManagementKeyRequest{OverlapSeconds: overlap}))
}

func (p *program) edit(e api.UpdateManagementKeyRequest) {
	p.Helper()
	_, err := p.As(p.admin).EditManagementKey(p.Context(), p.id, p.account, p.key.ID, e)
	p.check(err)
}

// narrow leaves only keys:read for subjects.
func (p *program) narrow() {
	p.Helper()
	p.edit(api.UpdateManagementKeyRequest{
		Permissions: api.To([]api.Permission{api.PermissionKeysRead}),
		Owners:      api.To([]api.PartyType{api.PartySubject}),
		Ceilings:    &api.ManagementCeilingsRequest{Scopes: []string{"reports:read"}, CreatesPerHour: 7},
	})
}

// demandNarrow demands what narrow left.
func (p *program) demandNarrow() {
	p.Helper()
	got, err := p.with(p.key).ManagementSelf(p.Context())
	p.check(err)
	c := got.Ceilings
	if !slices.Equal(got.Permissions, []api.Permission{api.PermissionKeysRead}) ||
		!slices.Equal(got.Owners, []api.PartyType{api.PartySubject}) ||
		!slices.Equal(c.Scopes, []string{"reports:read"}) || c.AllApplications || len(c.Plans) > 0 ||
		c.CreatesPerHour != 7 {
		p.Errorf("the management key is %+v", got)
	}
}

// allNarrowings returns the narrowings of all kinds.
func allNarrowings() map[string]func(n *narrowed) (after, demand func()) {
	all := maps.Clone(narrowings)
	for name, begin := range managementNarrowings {
		all[name] = func(n *narrowed) (after, demand func()) {
			n.catalogue(reports...)
			return begin(n.program())
		}
	}
	return all
}

var managementNarrowings = map[string]func(p *program) (after, demand func()){
	"nothing happened to a management key": func(p *program) (after, demand func()) {
		return func() {}, func() { p.self("the management key", p.key, "") }
	},
	"a management key was revoked": func(p *program) (after, demand func()) {
		return func() {
			_, err := p.As(p.admin).RevokeManagementKey(p.Context(), p.id, p.account, p.key.ID, "leaked")
			p.check(err)
		}, func() { p.self("the management key", p.key, api.APIKeyRevoked) }
	},
	"a management key was deleted": func(p *program) (after, demand func()) {
		return func() {
			p.check(p.As(p.admin).DeleteManagementKey(p.Context(), p.id, p.account, p.key.ID))
		}, func() { p.self("the management key", p.key, api.APIKeyRevoked) }
	},
	"a management key was refreshed": func(p *program) (after, demand func()) {
		var next api.IssuedManagementKey
		return func() { next = p.refresh(0) }, func() {
			p.self("the value before", p.key, api.APIKeyRevoked)
			p.self("the lost value", next, api.APIKeyInvalid)
		}
	},
	"the previous value of a management key was ended": func(p *program) (after, demand func()) {
		next := p.refresh(3600)
		return func() {
				p.check(p.As(p.admin).EndPreviousManagementSecret(p.Context(), p.id, p.account, p.key.ID))
			}, func() {
				p.self("the previous value", p.key, api.APIKeyInvalid)
				p.self("the current value", next, "")
			}
	},
	"a management key was narrowed": func(p *program) (after, demand func()) {
		return p.narrow, p.demandNarrow
	},
	"a management key was narrowed twice": func(p *program) (after, demand func()) {
		return func() {
			p.edit(api.UpdateManagementKeyRequest{AllowedCIDRs: api.To([]string{"127.0.0.0/8"})})
			p.narrow()
		}, p.demandNarrow
	},
	"a management key was restricted to other addresses": func(p *program) (after, demand func()) {
		return func() {
			p.edit(api.UpdateManagementKeyRequest{AllowedCIDRs: api.To([]string{"192.0.2.0/24"})})
		}, func() { p.self("the management key", p.key, api.AddressForbidden) }
	},
	"a management key got an earlier end, which has come": func(p *program) (after, demand func()) {
		return func() {
			p.edit(api.UpdateManagementKeyRequest{ExpiresAt: api.To(p.Clock.Now().Add(10 * time.Second))})
		}, func() { p.self("the management key", p.key, api.APIKeyExpired) }
	},
	"the service account of a management key was disabled": func(p *program) (after, demand func()) {
		return func() {
			_, err := p.As(p.admin).DisableServiceAccount(p.Context(), p.id, p.account)
			p.check(err)
		}, func() { p.self("the management key", p.key, api.APIKeyDisabled) }
	},
	"an admin disabled a subject that a program had disabled": func(p *program) (after, demand func()) {
		s, _ := p.subject("", "reports:read")
		_, err := p.with(p.key).DisableSubject(p.Context(), p.id, s)
		p.check(err)
		return func() {
				_, err := p.As(p.admin).DisableSubject(p.Context(), p.id, s)
				p.check(err)
			}, func() {
				p.code("enable", testkit.ErrorOf(p.with(p.key).EnableSubject(p.Context(), p.id, s)), api.Forbidden)
			}
	},
	"a program had disabled a subject": func(p *program) (after, demand func()) {
		s, _ := p.subject("", "reports:read")
		_, err := p.with(p.key).DisableSubject(p.Context(), p.id, s)
		p.check(err)
		return func() {}, func() {
			p.code("enable", testkit.ErrorOf(p.with(p.key).EnableSubject(p.Context(), p.id, s)), "")
		}
	},
	"an admin disabled a key that a program had disabled": func(p *program) (after, demand func()) {
		_, k := p.subject("", "reports:read")
		_, err := p.with(p.key).DisableKey(p.Context(), p.id, k.Key.ID)
		p.check(err)
		return func() {
				_, err := p.As(p.admin).DisableKey(p.Context(), p.id, k.Key.ID)
				p.check(err)
				p.code("enable before the restore",
					testkit.ErrorOf(p.with(p.key).EnableKey(p.Context(), p.id, k.Key.ID)), api.Forbidden)
			}, func() {
				p.code("enable", testkit.ErrorOf(p.with(p.key).EnableKey(p.Context(), p.id, k.Key.ID)), api.Forbidden)
			}
	},
	"a program had disabled a key": func(p *program) (after, demand func()) {
		_, k := p.subject("", "reports:read")
		_, err := p.with(p.key).DisableKey(p.Context(), p.id, k.Key.ID)
		p.check(err)
		return func() {}, func() {
			p.code("enable", testkit.ErrorOf(p.with(p.key).EnableKey(p.Context(), p.id, k.Key.ID)), "")
		}
	},
}
