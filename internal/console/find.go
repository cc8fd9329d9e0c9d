package console

import (
	"net/http"
	"strings"

	"github.com/claviger-dev/claviger/internal/console/view"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
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

// find returns the pages and the keys that fit the words, the pages first. Keys are those of one
// tenant, and what the person does not see is not found.
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
	for _, group := range k.sidebar("", t, names) {
		for _, p := range group.Items {
			synonyms := pageSynonyms[p.Path[strings.LastIndexByte(p.Path, '/')+1:]]
			if query.Found(p.Label, synonyms) && len(f.Rows) < mostFound {
				f.Rows = append(f.Rows, view.Result{Text: p.Label, Path: p.Path, Icon: p.Icon, Kind: group.Heading})
			}
		}
	}
	if t == nil {
		return f, nil
	}
	f.Tenant = t.Name
	keys, err := k.findKeys(*t, words)
	if fault.KindOf(err) == fault.ValidationFailed { // what was typed is nothing to search for
		return f, nil
	}
	for _, v := range keys {
		if len(f.Rows) < mostFound {
			row := k.row(v)
			f.Rows = append(f.Rows, view.Result{
				Text: row.Name, Path: row.Path, Icon: "key", Kind: row.Badge.Text, ID: row.PublicID,
			})
		}
	}
	return f, err
}

// findKeys returns the keys of a tenant by their whole id, or by the beginnings of words of what a
// search looks at.
func (k *call) findKeys(t tenancy.Tenant, words string) ([]key.View, error) {
	id, err := ident.Parse[ident.KeyID](words)
	if err == nil {
		v, err := k.console.Keys.Get(k.Context(), k.who, t.ID, id)
		if fault.KindOf(err) == fault.NotFound {
			return nil, nil
		}
		return []key.View{v}, err
	}
	listing, err := k.console.Keys.List(k.Context(), k.who, t.ID, key.Filter{Query: words}, key.Page{Limit: mostFound})
	return listing.Views, err
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
