// Package manageapi is the management API: accounts, tenants, applications and keys over HTTP, described by OpenAPI 3.1.
//
// There is one file for each resource. An operation is registered with what it needs of its caller ([need]); nothing can be registered without.
// huma routes, documents and writes answers; bodies are read by the one exact codec (web.Decode) and every refusal, huma's own
// included, is the problem document that all of Claviger speaks.
package manageapi

import (
	"context"
	"net/http"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/admission"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/identity"
	"github.com/claviger-dev/claviger/internal/key"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/session"
	"github.com/claviger-dev/claviger/internal/tenancy"
	"github.com/claviger-dev/claviger/internal/verify"
	"github.com/claviger-dev/claviger/internal/web"
)

// API is the management API. All fields are required.
type API struct {
	Door     *web.Door
	Identity *identity.Service
	Sessions *session.Service
	Tenancy  *tenancy.Service
	Keys     *key.Service
	Keyring  *credential.Keyring
	Repeats  Repeats
	// BaseURL is what clients reach us by, for examples; without a slash at the end.
	BaseURL string

	h huma.API
}

// Mount adds every route.
func (a *API) Mount(router *web.Router, version string) {
	h := humago.New(router, a.config(version))
	a.h = h
	optional[string](h)
	optional[bool](h)
	optional[int](h)
	optional[[]string](h)
	optional[time.Time](h)
	a.sessions(h)
	a.me(h)
	a.links(h)
	a.accounts(h)
	a.policies(h)
	a.tenants(h)
	a.members(h)
	a.scopes(h)
	a.applications(h)
	a.keys(h)
	a.health(h)
}

// optional tells huma that a member of a PATCH looks like a T or null.
func optional[T any](h huma.API) {
	h.OpenAPI().Components.Schemas.RegisterTypeAlias(reflect.TypeFor[api.Optional[T]](), reflect.TypeFor[*T]())
}

// huma keeps these for the whole process, so they are set once and not in Mount.
func init() {
	huma.DefaultArrayNullable = false
	huma.NewError = func(status int, message string, errs ...error) huma.StatusError {
		return refusalOf(status, message, errs...)
	}
	huma.NewErrorWithContext = func(ctx huma.Context, status int, message string, errs ...error) huma.StatusError {
		return refusalOf(status, message, errs...).in(ctx)
	}
}

// need says what an operation asks of its caller.
type need struct {
	// anyone may call, without a credential.
	anyone bool
	// session refuses every key.
	session bool
	// scope a key needs; what a person needs is judged by the domain.
	scope scope.Scope
	// everyApplication asks a key for access to all applications.
	everyApplication bool
	// reduces is set where the operation only takes authority away, or must be possible before one can; so does every DELETE.
	reduces bool
	// repeatable takes an Idempotency-Key; the handler is one of once.
	repeatable bool
}

type callerKey struct{}

// who gives the caller that guard let in.
func who(ctx context.Context) verify.Caller {
	c, _ := ctx.Value(callerKey{}).(verify.Caller)
	return c
}

// add registers an operation behind its guard. The document lists the refusals that follow from need, path and body by itself, and with
// them those of the domain.
func add[In, Out any](h huma.API, door *web.Door, op huma.Operation, n need, handle func(context.Context, *In) (*Out, error), domain ...fault.Kind) {
	op.Middlewares = append(op.Middlewares, behind(door))
	if n.repeatable {
		op.Parameters = append(op.Parameters, repeatParam())
	}
	if n.anyone {
		op.Middlewares = append(op.Middlewares, anonymous(door, n))
	} else {
		op.Middlewares = append(op.Middlewares, guard(door, n))
	}
	huma.Register(h, op, handle)
	if changes(op.Method) && !n.anyone {
		domain = append(domain, fault.LimitOfChanges)
	}
	documented := operationAt(h.OpenAPI(), op.Method, op.Path)
	describeBody[In](h, documented)
	describe(h, documented, n, append(domain, fault.ValidationFailed)) // of query parameters that are not known
}

// behind tells huma's process-wide error hook which door writes this request's refusals.
func behind(door *web.Door) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		r, w := humago.Unwrap(ctx)
		ctx = onBehalf(ctx, admission.At(door.Origin(w.Header(), r).IP)) // until it is known who asks
		next(huma.WithValue(ctx, doorKey{}, door))
	}
}

// onBehalf says for whom the request reads from the database.
func onBehalf(ctx huma.Context, c admission.Caller) huma.Context {
	return huma.WithContext(ctx, admission.With(ctx.Context(), c))
}

// anonymous lets anyone in who brings little.
func anonymous(door *web.Door, n need) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		r, w := humago.Unwrap(ctx)
		err := door.BufferAnonymous(w, r)
		if err == nil && changes(r.Method) {
			err = door.AdmitChange(principal.Principal{}, n.reduces)
		}
		if err != nil {
			door.Refuse(w, r, err)
			return
		}
		next(ctx)
	}
}

