package console

import (
	"net/http"
	"slices"
	"strings"

	"github.com/claviger-dev/claviger/internal/console/view"
	"github.com/claviger-dev/claviger/internal/web"
)

// contentPolicy lets pages load what this server sends, and nothing else.
const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// keyPath is the path of the page of a key.
const keyPath = "/t/{tenant}/keys/{key}"

// Mount adds the pages.
func (c *Console) Mount(router *web.Router) {
	errors := problemWriter{c}
	for prefix, routes := range c.Routes() {
		surface := router.Mount(prefix, errors, routes...)
		surface.ContentPolicy = contentPolicy
		// With no-referrer, browsers send "Origin: null" with a form over plain HTTP, unless the
		// host is this machine, and the form is taken for one of another site.
		surface.ReferrerPolicy = "same-origin"
		if strings.Contains(routes[0].Path, "{token}") {
			surface.ReferrerPolicy = "strict-origin" // without the path
		}
	}
}

// Routes returns the routes of all pages by the prefix of their paths.
func (c *Console) Routes() map[string][]web.Route {
	get, post := http.MethodGet, http.MethodPost
	c.site = nil
	return map[string][]web.Route{
		"/": {c.route(get, "/{$}", c.signedIn(c.home))},
		"/sign-in": {
			c.route(get, "/sign-in", c.open(c.showSignIn)), c.route(post, "/sign-in", c.anonymous(true, c.signIn)),
		},
		signInCodePath: {
			c.route(get, signInCodePath, c.limited(c.open(c.showSignInCode))),
			c.route(post, signInCodePath, c.anonymous(true, c.sendSignInCode)),
		},
		firstKeyPath:  c.firstKeyRoutes(),
		findPath:      c.findRoutes(),
		shortcutsPath: c.shortcutRoutes(),
		"/sign-out":   {c.route(post, "/sign-out", c.signOut)},
		"/theme":      {c.route(post, "/theme", c.anonymous(true, c.setTheme))},
		"/forgotten-password": {
			c.route(get, "/forgotten-password", c.open(c.showForgotten)),
			c.route(post, "/forgotten-password", c.anonymous(true, c.requestReset)),
		},
		"/setup":           c.linkRoutes("/setup/{token}", c.setupLink()),
		"/invitations":     c.linkRoutes("/invitations/{token}", c.invitationLink()),
		"/password-resets": c.linkRoutes("/password-resets/{token}", c.resetLink()),
		"/email-changes":   c.linkRoutes("/email-changes/{token}", c.emailLink()),
		"/claims":          c.claimRoutes(),
		"/settings":        c.personalRoutes(),
		"/a": slices.Concat(
			c.policyRoutes(),
			c.tenantRoutes(),
			c.ownerRoutes(),
			c.mailRoutes(),
			c.accountTrailRoutes(),
			c.statementRoutes(),
		),
		"/t": slices.Concat(
			c.keyRoutes(),
			c.applicationRoutes(),
			c.scopeRoutes(),
			c.memberRoutes(),
			c.serviceAccountRoutes(),
			c.managementKeyRoutes(),
			c.subjectRoutes(),
			c.planRoutes(),
			c.settingsRoutes(),
			c.tenantTrailRoutes(),
			c.healthRoutes(),
			c.usageRoutes(),
		),
		view.AssetPrefix: c.assets(),
	}
}

func (c *Console) route(method, path string, serve web.Handler) web.Route {
	return web.Route{Method: method, Path: path, Serve: serve, Page: true}
}

// personalRoutes are those of what belongs to the person.
func (c *Console) personalRoutes() []web.Route {
	return slices.Concat(
		c.page("/settings/keys", c.myKeys),
		c.form(newKeyPath, c.newKey, c.createKey),
		c.part(newKeyPath+"/summary", c.newKeySummary),
		c.action("/settings/keys/download", c.download),
		c.profileRoutes(), c.securityRoutes(),
	)
}

