package console

import (
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
		Title: answer.title, Failed: answer.status == statusInvalid, Theme: themeOf(k.Request), Narrow: answer.narrow,
		Message: answer.message, Version: c.Version, Zone: k.zone.String(),
	}
	if f.Message == nil && k.isFromHere() {
		f.Message = messages[k.URL.Query().Get("did")]
	}
	if k.session.ID == "" {
		return f, nil
	}
	f.Person = &view.Person{
		Name: k.session.User.Name, Email: k.session.User.Email, Initials: initials(k.session.User.Name),
	}
	tenants, err := c.Tenancy.Tenants(k.Context(), k.who, paging.Page{Limit: maxTenants})
	if err != nil {
		return f, err
	}
	names, err := c.accountNames(k)
	if err != nil {
		return f, err
	}
	current := tenantOf(k, tenants)
	f.Accounts = switcher(k, tenants, names, current)
	if current != nil {
		f.Where = &view.TenantLink{Name: current.Name, Account: names[current.Account], Path: tenantPath(current.ID)}
	}
	f.Nav = navigation(answer.current, current)
	return f, nil
}

// accountNames returns the names of the person's accounts.
func (c *Console) accountNames(k *call) (map[ident.AccountID]string, error) {
	accounts, err := c.Accounts.Accounts(k.Context(), k.who, paging.Page{Limit: maxTenants})
	names := map[ident.AccountID]string{}
	for _, a := range accounts {
		names[a.ID] = a.Name
	}
	return names, err
}

// tenantOf returns the tenant in the path, or else the one that the person sees first; nil for
// none.
func tenantOf(k *call, tenants []tenancy.Tenant) *tenancy.Tenant {
	id := ident.TenantID(k.PathValue("tenant"))
	for i := range tenants {
		if tenants[i].ID == id || id == "" && i == len(tenants)-1 {
			return &tenants[i]
		}
	}
	return nil
}

// switcher returns the links to the tenants, by account.
func switcher(k *call, tenants []tenancy.Tenant, names map[ident.AccountID]string,
	current *tenancy.Tenant,
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
			Name: t.Name, Role: string(k.who.RoleIn(t.ID, t.Account)), Path: tenantPath(t.ID),
			Current: current != nil && current.ID == t.ID,
		})
	}
	return list
}

func tenantPath(id ident.TenantID) string { return "/t/" + string(id) + "/keys" }

// navigation returns the sidebar. What a person may not see is not in it.
func navigation(path string, t *tenancy.Tenant) []view.NavGroup {
	item := func(label, to, icon string) view.NavItem {
		return view.NavItem{Label: label, Path: to, Icon: icon, Current: to == path}
	}
	nav := []view.NavGroup{{Heading: "Personal", Items: []view.NavItem{item("API keys", "/settings/keys", "key")}}}
	if t != nil {
		nav = append(nav, view.NavGroup{Heading: t.Name, Kind: "tenant", Items: []view.NavItem{
			item("All API keys", tenantPath(t.ID), "list"),
		}})
	}
	return nav
}

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

// messages are the sentences about what was done, by the word in the query string.
var messages = map[string]*view.Message{
	"welcome":  {Tone: "ok", Icon: "check", Text: "Welcome. You are signed in."},
	"key.edit": {Tone: "ok", Icon: "check", Text: "The key was saved."},
	"key.disable": {
		Tone: "ok", Icon: "pause", Text: "The key is disabled. Requests with it are refused until it is enabled again.",
	},
	"key.enable":   {Tone: "ok", Icon: "check", Text: "The key is enabled."},
	"key.revoke":   {Tone: "ok", Icon: "cross", Text: "The key is revoked. Requests with it are refused."},
	"key.delete":   {Tone: "ok", Icon: "bin", Text: "The key is deleted."},
	"key.previous": {Tone: "ok", Icon: "check", Text: "The old secret has ended."},
}
