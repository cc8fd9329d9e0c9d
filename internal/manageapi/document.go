package manageapi

import (
	"encoding/json"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/web"
)

// tags in the order of the document, which puts others behind them.
var tags = []*huma.Tag{
	{Name: "Decisions", Description: "What a protected API asks with each request it gets."},
	{Name: "Session", Description: "People sign in with e-mail and password, and carry a cookie from then on."},
	{Name: "Me", Description: "The signed-in person themselves: name, password, sessions."},
	{Name: "Links", Description: "What can be done once with a link: setting up an account, accepting an invitation."},
	{Name: "Accounts", Description: "Customer organisations, with their owners and admins."},
	{Name: "Tenants", Description: "Workspaces of an account, with all their settings."},
	{Name: "Members", Description: "The people of a tenant."},
	{Name: "Scopes", Description: "What the API of a tenant lets a key do."},
	{Name: "Keys", Description: "The life of a key. People manage keys; keys never do."},
	{Name: "Applications", Description: "The protected APIs of a tenant, to which a key can be restricted."},
	{Name: "Health", Description: "For whoever runs Claviger, and what watches over it."},
}

// config sets huma up. Its own pages load scripts from other sites, and the document is more than its own operations: package docs serves both.
func (a *API) config(version string) huma.Config {
	config := huma.DefaultConfig("Claviger", version)
	config.OpenAPIPath, config.DocsPath, config.SchemasPath = "", "", ""
	config.CreateHooks = nil
	config.RejectUnknownQueryParameters = true
	config.Info.Description = "An API-key authority: keys for the users of your API, and a decision for each request that carries one.\n\n" +
		"Bodies are JSON in `snake_case`, read exactly: unknown and duplicate members are refused. Times are RFC 3339, ids are opaque. " +
		"Every refusal is a problem document (RFC 9457) whose `code` says why."
	config.Info.License = &huma.License{Name: "Apache License 2.0", Identifier: "Apache-2.0"}
	config.Servers = []*huma.Server{{URL: a.BaseURL}}
	config.Components.SecuritySchemes = a.securitySchemes()
	config.Components.Schemas.RegisterTypeAlias(reflect.TypeFor[refusal](), reflect.TypeFor[api.Problem]())
	return config
}

// keySchemes are the ways in which a request carries a key.
var keySchemes = []string{"bearer", "basic", "header"}

func (a *API) securitySchemes() map[string]*huma.SecurityScheme {
	return map[string]*huma.SecurityScheme{
		"session": {Type: "apiKey", In: "cookie", Name: a.Door.Cookie(credential.Secret{}).Name, Description: "The cookie of a signed-in person."},
		"bearer":  {Type: "http", Scheme: "bearer", Description: "A key's whole value."},
		"basic":   {Type: "http", Scheme: "basic", Description: "A key's public id as the user name, its secret as the password."},
		"header":  {Type: "apiKey", In: "header", Name: "X-API-Key", Description: "A key's whole value, in the header that its tenant chose."},
	}
}

// security gives the need in the terms of OpenAPI: the ways that are good, each with the scope a key needs.
func (n need) security() []map[string][]string {
	if n.anyone {
		return []map[string][]string{}
	}
	ways := []map[string][]string{{"session": {}}}
	if n.session {
		return ways
	}
	scopes := []string{}
	if n.scope != "" {
		scopes = append(scopes, string(n.scope))
	}
	for _, scheme := range keySchemes {
		ways = append(ways, map[string][]string{scheme: scopes})
	}
	return ways
}

// Document describes all of Claviger's API as OpenAPI 3.1, in JSON: the operations mounted here and the routes besides. It is made last.
func (a *API) Document(routes []web.Route) []byte {
	doc := a.h.OpenAPI()
	for _, r := range routes {
		if operationAt(doc, r.Method, r.Path) == nil {
			a.describeRoute(r)
		}
	}
	doc.Tags = usedTags(doc)
	mendSchemas(doc.Components.Schemas)
	text, err := json.Marshal(doc)
	if err != nil {
		panic("manageapi: the document did not marshal: " + err.Error())
	}
	return text
}

// describeRoute documents a route that huma does not serve.
func (a *API) describeRoute(r web.Route) {
	op := &huma.Operation{
		Method: r.Method, Path: r.Path, OperationID: r.ID, Tags: []string{r.Tag}, Summary: r.Summary, Description: r.Description,
		Responses: map[string]*huma.Response{"200": {Description: http.StatusText(http.StatusOK), Content: content(a.h, jsonType, typesOf(r.Answers)...)}},
	}
	if r.Body != nil {
		op.RequestBody = &huma.RequestBody{Required: true, Content: content(a.h, jsonType, reflect.TypeOf(r.Body))}
	}
	describe(a.h, op, need{anyone: r.Anyone, scope: r.Scope}, r.Refusals)
	a.h.OpenAPI().AddOperation(op)
}

