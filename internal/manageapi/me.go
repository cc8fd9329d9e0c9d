package manageapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/identity"
	"github.com/claviger-dev/claviger/internal/paging"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/session"
	"github.com/claviger-dev/claviger/internal/web"
)

func (a *API) me() {
	const path = "/api/v1/me"
	tags := []string{"Me"}
	add(a, huma.Operation{
		OperationID: "show-me", Method: http.MethodGet, Path: path, Tags: tags, Summary: "Show the signed-in person",
	}, requirement{session: true}, a.showMe)
	add(a, huma.Operation{
		OperationID: "change-me", Method: http.MethodPatch, Path: path, Tags: tags,
		Summary: "Change the signed-in person",
		Description: "Absent members are unchanged. A name has 3 to 64 characters and cannot be null. Notices about " +
			"expiry cannot be turned off.",
	}, requirement{session: true, versioned: true}, a.changeMe)
	add(a, huma.Operation{
		OperationID: "delete-me", Method: http.MethodDelete, Path: path, Tags: tags,
		Summary: "Delete the signed-in person",
		Description: "Revokes all keys of the person, ends their memberships, roles and sessions, and deletes " +
			"e-mail address, name and password. Requires a sign-in within the last five minutes. The last owner of " +
			"an account and the last admin of a tenant cannot be deleted.",
	}, requirement{session: true}, a.deleteMe)
	add(a, huma.Operation{
		OperationID: "change-password", Method: http.MethodPost, Path: path + "/password", Tags: tags,
		DefaultStatus: http.StatusOK, Summary: "Change the password",
		Description: "Ends all sessions of the person and begins a new one. A wrong current password counts as a " +
			"failed sign-in.",
	}, requirement{session: true, reduces: true}, a.changePassword)
	add(a, huma.Operation{
		OperationID: "list-sessions", Method: http.MethodGet, Path: path + "/sessions", Tags: tags,
		Summary:     "List your sessions",
		Description: "Lists the sessions that have not ended, newest first.",
	}, requirement{session: true}, a.listSessions)
	add(a, huma.Operation{
		OperationID: "end-session", Method: http.MethodDelete, Path: path + "/sessions/{session}", Tags: tags,
		Summary:     "End one of your sessions",
		Description: "This may be the current session.",
	}, requirement{session: true}, a.endSession)
}

func (a *API) showMe(ctx context.Context, _ *struct{}) (*output[api.Me], error) {
	u, err := a.Identity.Me(ctx, callerOf(ctx).Principal)
	if err != nil {
		return nil, err
	}
	return &output[api.Me]{meOf(u)}, nil
}

type changeMeInput struct{ JSON body[api.UpdateMeRequest] }

func (a *API) changeMe(ctx context.Context, in *changeMeInput) (*output[api.Me], error) {
	change := identity.Change{Expected: expectedOf(ctx), Notices: noticeChoices(in.JSON.value.Notices)}
	if name := in.JSON.value.Name; name.Set {
		change.Name = &name.Value // null is "", which is refused
	}
	u, err := a.Identity.ChangeMe(ctx, callerOf(ctx).Principal, change)
	return edited(u, err, meOf)
}

// meOf returns the wire form of the signed-in person.
func meOf(u identity.User) api.Me {
	return api.Me{
		ID: string(u.ID), Number: u.Number, Email: u.Email, EmailProven: u.EmailProven, Name: u.Name,
		Status: web.Status(u.Disabled), Notices: noticesOf(u.Muted), CreatedAt: u.CreatedAt.UTC(),
		UpdatedAt: u.UpdatedAt.UTC(), Version: string(u.Version()),
	}
}

func (a *API) deleteMe(ctx context.Context, _ *struct{}) (*signedOutOutput, error) {
	if err := a.Identity.DeleteMe(ctx, callerOf(ctx).Principal); err != nil {
		return nil, err
	}
	return &signedOutOutput{a.Middleware.Authenticator.SessionCookie(credential.Secret{})}, nil
}

type changePasswordInput struct {
	JSON body[api.ChangePasswordRequest]
	From requestOrigin
}

func (a *API) changePassword(ctx context.Context, in *changePasswordInput) (*sessionOutput, error) {
	sent := in.JSON.value
	u, err := a.Identity.ChangePassword(ctx, callerOf(ctx).Principal, credential.NewSecret(sent.CurrentPassword),
		credential.NewSecret(sent.NewPassword))
	if err != nil {
		return nil, err
	}
	return a.beginSession(ctx, session.SignIn{
		User: u.Person(), PasswordSetAt: u.PasswordSetAt, Instead: callerOf(ctx).Principal, From: in.From.origin,
	})
}

func (a *API) listSessions(ctx context.Context, in *PageInput) (*output[api.List[api.SessionInfo]], error) {
	caller := callerOf(ctx).Principal
	bound := binding(callerOf(ctx), "sessions")
	at, err := openCursor(a.Keyring, in.Cursor, bound)
	if err != nil {
		return nil, err
	}
	found, err := a.Sessions.List(ctx, caller,
		paging.Page{BeforeTime: at.Time, BeforeID: at.ID, Limit: in.Limit + 1})
	if err != nil {
		return nil, err
	}
	return firstPage(a, found, in.Limit, sessionInfoOf(caller),
		func(s session.Session) position { return position{s.CreatedAt, string(s.ID)} }, bound)
}

// sessionInfoOf returns the wire form of sessions. That of the caller is marked.
func sessionInfoOf(caller principal.Principal) func(session.Session) api.SessionInfo {
	own, _ := caller.Session()
	return func(s session.Session) api.SessionInfo {
		return api.SessionInfo{
			ID: string(s.ID), CreatedAt: s.CreatedAt.UTC(), SignedInAt: s.SignedInAt.UTC(),
			LastSeenAt: s.LastSeenAt.UTC(), ExpiresAt: s.ExpiresAt.UTC(),
			IP: s.IP, UserAgent: s.Agent, Current: s.ID == own.ID,
			Kind: api.SessionKind(s.Kind), TenantID: web.Optional(s.Tenant),
		}
	}
}

type endSessionInput struct {
	Session string `path:"session" doc:"The id of the session, from the list of sessions."`
}

func (a *API) endSession(ctx context.Context, in *endSessionInput) (*struct{}, error) {
	return nil, a.Sessions.End(ctx, callerOf(ctx).Principal, ident.SessionID(in.Session))
}
