package adminapi

import (
	"net/http"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/notice"
	"github.com/claviger-dev/claviger/internal/web"
)

// maxNotices is the largest number of notices in a list.
const maxNotices = 200

func (a *API) listNotices(w http.ResponseWriter, r *http.Request) error {
	found, err := a.Notices.List(r.Context(), notice.State(r.URL.Query().Get("state")), maxNotices)
	if err != nil {
		return err
	}
	return web.WriteJSON(w, http.StatusOK, web.List(found, noticeOf))
}

// noticeOf returns the wire form of a notice.
func noticeOf(e notice.Entry) api.Notice {
	return api.Notice{
		ID: string(e.ID), Kind: string(e.Kind), State: string(e.State), Email: web.Optional(e.Email),
		KeyID:     web.Optional(e.Key),
		CreatedAt: e.At.UTC(), DueAt: e.DueAt.UTC(), Attempts: e.Attempts, Reason: web.Optional(e.Reason),
	}
}

// retryNotices sends one notice again, or all dead ones.
func (a *API) retryNotices(w http.ResponseWriter, r *http.Request) error {
	var in api.RetryNoticesRequest
	if err := web.Decode(r, &in); err != nil {
		return err
	}
	who, out := web.Operator(w), api.RetryNoticesResponse{Retried: 1}
	var err error
	switch {
	case (in.ID != "") == in.Dead:
		err = fault.Refuse(fault.Field{
			Name: "id", Code: "required",
			Message: "Send either the id of one notice, or dead: true.",
		})
	case in.Dead:
		out.Retried, err = a.Notices.RetryDead(r.Context(), who)
	default:
		err = a.Notices.Retry(r.Context(), who, ident.NoticeID(in.ID))
	}
	if err != nil {
		return err
	}
	return web.WriteJSON(w, http.StatusOK, out)
}
