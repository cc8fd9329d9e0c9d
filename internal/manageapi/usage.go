package manageapi

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"reflect"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/usage"
)

func (a *API) usage() {
	tags := []string{"Usage"}
	add(a, huma.Operation{
		OperationID: "show-usage", Method: http.MethodGet, Path: tenantPath + "/usage", Tags: tags,
		Summary: "Show how much the keys of a tenant are used",
		Description: "Admins and auditors see everything, members see their own keys, by day, hour and key. Days " +
			"and hours are in UTC. Hours are kept for 35 days, days of keys for 400 days, days of a tenant for " +
			"1,100 days. What is counted is at most a minute old. " + shortPages,
	}, requirement{session: true, management: policy.MayReadUsage}, a.showUsage)
	add(a, huma.Operation{
		OperationID: "list-usage-events", Method: http.MethodGet, Path: tenantPath + "/usage/events", Tags: tags,
		Summary: "Export the usage of keys as CloudEvents",
		Description: "For admins and auditors, and for billing systems with a management key. Each line is a " +
			"CloudEvent (JSON) about a key and an hour, oldest first. An hour is exported once every node has " +
			"written what it counted, and does not change afterwards. The header `Claviger-Next-Cursor` is always " +
			"sent: ask again with it, also later, to get what came since. An event that is read twice has the same " +
			"id. " + shortPages,
	}, requirement{session: true, management: policy.MayReadUsage}, a.listUsageEvents)
	doc := a.huma.OpenAPI()
	operationAt(doc, http.MethodGet, tenantPath+"/usage/events").Responses["200"].Content = map[string]*huma.MediaType{
		eventLinesType: {Schema: doc.Components.Schemas.Schema(reflect.TypeFor[api.UsageEvent](), true, "UsageEvent")},
	}
	add(a, huma.Operation{
		OperationID: "show-statement", Method: http.MethodGet, Path: accountPath + "/usage", Tags: tags,
		Summary: "Show the monthly statement of an account",
		Description: "How many requests each tenant accepted and refused in a calendar month, in UTC. Only owners " +
			"and admins of the account may do this.",
	}, requirement{session: true}, a.showStatement)
}

type showUsageInput struct {
	TenantInput
	PageInput
	By          string `query:"by" default:"day" enum:"day,hour,key,code,application,transport" doc:"The groups."`
	Since       moment `query:"since" doc:"From the day or hour of this time on. By default 30 days or 24 hours."`
	Until       moment `query:"until" doc:"Counts until the day or hour of this time. By default now."`
	Application string `query:"application_id" doc:"Counts only requests for this application."`
	Key         string `query:"key_id" doc:"Counts only requests of this key, by day or by hour."`
}

// Resolve implements huma.Resolver.
func (in *showUsageInput) Resolve(ctx huma.Context) []error {
	return append(in.PageInput.Resolve(ctx), checkMoments(map[string]moment{"since": in.Since, "until": in.Until})...)
}

// span returns the time that is asked for.
func (in *showUsageInput) span(now time.Time) usage.Span {
	unit, length := usage.Days, 30*policy.Day
	if api.UsageBy(in.By) == api.UsageByHour {
		unit, length = usage.Hours, policy.Day
	}
	until := now
	if in.Until != "" {
		until = in.Until.time()
	}
	since := until.Add(-length)
	if in.Since != "" {
		since = in.Since.time()
	}
	return usage.NewSpan(unit, since, until)
}

