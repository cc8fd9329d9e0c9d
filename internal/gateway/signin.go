package gateway

import (
	"net/http"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/admission"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/session"
	"github.com/claviger-dev/claviger/internal/verify"
	"github.com/claviger-dev/claviger/internal/web"
)

// The session of the gateway, at SessionPath: the same bodies as at Claviger itself, but the cookie
// is good at the gateway alone.

// sessionRoute returns the handler of a method; nil if the API answers it.
func (g *Gateway) sessionRoute(method string) func(http.ResponseWriter, *http.Request, *exchange) error {
	switch method {
	case http.MethodPost:
		return g.signIn
	case http.MethodGet, http.MethodHead:
		return g.showSession
	case http.MethodDelete:
		return g.signOut
	}
	return nil
}

// signIn begins a session of the gateway.
func (g *Gateway) signIn(w http.ResponseWriter, r *http.Request, x *exchange) error {
	err := g.authenticator().CheckForwardedSite(r, r.Method, true)
	if err == nil {
		err = g.Middleware.AdmitAnonymous(w, r)
	}
	if err == nil {
		err = g.Middleware.BufferAnonymousBody(w, r)
	}
	var in api.SignInRequest
	if err == nil {
		err = web.Decode(r, &in)
	}
	if err == nil {
		err = g.Middleware.AdmitChange(principal.Principal{}, true)
	}
	if err != nil {
		return err
	}
	ctx := admission.WithCaller(r.Context(), admission.ForAddress(x.from.IP))
	u, err := g.Identity.SignIn(ctx, x.from, in.Email, credential.NewSecret(in.Password))
	if err != nil {
		return err
	}
	kind := g.authenticator().Cookie.Kind
	_, token, err := g.Sessions.Begin(ctx, session.SignIn{
		User: u.Person(), PasswordSetAt: u.PasswordSetAt, Kind: kind, Code: credential.NewSecret(in.Code),
		From: x.from,
	})
	if err != nil {
		return err
	}
	who, err := g.Sessions.Resume(ctx, kind, token.Reveal())
	if err != nil {
		return err
	}
	cookie := g.authenticator().SessionCookie(token)
	http.SetCookie(w, &cookie)
	w.Header().Set("Location", g.SessionPath)
	return web.WriteJSON(w, http.StatusCreated, web.Session(who))
}

// showSession answers who is signed in.
func (g *Gateway) showSession(w http.ResponseWriter, r *http.Request, _ *exchange) error {
	caller, _, err := g.authenticator().Caller(w, r, verify.Requirement{SessionOnly: true})
	if err != nil {
		return err
	}
	return web.WriteJSON(w, http.StatusOK, web.Session(caller.Principal))
}

// signOut ends the session of the request.
func (g *Gateway) signOut(w http.ResponseWriter, r *http.Request, _ *exchange) error {
	err := g.authenticator().CheckForwardedSite(r, r.Method, true)
	if err != nil {
		return err
	}
	caller, _, err := g.authenticator().Caller(w, r, verify.Requirement{SessionOnly: true})
	if err != nil {
		return err
	}
	own, _ := caller.Session()
	if err := g.Sessions.End(r.Context(), caller.Principal, own.ID); err != nil {
		return err
	}
	cookie := g.authenticator().SessionCookie(credential.Secret{})
	http.SetCookie(w, &cookie)
	w.WriteHeader(http.StatusNoContent)
	return nil
}
