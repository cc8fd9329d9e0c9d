// Package loadrunner answers the paths of LoadRunner Cloud's public API by which clients
// authenticate: `POST /v1/auth-client`, `POST /v1/auth` and `GET /v1/projects`.
//
// Every request names its tenant in the query parameter TENANTID, by id or number. A request
// without it, with two, or with that of another tenant gets the answer for an unknown credential.
package loadrunner

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/claviger-dev/claviger/internal/application"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/dialect"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/identity"
	"github.com/claviger-dev/claviger/internal/paging"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/session"
	"github.com/claviger-dev/claviger/internal/token"
	"github.com/claviger-dev/claviger/internal/verify"
	"github.com/claviger-dev/claviger/internal/web"
)

// Tokens issues access tokens.
type Tokens interface {
	Issue(ctx context.Context, g token.Grant, requested []scope.Scope) (token.Issued, error)
}

// API has what the routes need. Its fields are required.
type API struct {
	Authenticator *web.Authenticator
	Tokens        Tokens
	Identity      *identity.Service
	Sessions      *session.Service
	Applications  *application.Service
}

// cookieName is the cookie in which clients send what they got for a password.
const cookieName = "LWSSO_COOKIE_KEY"

// Vendor returns the vendor.
func (a *API) Vendor() *dialect.Vendor {
	return &dialect.Vendor{
		Name:       dialect.LoadRunner,
		Cookie:     func(string) string { return cookieName },
		CookieKind: credential.PasswordToken, NamedTenant: namedTenant,
		Routes: []dialect.Route{
			{
				Method: http.MethodPost, Path: "/v1/auth-client", Anyone: true, Reduces: true,
				Serve:   a.authenticateClient,
				Summary: "Exchange the id and the secret of a key for an access token.",
			},
			{
				Method: http.MethodPost, Path: "/v1/auth", Anyone: true, Reduces: true,
				Serve: a.authenticatePassword,
				Summary: "Exchange e-mail address and password for the value of the cookie LWSSO_COOKIE_KEY, in " +
					"tenants that allow passwords.",
			},
			{
				Method: http.MethodGet, Path: "/v1/projects", Serve: a.projects,
				Summary: "List the applications that the caller may access.",
			},
		},
	}
}

// namedTenant returns the tenant that a request names.
func namedTenant(r *http.Request) (string, error) {
	parameters, err := url.ParseQuery(r.URL.RawQuery)
	named := parameters["TENANTID"]
	if err != nil || len(named) != 1 || named[0] == "" {
		return "", fault.KeyInvalid
	}
	return named[0], nil
}

// tokenBody is the response to a sign-in.
type tokenBody struct {
	Token string `json:"token"`
}

// authenticateClient issues an access token for id and secret of a key.
func (a *API) authenticateClient(w http.ResponseWriter, c *dialect.Call) error {
	var in struct {
		ID     string `json:"client_id"`
		Secret string `json:"client_secret"`
	}
	if err := c.Decode(&in); err != nil {
		return err
	}
	ctx := c.Context()
	sent := a.Authenticator.ReadClient(ctx, http.Header{}, in.ID, in.Secret, false)
	if err := a.checkTenant(ctx, c, sent); err != nil {
		return err
	}
	grant, d, err := a.Authenticator.Verify.Engine.Grant(ctx, sent, c.Origin.IP)
	if err == nil && d.Code != "" {
		err = d.Refusal(sent)
	}
	if err != nil {
		return err
	}
	issued, err := a.Tokens.Issue(ctx, grant, nil)
	if err != nil {
		return err
	}
	return web.WriteJSON(w, http.StatusOK, tokenBody{issued.Value.Reveal()})
}

// checkTenant refuses a key of another tenant than the request names. Its use is not recorded.
func (a *API) checkTenant(ctx context.Context, c *dialect.Call, sent verify.Presentation) error {
	engine := a.Authenticator.Verify.Engine
	d, err := engine.Evaluate(ctx, sent)
	if err != nil || d.Facts == nil {
		return err // Grant refuses it
	}
	tenant := d.Facts.Key.Tenant
	named, err := engine.TenantNamed(ctx, tenant, c.Named)
	if err == nil && (!named || c.Tenant != "" && c.Tenant != tenant) {
		err = fault.KeyInvalid
	}
	return err
}

// authenticatePassword begins a session that is good at the gateway for one tenant alone. Every
// cause of a failure has the same answer, but for a TENANTID that is refused everywhere.
func (a *API) authenticatePassword(w http.ResponseWriter, c *dialect.Call) error {
	var in struct {
		User     string `json:"user"`
		Password string `json:"password"`
	}
	if err := c.Decode(&in); err != nil {
		return err
	}
	ctx := c.Context()
	tenant, allowed, err := a.passwordTenant(ctx, c)
	if err != nil {
		return err
	}
	if !allowed {
		in.User = "" // nobody has this address, which takes as long to find out
	}
	u, err := a.Identity.SignInToAPI(ctx, c.Origin, in.User, credential.NewSecret(in.Password))
	if err != nil {
		return err
	}
	begun, value, err := a.Sessions.Begin(ctx, session.SignIn{
		User: u.Person(), PasswordSetAt: u.PasswordSetAt, Kind: credential.PasswordToken, Tenant: tenant,
		From: c.Origin,
	})
	if errors.Is(err, fault.SecondFactorRequired) { // the password alone does not do, and there is no field for a code
		err = fault.Wrap(fault.SignInFailed, err, "")
	}
	if err != nil {
		return err
	}
	who, err := a.Sessions.Resume(ctx, credential.PasswordToken, value.Reveal())
	if err != nil {
		return err
	}
	if own, _ := who.Session(); len(own.Memberships) == 0 {
		return errors.Join(fault.SignInFailed, a.Sessions.End(ctx, who, begun.ID))
	}
	return web.WriteJSON(w, http.StatusOK, tokenBody{value.Reveal()})
}

// passwordTenant returns the tenant that the request names, and whether it allows passwords.
func (a *API) passwordTenant(ctx context.Context, c *dialect.Call) (id ident.TenantID, allowed bool, err error) {
	id = c.Tenant
	if id == "" {
		id = ident.TenantID(c.Named) // an entry that is bound to no tenant
	}
	if _, err := ident.Parse[ident.TenantID](string(id)); err != nil {
		return "", false, fault.KeyInvalid
	}
	engine := a.Authenticator.Verify.Engine
	named, err := engine.TenantNamed(ctx, id, c.Named)
	if errors.Is(err, fault.NotFound) || err == nil && !named {
		return "", false, fault.KeyInvalid
	}
	if err != nil {
		return "", false, err
	}
	allowed, err = engine.TenantAllowsPassword(ctx, id)
	return id, allowed, err
}

// project is an application.
type project struct {
	ID   int64  `json:"id"`
	Name string `json:"name"`
}

// projects lists the applications that the caller may access, all on one page. Disabled ones are
// left out, since a project has no status.
func (a *API) projects(w http.ResponseWriter, c *dialect.Call) error {
	list, err := a.Applications.Applications(c.Context(), c.Who, c.Tenant,
		paging.Page{Limit: application.MaxPerTenant})
	if err != nil {
		return err
	}
	all := make([]project, 0, len(list))
	for _, app := range list {
		if !app.Disabled {
			all = append(all, project{app.Number, app.Name})
		}
	}
	return web.WriteJSON(w, http.StatusOK, all)
}
