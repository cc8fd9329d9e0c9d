package adminapi

import (
	"net/http"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/serverkey"
	"github.com/claviger-dev/claviger/internal/web"
)

func (a *API) listServerKeys(w http.ResponseWriter, r *http.Request) error {
	states, err := a.ServerKeys.Status(r.Context(), a.Door.Operator(w))
	if err != nil {
		return err
	}
	return web.Answer(w, http.StatusOK, web.List(states, serverKeyOf))
}

func serverKeyOf(s serverkey.State) api.ServerKey {
	return api.ServerKey{
		Key: string(s.Purpose), Version: s.Number, Current: s.Current, CreatedAt: s.CreatedAt.UTC(), UsedFrom: web.Time(s.From), RewrappedAt: web.Time(s.EmptiedAt), Left: s.Left,
	}
}

func (a *API) rotateServerKeys(w http.ResponseWriter, r *http.Request) error {
	var in api.Rotation
	if err := web.Decode(r, &in); err != nil {
		return err
	}
	v, err := a.ServerKeys.Rotate(r.Context(), a.Door.Operator(w), keysOf(in.Tag))
	if err != nil {
		return err
	}
	return web.Answer(w, http.StatusCreated, api.Rotated{Version: v.Number, UsedFrom: v.From.UTC()})
}

// retireServerKeys answers what is left.
func (a *API) retireServerKeys(w http.ResponseWriter, r *http.Request) error {
	var in api.Retirement
	if err := web.Decode(r, &in); err != nil {
		return err
	}
	if err := a.ServerKeys.Retire(r.Context(), a.Door.Operator(w), keysOf(in.Tag), in.Version); err != nil {
		return err
	}
	return a.listServerKeys(w, r)
}

func keysOf(tag bool) serverkey.Set {
	if tag {
		return serverkey.Tags
	}
	return serverkey.Seals
}
