package web

import (
	"bytes"
	"cmp"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/fault"
)

// statuses is the one table from kinds to HTTP.
var statuses = map[fault.Kind]struct {
	status int
	title  string
}{
	fault.KeyInvalid:           {http.StatusUnauthorized, "The API key is missing or invalid"},
	fault.KeyExpired:           {http.StatusUnauthorized, "The API key has expired"},
	fault.KeyRevoked:           {http.StatusUnauthorized, "The API key was revoked"},
	fault.KeyDisabled:          {http.StatusUnauthorized, "The API key is disabled"},
	fault.TokenExpired:         {http.StatusUnauthorized, "The access token has expired"},
	fault.TokenInvalid:         {http.StatusUnauthorized, "The access token is invalid"},
	fault.SignInFailed:         {http.StatusUnauthorized, "Sign-in failed"},
	fault.SecondFactorRequired: {http.StatusUnauthorized, "A second factor is required"},
	fault.InsufficientScope:    {http.StatusForbidden, "The API key lacks a scope"},
	fault.ApplicationForbidden: {http.StatusForbidden, "The API key does not reach this application"},
	fault.SessionRequired:      {http.StatusForbidden, "This needs a signed-in person"},
	fault.TransportForbidden:   {http.StatusForbidden, "The API key may not come this way"},
	fault.Forbidden:            {http.StatusForbidden, "Not allowed"},
	fault.SignInAgain:          {http.StatusForbidden, "Sign in again"},
	fault.CrossSite:            {http.StatusForbidden, "Cross-site request refused"},
	fault.Malformed:            {http.StatusBadRequest, "The request cannot be read"},
	fault.CredentialAmbiguous:  {http.StatusBadRequest, "More than one credential"},
	fault.NotFound:             {http.StatusNotFound, "Not found"},
	fault.LinkInvalid:          {http.StatusNotFound, "The link is not valid"},
	fault.MethodNotAllowed:     {http.StatusMethodNotAllowed, "Method not allowed"},
	fault.TooLarge:             {http.StatusRequestEntityTooLarge, "The request is too large"},
	fault.UnsupportedMediaType: {http.StatusUnsupportedMediaType, "Unsupported media type"},
	fault.Conflict:             {http.StatusConflict, "Conflict"},
	fault.KeyLimitReached:      {http.StatusConflict, "No more keys allowed"},
	fault.TenantRequired:       {http.StatusConflict, "Name the tenant"},
	fault.NotRecoverable:       {http.StatusConflict, "The secret cannot be shown again"},
	fault.ValidationFailed:     {http.StatusUnprocessableEntity, "The request breaks a rule"},
	fault.RateLimited:          {http.StatusTooManyRequests, "Too many requests"},
	fault.LimitOfChanges:       {http.StatusTooManyRequests, "Too many changes"},
	fault.Internal:             {http.StatusInternalServerError, "Internal error"},
	fault.Unavailable:          {http.StatusServiceUnavailable, "Temporarily unavailable"},
}

// details stand in where the failure brings no message of its own.
var details = map[fault.Kind]string{
	fault.KeyInvalid:           "Send one valid API key, for example as a bearer in the Authorization header.",
	fault.KeyExpired:           "Refresh the key or create another.",
	fault.KeyRevoked:           "Create another key.",
	fault.KeyDisabled:          "Have it enabled again: the key, its owner, their membership, the tenant or the account.",
	fault.TokenExpired:         "Ask for another access token.",
	fault.TokenInvalid:         "Ask for another access token, and send it whole.",
	fault.SignInFailed:         "Check the e-mail address and the password.",
	fault.SecondFactorRequired: "Send the code of the second factor too.",
	fault.InsufficientScope:    "Use a key whose effective scopes include what this needs.",
	fault.ApplicationForbidden: "Use a key that may reach this application.",
	fault.SessionRequired:      "Sign in with e-mail and password; a key cannot do this.",
	fault.TransportForbidden:   "Send the key by a transport that its tenant allows.",
	fault.Forbidden:            "Ask someone whose role allows it.",
	fault.SignInAgain:          "Sign in again: this needs a sign-in younger than five minutes.",
	fault.CrossSite:            "Send the request from the same site.",
	fault.Malformed:            "Send one JSON value, with each member once.",
	fault.CredentialAmbiguous:  "Send exactly one credential in exactly one header.",
	fault.NotFound:             "There is nothing here that you may see.",
	fault.LinkInvalid:          "Ask for another link: each works once, for its time and for whom it was made.",
	fault.MethodNotAllowed:     "The Allow header lists what this path takes.",
	fault.TooLarge:             "Send at most 64 KiB.",
	fault.UnsupportedMediaType: "Send Content-Type: application/json.",
	fault.Conflict:             "Read it again: what is there now does not permit this change.",
	fault.KeyLimitReached:      "Revoke or delete a key first.",
	fault.TenantRequired:       "Say which tenant is meant.",
	fault.NotRecoverable:       "Refresh the key: its secret was not kept.",
	fault.ValidationFailed:     "Mend each field as errors says.",
	fault.RateLimited:          "Wait as long as the Retry-After header says.",
	fault.LimitOfChanges:       "Wait as long as the Retry-After header says.",
	fault.Internal:             "Something went wrong on our side. Report the request id: it helps to find it.",
	fault.Unavailable:          "Try again shortly.",
}

