package console

import (
	"slices"

	"github.com/claviger-dev/claviger/internal/console/view"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/tenancy"
)

// sidebarPage is a page of a tenant or an account. roles are those that find it in the sidebar of a
// tenant; nil for all.
type sidebarPage struct {
	label, page, icon string
	roles             []scope.Role
}

// readers are the roles that read what members do not see.
var readers = []scope.Role{scope.Admin, scope.Auditor}

// tenantPages are the pages of a tenant.
var tenantPages = []sidebarPage{
	{"All API keys", "keys", "list", nil},
	{"Key health", "health", "health", readers},
	{"Usage", "usage", "bars", nil},
	{"Audit", "audit", "book", readers},
	{"Applications", "applications", "grid", nil},
	{"Scopes", "scopes", "tag", nil},
	{"Members", "members", "people", nil},
	{"Service accounts", "service-accounts", "machine", readers},
	{"Subjects", "subjects", "house", readers},
	{"Plans", "plans", "layers", readers},
	{"Tenant settings", "settings", "gear", readers},
}

// accountPages are the pages of an account, for its owners and admins.
var accountPages = []sidebarPage{
	{"General settings", "general", "building", nil},
	{"Tenants", "tenants", "grid", nil},
	{"Owners and admins", "people", "people", nil},
	{"Mail", "mail", "mail", nil},
	{"Statement", "statement", "bars", nil},
	{"Account audit", "audit", "book", nil},
}

// findsInSidebar reports whether the person finds a page of the tenant in the path in the sidebar.
func (k *call) findsInSidebar(path string) bool {
	t, err := k.tenant()
	if err != nil {
		return false
	}
	role := k.who.RoleIn(t.ID, t.Account)
	return slices.ContainsFunc(tenantPages, func(p sidebarPage) bool {
		return inTenant(t.ID, p.page) == path && (p.roles == nil || slices.Contains(p.roles, role))
	})
}

// sidebar returns the pages that the person finds at the side. What they may not see is not there.
func (k *call) sidebar(current string, t *tenancy.Tenant, names map[ident.AccountID]string) []view.NavGroup {
	item := func(label, to, icon string) view.NavItem {
		return view.NavItem{Label: label, Path: to, Icon: icon, Current: to == current}
	}
	nav := []view.NavGroup{{Heading: "Personal", Items: []view.NavItem{
		item("API keys", "/settings/keys", "key"), item("Profile", profilePath, "person"),
		item("Sign-in and security", securityPath, "shield"), item("Notifications", notificationsPath, "bell"),
	}}}
	if n, more, ok := k.ownCount(); ok {
		nav[0].Items[0].Count = capped(n, more)
	}
	account := ident.AccountID(k.PathValue("account"))
	if t != nil {
		account = t.Account
		group := view.NavGroup{Heading: t.Name, Kind: "tenant"}
		role := k.who.RoleIn(t.ID, t.Account)
		counts := k.counts(*t)
		for _, p := range tenantPages {
			if p.roles == nil || slices.Contains(p.roles, role) {
				one := item(p.label, inTenant(t.ID, p.page), p.icon)
				one.Count = counts.countOn(p.page)
				if p.page == "health" {
					one.Count, one.Warn = k.attention(*t), true
				}
				group.Items = append(group.Items, one)
			}
		}
		nav = append(nav, group)
	}
	if !k.who.AccountRole(account).Valid() || len(accountPages) == 0 {
		return nav
	}
	group := view.NavGroup{Heading: names[account], Kind: "account"}
	for _, p := range accountPages {
		group.Items = append(group.Items, item(p.label, inAccount(account, p.page), p.icon))
	}
	return append(nav, group)
}
