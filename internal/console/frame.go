package console

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/claviger-dev/claviger/internal/console/view"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/paging"
	"github.com/claviger-dev/claviger/internal/tenancy"
)

// maxTenants is how many tenants the frame lists.
const maxTenants = 200

// frame returns what is around a page.
func (c *Console) frame(k *call, answer response) (view.Frame, error) {
	f := view.Frame{
		Title: answer.title, Failed: answer.status == statusInvalid, Theme: view.ThemeOf(k.Request),
		Narrow: answer.narrow, Message: answer.message, Version: c.Version, Zone: k.zone.String(),
	}
	if f.Message == nil && k.isFromHere() {
		f.Message = messages[k.URL.Query().Get("did")]
	}
	if k.session.ID == "" {
		return f, nil
	}
	avatar, err := c.Identity.AvatarVersion(k.Context(), k.who)
	if err != nil {
		return f, err
	}
	f.Person = &view.Person{
		Name: k.session.User.Name, Email: k.session.User.Email, Initials: initials(k.session.User.Name),
		Avatar: avatarURL(avatar),
	}
	tenants, err := k.tenants()
	if err != nil {
		return f, err
	}
	names, err := c.accountNames(k, tenants)
	if err != nil {
		return f, err
	}
	current := tenantOf(k, tenants)
	f.Accounts = switcher(k, tenants, names, current, answer.current)
	if current != nil {
		f.Where = &view.TenantLink{
			ID: string(current.ID), Name: current.Name, Account: names[current.Account], Path: tenantPath(current.ID),
		}
	}
	f.Nav = k.sidebar(answer.current, current, names)
	return f, nil
}

// accountNames returns the names of the tenants' accounts and, on a page of an account, those of
// all accounts of the person: one can have no tenant.
func (c *Console) accountNames(k *call, tenants []tenancy.Tenant) (map[ident.AccountID]string, error) {
	names := map[ident.AccountID]string{}
	for _, t := range tenants {
		names[t.Account] = t.AccountName
	}
	if k.PathValue("account") == "" {
		return names, nil
	}
	accounts, err := c.Accounts.Accounts(k.Context(), k.who, paging.Page{Limit: maxTenants})
	for _, a := range accounts {
		names[a.ID] = a.Name
	}
	return names, err
}

// tenantOf returns the tenant in the path, or else the one that the person sees first, in the
// account in the path if there is one; nil for none.
func tenantOf(k *call, tenants []tenancy.Tenant) *tenancy.Tenant {
	id, account := ident.TenantID(k.PathValue("tenant")), ident.AccountID(k.PathValue("account"))
	for i := range slices.Backward(tenants) {
		t := &tenants[i]
		if t.ID == id || id == "" && (account == "" || t.Account == account) {
			return t
		}
	}
	return nil
}

// switcher returns the links to the tenants, by account. They keep the page that the person is on,
// where another tenant has it for them.
func switcher(k *call, tenants []tenancy.Tenant, names map[ident.AccountID]string,
	current *tenancy.Tenant, page string,
) (list []view.AccountLinks) {
	at := map[ident.AccountID]int{}
	for _, t := range tenants {
		i, known := at[t.Account]
		if !known {
			i = len(list)
			at[t.Account] = i
			list = append(list, view.AccountLinks{Name: names[t.Account]})
		}
		list[i].Tenants = append(list[i].Tenants, view.TenantLink{
			Name: t.Name, Role: string(k.who.RoleIn(t.ID, t.Account)), Path: k.samePage(t, current, page),
			Current: current != nil && current.ID == t.ID,
		})
	}
	return list
}

// samePage returns the path of the page of another tenant that is like the one that the person is
// on; that of its keys if there is none.
func (k *call) samePage(t tenancy.Tenant, current *tenancy.Tenant, path string) string {
	role := k.who.RoleIn(t.ID, t.Account)
	for _, p := range tenantPages {
		if current != nil && path == inTenant(current.ID, p.page) &&
			(p.roles == nil || slices.Contains(p.roles, role)) {
			return inTenant(t.ID, p.page)
		}
	}
	return tenantPath(t.ID)
}

// tenantPath returns the path of the keys of a tenant, the first page of each.
func tenantPath(id ident.TenantID) string { return inTenant(id, "keys") }

// inTenant returns the path of a page of a tenant, and inAccount that of one of an account.
func inTenant(id ident.TenantID, page string) string   { return "/t/" + string(id) + "/" + page }
func inAccount(id ident.AccountID, page string) string { return "/a/" + string(id) + "/" + page }

// initials returns up to two letters of a name.
func initials(name string) string {
	var letters []string
	for word := range strings.FieldsSeq(name) {
		r, _ := utf8.DecodeRuneInString(word)
		letters = append(letters, strings.ToUpper(string(r)))
	}
	if len(letters) > 2 {
		letters = []string{letters[0], letters[len(letters)-1]}
	}
	return strings.Join(letters, "")
}
