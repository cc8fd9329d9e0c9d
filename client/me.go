package client

import (
	"bytes"
	"context"
	"io"
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
func (c *Client) ChangeMe(ctx context.Context, change api.UpdateMeRequest) (m api.Me, err error) {
	err = c.Do(ctx, http.MethodPatch, mePath, change, &m)
	return m, err
}

// DeleteMe removes the signed-in person for good.
func (c *Client) DeleteMe(ctx context.Context) error {
	return c.Do(ctx, http.MethodDelete, mePath, nil, nil)
}

// ChangePassword replaces the person's password. It ends all their sessions; the client goes on in
// a new one.
func (c *Client) ChangePassword(ctx context.Context, current, next string) (s api.Session, err error) {
	err = c.Do(ctx, http.MethodPost, mePath+"/password",
		api.ChangePasswordRequest{CurrentPassword: current, NewPassword: next},
		&s)
	return s, err
}

// ChangeEmail requests another e-mail address for the signed-in person. It changes after the links
// that are mailed were used.
func (c *Client) ChangeEmail(ctx context.Context, email string) (e api.EmailChange, err error) {
	err = c.Do(ctx, http.MethodPost, mePath+"/email", api.ChangeEmailRequest{Email: email}, &e)
	return e, err
}

// ConfirmEmail confirms another e-mail address with the token of a one-time link. It reports
// whether the address has changed: after the last link, which ends the person's sessions.
func (c *Client) ConfirmEmail(ctx context.Context, token string) (e api.EmailConfirmation, err error) {
	err = c.Do(ctx, http.MethodPost, "/api/v1/email-changes/"+url.PathEscape(token), nil, &e)
	return e, err
}

// TwoFactor shows the second factor of the signed-in person.
func (c *Client) TwoFactor(ctx context.Context) (f api.TwoFactor, err error) {
	err = c.Do(ctx, http.MethodGet, mePath+"/two-factor", nil, &f)
	return f, err
}

// StartTwoFactor returns a secret for an authenticator app. Nothing changes before
// ConfirmTwoFactor.
func (c *Client) StartTwoFactor(ctx context.Context) (r api.SetTwoFactorResponse, err error) {
	err = c.Do(ctx, http.MethodPut, mePath+"/two-factor", api.SetTwoFactorRequest{}, &r)
	return r, err
}

// ConfirmTwoFactor sets up the second factor with the code that the app shows, and returns recovery
// codes once. It ends all sessions of the person; the client goes on in a new one.
func (c *Client) ConfirmTwoFactor(ctx context.Context, setup, code string) (r api.SetTwoFactorResponse, err error) {
	err = c.Do(ctx, http.MethodPut, mePath+"/two-factor", api.SetTwoFactorRequest{Setup: setup, Code: code}, &r)
	return r, err
}

// RemoveTwoFactor turns the second factor off. The client goes on in a new session.
func (c *Client) RemoveTwoFactor(ctx context.Context) error {
	return c.Do(ctx, http.MethodDelete, mePath+"/two-factor", nil, nil)
}

// CreateRecoveryCodes replaces the recovery codes and returns the new ones once.
func (c *Client) CreateRecoveryCodes(ctx context.Context) (r api.RecoveryCodes, err error) {
	err = c.Do(ctx, http.MethodPost, mePath+"/two-factor/recovery-codes", nil, &r)
	return r, err
}

const resetsPath = "/api/v1/password-resets"

// RequestPasswordReset asks for a link to be mailed to the address, by which a new password can be
// set. It succeeds whether the address is known or not, and where the server sends no mail.
func (c *Client) RequestPasswordReset(ctx context.Context, email string) error {
	return c.Do(ctx, http.MethodPost, resetsPath, api.RequestPasswordResetRequest{Email: email}, nil)
}

// ResetPassword sets a new password with the token of a one-time link. It ends the person's
// sessions.
func (c *Client) ResetPassword(ctx context.Context, token, password string) error {
	return c.Do(ctx, http.MethodPost, resetsPath+"/"+url.PathEscape(token),
		api.ResetPasswordRequest{Password: password}, nil)
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

// SetAvatar sets the picture of the signed-in person: a PNG, JPEG or GIF, as contentType says.
func (c *Client) SetAvatar(ctx context.Context, contentType string, file []byte) error {
	req, err := c.request(ctx, http.MethodPut, mePath+"/avatar", nil)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", contentType)
	req.Body, req.ContentLength = io.NopCloser(bytes.NewReader(file)), int64(len(file))
	req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(file)), nil }
	a, err := c.retry.run(ctx, repeatable(req), func() (*answer, error) { return c.attempt(req) })
	if err != nil {
		return err
	}
	return a.read(nil)
}

// RemoveAvatar removes the picture of the signed-in person, if there is one.
func (c *Client) RemoveAvatar(ctx context.Context) error {
	return c.Do(ctx, http.MethodDelete, mePath+"/avatar", nil, nil)
}

// Avatar returns the picture of a person as PNG. Only those see it who share a tenant or an account
// with the person. The caller must close it.
func (c *Client) Avatar(ctx context.Context, user string) (io.ReadCloser, error) {
	return c.Stream(ctx, "/api/v1/users/"+url.PathEscape(user)+"/avatar")
}

// MyData returns everything that is stored about the signed-in person, as JSON (api.PersonalData).
// It may be too long to hold in memory, and it is complete if its last member says so. The caller
// must close it.
func (c *Client) MyData(ctx context.Context) (io.ReadCloser, error) {
	return c.Stream(ctx, mePath+"/data")
}
