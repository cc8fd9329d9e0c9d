package manageapi

import (
	"context"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/identity"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/session"
	"github.com/claviger-dev/claviger/internal/web"
)

func (a *API) sessions() {
	add(a, huma.Operation{
		OperationID: "sign-in", Method: http.MethodPost, Path: "/api/v1/session", Tags: []string{"Session"},
		DefaultStatus: http.StatusCreated,
		Summary:       "Sign in",
		Description: "Sets the session cookie. The response is the same for every cause of failure, except that the " +
			"right password of a person with a second factor, without `code`, gets `second_factor_required`. So " +
			"does a person who must set one up first, in the console. " +
			fmt.Sprintf("A person has at most %d sessions: another sign-in ends the oldest one.", session.MaxSessions),
	}, requirement{anyone: true, reduces: true}, a.signIn, fault.SignInFailed,
		fault.SecondFactorRequired)
	add(a, huma.Operation{
		OperationID: "show-session", Method: http.MethodGet, Path: "/api/v1/session", Tags: []string{"Session"},
		Summary: "Show the session",
	}, requirement{session: true}, a.showSession)
	add(a, huma.Operation{
		OperationID: "sign-out", Method: http.MethodDelete, Path: "/api/v1/session", Tags: []string{"Session"},
		Summary: "Sign out",
	}, requirement{session: true}, a.signOut)
}

type signInInput struct {
	JSON body[api.SignInRequest]
	From requestOrigin
}

// requestOrigin is where a request comes from, for an operation without a principal.
type requestOrigin struct{ origin principal.Origin }

// Resolve implements huma.Resolver.
func (f *requestOrigin) Resolve(ctx huma.Context) []error {
	f.origin = callOf(ctx).origin
	return nil
}

type signInOutput struct {
	SetCookie http.Cookie `header:"Set-Cookie"`
	Location  string      `header:"Location"`
	Body      api.Session
}

func (a *API) signIn(ctx context.Context, in *signInInput) (*signInOutput, error) {
	user, err := a.Identity.SignIn(ctx, in.From.origin, in.JSON.value.Email,
		credential.NewSecret(in.JSON.value.Password))
	if err != nil {
		return nil, err
	}
	return a.signedIn(ctx, user, in.JSON.value.Code, in.From)
}

// signedIn is beginSession with the location of the session.
func (a *API) signedIn(ctx context.Context, u identity.User, code string, f requestOrigin) (*signInOutput, error) {
	begun, err := a.beginSession(ctx, session.SignIn{
		User: u.Person(), PasswordSetAt: u.PasswordSetAt, Code: credential.NewSecret(code), From: f.origin,
	})
	if err != nil {
		return nil, err
	}
	return &signInOutput{SetCookie: begun.SetCookie, Location: "/api/v1/session", Body: begun.Body}, nil
}

// sessionOutput is a new session and its cookie.
type sessionOutput struct {
	SetCookie http.Cookie `header:"Set-Cookie"`
	Body      api.Session
}

// beginSession begins the session of a user who has just given their password.
func (a *API) beginSession(ctx context.Context, in session.SignIn) (*sessionOutput, error) {
	_, token, err := a.Sessions.Begin(ctx, in)
	if err != nil {
		return nil, err
	}
	p, err := a.Sessions.Resume(ctx, credential.SessionToken, token.Reveal())
	if err != nil {
		return nil, err
	}
	return &sessionOutput{SetCookie: a.Middleware.Authenticator.SessionCookie(token), Body: web.Session(p)}, nil
}

func (a *API) showSession(ctx context.Context, _ *struct{}) (*output[api.Session], error) {
	return &output[api.Session]{web.Session(callerOf(ctx).Principal)}, nil
}

// signedOutOutput deletes the cookie.
type signedOutOutput struct {
	SetCookie http.Cookie `header:"Set-Cookie"`
}

func (a *API) signOut(ctx context.Context, _ *struct{}) (*signedOutOutput, error) {
	own, _ := callerOf(ctx).Session()
	if err := a.Sessions.End(ctx, callerOf(ctx).Principal, own.ID); err != nil {
		return nil, err
	}
	return &signedOutOutput{a.Middleware.Authenticator.SessionCookie(credential.Secret{})}, nil
}
