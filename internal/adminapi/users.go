package adminapi

import (
	"net/http"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/web"
)

// editUser finds the user by their id or by their e-mail address.
func (a *API) editUser(w http.ResponseWriter, r *http.Request) error {
	var in api.UserPatch
	if err := web.Decode(r, &in); err != nil {
		return err
	}
	disabled, faults := web.Off(in.Status)
	if len(faults) > 0 {
		return fault.Refuse(faults...)
	}
	who := a.Door.Operator(w)
	u, err := a.Identity.Find(r.Context(), who, r.PathValue("user"))
	if err != nil {
		return err
	}
	if u, err = a.Identity.SetDisabled(r.Context(), who, u.ID, disabled); err != nil {
		return err
	}
	return web.Answer(w, http.StatusOK, api.User{
		ID: string(u.ID), Number: u.Number, Email: u.Email, Name: u.Name, Status: web.Status(u.Disabled), CreatedAt: u.CreatedAt.UTC(), UpdatedAt: u.UpdatedAt.UTC(),
	})
}
