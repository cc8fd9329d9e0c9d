package adminapi

import (
	"net/http"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/serverkey"
	"github.com/claviger-dev/claviger/internal/web"
)

func (a *API) listServerKeys(w http.ResponseWriter, r *http.Request) error {
	states, err := a.ServerKeys.Status(r.Context(), web.Operator(w))
	if err != nil {
		return err
	}
	return web.WriteJSON(w, http.StatusOK, web.List(states, serverKeyOf))
}

// serverKeyOf returns the wire form of a version of a server key.
func serverKeyOf(s serverkey.State) api.ServerKey {
	return api.ServerKey{
		Key: string(s.Purpose), Version: s.Number, Current: s.Current, CreatedAt: s.CreatedAt.UTC(),
		UsedFrom: web.Time(s.From), RewrappedAt: web.Time(s.DrainedAt), Left: s.Remaining,
	}
}

func (a *API) rotateServerKeys(w http.ResponseWriter, r *http.Request) error {
	var in api.RotateKeysRequest
	if err := web.Decode(r, &in); err != nil {
		return err
	}
	v, err := a.ServerKeys.Rotate(r.Context(), web.Operator(w), keySet(in.Tag))
	if err != nil {
		return err
	}
	return web.WriteJSON(w, http.StatusCreated, api.RotateKeysResponse{Version: v.Number, UsedFrom: v.From.UTC()})
}

// retireServerKeys ends a version of a server key and returns the remaining ones.
func (a *API) retireServerKeys(w http.ResponseWriter, r *http.Request) error {
	var in api.RetireKeysRequest
	if err := web.Decode(r, &in); err != nil {
		return err
	}
	if err := a.ServerKeys.Retire(r.Context(), web.Operator(w), keySet(in.Tag), in.Version); err != nil {
		return err
	}
	return a.listServerKeys(w, r)
}

// keySet returns the tag keys or the keys that seal data.
func keySet(tag bool) serverkey.Set {
	if tag {
		return serverkey.Tags
	}
	return serverkey.Seals
}
