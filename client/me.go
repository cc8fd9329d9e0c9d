package client

import (
	"context"
	"net/http"
	"net/url"

	"github.com/claviger-dev/claviger/api"
)

const mePath = "/api/v1/me"

// Me shows the signed-in person.
func (c *Client) Me(ctx context.Context) (m api.Me, err error) {
	err = c.Do(ctx, http.MethodGet, mePath, nil, &m)
	return m, err
}

// ChangeMe changes the signed-in person's own record.
func (c *Client) ChangeMe(ctx context.Context, change api.MeChange) (m api.Me, err error) {
	err = c.Do(ctx, http.MethodPatch, mePath, change, &m)
	return m, err
}

// DeleteMe removes the signed-in person for good.
func (c *Client) DeleteMe(ctx context.Context) error {
	return c.Do(ctx, http.MethodDelete, mePath, nil, nil)
}

// ChangePassword replaces the person's password. It ends all their sessions; the client goes on in a new one.
func (c *Client) ChangePassword(ctx context.Context, current, next string) (s api.Session, err error) {
	err = c.Do(ctx, http.MethodPost, mePath+"/password", api.NewPassword{CurrentPassword: current, NewPassword: next}, &s)
	return s, err
}

// Sessions lists the person's live sessions, newest first.
func (c *Client) Sessions(ctx context.Context, p Page) (l api.List[api.SessionInfo], err error) {
	err = c.Do(ctx, http.MethodGet, mePath+"/sessions?"+p.query().Encode(), nil, &l)
	return l, err
}

// EndSession ends one of the person's sessions.
func (c *Client) EndSession(ctx context.Context, session string) error {
	return c.Do(ctx, http.MethodDelete, mePath+"/sessions/"+url.PathEscape(session), nil, nil)
}
