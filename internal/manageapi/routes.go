package manageapi

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/application"
	"github.com/claviger-dev/claviger/internal/etag"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/route"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/web"
)

const routesPath = applicationsPath + "/{application}/routes"

func (a *API) routes() {
	tags := []string{"Applications"}
	add(a, huma.Operation{
		OperationID: "show-routes", Method: http.MethodGet, Path: routesPath, Tags: tags,
		Summary: "Show the route rules of an application",
	}, requirement{scope: scope.ApplicationsRead, management: policy.MayReadApplications}, a.showRoutes)
	add(a, huma.Operation{
		OperationID: "replace-routes", Method: http.MethodPut, Path: routesPath, Tags: tags,
		Summary: "Replace the route rules of an application",
		Description: "For admins of the tenant. The rules count for the requests of entries that are bound to the " +
			"tenant, before the response is sent. A list in which a rule can never apply is rejected.",
	}, requirement{session: true, versioned: true}, a.replaceRoutes, fault.Conflict)
}

func (a *API) showRoutes(ctx context.Context, in *ApplicationInput) (*output[api.RouteRules], error) {
	rules, err := a.Applications.Routes(ctx, callerOf(ctx).Principal, ident.TenantID(in.Tenant),
		ident.ApplicationID(in.Application))
	if err != nil {
		return nil, err
	}
	return &output[api.RouteRules]{routesOf(rules)}, nil
}

type replaceRoutesInput struct {
	JSON body[api.RouteRules]
	ApplicationInput
}

func (a *API) replaceRoutes(ctx context.Context, in *replaceRoutesInput) (*output[api.RouteRules], error) {
	items := in.JSON.value.Items
	if items == nil {
		return nil, fault.Refuse(fault.Field{
			Name: "items", Code: "required", Message: "List all rules of the application. An empty list removes them.",
		})
	}
	if len(items) > application.MaxRules {
		return nil, fault.Refuse(fault.Field{
			Name: "items", Code: "too_many",
			Message: fmt.Sprintf("An application has at most %d rules.", application.MaxRules),
		})
	}
	rules := make([]route.Rule, len(items))
	var faults []fault.Field
	for i, item := range items {
		r, more := ruleOf(item)
		for _, f := range more {
			f.Name = fmt.Sprintf("items.%d.%s", i, f.Name)
			faults = append(faults, f)
		}
		rules[i] = r
	}
	if err := fault.Refuse(faults...); err != nil {
		return nil, err
	}
	expected := expectedOf(ctx)
	if sent := in.JSON.value.Version; expected == "" && sent != "" {
		var ok bool
		expected, ok = etag.ParseIfMatch([]string{etag.Tag(sent).Quoted()})
		if !ok {
			return nil, fault.Refuse(fault.Field{
				Name: "version", Code: "form", Message: "Send the version that you read, or leave it out.",
			})
		}
	}
	replaced, err := a.Applications.SetRoutes(ctx, callerOf(ctx).Principal, ident.TenantID(in.Tenant),
		ident.ApplicationID(in.Application), rules, expected)
	return edited(replaced, err, routesOf)
}

// ruleOf returns the rule that was sent, and what cannot be read of it.
func ruleOf(sent api.RouteRule) (r route.Rule, faults []fault.Field) {
	r = route.Rule{
		Methods: sent.Methods, AllApplications: sent.AllApplications, SessionOnly: sent.SessionOnly,
	}
	var err error
	r.Path, err = route.ParsePattern(sent.Path)
	if err != nil {
		faults = append(faults, fault.Field{
			Name: "path", Code: "form", Message: "Not a path pattern: " + err.Error() + ".",
		})
	}
	if s := sent.Scopes; s != nil {
		if (len(s.All) > 0) == (len(s.Any) > 0) {
			faults = append(faults, fault.Field{
				Name: "scopes", Code: "exclusive", Message: "Send all or any, with at least one scope.",
			})
		}
		r.Scopes, r.AnyScope = typedList[scope.Scope](slices.Concat(s.All, s.Any)), len(s.Any) > 0
	}
	if sent.Application != nil {
		r.Application = route.ApplicationSource(*sent.Application)
		if r.Application == (route.ApplicationSource{}) {
			faults = append(faults, fault.Field{
				Name: "application", Code: "required", Message: "Send one of id, path, query and header.",
			})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(sent.Headers)) {
		h, err := route.ParseHeader(name, sent.Headers[name])
		if err != nil {
			faults = append(faults, fault.Field{
				Name: "headers." + name, Code: "form",
				Message: "Send key.NAME or owner.NAME, with the names of members of the metadata.",
			})
		}
		r.Headers = append(r.Headers, h)
	}
	return r, faults
}

// routesOf returns the wire form of rules.
func routesOf(rules application.Routes) api.RouteRules {
	wire := api.RouteRules{Items: make([]api.RouteRule, len(rules)), Version: string(rules.Version())}
	for i, r := range rules {
		item := api.RouteRule{
			Methods: r.Methods, Path: r.Path.Text, AllApplications: r.AllApplications, SessionOnly: r.SessionOnly,
		}
		switch names := web.TextsAs[string](r.Scopes); {
		case len(names) == 0:
		case r.AnyScope:
			item.Scopes = &api.RouteScopes{Any: names}
		default:
			item.Scopes = &api.RouteScopes{All: names}
		}
		if r.Application != (route.ApplicationSource{}) {
			source := api.RouteApplication(r.Application)
			item.Application = &source
		}
		for _, h := range r.Headers {
			if item.Headers == nil {
				item.Headers = map[string]string{}
			}
			item.Headers[h.Name] = h.Text()
		}
		wire.Items[i] = item
	}
	return wire
}
