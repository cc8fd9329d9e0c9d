package dialect

import (
	"errors"
	"net/http"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/verify"
)

// Vendor is the API of one vendor, as the gateway answers it. The gateway forwards every request
// that is for none of the routes.
type Vendor struct {
	// Name is one of the dialects.
	Name   string
	Routes []Route
	// Cookie returns the name of the session cookie that the vendor's clients send with requests to
	// the path, beside the gateway's own; "" for none. nil stands for none.
	Cookie func(path string) string
	// CookieKind is what the value of that cookie must be; "" for credential.GatewayToken.
	CookieKind credential.TokenKind
	// NamedTenant returns how a request names its tenant: by id or number. A request whose
	// credential is not of that tenant is refused. nil for a vendor whose requests name none.
	NamedTenant func(r *http.Request) (string, error)
}

// Route is one method on one path that the gateway answers by itself.
type Route struct {
	Method string
	// Path has its parameters in braces, as http.ServeMux has them.
	Path string
	// Summary says in one sentence what the route is for. The reference of the dialects shows it.
	Summary string
	// Anyone is set for a sign-in, which reads its credential from the body.
	Anyone bool
	// Needs is what the caller must be allowed to do. It is not used if Anyone is set.
	Needs verify.Requirement
	// Reduces is set if the route only takes authority away.
	Reduces bool
	// Serve answers the request, or returns why it is refused. The gateway writes refusals in the
	// dialect.
	Serve func(w http.ResponseWriter, c *Call) error
}

// Call is a request to a route of a vendor. Path parameters are those of Request.PathValue.
type Call struct {
	*http.Request
	// Content is the whole body, at most 64 KiB; at most 16 KiB if the route is for anyone.
	Content []byte
	// Origin is where the request comes from.
	Origin principal.Origin
	// Tenant and Account are those in which the caller acts. If the route is for anyone, Tenant is
	// the one that the entry is bound to, or "".
	Tenant  ident.TenantID
	Account ident.AccountID
	// Named is the tenant that the request names, as [Vendor.NamedTenant] returned it; "" for none.
	Named string
	// Who is the caller: a key or a session. It is the zero value if the route is for anyone.
	Who principal.Principal
	// Decision is the one that let the caller pass.
	Decision verify.Decision
}

// lenient are the options for bodies of clients that were written for a vendor: unknown members are
// ignored, as the vendor does. Duplicate members are refused.
var lenient = json.JoinOptions(json.RejectUnknownMembers(false))

// Decode reads the JSON body into v.
func (c *Call) Decode(v any) error {
	err := json.Unmarshal(c.Content, v, lenient)
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*json.SemanticError](err); ok {
		name := string(e.JSONPointer)
		if name != "" {
			name = name[1:]
		}
		return fault.Refuse(fault.Field{Name: name, Code: "type", Message: "The value has the wrong type."})
	}
	if e, ok := errors.AsType[*jsontext.SyntacticError](err); ok && errors.Is(e, jsontext.ErrDuplicateName) {
		return fault.New(fault.Malformed, "The body has a member twice.")
	}
	return fault.New(fault.Malformed, "The body is not one JSON value.")
}
