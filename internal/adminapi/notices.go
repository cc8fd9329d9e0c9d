package adminapi

import (
	"net/http"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/notice"
	"github.com/claviger-dev/claviger/internal/web"
)

// shownNotices is how many a list has at most.
const shownNotices = 200

func (a *API) listNotices(w http.ResponseWriter, r *http.Request) error {
	found, err := a.Notices.List(r.Context(), notice.State(r.URL.Query().Get("state")), shownNotices)
	if err != nil {
		return err
	}
	return web.Answer(w, http.StatusOK, web.List(found, noticeOf))
}

func noticeOf(e notice.Entry) api.Notice {
	return api.Notice{
		ID: string(e.ID), Kind: string(e.Kind), State: string(e.State), Email: web.Optional(e.Email), KeyID: web.Optional(e.Key),
		CreatedAt: e.At.UTC(), DueAt: e.DueAt.UTC(), Attempts: e.Attempts, Reason: web.Optional(e.Reason),
	}
}

func (a *API) retryNotices(w http.ResponseWriter, r *http.Request) error {
	var in api.NoticeRetry
	if err := web.Decode(r, &in); err != nil {
		return err
	}
	who, out := a.Door.Operator(w), api.NoticesRetried{Retried: 1}
	var err error
	switch {
	case (in.ID != "") == in.Dead:
		err = fault.Refuse(fault.Field{Name: "id", Code: "required", Message: "Give the id of one notice, or dead: true."})
	case in.Dead:
		out.Retried, err = a.Notices.RetryDead(r.Context(), who)
	default:
		err = a.Notices.Retry(r.Context(), who, ident.NoticeID(in.ID))
	}
	if err != nil {
		return err
	}
	return web.Answer(w, http.StatusOK, out)
}