// Kinds lists every kind that is answered, by status and then by name.
func Kinds() []fault.Kind {
	return slices.SortedFunc(maps.Keys(statuses), func(a, b fault.Kind) int {
		return cmp.Or(cmp.Compare(statuses[a].status, statuses[b].status), cmp.Compare(a, b))
	})
}

// NewProblem turns a failure into the document that is sent. It holds no more than the failure's own message.
func NewProblem(err error, requestID string) *api.Problem {
	kind := fault.KindOf(err)
	known, ok := statuses[kind]
	if !ok {
		kind, known = fault.Internal, statuses[fault.Internal]
	}
	p := &api.Problem{Type: "/docs/errors/" + string(kind), Title: known.title, Status: known.status, Detail: fault.Message(err), Code: api.Code(kind), RequestID: requestID}
	if p.Detail == "" || kind == fault.Internal {
		p.Detail = details[kind]
	}
	for _, f := range fault.Fields(err) {
		p.Errors = append(p.Errors, api.FieldError{Field: f.Name, Code: f.Code, Message: f.Message})
	}
	return p
}

// Refuse answers with the problem of the failure. A failure that is our own is logged, once, here.
func (d *Door) Refuse(w http.ResponseWriter, r *http.Request, err error) {
	d.refuse(w, d.Problem(w, r, err))
}

// refuse writes a problem.
func (d *Door) refuse(w http.ResponseWriter, p *api.Problem) {
	var body bytes.Buffer
	// As huma writes the problems it gets: who refused must not show, for some see what is not there where others see what is not theirs.
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false)
	if encoder.Encode(p) != nil {
		body.WriteString(`{"code":"internal"}`)
	}
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Set("Content-Length", strconv.Itoa(body.Len()))
	w.WriteHeader(p.Status)
	_, _ = w.Write(body.Bytes()) // the client may be gone
}

// Problem makes the document and sets the headers that go with it.
func (d *Door) Problem(w http.ResponseWriter, r *http.Request, err error) *api.Problem {
	h := w.Header()
	p := NewProblem(err, requestID(h))
	if fault.Abandoned(r.Context(), err) {
		markAbandoned(w) // nobody reads the answer, and nothing of ours has failed
	} else if p.Status >= http.StatusInternalServerError {
		d.Log.Error("request failed", "request_id", p.RequestID, "method", r.Method, "route", r.Pattern, "error", err) // never the path: it may hold a key
	}
	Private(h)
	if after := fault.RetryAfter(err); after > 0 {
		h.Set("Retry-After", strconv.FormatInt(int64((after+time.Second-1)/time.Second), 10)) // whole seconds, rounded up
	}
	d.challenge(h, r, p)
	return p
}

// challenge adds WWW-Authenticate (RFC 6750 section 3, RFC 7617).
func (d *Door) challenge(h http.Header, r *http.Request, p *api.Problem) {
	const bearer = `Bearer realm="claviger"`
	switch {
	case p.Code == api.InsufficientScope:
		h.Set("WWW-Authenticate", bearer+`, error="insufficient_scope"`)
	case p.Status != http.StatusUnauthorized:
	case d.sent(r.Header):
		h["Www-Authenticate"] = []string{bearer + `, error="invalid_token"`, basicChallenge}
	default:
		h["Www-Authenticate"] = []string{bearer, basicChallenge}
	}
}

const basicChallenge = `Basic realm="claviger", charset="UTF-8"`
