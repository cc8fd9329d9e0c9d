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
	disabled, err := isOff(in.Status)
	if err != nil {
		return err
	}
	who := a.Door.Operator(w)
	u, err := a.Identity.Find(r.Context(), who, r.PathValue("user"))
	if err != nil {
		return err
	}
	if u, err = a.Identity.SetDisabled(r.Context(), who, u.ID, disabled); err != nil {
		return err
	}
	return answer(w, http.StatusOK, api.User{
		ID: string(u.ID), Number: u.Number, Email: u.Email, Name: u.Name, Status: statusOf(u.Disabled), CreatedAt: u.CreatedAt.UTC(), UpdatedAt: u.UpdatedAt.UTC(),
	})
}

func isOff(status string) (bool, error) {
	switch status {
	case "active":
		return false, nil
	case "disabled":
		return true, nil
	}
	return false, fault.Refuse(fault.Field{Name: "status", Code: "unknown", Message: "Use active or disabled."})
}