// guard lets the caller in, by all steps of a decision, before anything but the body is looked at.
func guard(door *web.Door, n need) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		r, w := humago.Unwrap(ctx)
		caller, body, err := door.Caller(w, r, n.of(r))
		if err == nil && changes(r.Method) {
			err = door.AdmitChange(caller.Principal, n.reduces || r.Method == http.MethodDelete)
		}
		if err == nil {
			err = wellFormed(r)
		}
		if err == nil && n.repeatable {
			ctx, err = remembering(ctx, caller, body)
		}
		if err != nil {
			door.Refuse(w, r, err)
			return
		}
		ctx = onBehalf(ctx, admission.Of(caller.Principal))
		next(huma.WithValue(ctx, callerKey{}, caller))
	}
}

// changes reports whether requests of the method count as changes.
func changes(method string) bool { return method != http.MethodGet && method != http.MethodHead }

// formed says of each id that can stand in a path whether it has the form of one.
var formed = map[string]func(string) error{
	"account": isID[ident.AccountID], "tenant": isID[ident.TenantID], "user": isID[ident.UserID],
	"application": isID[ident.ApplicationID], "key": isID[ident.KeyID], "session": isID[ident.SessionID],
}

func isID[T ident.ID](text string) error {
	_, err := ident.Parse[T](text)
	return err
}

// wellFormed refuses ids in the path that no noun of theirs can have: they name nothing, and a database need not be asked about bytes it cannot hold.
func wellFormed(r *http.Request) error {
	for name, check := range formed {
		if id := r.PathValue(name); id != "" && check(id) != nil {
			return fault.NotFound
		}
	}
	return nil
}

// of fills in what the path names.
func (n need) of(r *http.Request) verify.Requirement {
	needs := verify.Requirement{SessionOnly: n.session, Tenant: ident.TenantID(r.PathValue("tenant")), Application: r.PathValue("application"), EveryApplication: n.everyApplication}
	if n.scope != "" {
		needs.Scopes = []scope.Scope{n.scope}
	}
	return needs
}

// text says the need in an operation's description.
func (n need) text() string {
	switch {
	case n.session:
		return "Needs a session; a key gets `session_required`."
	case n.scope != "":
		return "A key needs the scope `" + string(n.scope) + "`."
	}
	return ""
}

// describeBody documents the JSON field of an operation's input. It does so after huma.Register, which would otherwise read the body itself.
func describeBody[In any](h huma.API, op *huma.Operation) {
	field, ok := reflect.TypeFor[In]().FieldByName("JSON")
	if !ok {
		return
	}
	shape, required := reflect.New(field.Type).Interface().(bodied).shape()
	op.RequestBody = &huma.RequestBody{Required: required, Content: content(h, jsonType, shape)}
}

type bodied interface {
	shape() (t reflect.Type, required bool)
}

// body is the JSON body of an operation, a field named JSON of its input. It is read by web.Decode, not by huma, so that
// bodies are read alike everywhere.
type body[T any] struct{ value T }

// Resolve implements huma.Resolver.
func (b *body[T]) Resolve(ctx huma.Context) []error {
	r, _ := humago.Unwrap(ctx)
	if err := web.Decode(r, &b.value); err != nil {
		return []error{err}
	}
	return nil
}

func (b *body[T]) shape() (t reflect.Type, required bool) { return reflect.TypeFor[T](), true }

// optionalBody may be missing altogether.
type optionalBody[T any] struct{ value T }

// Resolve implements huma.Resolver.
func (b *optionalBody[T]) Resolve(ctx huma.Context) []error {
	r, _ := humago.Unwrap(ctx)
	if r.ContentLength == 0 {
		return nil
	}
	if err := web.Decode(r, &b.value); err != nil {
		return []error{err}
	}
	return nil
}

func (b *optionalBody[T]) shape() (t reflect.Type, required bool) { return reflect.TypeFor[T](), false }

// answer is an operation's output.
type answer[T any] struct{ Body T }

// created is the output of an operation that makes something.
type created[T any] struct {
	Location string `header:"Location"`
	Replay
	Body T
}

// listed reads a page of a list of tenancy's and makes its answer; name and filters bind the cursor.
func listed[From, To any](ctx context.Context, a *API, in PageInput, name string, filters []string,
	read func(tenancy.Page) ([]From, error), wire func(From) To, at func(From) place,
) (*answer[api.List[To]], error) {
	bound := binding(who(ctx), name, filters...)
	from, err := openCursor(a.Keyring, in.Cursor, bound)
	if err != nil {
		return nil, err
	}
	found, err := read(tenancy.Page{BeforeTime: from.Time, BeforeID: from.ID, Limit: in.Limit + 1})
	if err != nil {
		return nil, err
	}
	return list(found, wire, in.Limit, func(last From) (string, error) { return sealCursor(a.Keyring, at(last), bound) })
}

// list makes a page of a list; more is the cursor of the next one.
func list[From, To any](from []From, wire func(From) To, limit int, more func(last From) (string, error)) (*answer[api.List[To]], error) {
	page := web.List(from[:min(limit, len(from))], wire)
	if len(from) > limit {
		cursor, err := more(from[limit-1])
		if err != nil {
			return nil, err
		}
		page.NextCursor = &cursor
	}
	return &answer[api.List[To]]{page}, nil
}
