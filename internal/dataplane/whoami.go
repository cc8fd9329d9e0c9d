package dataplane

import (
	"net/http"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/verify"
	"github.com/claviger-dev/claviger/internal/web"
)

// whoami describes the caller.
func (a *API) whoami(w http.ResponseWriter, r *http.Request) error {
	caller, _, err := a.Authenticator.Caller(w, r, verify.Requirement{})
	if err != nil {
		return err
	}
	if caller.Facts == nil {
		return web.WriteJSON(w, http.StatusOK, sessionWhoami(caller))
	}
	web.SetPrivateJSON(w.Header())
	buf := getBuffer()
	defer putBuffer(buf)
	writeWhoami(buf, &caller)
	_, _ = w.Write(buf.Bytes()) // the client may be gone
	return nil
}

// sessionWhoami describes a signed-in person.
func sessionWhoami(c verify.Caller) api.Whoami {
	s, _ := c.Session()
	user := web.Person(s.User)
	memberships, accounts := web.Memberships(s)
	return api.Whoami{
		Principal: "session", User: &user, Transport: web.OptionalAs[api.Transport](c.Transport),
		Memberships: memberships,
		Accounts:    accounts,
	}
}