func (a *API) showUsage(ctx context.Context, in *showUsageInput) (*output[api.Usage], error) {
	v, err := a.Reports.View(ctx, callerOf(ctx).Principal, ident.TenantID(in.Tenant))
	if err != nil {
		return nil, err
	}
	by, span := api.UsageBy(in.By), in.span(a.Reports.Now())
	wire := api.Usage{By: by, From: span.From, To: span.To, Items: []api.UsageItem{}}
	if by == api.UsageByKey {
		return a.usageOfKeys(ctx, in, v, span, wire)
	}
	if by != api.UsageByDay && by != api.UsageByHour {
		if err := v.RequireTenant(); err != nil {
			return nil, err
		}
		if in.Key != "" {
			return nil, fault.Refuse(fault.Field{
				Name: "key_id", Code: "exclusive", Message: "The requests of a key are counted by day and by hour.",
			})
		}
	}
	t, err := a.Reports.Totals(ctx, v, span, in.Application, ident.KeyID(in.Key))
	if err != nil {
		return nil, err
	}
	total := sumOf(t.Sum)
	wire.Total = &total
	switch by {
	case api.UsageByCode:
		for _, p := range t.Codes {
			wire.Items = append(wire.Items, api.UsageItem{
				Code: new(api.Code(cmp.Or(string(p.Of), string(api.OK)))), UsageSum: sumOf(p.Sum),
			})
		}
	case api.UsageByApplication:
		for _, p := range t.Applications {
			wire.Items = append(wire.Items, api.UsageItem{ApplicationID: new(p.Of), UsageSum: sumOf(p.Sum)})
		}
	case api.UsageByTransport:
		for _, p := range t.Transports {
			wire.Items = append(wire.Items, api.UsageItem{Transport: new(string(p.Of)), UsageSum: sumOf(p.Sum)})
		}
	default:
		for _, p := range t.Periods {
			wire.Items = append(wire.Items, api.UsageItem{BeginsAt: new(p.Begin), UsageSum: sumOf(p.Sum)})
		}
	}
	return &output[api.Usage]{wire}, nil
}

func sumOf(s usage.Sum) api.UsageSum { return api.UsageSum{Accepted: s.Accepted, Refused: s.Refused} }

// usageOfKeys completes a page of the sums of keys.
func (a *API) usageOfKeys(ctx context.Context, in *showUsageInput, v usage.View, span usage.Span,
	wire api.Usage,
) (*output[api.Usage], error) {
	if in.Application != "" || in.Key != "" {
		return nil, fault.Refuse(fault.Field{
			Name: "by", Code: "exclusive", Message: "Leave `application_id` and `key_id` out with `by=key`.",
		})
	}
	bound := binding(callerOf(ctx), "usage", in.Tenant, span.From.String(), span.To.String())
	at, err := openCursor(a.Keyring, in.Cursor, bound)
	if err != nil {
		return nil, err
	}
	owner, key, _ := strings.Cut(at.ID, "/")
	list, next, err := a.Reports.Keys(ctx, v, span, usage.KeyPage{
		AfterOwner: ident.PartyID(owner), AfterKey: ident.KeyID(key), Limit: in.Limit,
	})
	if err != nil {
		return nil, err
	}
	for _, k := range list {
		item := api.UsageItem{UsageSum: sumOf(k.Sum)}
		if k.Key != "" {
			item.KeyID, item.OwnerID = new(string(k.Key)), new(string(k.Owner))
		}
		wire.Items = append(wire.Items, item)
	}
	if next != nil {
		at := position{ID: string(next.AfterOwner) + "/" + keyOrOther(next.AfterKey)}
		cursor, err := sealCursor(a.Keyring, at, bound)
		if err != nil {
			return nil, err
		}
		wire.NextCursor = &cursor
	}
	return &output[api.Usage]{wire}, nil
}

// otherKeys stands for the keys that were counted together.
const otherKeys = "other"

func keyOrOther(id ident.KeyID) string { return cmp.Or(string(id), otherKeys) }

type listUsageEventsInput struct {
	TenantInput
	Limit  int    `query:"limit" minimum:"1" maximum:"200" default:"200" doc:"Maximum number of events."`
	Cursor string `query:"cursor" doc:"The Claviger-Next-Cursor of an earlier response."`
	Since  moment `query:"since" doc:"From the hour of this time on. By default all that is kept."`
}

// Resolve implements huma.Resolver.
func (in *listUsageEventsInput) Resolve(huma.Context) []error {
	return checkMoments(map[string]moment{"since": in.Since})
}

