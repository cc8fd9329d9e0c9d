package console

import (
	"crypto/rand"
	"net/http"
	"strings"
	"time"

	"github.com/claviger-dev/claviger/internal/console/view"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/key"
	"github.com/claviger-dev/claviger/internal/paging"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/tenancy"
	"github.com/claviger-dev/claviger/internal/web"
)

const (
	firstKeyPath = "/first-key"
	// skipCookie remembers that a person wants no first key now.
	skipCookie = "first-key"
	// maxNewTenants is how many tenants somebody has at most who has just begun.
	maxNewTenants = 3
	firstKeyName  = "My first key"
)

// firstKeyRoutes are those of the page that an admin sees after the set-up.
func (c *Console) firstKeyRoutes() []web.Route {
	routes := c.form(firstKeyPath, c.showFirstKey, c.createFirstKey)
	return append(routes, c.reduction(firstKeyPath+"/skip", c.skipFirstKey)...)
}

// home leads to the first page of a person.
func (c *Console) home(k *call) (response, error) {
	if _, err := k.Cookie(skipCookie); err == nil {
		return goTo("/settings/keys"), nil
	}
	begins, err := k.hasJustBegun()
	if err != nil {
		return response{}, err
	}
	if begins {
		return goTo(firstKeyPath), nil
	}
	return goTo("/settings/keys"), nil
}

// hasJustBegun reports whether the person administers tenants, and none of them has a key.
func (k *call) hasJustBegun() (bool, error) {
	tenants, err := k.console.Tenancy.Tenants(k.Context(), k.who, paging.Page{Limit: maxNewTenants + 1})
	if err != nil || len(tenants) == 0 || len(tenants) > maxNewTenants {
		return false, err
	}
	for _, t := range tenants {
		if !k.isAdmin(t) {
			return false, nil
		}
		keys, err := k.console.Keys.List(k.Context(), k.who, t.ID, key.Filter{}, key.Page{Limit: 1})
		if err != nil || len(keys.Views) > 0 {
			return false, err
		}
	}
	return true, nil
}

// firstTenant returns the tenant of the form, or the first one in which the admin can make a key.
func (k *call) firstTenant() (tenancy.Tenant, error) {
	tenants, err := k.creatable()
	if err != nil {
		return tenancy.Tenant{}, err
	}
	for _, t := range tenants {
		if k.isAdmin(t) && (k.form == nil || k.form.Get("tenant") == string(t.ID)) {
			return t, nil
		}
	}
	return tenancy.Tenant{}, fault.NotFound
}

func (c *Console) showFirstKey(k *call) (response, error) { return k.firstKeyForm(nil) }

// firstKeyForm returns the page, with what is wrong.
func (k *call) firstKeyForm(faults view.Faults) (response, error) {
	t, err := k.firstTenant()
	if err != nil {
		return response{}, err
	}
	limit, err := k.lifetimeLimit(t)
	if err != nil {
		return response{}, err
	}
	scopes, err := k.readScopes(t.ID, roleGrants(scope.Admin, "your"))
	if err != nil {
		return response{}, err
	}
	days := limit.firstDays()
	page := view.FirstKey{
		Once: rand.Text(), Action: firstKeyPath, Skip: firstKeyPath + "/skip", Faults: faults, Tenant: string(t.ID),
		TenantName: t.Name, Name: firstKeyName, Until: k.date(k.now.Add(time.Duration(days) * day)),
		Days: count(days, "day"), Other: newKeyPath + "?tenant=" + string(t.ID), Later: k.laterSteps(t),
	}
	if k.form != nil {
		page.Name = k.form.Get("name")
	}
	var reads []string
	for _, s := range scopes {
		resource, _, _ := strings.Cut(string(s), ":")
		reads = append(reads, resource)
	}
	page.Reads = listed(reads)
	if t.Settings.Style == credential.Token {
		page.Prefix, page.Label = t.Settings.Prefix, t.Settings.Label
	}
	return response{
		page: page, title: "Generate your first key", current: "/settings/keys", status: statusOf(faults),
	}, nil
}

// firstDays returns the lifetime of a first key: the usual one, if the account allows it.
func (l limit) firstDays() int {
	if l.days > 0 {
		return min(l.days, usualDays)
	}
	return usualDays
}

// laterSteps are what an admin does next, as far as the console has pages for it.
func (k *call) laterSteps(t tenancy.Tenant) (list []view.Link) {
	for _, one := range []view.Link{
		{Text: "Choose the key format and how clients send keys", Path: inTenant(t.ID, "settings")},
		{Text: "Add the scopes of your API", Path: inTenant(t.ID, "scopes")},
		{Text: "Invite colleagues", Path: inTenant(t.ID, "members")},
		{Text: "Check when keys expire", Path: inAccount(t.Account, "general")},
	} {
		if _, _, exists := k.console.site.at(one.Path); exists {
			list = append(list, one)
		}
	}
	return append(list, view.Link{Text: "Verify keys in your API", Path: "/docs"})
}

// createFirstKey creates the key and shows its secret, with what to do next.
func (c *Console) createFirstKey(k *call) (response, error) {
	t, err := k.firstTenant()
	if err != nil {
		return response{}, err
	}
	limit, err := k.lifetimeLimit(t)
	if err != nil {
		return response{}, err
	}
	spec := key.Spec{Name: k.form.Get("name"), AllApplications: true}
	if days := limit.firstDays(); !limit.byPolicy || days < limit.days {
		expires := k.now.Add(time.Duration(days) * day)
		spec.ExpiresAt = &expires
	}
	spec.Scopes, err = k.readScopes(t.ID, roleGrants(scope.Admin, "your"))
	if err != nil {
		return response{}, err
	}
	answer, err := k.issueKey(t.ID, spec, k.firstKeyForm)
	if page, shown := answer.page.(view.Secret); shown && page.Shown == "" {
		page.Next = k.laterSteps(t)
		answer.page = page
	}
	return answer, err
}

// skipFirstKey remembers that the person wants no first key now.
func (c *Console) skipFirstKey(k *call) (response, error) {
	answer := goTo("/settings/keys")
	if tenant := k.form.Get("tenant"); tenant != "" {
		id, err := ident.Parse[ident.TenantID](tenant)
		if err == nil {
			answer = goTo(tenantPath(id))
		}
	}
	answer.cookies = []*http.Cookie{{
		Name: skipCookie, Value: "skip", Path: "/", MaxAge: 365 * 24 * 60 * 60, HttpOnly: true,
		Secure: c.Middleware.Authenticator.Secure, SameSite: http.SameSiteLaxMode,
	}}
	return answer, nil
}