// keyRoutes are those of the keys of a tenant.
func (c *Console) keyRoutes() []web.Route {
	return slices.Concat(
		c.page("/t/{tenant}/keys", c.tenantKeys),
		c.page("/t/{tenant}/keys.csv", c.exportKeys),
		c.form("/t/{tenant}/keys/new", c.showNewKeyFor, c.createKeyFor),
		c.part("/t/{tenant}/keys/new/summary", c.newKeyForSummary),
		c.ending("/t/{tenant}/keys/revoke", c.confirmBulk(revokeSeveral), c.changeBulk(revokeSeveral)),
		c.ending("/t/{tenant}/keys/disable", c.confirmBulk(disableSeveral), c.changeBulk(disableSeveral)),
		c.page(keyPath, c.showKey),
		c.form(keyPath+"/edit", c.showEdit, c.editKey),
		c.form(keyPath+"/regenerate", c.showRegenerate, c.regenerate),
		c.ending(keyPath+"/revoke", c.confirmRevoke, c.revoke),
		c.ending(keyPath+"/delete", c.confirmDelete, c.delete),
		c.reduction(keyPath+"/disable", c.disable),
		c.action(keyPath+"/enable", c.enable),
		c.reduction(keyPath+"/previous", c.endPrevious),
		c.action(keyPath+"/reveal", c.reveal),
		c.action(keyPath+"/claim-link", c.renewClaim),
		c.part(keyPath+"/menu", c.showKeyMenu),
		c.poll(keyPath+"/waiting", c.showWaiting),
		c.poll(keyPath+"/uses", c.showUses),
	)
}

// page returns the route of a page for signed-in people.
func (c *Console) page(path string, show handler) []web.Route {
	c.site.add(path, nil)
	return []web.Route{c.route(http.MethodGet, path, c.signedIn(show))}
}

// form returns the routes of a form for signed-in people. show fills it in with the fields of the
// call, if there are any.
func (c *Console) form(path string, show, send handler) []web.Route {
	c.site.add(path, show)
	return []web.Route{
		c.route(http.MethodGet, path, c.signedIn(show)), c.route(http.MethodPost, path, c.signedIn(send)),
	}
}

// ending is form for one that only takes authority away.
func (c *Console) ending(path string, show, send handler) []web.Route {
	c.site.add(path, show)
	return []web.Route{
		c.route(http.MethodGet, path, c.signedIn(show)), c.route(http.MethodPost, path, c.reducing(send)),
	}
}

// part returns the route of a part of a page that the open page asks for when something in it
// changes.
func (c *Console) part(path string, show handler) []web.Route {
	return []web.Route{c.route(http.MethodGet, path, c.signedIn(show))}
}

// poll returns the route of a part of a page that the open page asks for again and again.
func (c *Console) poll(path string, show handler) []web.Route {
	return []web.Route{c.route(http.MethodGet, path, c.polled(show))}
}

// action returns the route of a button that acts at once.
func (c *Console) action(path string, do handler) []web.Route {
	return []web.Route{c.route(http.MethodPost, path, c.signedIn(do))}
}

// reduction is action for a button that only takes authority away.
func (c *Console) reduction(path string, do handler) []web.Route {
	return []web.Route{c.route(http.MethodPost, path, c.reducing(do))}
}

// siteMap has the paths of pages and forms.
type siteMap []sitePath

// sitePath is a path of segments, some of them in braces, with the handler that shows the form
// there; nil for a page that is no form.
type sitePath struct {
	segments []string
	show     handler
}

func (p *siteMap) add(path string, show handler) {
	*p = append(*p, sitePath{strings.Split(path, "/"), show})
}

// at returns what is at a path, with the values of the segments in braces.
func (p siteMap) at(path string) (found sitePath, values map[string]string, ok bool) {
	segments := strings.Split(path, "/")
	for _, one := range p {
		v, matches := one.match(segments)
		if matches && (!ok || len(v) < len(values)) { // ".../keys/new" before ".../keys/{key}"
			found, values = one, v
			ok = true
		}
	}
	return found, values, ok
}

func (p sitePath) match(segments []string) (values map[string]string, ok bool) {
	if len(segments) != len(p.segments) {
		return nil, false
	}
	values = map[string]string{}
	for i, s := range p.segments {
		switch {
		case strings.HasPrefix(s, "{") && segments[i] != "":
			values[strings.Trim(s, "{}")] = segments[i]
		case s != segments[i]:
			return nil, false
		}
	}
	return values, true
}

// above returns the path of the nearest page or form at or above a path. An action has no page of
// its own: it is done from the page above it.
func (p siteMap) above(path string) string {
	for path != "" {
		if _, _, ok := p.at(path); ok {
			return path
		}
		path = path[:strings.LastIndexByte(path, '/')]
	}
	return "/settings/keys"
}

// assets returns the routes of what every page loads.
func (c *Console) assets() []web.Route {
	var routes []web.Route
	for path, a := range view.Assets() {
		routes = append(routes, c.route(http.MethodGet, path, func(w http.ResponseWriter, r *http.Request) error {
			h := w.Header()
			h.Set("Content-Type", a.ContentType)
			h.Set("Cache-Control", "public, max-age=31536000, immutable")
			h.Set("Vary", "Accept-Encoding")
			content := a.Content
			if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
				h.Set("Content-Encoding", "gzip")
				content = a.Compressed()
			}
			_, _ = w.Write(content) // the browser may be gone
			return nil
		}))
	}
	return routes
}
