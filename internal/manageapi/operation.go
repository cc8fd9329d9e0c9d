package manageapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/admission"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/machine"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/verify"
	"github.com/claviger-dev/claviger/internal/web"
)

// requirement is what an operation requires of its caller.
type requirement struct {
	// anyone is set if no credential is needed.
	anyone bool
	// session refuses every key.
	session bool
	// management is the permission with which a management key may call the operation; "" for none.
	management policy.Permission
	// anyManagementKey lets every management key call the operation.
	anyManagementKey bool
	// scope is the scope that a key needs. The domain decides what a person needs.
	scope scope.Scope
	// everyApplication is set if a key needs access to all applications.
	everyApplication bool
	// reduces is set if the operation only takes authority away, or is needed before one that does.
	// Every DELETE reduces.
	reduces bool
	// hasStatus is set if the operation edits an object that can be disabled. A request that only
	// disables it reduces, too.
	hasStatus bool
	// versioned is set if the operation edits an object that has a version, and accepts If-Match.
	// Its handler passes [expectedOf] to the domain, and returns the result of [edited].
	versioned bool
	// file is the size of the largest file that the operation receives as its body; 0 for a body of
	// JSON.
	file int
	// idempotent is set if the operation accepts an Idempotency-Key. Its handler is made by
	// idempotent.
	idempotent bool
}

// add adds an operation with its requirement. The document lists the kinds of refusals that follow
// from requirement, path and body by itself, and those of the domain.
func add[In, Out any](a *API, op huma.Operation, needs requirement,
	handle func(context.Context, *In) (*Out, error), domain ...fault.Kind,
) {
	op.Middlewares = append(op.Middlewares, a.begin)
	if needs.idempotent {
		op.Parameters = append(op.Parameters, idempotencyParam())
	}
	if needs.versioned {
		op.Parameters = append(op.Parameters, ifMatchParam())
	}
	if needs.anyone {
		op.Middlewares = append(op.Middlewares, a.anonymous(needs))
		domain = append(domain, fault.RateLimited)
	} else {
		op.Middlewares = append(op.Middlewares, a.authenticate(needs))
	}
	huma.Register(a.huma, op, handle)
	if isChange(op.Method) && !needs.anyone {
		domain = append(domain, fault.LimitOfChanges)
	}
	documented := operationAt(a.huma.OpenAPI(), op.Method, op.Path)
	describeBody[In](a.huma, documented)
	describeETag[Out](documented)
	describe(a.huma, documented, needs, domain)
}

type callerKey struct{}

// callerOf returns the caller that was authenticated.
func callerOf(ctx context.Context) verify.Caller {
	c, _ := ctx.Value(callerKey{}).(verify.Caller)
	return c
}

// begin is the outermost middleware of an operation. It writes the response to a request that
// failed.
func (a *API) begin(ctx huma.Context, next func(huma.Context)) {
	r, w := humago.Unwrap(ctx)
	c := &call{humaContext: ctx, origin: a.Middleware.Authenticator.Origin(w.Header(), r)}
	ctx = readAs(c, admission.ForAddress(c.origin.IP)) // until the caller is known
	next(huma.WithValue(ctx, callKey{}, c))
	if c.failure != nil {
		a.surface.Refuse(w, r, c.failure)
	}
}

// readAs sets for whom the request reads from the database.
func readAs(ctx huma.Context, c admission.Caller) huma.Context {
	return huma.WithContext(ctx, admission.WithCaller(ctx.Context(), c))
}

// anonymous lets requests without a credential pass if they are short and not too many.
func (a *API) anonymous(needs requirement) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		r, w := humago.Unwrap(ctx)
		err := a.Middleware.AdmitAnonymous(w, r)
		if err == nil {
			err = a.Middleware.BufferAnonymousBody(w, r)
		}
		if err == nil && isChange(r.Method) {
			err = a.Middleware.AdmitChange(principal.Principal{}, needs.reduces)
		}
		if err != nil {
			refuse(ctx, err)
			return
		}
		next(ctx)
	}
}

