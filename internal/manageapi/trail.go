package manageapi

import (
	"context"
	"strconv"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/tenancy"
	"github.com/claviger-dev/claviger/internal/web"
)

type listTenantEventsInput struct {
	TenantInput
	PageInput
}

func (a *API) listTenantEvents(ctx context.Context, in *listTenantEventsInput) (*answer[api.List[api.Event]], error) {
	return a.events(ctx, in.PageInput, "tenant events", in.Tenant, func(before int64, limit int) ([]tenancy.TrailEvent, error) {
		return a.Tenancy.TenantTrail(ctx, who(ctx).Principal, ident.TenantID(in.Tenant), before, limit)
	})
}

type listAccountEventsInput struct {
	AccountInput
	PageInput
}

func (a *API) listAccountEvents(ctx context.Context, in *listAccountEventsInput) (*answer[api.List[api.Event]], error) {
	return a.events(ctx, in.PageInput, "account events", in.Account, func(before int64, limit int) ([]tenancy.TrailEvent, error) {
		return a.Tenancy.AccountTrail(ctx, who(ctx).Principal, ident.AccountID(in.Account), before, limit)
	})
}

// events makes a page of a trail. Its place is the number of a change.
func (a *API) events(ctx context.Context, in PageInput, name, of string, read func(before int64, limit int) ([]tenancy.TrailEvent, error)) (*answer[api.List[api.Event]], error) {
	bound := binding(who(ctx), name, of)
	at, err := openCursor(a.Keyring, in.Cursor, bound)
	if err != nil {
		return nil, err
	}
	before, _ := strconv.ParseInt(at.ID, 10, 64) // "" for the first page, and otherwise what we sealed
	found, err := read(before, in.Limit+1)
	if err != nil {
		return nil, err
	}
	return list(found, eventOf, in.Limit, func(last tenancy.TrailEvent) (string, error) {
		return sealCursor(a.Keyring, place{last.At, strconv.FormatInt(last.Number, 10)}, bound)
	})
}

func eventOf(e tenancy.TrailEvent) api.Event {
	wire := api.Event{
		ID: string(e.ID), At: e.At.UTC(), Action: e.Action,
		Actor:  api.Actor{Type: e.Actor.Type, ID: web.Optional(e.Actor.ID), Email: web.Optional(e.Actor.Email)},
		Target: api.Target{Type: e.Target.Type, ID: web.Optional(e.Target.ID), Name: web.Optional(e.Target.Name)},
		IP:     web.Optional(e.IP), RequestID: web.Optional(e.RequestID), Details: e.Details,
	}
	if wire.Details == nil {
		wire.Details = map[string]string{}
	}
	return wire
}
