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

// tags has the tags in the order of the document. Other tags come after them.
var tags = []*huma.Tag{
	{Name: "Decisions", Description: "Decisions about credentials: what a protected API asks for each request."},
	{Name: "Session", Description: "Signing in with e-mail address and password, and the session cookie."},
	{Name: "Me", Description: "The signed-in person: name, password, sessions."},
	{Name: "Links", Description: "One-time links: to set up an account, accept an invitation, or set a new password."},
	{Name: "Accounts", Description: "Customer organisations, with their owners and admins."},
	{Name: "Tenants", Description: "Workspaces of an account, with all their settings."},
	{Name: "Members", Description: "The people of a tenant."},
	{Name: "Scopes", Description: "The scopes that keys of a tenant can have."},
	{Name: "Keys", Description: "Creating, changing and revoking keys. People manage keys; a key cannot."},
	{Name: "Management keys", Description: "The credentials of programs that manage keys. Only people create them."},
	{
		Name:        "OAuth 2.0",
		Description: "Access tokens for API keys: the client credentials grant. Errors have the form of RFC 6749.",
	},
	{Name: "Applications", Description: "The protected APIs of a tenant. A key can be restricted to some of them."},
	{Name: "Health", Description: "For operators and monitoring."},
}

// config returns the configuration of huma. huma serves no documentation: its pages load scripts
// from other sites, and its document has only its own operations. Package docs serves both.
func (a *API) config() huma.Config {
	config := huma.DefaultConfig("Claviger", a.Version)
	config.OpenAPIPath = ""
	config.DocsPath = ""
	config.SchemasPath = ""
	config.CreateHooks = nil
	config.Transformers = []huma.Transformer{setETag}
	config.Info.Description = "Claviger issues API keys and decides, on every request, whether a key is allowed.\n\n" +
		"Bodies are JSON in `snake_case`. They are read strictly: unknown and duplicate members are refused. So are " +
		"unknown, repeated and empty parameters of the query string, and everything in it that is not " +
		"percent-encoded UTF-8. Times are RFC 3339 in whole microseconds, with any offset in requests and `Z` in " +
		"responses; a time with more than microseconds is refused with 422. Ids are opaque. Every error is a " +
		"problem document (RFC 9457), whose `code` says why, except below `/oauth2`.\n\n" +
		"Objects that can be edited have a `version`, which is also in the header `ETag`. An edit that sends it in " +
		"`If-Match` never overwrites what somebody else has changed meanwhile: the response is `conflict`, with " +
		"the object as it is in `present`."
	config.Info.License = &huma.License{Name: "Apache License 2.0", Identifier: "Apache-2.0"}
	config.Servers = []*huma.Server{{URL: a.BaseURL}}
	config.Components.SecuritySchemes = a.securitySchemes()
	config.Components.Schemas.RegisterTypeAlias(reflect.TypeFor[refusal](), reflect.TypeFor[api.Problem]())
	return config
}

// managementScheme is the security scheme of management keys.
const managementScheme = "management"

// keySchemes are the security schemes of keys.
var keySchemes = []string{"bearer", "basic", "header"}

// securitySchemes returns how a request can carry a credential.
func (a *API) securitySchemes() map[string]*huma.SecurityScheme {
	return map[string]*huma.SecurityScheme{
		"session": {
			Type: "apiKey", In: "cookie", Name: a.Middleware.Authenticator.SessionCookie(credential.Secret{}).Name,
			Description: "The session cookie of a signed-in person.",
		},
		managementScheme: {
			Type: "http", Scheme: "bearer",
			Description: "A management key, by which a program manages keys. It begins with clv_mk_.",
		},
		"bearer": {Type: "http", Scheme: "bearer", Description: "The whole value of a key."},
		"basic": {
			Type: "http", Scheme: "basic",
			Description: "The public id of a key as the user name, and its secret as the password.",
		},
		"header": {
			Type: "apiKey", In: "header", Name: "X-API-Key",
			Description: "The whole value of a key, in the header that its tenant has chosen.",
		},
	}
}

// security returns the requirement in terms of OpenAPI: the accepted schemes, each with the scope
// that a key needs.
func (n requirement) security() []map[string][]string {
	if n.anyone {
		return []map[string][]string{}
	}
	schemes := []map[string][]string{{"session": {}}}
	switch {
	case n.anyManagementKey:
		return []map[string][]string{{managementScheme: {}}}
	case n.management != "":
		schemes = append(schemes, map[string][]string{managementScheme: {string(n.management)}})
	}
	if n.session {
		return schemes
	}
	scopes := []string{}
	if n.scope != "" {
		scopes = append(scopes, string(n.scope))
	}
	for _, scheme := range keySchemes {
		schemes = append(schemes, map[string][]string{scheme: scopes})
	}
	return schemes
}

// Document returns the OpenAPI 3.1 document of the whole API, in JSON: the operations of huma, and
// all other routes by their [web.Operation]. It is called after all entry points are mounted.
func (a *API) Document(routes []web.Route) []byte {
	doc := a.huma.OpenAPI()
	for _, r := range routes {
		if operationAt(doc, r.Method, r.Path) == nil {
			a.describeRoute(r)
		}
	}
	doc.Tags = usedTags(doc)
	patchSchemas(doc.Components.Schemas)
	addExamples(doc, a.BaseURL)
	text, err := json.Marshal(doc)
	if err != nil {
		panic("manageapi: the document did not marshal: " + err.Error())
	}
	return text
}