// authenticate authenticates the caller, by all steps of a decision, before anything but the body
// is read.
func (a *API) authenticate(needs requirement) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		r, w := humago.Unwrap(ctx)
		caller, body, end, err := a.readCaller(w, r, needs)
		defer end()
		if err == nil && isChange(r.Method) {
			err = a.Middleware.AdmitChange(caller.Principal, needs.reducesBy(r, body))
		}
		if err == nil {
			err = checkPathIDs(r)
		}
		if err == nil && needs.idempotent {
			ctx, err = withIdempotencyKey(ctx, caller, body)
		}
		if err == nil && isChange(r.Method) {
			ctx, err = withExpected(ctx, needs)
		}
		if err != nil {
			refuse(ctx, err)
			return
		}
		ctx = readAs(ctx, admission.ForPrincipal(caller.Principal))
		next(huma.WithValue(ctx, callerKey{}, caller))
	}
}

// readCaller authenticates the caller and reads the body. end must be called when the request has
// ended.
func (a *API) readCaller(w http.ResponseWriter, r *http.Request, needs requirement) (caller verify.Caller, body []byte,
	end func(), err error,
) {
	if needs.file == 0 {
		caller, body, err = a.Middleware.Authenticator.Caller(w, r, needs.of(r))
		return caller, body, func() {}, err
	}
	caller, _, end, err = a.Middleware.Authenticator.UploadingCaller(w, r, needs.of(r), needs.file)
	if err != nil {
		end = func() {}
	}
	return caller, nil, end, err
}

// reducesBy reports whether a request to the operation only takes authority away.
func (n requirement) reducesBy(r *http.Request, body []byte) bool {
	return n.reduces || r.Method == http.MethodDelete || n.hasStatus && onlyDisables(body)
}

// onlyDisables reports whether the body disables an object and does nothing else.
func onlyDisables(body []byte) bool {
	var only struct {
		Status api.Status `json:"status"`
	}
	return web.Unmarshal(body, &only) == nil && only.Status == api.StatusDisabled
}

// isChange reports whether requests of the method count as changes.
func isChange(method string) bool { return method != http.MethodGet && method != http.MethodHead }

// of returns the requirement for a request: with the tenant and the application that its path
// names.
func (n requirement) of(r *http.Request) verify.Requirement {
	needs := verify.Requirement{
		SessionOnly: n.session, Tenant: ident.TenantID(r.PathValue("tenant")),
		Application: r.PathValue("application"), EveryApplication: n.everyApplication,
		Management: true, Permission: n.management, AnyManagementKey: n.anyManagementKey,
	}
	if n.scope != "" {
		needs.Scopes = []scope.Scope{n.scope}
	}
	return needs
}

// description returns the requirement as a sentence of the operation's description.
func (n requirement) description() string {
	var text string
	switch {
	case n.anyManagementKey:
		return "Requires a management key."
	case n.session && n.management != "":
		text = "Requires a session or a management key; an API key gets `session_required`."
	case n.session:
		text = "Requires a session; a key gets `session_required`."
	case n.scope != "":
		text = "A key needs the scope `" + string(n.scope) + "`."
	}
	if n.management != "" {
		text += " A management key needs the permission `" + string(n.management) + "`."
	}
	return text
}

// idChecks check the form of each id that a path can have, by the name of the parameter.
var idChecks = map[string]func(string) error{
	"account": isID[ident.AccountID], "tenant": isID[ident.TenantID], "user": isUser,
	"application": isID[ident.ApplicationID], "key": isID[ident.KeyID], "session": isID[ident.SessionID],
	"invitation": isID[ident.LinkID], "subject": isID[ident.SubjectID], "plan": isPlanName,
	"service_account": isID[ident.ServiceAccountID], "management_key": isID[ident.ManagementKeyID],
}

// me stands for the caller where a route expects the id of a user.
const me = "me"

func isUser(text string) error {
	if text == me {
		return nil
	}
	return isID[ident.UserID](text)
}

func isPlanName(text string) error {
	if !machine.ValidPlanName(text) {
		return fault.NotFound
	}
	return nil
}

func isID[T ident.ID](text string) error {
	_, err := ident.Parse[T](text)
	return err
}

// checkPathIDs refuses a path with an id of another form than such ids have. No object has it, and
// the database is not asked about bytes that it cannot hold.
func checkPathIDs(r *http.Request) error {
	for name, check := range idChecks {
		if id := r.PathValue(name); id != "" && check(id) != nil {
			return fault.NotFound
		}
	}
	return nil
}
