package manageapi

import (
	"context"
	"strconv"
	"time"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/tenancy"
	"github.com/claviger-dev/claviger/internal/web"
)

// EventFilterInput narrows a trail. It is exported because huma sees no others when embedded.
type EventFilterInput struct {
	Action string    `query:"action" doc:"An action, such as key.create, or its first word for all of that kind."`
	Actor  string    `query:"actor" doc:"The id of who did it."`
	Target string    `query:"target" doc:"The id of what was changed."`
	Since  time.Time `query:"since" doc:"The first moment, in RFC 3339."`
	Until  time.Time `query:"until" doc:"The first moment after, in RFC 3339."`
}

func (in EventFilterInput) filter() tenancy.TrailFilter {
	return tenancy.TrailFilter{Action: in.Action, Actor: in.Actor, Target: in.Target, Since: in.Since, Until: in.Until}
}

type listTenantEventsInput struct {
	TenantInput
	PageInput
	EventFilterInput
}

func (a *API) listTenantEvents(ctx context.Context, in *listTenantEventsInput) (*answer[api.List[api.Event]], error) {
	return a.events(ctx, in.PageInput, in.EventFilterInput, "tenant events", in.Tenant, func(page tenancy.TrailPage) (tenancy.TrailPart, error) {
		return a.Tenancy.TenantTrail(ctx, who(ctx).Principal, ident.TenantID(in.Tenant), in.filter(), page)
	})
}

type listAccountEventsInput struct {
	AccountInput
	PageInput
	EventFilterInput
}

func (a *API) listAccountEvents(ctx context.Context, in *listAccountEventsInput) (*answer[api.List[api.Event]], error) {
	return a.events(ctx, in.PageInput, in.EventFilterInput, "account events", in.Account, func(page tenancy.TrailPage) (tenancy.TrailPart, error) {
		return a.Tenancy.AccountTrail(ctx, who(ctx).Principal, ident.AccountID(in.Account), in.filter(), page)
	})
}

// events makes a page of a trail. Its place is the number of a change.
func (a *API) events(ctx context.Context, in PageInput, f EventFilterInput, name, of string, read func(tenancy.TrailPage) (tenancy.TrailPart, error)) (*answer[api.List[api.Event]], error) {
	bound := binding(who(ctx), name, of, f.Action, f.Actor, f.Target, f.Since.UTC().String(), f.Until.UTC().String())
	at, err := openCursor(a.Keyring, in.Cursor, bound)
	if err != nil {
		return nil, err
	}
	before, _ := strconv.ParseInt(at.ID, 10, 64) // "" for the first page, and otherwise what we sealed
	found, err := read(tenancy.TrailPage{Before: before, Limit: in.Limit})
	if err != nil {
		return nil, err
	}
	if found.Next == nil {
		return part(a, found.Events, eventOf, nil, bound)
	}
	return part(a, found.Events, eventOf, &place{ID: strconv.FormatInt(found.Next.Before, 10)}, bound)
}

func eventOf(e tenancy.TrailEvent) api.Event {
	wire := api.Event{
		ID: string(e.ID), At: e.At.UTC(), Action: string(e.Action),
		Actor:  api.Actor{Type: e.Actor.Type, ID: web.Optional(e.Actor.ID), Email: web.Optional(e.Actor.Email)},
		Target: api.Target{Type: e.Target.Type, ID: web.Optional(e.Target.ID), Name: web.Optional(e.Target.Name)},
		IP:     web.Optional(e.IP), RequestID: web.Optional(e.RequestID), Details: e.Details,
	}
	if wire.Details == nil {
		wire.Details = map[string]string{}
	}
	return wire
}
