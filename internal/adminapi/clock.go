package adminapi

import (
	"net/http"
	"time"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/web"
)

func (a *API) clockStatus(w http.ResponseWriter, r *http.Request) error {
	s, err := a.Clock.ClockStatus(r.Context())
	if err != nil {
		return err
	}
	status := api.ClockStatus{
		Trusted: s.Reason == "", Time: s.Wall, DatabaseTime: web.Time(s.Database), Record: web.Time(s.Record),
		Horizon: web.Time(s.Horizon),
	}
	if s.Reason != "" {
		status.Reason = &s.Reason
	}
	return web.WriteJSON(w, http.StatusOK, status)
}

// repairClock removes times later than the present from the record.
func (a *API) repairClock(w http.ResponseWriter, r *http.Request) error {
	var in api.RepairClockRequest
	if err := web.Decode(r, &in); err != nil {
		return err
	}
	var stated time.Time
	if in.Time != nil {
		stated = *in.Time
	}
	done, err := a.Clock.RepairClock(r.Context(), web.Operator(w), stated)
	if err != nil {
		return err
	}
	return web.WriteJSON(w, http.StatusOK, api.RepairClockResponse{
		From: done.From, To: done.To, MayReviveKeys: done.Keys, MayRevivePreviousSecrets: done.PreviousSecrets,
		MayReviveSessions: done.Sessions,
		MayReviveLinks:    done.Links, SessionsEnded: done.SessionsEnded, KeysForgotten: done.Forgotten,
		ChangesAhead: done.Changes,
	})
}
