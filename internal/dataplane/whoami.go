package dataplane

import (
	"net/http"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/verify"
	"github.com/claviger-dev/claviger/internal/web"
)

func (p *Plane) whoami(w http.ResponseWriter, r *http.Request) error {
	caller, _, err := p.door.Caller(w, r, verify.Requirement{})
	if err != nil {
		return err
	}
	if caller.Facts == nil {
		return web.Answer(w, http.StatusOK, sessionWhoami(caller))
	}
	web.PrivateJSON(w.Header())
	buf := borrow()
	defer giveBack(buf)
	caller.Facts.Rendered.(*rendered).whoami.fill(buf, caller.Transport)
	_, _ = w.Write(buf.Bytes()) // the client may be gone
	return nil
}

func sessionWhoami(c verify.Caller) api.Whoami {
	s, _ := c.Session()
	user := web.Person(s.User)
	memberships, standings := web.Memberships(s)
	return api.Whoami{Principal: "session", User: &user, Transport: web.Optional(c.Transport), Memberships: memberships, Accounts: standings}
}
