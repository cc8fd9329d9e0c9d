package manageapi

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/web"
)

// EventFilterInput filters an audit trail. It is exported because huma sees no other embedded
// types.
type EventFilterInput struct {
	Action string `query:"action" doc:"An action, such as key.create, or its first word for all such actions."`
	Actor  string `query:"actor" doc:"The id of the actor."`
	Target string `query:"target" doc:"The id of the changed object."`
	Since  moment `query:"since" doc:"Only events at or after this time: RFC 3339, whole microseconds."`
	Until  moment `query:"until" doc:"Only events before this time: RFC 3339, whole microseconds."`
}

// moment is a time in a query string. Resolve reads it in the same way as times in bodies.
type moment string

// momentSchema returns the schema of a moment. huma must not see it, since huma would check the
// format by its own rules.
func momentSchema() *huma.Schema { return &huma.Schema{Type: huma.TypeString, Format: "date-time"} }

// time returns the time; the zero time if the parameter was not sent.
func (m moment) time() time.Time {
	at, _ := api.ParseTime(string(m)) // Resolve has checked it
	return at
}

// Resolve refuses a text that is no time, and the zero time, which stands for a parameter that was
// not sent. It implements huma.Resolver.
func (in *EventFilterInput) Resolve(huma.Context) []error {
	return checkMoments(map[string]moment{"since": in.Since, "until": in.Until})
}

// checkMoments refuses texts that are no times, by the names of their parameters.
func checkMoments(all map[string]moment) []error {
	var faults []fault.Field
	for name, sent := range all {
		if sent == "" {
			continue
		}
		if at, err := api.ParseTime(string(sent)); err != nil {
			faults = append(faults, web.TimeField(name, "invalid", err))
		} else if at.IsZero() {
			faults = append(faults, fault.Field{
				Name: name, Code: "range", Message: "Use a time after the beginning of the year 1.",
			})
		}
	}
	slices.SortFunc(faults, func(a, b fault.Field) int { return strings.Compare(a.Name, b.Name) })
	if err := fault.Refuse(faults...); err != nil {
		return []error{err}
	}
	return nil
}

// filter returns the filter of the domain.
func (in EventFilterInput) filter() audit.TrailFilter {
	return audit.TrailFilter{
		Action: in.Action, Actor: in.Actor, Target: in.Target, Since: in.Since.time(),
		Until: in.Until.time(),
	}
}

type listTenantEventsInput struct {
	TenantInput
	PageInput
	EventFilterInput
}

func (a *API) listTenantEvents(ctx context.Context, in *listTenantEventsInput) (*output[api.List[api.Event]], error) {
	return a.events(ctx, in.PageInput, in.EventFilterInput, "tenant events", in.Tenant,
		func(page audit.TrailPage) (audit.TrailPart, error) {
			return a.Tenancy.TenantTrail(ctx, callerOf(ctx).Principal, ident.TenantID(in.Tenant), in.filter(), page)
		})
}

type listAccountEventsInput struct {
	AccountInput
	PageInput
	EventFilterInput
}

func (a *API) listAccountEvents(ctx context.Context, in *listAccountEventsInput) (*output[api.List[api.Event]], error) {
	return a.events(ctx, in.PageInput, in.EventFilterInput, "account events", in.Account,
		func(page audit.TrailPage) (audit.TrailPart, error) {
			return a.Accounts.AccountTrail(ctx, callerOf(ctx).Principal, ident.AccountID(in.Account), in.filter(), page)
		})
}

// events returns a page of an audit trail. Its position is the number of a change.
func (a *API) events(ctx context.Context, in PageInput, f EventFilterInput, name, of string,
	read func(audit.TrailPage) (audit.TrailPart, error),
) (*output[api.List[api.Event]], error) {
	bound := binding(callerOf(ctx), name, of, f.Action, f.Actor, f.Target, f.Since.time().UTC().String(),
		f.Until.time().UTC().String())
	at, err := openCursor(a.Keyring, in.Cursor, bound)
	if err != nil {
		return nil, err
	}
	before, _ := strconv.ParseInt(at.ID, 10, 64) // "" is the first page; any other id was sealed here
	found, err := read(audit.TrailPage{Before: before, Limit: in.Limit})
	if err != nil {
		return nil, err
	}
	if found.Next == nil {
		return pageOf(a, found.Events, eventOf, nil, bound)
	}
	return pageOf(a, found.Events, eventOf, &position{ID: strconv.FormatInt(found.Next.Before, 10)}, bound)
}

// eventOf returns the wire form of an event.
func eventOf(e audit.TrailEvent) api.Event {
	wire := api.Event{
		ID: string(e.ID), At: e.At.UTC(), Action: string(e.Action),
		Actor:  api.Actor{Type: e.Actor.Type, ID: web.Optional(e.Actor.ID), Email: web.Optional(e.Actor.Email)},
		Target: api.Target{Type: e.Target.Type, ID: web.Optional(e.Target.ID), Name: web.Optional(e.Target.Name)},
		IP:     web.Optional(e.IP), RequestID: web.Optional(e.RequestID), Details: e.Details,
	}
	if wire.Details == nil {
		wire.Details = map[string]string{}
	}
	if name, ok := wire.Details[audit.DetailActorName]; ok {
		wire.Details = maps.Clone(wire.Details)
		delete(wire.Details, audit.DetailActorName)
		wire.Actor.Name = &name
	}
	return wire
}