// describeRoute documents a route that huma does not know.
func (a *API) describeRoute(r web.Route) {
	op := &huma.Operation{
		Method: r.Method, Path: r.Path, OperationID: r.ID, Tags: []string{r.Tag}, Summary: r.Summary,
		Description: r.Description,
		Responses: map[string]*huma.Response{"200": {
			Description: http.StatusText(http.StatusOK),
			Content:     content(a.huma, jsonType, typesOf(r.Answers)...),
		}},
	}
	for _, media := range op.Responses["200"].Content {
		if first := r.Answers[0]; !reflect.ValueOf(first).IsZero() {
			media.Example = wireForm(first)
		}
	}
	if r.Body != nil {
		op.RequestBody = &huma.RequestBody{Required: true, Content: content(a.huma, jsonType, reflect.TypeOf(r.Body))}
	}
	if r.Form != nil {
		op.RequestBody = formBody(r.Form)
	}
	if r.Errors != nil {
		op.Security = requirement{anyone: r.Anyone, scope: r.Scope}.security()
		op.Responses["default"] = &huma.Response{
			Description: "Any error.", Content: content(a.huma, jsonType, reflect.TypeOf(r.Errors)),
		}
	} else {
		describe(a.huma, op, requirement{anyone: r.Anyone, scope: r.Scope}, r.Refusals)
	}
	a.huma.OpenAPI().AddOperation(op)
}

// formBody describes a body that is a form.
func formBody(parameters []web.FormParameter) *huma.RequestBody {
	form := &huma.Schema{Type: huma.TypeObject, Properties: map[string]*huma.Schema{}}
	example := map[string]string{}
	for _, p := range parameters {
		form.Properties[p.Name] = &huma.Schema{Type: huma.TypeString, Description: p.Description}
		if p.Required {
			form.Required = append(form.Required, p.Name)
			example[p.Name] = "…"
		}
	}
	return &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{
		"application/x-www-form-urlencoded": {Schema: form, Example: example},
	}}
}

// describe documents the requirement and the errors of an operation.
func describe(h huma.API, op *huma.Operation, needs requirement, domain []fault.Kind) {
	op.Description = strings.Trim(op.Description+"\n\n"+needs.description(), "\n")
	op.Security = needs.security()
	for _, p := range op.Parameters {
		if p.In == "path" && p.Description == "" {
			p.Description = "The id of the " + p.Name + "."
		}
	}
	problem := content(h, problemType, reflect.TypeFor[api.Problem]())
	refused := slices.Concat(needs.refusals(), refusalsOf(op), domain)
	for _, kind := range web.Kinds() {
		if slices.Contains(refused, kind) {
			addRefusal(op, kind, problem)
		}
	}
	op.Responses["default"] = &huma.Response{Description: "Any other error.", Content: problem}
}

// codesExtension lists the error codes of a response.
const codesExtension = "x-codes"

// addRefusal documents that an operation can fail with a kind.
func addRefusal(op *huma.Operation, kind fault.Kind, problem map[string]*huma.MediaType) {
	f := web.NewFailure(kind, "")
	status := strconv.Itoa(f.Status)
	r := op.Responses[status]
	if r == nil {
		r = &huma.Response{
			Description: http.StatusText(f.Status), Content: problem,
			Extensions: map[string]any{codesExtension: []api.Code{}},
		}
		op.Responses[status] = r
	}
	r.Extensions[codesExtension] = append(r.Extensions[codesExtension].([]api.Code), api.Code(f.Kind))
}

// refusals returns the kinds with which a caller is refused who does not meet the requirement.
func (n requirement) refusals() []fault.Kind {
	if n.anyone {
		return nil
	}
	kinds := []fault.Kind{
		fault.CredentialAmbiguous, fault.KeyInvalid, fault.KeyExpired, fault.KeyRevoked,
		fault.KeyDisabled, fault.SessionEnded, fault.TransportForbidden, fault.AddressForbidden,
	}
	if n.session {
		kinds = append(kinds, fault.SessionRequired, fault.SecondFactorRequired, fault.Forbidden)
	}
	if n.management != "" {
		kinds = append(kinds, fault.Forbidden, fault.RateLimited)
	}
	if n.scope != "" {
		kinds = append(kinds, fault.InsufficientScope, fault.Forbidden, fault.RateLimited)
	}
	if n.idempotent || n.versioned {
		kinds = append(kinds, fault.Conflict)
	}
	return kinds
}

// refusalsOf returns the kinds that follow from method, path and body of an operation.
func refusalsOf(op *huma.Operation) []fault.Kind {
	kinds := []fault.Kind{fault.Internal, fault.Unavailable}
	if op.Method != http.MethodGet {
		kinds = append(kinds, fault.CrossSite)
	}
	// The query string of every route is read strictly.
	kinds = append(kinds, fault.Malformed, fault.ValidationFailed)
	if strings.Contains(op.Path, "{") {
		kinds = append(kinds, fault.NotFound)
	}
	if strings.Contains(op.Path, "{application}") {
		kinds = append(kinds, fault.ApplicationForbidden)
	}
	if op.RequestBody != nil {
		kinds = append(kinds, fault.TooLarge, fault.UnsupportedMediaType)
	}
	return kinds
}

// usedTags returns the tags of the operations. Those without a description are sorted by name.
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

// operations returns the operations of a path by method.
func operations(item *huma.PathItem) map[string]*huma.Operation {
	all := map[string]*huma.Operation{
		http.MethodGet: item.Get, http.MethodPost: item.Post, http.MethodPut: item.Put, http.MethodPatch: item.Patch,
		http.MethodDelete: item.Delete,
	}
	for method, op := range all {
		if op == nil {
			delete(all, method)
		}
	}
	return all
}

// operationAt returns the documented operation of a method on a path; nil for none.
func operationAt(doc *huma.OpenAPI, method, path string) *huma.Operation {
	item := doc.Paths[path]
	if item == nil {
		return nil
	}
	return operations(item)[method]
}
