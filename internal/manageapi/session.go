package manageapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/identity"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/web"
)

func (a *API) sessions(h huma.API) {
	add(h, a.Door, huma.Operation{
		OperationID: "sign-in", Method: http.MethodPost, Path: "/api/v1/session", Tags: []string{"Session"}, DefaultStatus: http.StatusCreated,
		Summary: "Sign in", Description: "Gives the session cookie. Every cause of failure has one answer.",
	}, need{anyone: true, reduces: true}, a.signIn, fault.SignInFailed)
	add(h, a.Door, huma.Operation{
		OperationID: "show-session", Method: http.MethodGet, Path: "/api/v1/session", Tags: []string{"Session"}, Summary: "Show the session",
	}, need{session: true}, a.showSession)
	add(h, a.Door, huma.Operation{
		OperationID: "sign-out", Method: http.MethodDelete, Path: "/api/v1/session", Tags: []string{"Session"}, Summary: "Sign out",
	}, need{session: true}, a.signOut)
}

type signInInput struct {
	JSON body[api.SignIn]
	From from
}

// from is where a request without a principal comes from.
type from struct {
	origin principal.Origin
	agent  string
}

// Resolve implements huma.Resolver.
func (f *from) Resolve(ctx huma.Context) []error {
	r, w := humago.Unwrap(ctx)
	door := ctx.Context().Value(doorKey{}).(*web.Door) // every operation is behind one
	f.origin, f.agent = door.Origin(w.Header(), r), r.UserAgent()
	return nil
}

type signInOutput struct {
	SetCookie http.Cookie `header:"Set-Cookie"`
	Location  string      `header:"Location"`
	Body      api.Session
}

func (a *API) signIn(ctx context.Context, in *signInInput) (*signInOutput, error) {
	user, err := a.Identity.SignIn(ctx, in.From.origin, in.JSON.value.Email, credential.NewSecret(in.JSON.value.Password))
	if err != nil {
		return nil, err
	}
	return a.signedIn(ctx, user, in.From)
}

// signedIn begins the session of a user who has just proven who they are, and says where it is.
func (a *API) signedIn(ctx context.Context, u identity.User, f from) (*signInOutput, error) {
	begun, err := a.begin(ctx, u, f)
	if err != nil {
		return nil, err
	}
	return &signInOutput{SetCookie: begun.SetCookie, Location: "/api/v1/session", Body: begun.Body}, nil
}

// sessionOutput is a session that has just begun, and its cookie.
type sessionOutput struct {
	SetCookie http.Cookie `header:"Set-Cookie"`
	Body      api.Session
}

// begin begins the session of a user who has just proven who they are.
func (a *API) begin(ctx context.Context, u identity.User, f from) (*sessionOutput, error) {
	_, token, err := a.Sessions.Begin(ctx, u.Person(), u.PasswordSetAt, f.origin, f.agent)
	if err != nil {
		return nil, err
	}
	p, err := a.Sessions.Resume(ctx, token.Reveal())
	if err != nil {
		return nil, err
	}
	return &sessionOutput{SetCookie: a.Door.Cookie(token), Body: sessionOf(p)}, nil
}

func (a *API) showSession(ctx context.Context, _ *struct{}) (*answer[api.Session], error) {
	return &answer[api.Session]{sessionOf(who(ctx).Principal)}, nil
}

// signedOut takes the cookie away.
type signedOut struct {
	SetCookie http.Cookie `header:"Set-Cookie"`
}

func (a *API) signOut(ctx context.Context, _ *struct{}) (*signedOut, error) {
	own, _ := who(ctx).Session()
	if err := a.Sessions.End(ctx, who(ctx).Principal, own.ID); err != nil {
		return nil, err
	}
	return &signedOut{a.Door.Cookie(credential.Secret{})}, nil
}

func sessionOf(p principal.Principal) api.Session {
	s, _ := p.Session()
	memberships, standings := web.Memberships(s)
	return api.Session{User: web.Person(s.User), Accounts: standings, Memberships: memberships, ExpiresAt: s.ExpiresAt}
}