// describe says what an operation needs and how it refuses.
func describe(h huma.API, op *huma.Operation, n need, domain []fault.Kind) {
	op.Description = strings.Trim(op.Description+"\n\n"+n.text(), "\n")
	op.Security = n.security()
	for _, p := range op.Parameters {
		if p.In == "path" && p.Description == "" {
			p.Description = "Which " + p.Name + ", by its id."
		}
	}
	problem := content(h, problemType, reflect.TypeFor[api.Problem]())
	refused := slices.Concat(n.refusals(), refusalsOf(op), domain)
	for _, kind := range web.Kinds() {
		if slices.Contains(refused, kind) {
			addRefusal(op, kind, problem)
		}
	}
	op.Responses["default"] = &huma.Response{Description: "Any other refusal.", Content: problem}
}

// codesExtension lists the codes with which a status is answered.
const codesExtension = "x-codes"

func addRefusal(op *huma.Operation, kind fault.Kind, problem map[string]*huma.MediaType) {
	p := web.NewProblem(kind, "")
	status := strconv.Itoa(p.Status)
	r := op.Responses[status]
	if r == nil {
		r = &huma.Response{Description: http.StatusText(p.Status), Content: problem, Extensions: map[string]any{codesExtension: []api.Code{}}}
		op.Responses[status] = r
	}
	r.Extensions[codesExtension] = append(r.Extensions[codesExtension].([]api.Code), p.Code)
}

// refusals lists how a caller who does not meet the need is refused.
func (n need) refusals() []fault.Kind {
	if n.anyone {
		return nil
	}
	kinds := []fault.Kind{fault.CredentialAmbiguous, fault.KeyInvalid, fault.KeyExpired, fault.KeyRevoked, fault.KeyDisabled, fault.TransportForbidden}
	if n.session {
		kinds = append(kinds, fault.SessionRequired, fault.Forbidden)
	}
	if n.scope != "" {
		kinds = append(kinds, fault.InsufficientScope, fault.Forbidden, fault.RateLimited)
	}
	if n.repeatable {
		kinds = append(kinds, fault.Conflict)
	}
	return kinds
}

// refusalsOf lists the refusals that follow from an operation's method, path and body.
func refusalsOf(op *huma.Operation) []fault.Kind {
	kinds := []fault.Kind{fault.Internal, fault.Unavailable}
	if op.Method != http.MethodGet {
		kinds = append(kinds, fault.CrossSite)
	}
	if strings.Contains(op.Path, "{") {
		kinds = append(kinds, fault.NotFound)
	}
	if strings.Contains(op.Path, "{application}") {
		kinds = append(kinds, fault.ApplicationForbidden)
	}
	if op.RequestBody != nil {
		kinds = append(kinds, fault.Malformed, fault.TooLarge, fault.UnsupportedMediaType, fault.ValidationFailed)
	}
	return kinds
}

// usedTags gives the tags of the operations, those that are not described in the order of their names.
func usedTags(doc *huma.OpenAPI) []*huma.Tag {
	used := map[string]bool{}
	for _, item := range doc.Paths {
		for _, op := range operations(item) {
			for _, tag := range op.Tags {
				used[tag] = true
			}
		}
	}
	list := slices.DeleteFunc(slices.Clone(tags), func(t *huma.Tag) bool { return !used[t.Name] })
	for _, t := range list {
		delete(used, t.Name)
	}
	for _, name := range slices.Sorted(maps.Keys(used)) {
		list = append(list, &huma.Tag{Name: name})
	}
	return list
}

// operations gives the operations of a path by method.
func operations(item *huma.PathItem) map[string]*huma.Operation {
	all := map[string]*huma.Operation{
		http.MethodGet: item.Get, http.MethodPost: item.Post, http.MethodPut: item.Put, http.MethodPatch: item.Patch, http.MethodDelete: item.Delete,
	}
	for method, op := range all {
		if op == nil {
			delete(all, method)
		}
	}
	return all
}

// operationAt gives the documented operation of a method on a path; nil where there is none.
func operationAt(doc *huma.OpenAPI, method, path string) *huma.Operation {
	item := doc.Paths[path]
	if item == nil {
		return nil
	}
	return operations(item)[method]
}
