package console

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/claviger-dev/claviger/internal/console/view"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/key"
	"github.com/claviger-dev/claviger/internal/tenancy"
	"github.com/claviger-dev/claviger/internal/text"
	"github.com/claviger-dev/claviger/internal/web"
)

const (
	findPath      = "/find"
	shortcutsPath = "/shortcuts"
	// mostFound is how many results there are at most.
	mostFound = 8
	// shortcutsCookie says that a person wants no shortcuts of single keys. The script reads it.
	shortcutsCookie = "shortcuts"
)

// findRoutes are those of the search.
func (c *Console) findRoutes() []web.Route {
	return append(c.page(findPath, c.showFound), c.page(findPath+"/list", c.listFound)...)
}

// shortcutRoutes are those of the list of shortcuts.
func (c *Console) shortcutRoutes() []web.Route {
	return append(c.page(shortcutsPath, c.showShortcuts), c.reduction(shortcutsPath, c.setShortcuts)...)
}

// showFound is the page with what was found.
func (c *Console) showFound(k *call) (response, error) {
	found, err := k.find()
	return response{page: found, title: "Find"}, err
}

// listFound is the part of a page that lists results while a person types.
func (c *Console) listFound(k *call) (response, error) {
	found, err := k.find()
	found.Part = true
	return response{part: found}, err
}

// pageSynonyms are other words for pages, by the last part of their paths.
var pageSynonyms = map[string]string{
	"keys": "api access token refresh rotate regenerate", "applications": "apis", "scopes": "permissions rights",
	"members": "people users invitations team", "service-accounts": "machines robots bots management keys",
	"subjects": "customers", "plans": "limits", "settings": "key format transports presets header",
	"mail":    "messages e-mails outbox smtp test",
	"general": "policy expiration sessions expiry", "audit": "log history events", "health": "unused old findings",
	"security": "password sessions two-factor", "profile": "name avatar time zone", "notifications": "mail e-mails",
}

// find returns the pages, keys, people and scopes that fit the words. All but pages are those of
// one tenant, and what the person does not see is not found.
func (k *call) find() (view.Found, error) {
	words := strings.TrimSpace(k.URL.Query().Get("q"))
	f, query := view.Found{Query: words}, text.NewQuery(words)
	tenants, err := k.tenants()
	if err != nil || query.Empty() {
		return f, err
	}
	t := tenantOf(k, tenants)
	for i := range tenants {
		if string(tenants[i].ID) == k.URL.Query().Get("t") {
			t = &tenants[i]
		}
	}
	names, err := k.console.accountNames(k, tenants)
	if err != nil {
		return f, err
	}
	pages := k.findPages(query, k.sidebar("", t, names))
	if t == nil {
		f.Rows = pages[:min(len(pages), mostFound)]
		return f, nil
	}
	f.Tenant = t.Name
	found := [][]view.Result{pages}
	for _, in := range []func(tenancy.Tenant, string) ([]view.Result, error){k.findKeys, k.findPeople, k.findScopes} {
		results, err := in(*t, words)
		if err != nil && fault.KindOf(err) != fault.ValidationFailed { // that is nothing to search for
			return f, err
		}
		found = append(found, results)
	}
	f.Rows = share(found)
	return f, nil
}

// share returns results of all kinds in their order, so that no kind takes the place of the others:
// each may have two, and what is left goes to the first that have more.
func share(found [][]view.Result) (rows []view.Result) {
	sizes, left := make([]int, len(found)), mostFound
	for _, most := range []int{2, mostFound} {
		for i, results := range found {
			more := min(most, len(results), sizes[i]+left) - sizes[i]
			if more > 0 {
				sizes[i] += more
				left -= more
			}
		}
	}
	for i, results := range found {
		rows = append(rows, results[:sizes[i]]...)
	}
	return rows
}

// findPages returns the pages in the sidebar whose names or synonyms have the words.
func (k *call) findPages(query text.Query, nav []view.NavGroup) (found []view.Result) {
	for _, group := range nav {
		for _, p := range group.Items {
			synonyms := pageSynonyms[p.Path[strings.LastIndexByte(p.Path, '/')+1:]]
			if query.Found(p.Label, synonyms) {
				found = append(found, view.Result{Text: p.Label, Path: p.Path, Icon: p.Icon, Kind: group.Heading})
			}
		}
	}
	return found
}

// findKeys returns the keys of a tenant by the beginning of their id, or by words.
func (k *call) findKeys(t tenancy.Tenant, words string) (found []view.Result, err error) {
	var views []key.View
	if isIDBeginning(words) {
		views, err = k.console.Keys.OfID(k.Context(), k.who, t.ID, words, mostFound)
	}
	if err == nil && len(views) == 0 {
		var listing key.Listing
		page := key.Page{Limit: mostFound}
		listing, err = k.console.Keys.List(k.Context(), k.who, t.ID, key.Filter{Query: words}, page)
		views = listing.Views
	}
	for _, v := range views {
		row := k.row(v)
		found = append(found, view.Result{
			Text: row.Name, Path: row.Path, Icon: "key", Kind: row.Badge.Text, ID: row.PublicID,
		})
	}
	return found, err
}

// isIDBeginning reports whether the text can be the beginning of the id of a key.
func isIDBeginning(typed string) bool {
	rest, ok := strings.CutPrefix(typed, "key_")
	return ok && rest != "" && strings.Trim(rest, "0123456789abcdefghijklmnopqrstuvwxyz") == ""
}

// findPeople returns the members of a tenant by words of their names and addresses. A result leads
// to their keys.
func (k *call) findPeople(t tenancy.Tenant, words string) (found []view.Result, err error) {
	members, err := k.console.Tenancy.FoundMembers(k.Context(), k.who, t.ID, text.NewWordQuery(words), mostFound)
	for _, m := range members {
		found = append(found, view.Result{
			Text: personName(m), Path: tenantPath(t.ID) + "?q=" + url.QueryEscape(m.User.Email), Icon: "person",
			Kind: string(m.Role),
		})
	}
	return found, err
}

// findScopes returns the scopes of a tenant by words of their names.
func (k *call) findScopes(t tenancy.Tenant, words string) (found []view.Result, err error) {
	wanted := text.NewWordQuery(words)
	if wanted.Empty() {
		return nil, nil
	}
	entries, err := k.console.Tenancy.Scopes(k.Context(), k.who, t.ID)
	for _, e := range entries {
		if wanted.Found(string(e.Name)) {
			found = append(found, view.Result{
				Text: string(e.Name), Path: inTenant(t.ID, "scopes"), Icon: "tag", Kind: "Scope",
			})
		}
	}
	return found, err
}

// showShortcuts lists the shortcuts.
func (c *Console) showShortcuts(k *call) (response, error) {
	page := view.Shortcuts{Action: shortcutsPath}
	if cookie, err := k.Cookie(shortcutsCookie); err == nil {
		page.Off = cookie.Value == "off"
	}
	return response{page: page, title: "Keyboard shortcuts", narrow: true}, nil
}

// setShortcuts switches the shortcuts of single keys off or on.
func (c *Console) setShortcuts(k *call) (response, error) {
	value := "on"
	if k.form.Get("keys") == "off" {
		value = "off"
	}
	answer := goTo(shortcutsPath)
	answer.cookies = []*http.Cookie{{
		Name: shortcutsCookie, Value: value, Path: "/", MaxAge: 365 * 24 * 60 * 60, SameSite: http.SameSiteLaxMode,
	}}
	return answer, nil
}
