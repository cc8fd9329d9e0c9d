package adminapi

import (
	"net/http"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/identity"
	"github.com/claviger-dev/claviger/internal/web"
)

// editUser enables or disables a user. The path names the user by their id or their e-mail address.
func (a *API) editUser(w http.ResponseWriter, r *http.Request) error {
	var in api.UpdateUserRequest
	if err := web.Decode(r, &in); err != nil {
		return err
	}
	disabled, faults := web.ParseStatus(in.Status)
	if len(faults) > 0 {
		return fault.Refuse(faults...)
	}
	who := web.Operator(w)
	u, err := a.Identity.Find(r.Context(), who, r.PathValue("user"))
	if err != nil {
		return err
	}
	u, err = a.Identity.SetDisabled(r.Context(), who, u.ID, disabled)
	if err != nil {
		return err
	}
	return web.WriteJSON(w, http.StatusOK, userOf(u))
}

// userOf returns the wire form of a user.
func userOf(u identity.User) api.User {
	return api.User{
		ID: string(u.ID), Number: u.Number, Email: u.Email, EmailProven: u.EmailProven, Name: u.Name,
		Status: web.Status(u.Disabled), CreatedAt: u.CreatedAt.UTC(), UpdatedAt: u.UpdatedAt.UTC(),
	}
}

// setEmail replaces the e-mail address of a user. The path names the user as in editUser.
func (a *API) setEmail(w http.ResponseWriter, r *http.Request) error {
	var in api.SetEmailRequest
	if err := web.Decode(r, &in); err != nil {
		return err
	}
	who := web.Operator(w)
	u, err := a.Identity.Find(r.Context(), who, r.PathValue("user"))
	if err == nil {
		u, err = a.Identity.SetEmail(r.Context(), who, u.ID, in.Email)
	}
	if err != nil {
		return err
	}
	return web.WriteJSON(w, http.StatusOK, userOf(u))
}

// removeSecondFactor removes the second factor of a user who has lost it. The path names the user
// as in editUser.
func (a *API) removeSecondFactor(w http.ResponseWriter, r *http.Request) error {
	who := web.Operator(w)
	u, err := a.Identity.Find(r.Context(), who, r.PathValue("user"))
	if err == nil {
		err = a.SecondFactors.RemoveLost(r.Context(), who, u.ID)
	}
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// resetPassword creates a link with which a user can set a new password. The path names the user as
// in editUser.
func (a *API) resetPassword(w http.ResponseWriter, r *http.Request) error {
	who := web.Operator(w)
	u, err := a.Identity.Find(r.Context(), who, r.PathValue("user"))
	if err != nil {
		return err
	}
	link, token, err := a.Identity.NewReset(r.Context(), who, u.ID)
	if err != nil {
		return err
	}
	return web.WriteJSON(w, http.StatusCreated, api.PasswordResetLink{
		ID: string(link.ID), Email: u.Email, URL: a.BaseURL + "/password-resets/" + token.Reveal(),
		ExpiresAt: link.ExpiresAt.UTC(),
	})
}