// eventLinesType is the media type of lines of JSON.
const eventLinesType = "application/x-ndjson"

// eventLines are CloudEvents, one on each line.
type eventLines struct {
	ContentType string `header:"Content-Type"`
	NextCursor  string `header:"Claviger-Next-Cursor"`
	Body        []byte
}

func (a *API) listUsageEvents(ctx context.Context, in *listUsageEventsInput) (*eventLines, error) {
	v, err := a.Reports.View(ctx, callerOf(ctx).Principal, ident.TenantID(in.Tenant))
	if err != nil {
		return nil, err
	}
	bound := binding(callerOf(ctx), "usage events", in.Tenant)
	at, err := openCursor(a.Keyring, in.Cursor, bound)
	if err != nil {
		return nil, err
	}
	if in.Cursor == "" {
		at.Time = in.Since.time()
	}
	owner, key, _ := strings.Cut(at.ID, "/")
	list, next, err := a.Reports.Events(ctx, v, usage.EventPage{After: at.Time, KeyPage: usage.KeyPage{
		AfterOwner: ident.PartyID(owner), AfterKey: ident.KeyID(key), Limit: in.Limit,
	}})
	if err != nil {
		return nil, err
	}
	var lines bytes.Buffer
	encoder := json.NewEncoder(&lines)
	for _, c := range list {
		if err := encoder.Encode(a.usageEvent(c)); err != nil {
			return nil, err
		}
	}
	id := ""
	if next.AfterOwner != "" || next.AfterKey != "" {
		id = string(next.AfterOwner) + "/" + keyOrOther(next.AfterKey)
	}
	cursor, err := sealCursor(a.Keyring, position{next.After, id}, bound)
	return &eventLines{eventLinesType, cursor, lines.Bytes()}, err
}

func (a *API) usageEvent(c usage.KeyCount) api.UsageEvent {
	key := keyOrOther(c.Key)
	e := api.UsageEvent{
		SpecVersion: "1.0", ID: string(c.Tenant) + "/" + key + "/" + c.Hour.UTC().Format("2006-01-02T15Z"),
		Source: a.BaseURL + "/api/v1/tenants/" + string(c.Tenant), Type: "dev.claviger.usage.key.v1", Subject: key,
		Time: c.Hour.UTC().Add(time.Hour), DataContentType: "application/json",
		Data: api.UsageEventData{
			TenantID: string(c.Tenant), BeginsAt: c.Hour.UTC(), EndsAt: c.Hour.UTC().Add(time.Hour),
			UsageSum: api.UsageSum{Accepted: c.Accepted, Refused: c.Refused},
		},
	}
	if c.Key != "" {
		e.Data.KeyID, e.Data.OwnerID = new(string(c.Key)), new(string(c.Owner))
	}
	return e
}

type showStatementInput struct {
	AccountInput
	Month string `query:"month" doc:"The year and the month, such as 2026-11. By default this month."`
}

// monthForm is how a month is written.
const monthForm = "2006-01"

func (a *API) showStatement(ctx context.Context, in *showStatementInput) (*output[api.Statement], error) {
	month := a.Reports.Now()
	if in.Month != "" {
		var err error
		month, err = time.Parse(monthForm, in.Month)
		if err != nil {
			return nil, fault.Refuse(fault.Field{
				Name: "month", Code: "form", Message: "Send a year and a month, such as 2026-11.",
			})
		}
	}
	st, err := a.Reports.Statement(ctx, callerOf(ctx).Principal, ident.AccountID(in.Account), month)
	if err != nil {
		return nil, err
	}
	wire := api.Statement{
		Month: st.Month.From.Format(monthForm), Complete: st.Complete, Tenants: []api.StatementItem{},
		Total: sumOf(st.Sum),
	}
	for _, t := range st.Tenants {
		wire.Tenants = append(wire.Tenants,
			api.StatementItem{TenantID: string(t.Tenant), Name: t.Name, UsageSum: sumOf(t.Sum)})
	}
	return &output[api.Statement]{wire}, nil
}
