// Package manageapi is the management API: accounts, tenants, applications and keys over HTTP,
// described by OpenAPI 3.1.
//
// There is one file for each resource. An operation is added together with its [requirement], and
// there is no other way to add one. huma routes requests, documents the operations and writes the
// responses of those that succeed. Bodies are read by the strict codec of package web, and errors,
// huma's own included, are written by the surface (refusal.go).
package manageapi

import (
	"encoding/json"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/account"
	"github.com/claviger-dev/claviger/internal/application"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/identity"
	"github.com/claviger-dev/claviger/internal/key"
	"github.com/claviger-dev/claviger/internal/machine"
	"github.com/claviger-dev/claviger/internal/secondfactor"
	"github.com/claviger-dev/claviger/internal/session"
	"github.com/claviger-dev/claviger/internal/tenancy"
	"github.com/claviger-dev/claviger/internal/usage"
	"github.com/claviger-dev/claviger/internal/web"
)

// API is the management API. All fields are required.
type API struct {
	Errors          web.ErrorWriter
	Middleware      *web.Middleware
	Identity        *identity.Service
	Sessions        *session.Service
	SecondFactors   *secondfactor.Service
	Accounts        *account.Service
	Applications    *application.Service
	ServiceAccounts *machine.ServiceAccounts
	Tenancy         *tenancy.Service
	Subjects        *machine.Subjects
	Plans           *machine.Plans
	Keys            *key.Service
	// ManagementKeys are the credentials of programs that manage keys.
	ManagementKeys *machine.ManagementKeys
	Keyring        *credential.Keyring
	Idempotency    IdempotencyStore
	// Reports says how much keys are used.
	Reports *usage.Reports
	// Resets limits how often one client address requests a link to set a password.
	Resets *web.AddressLimit
	// BaseURL is the public URL of the server, without a slash at the end. Examples contain it.
	BaseURL string
	// Version of the server, which the OpenAPI document names.
	Version string

	// downloads has the people who download their data now.
	downloads sync.Map
	surface   *web.Surface
	huma      huma.API
}

// Mount adds all operations.
func (a *API) Mount(router *web.Router) {
	a.surface = router.Mount("/api/v1", a.Errors)
	a.huma = humago.New(a.surface, a.config())
	for _, describe := range []func(huma.API){
		optional[string], optional[bool], optional[int], optional[time.Time], optional[[]string],
		optional[api.Style], optional[api.Visibility], optional[api.RevokeMode], optional[api.Disclosure],
		optional[api.Dialect], optional[api.TokenFormat],
		optional[api.TokenAlgorithm], optional[api.Status], optional[api.Role],
		optional[api.FactorRule], optional[json.RawMessage], optional[[]api.Transport], optional[[]api.Creator],
		optional[[]api.VerifyMember], optional[[]api.PartyType], optional[[]api.Permission],
	} {
		describe(a.huma)
	}
	a.sessions()
	a.me()
	a.twoFactor()
	a.avatars()
	a.emailChanges()
	a.ownData()
	a.links()
	a.passwordResets()
	a.accounts()
	a.policies()
	a.tenants()
	a.members()
	a.scopes()
	a.applications()
	a.routes()
	a.plans()
	a.subjects()
	a.serviceAccounts()
	a.keys()
	a.managementKeys()
	a.health()
	a.usage()
	acceptQueries(a.surface, a.huma.OpenAPI())
}

// queryDescriptions are the descriptions of parameters that are too long for a struct tag.
var queryDescriptions = map[string]string{
	"q": "A text of 1 to 200 characters. It finds keys by words of the name, the public id and the owner's " +
		"e-mail address or external id: each word of the text is the beginning of one of them, in any case.",
	"created_by": "`me`, the id of a user, `type:id` of another party, such as `management_key:mgk_…`, `operator` or " +
		"`system`. Lists the keys that this party created.",
	"expires_before": "Lists keys that expire before this time (RFC 3339), by their own expiry or the account's " +
		"policy. Keys of subjects cause no mail: ask with this filter which of them to refresh.",
	"shown_to": "`me`, or the id of a user. Lists the keys of other people of which this person has seen a secret " +
		"that is still valid, because they created or refreshed the key. Only admins and auditors may name another " +
		"person. After you remove or demote a person, refresh or revoke these keys.",
}

// acceptQueries tells the surface which parameters the documented operations accept in the query
// string. It also completes their descriptions.
func acceptQueries(surface *web.Surface, doc *huma.OpenAPI) {
	for path, item := range doc.Paths {
		for method, op := range operations(item) {
			var names []string
			for _, p := range op.Parameters {
				if p.In != "query" {
					continue
				}
				names = append(names, p.Name)
				if slices.Contains([]string{"since", "until", "created_after", "expires_before"}, p.Name) {
					p.Schema = momentSchema()
				}
				if text, ok := queryDescriptions[p.Name]; ok {
					p.Description = text
				}
			}
			surface.AcceptQuery(method, path, names...)
		}
	}
}

// optional tells huma that a member of a PATCH is a T or null.
func optional[T any](h huma.API) {
	h.OpenAPI().Components.Schemas.RegisterTypeAlias(reflect.TypeFor[api.Optional[T]](), reflect.TypeFor[*T]())
}

// These are global variables of huma, so they are set once and not in Mount.
func init() {
	huma.DefaultArrayNullable = false
	huma.NewError = func(status int, message string, errs ...error) huma.StatusError {
		return &refusal{cause: translate(status, message, errs)}
	}
	huma.NewErrorWithContext = func(ctx huma.Context, status int, message string, errs ...error) huma.StatusError {
		return refuse(ctx, translate(status, message, errs))
	}
}
