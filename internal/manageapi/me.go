package manageapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/identity"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/session"
	"github.com/claviger-dev/claviger/internal/web"
)

func (a *API) me(h huma.API) {
	const path = "/api/v1/me"
	tags := []string{"Me"}
	add(h, a.Door, huma.Operation{
		OperationID: "show-me", Method: http.MethodGet, Path: path, Tags: tags, Summary: "Show the signed-in person",
	}, need{session: true}, a.showMe)
	add(h, a.Door, huma.Operation{
		OperationID: "change-me", Method: http.MethodPatch, Path: path, Tags: tags, Summary: "Change the signed-in person",
		Description: "What is absent stays. A name has 3 to 64 characters and cannot be null. The notices of expiries cannot be turned off.",
	}, need{session: true}, a.changeMe)
	add(h, a.Door, huma.Operation{
		OperationID: "delete-me", Method: http.MethodDelete, Path: path, Tags: tags, Summary: "Delete the signed-in person",
		Description: "Revokes all their keys, ends memberships, roles and sessions, and forgets address, name and password. " +
			"Needs a sign-in younger than five minutes. The last owner of an account and the last admin of a tenant stay.",
	}, need{session: true}, a.deleteMe)
	add(h, a.Door, huma.Operation{
		OperationID: "change-password", Method: http.MethodPost, Path: path + "/password", Tags: tags, DefaultStatus: http.StatusOK, Summary: "Change the password",
		Description: "Ends every session of the person and begins a new one. A wrong current password counts like a failed sign-in.",
	}, need{session: true}, a.changePassword)
	add(h, a.Door, huma.Operation{
		OperationID: "list-sessions", Method: http.MethodGet, Path: path + "/sessions", Tags: tags, Summary: "List one's sessions",
		Description: "Those that live, newest first.",
	}, need{session: true}, a.listSessions)
	add(h, a.Door, huma.Operation{
		OperationID: "end-session", Method: http.MethodDelete, Path: path + "/sessions/{session}", Tags: tags, Summary: "End one of one's sessions",
		Description: "The session that asks may end itself.",
	}, need{session: true}, a.endSession)
}

func (a *API) showMe(ctx context.Context, _ *struct{}) (*answer[api.Me], error) {
	return meOf(a.Identity.Me(ctx, who(ctx).Principal))
}

type changeMeInput struct{ JSON body[api.MeChange] }

func (a *API) changeMe(ctx context.Context, in *changeMeInput) (*answer[api.Me], error) {
	change := identity.Change{Notices: wantedOf(in.JSON.value.Notices)}
	if name := in.JSON.value.Name; name.Set {
		change.Name = &name.Value // "" for null, which is no name
	}
	return meOf(a.Identity.ChangeMe(ctx, who(ctx).Principal, change))
}

func meOf(u identity.User, err error) (*answer[api.Me], error) {
	if err != nil {
		return nil, err
	}
	return &answer[api.Me]{api.Me{
		ID: string(u.ID), Number: u.Number, Email: u.Email, Name: u.Name, Status: web.Status(u.Disabled), Notices: noticesOf(u.Muted), CreatedAt: u.CreatedAt.UTC(), UpdatedAt: u.UpdatedAt.UTC(),
	}}, nil
}

func (a *API) deleteMe(ctx context.Context, _ *struct{}) (*signedOut, error) {
	if err := a.Identity.DeleteMe(ctx, who(ctx).Principal); err != nil {
		return nil, err
	}
	return &signedOut{a.Door.Cookie(credential.Secret{})}, nil
}

type changePasswordInput struct {
	JSON body[api.NewPassword]
	From from
}

func (a *API) changePassword(ctx context.Context, in *changePasswordInput) (*sessionOutput, error) {
	given := in.JSON.value
	u, err := a.Identity.ChangePassword(ctx, who(ctx).Principal, credential.NewSecret(given.CurrentPassword), credential.NewSecret(given.NewPassword))
	if err != nil {
		return nil, err
	}
	return a.begin(ctx, u, in.From)
}

func (a *API) listSessions(ctx context.Context, in *PageInput) (*answer[api.List[api.SessionInfo]], error) {
	caller := who(ctx).Principal
	bound := binding(who(ctx), "sessions")
	at, err := openCursor(a.Keyring, in.Cursor, bound)
	if err != nil {
		return nil, err
	}
	found, err := a.Sessions.List(ctx, caller, session.Page{BeforeTime: at.Time, BeforeID: ident.SessionID(at.ID), Limit: in.Limit + 1})
	if err != nil {
		return nil, err
	}
	return list(found, sessionInfoOf(caller), in.Limit, func(last session.Session) (string, error) {
		return sealCursor(a.Keyring, place{last.CreatedAt, string(last.ID)}, bound)
	})
}

// sessionInfoOf gives the wire form of sessions to the one who asks in one of them.
func sessionInfoOf(caller principal.Principal) func(session.Session) api.SessionInfo {
	own, _ := caller.Session()
	return func(s session.Session) api.SessionInfo {
		return api.SessionInfo{
			ID: string(s.ID), CreatedAt: s.CreatedAt.UTC(), SignedInAt: s.SignedInAt.UTC(), LastSeenAt: s.LastSeenAt.UTC(), ExpiresAt: s.ExpiresAt.UTC(),
			IP: s.IP, UserAgent: s.Agent, Current: s.ID == own.ID,
		}
	}
}

type endSessionInput struct {
	Session string `path:"session" doc:"The id of the session, as the list gives it."`
}

func (a *API) endSession(ctx context.Context, in *endSessionInput) (*struct{}, error) {
	return nil, a.Sessions.End(ctx, who(ctx).Principal, ident.SessionID(in.Session))
}
