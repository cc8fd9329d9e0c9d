// Package web is what every way in shares: who is asking, how a body is read, how a refusal is written.
//
// A [Door] reads the one credential of a request and turns it into a caller through the one authenticator. Handlers return errors;
// one table turns kinds into statuses and one writer turns errors into problem documents (RFC 9457). Nothing here knows a rule.
package web

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/binary"
	"log/slog"
	"net/http"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/telemetry"
	"github.com/claviger-dev/claviger/internal/verify"
)

// Door is the way in for requests.
type Door struct {
	Authenticator *verify.Authenticator
	Log           *slog.Logger
	// Secure is set where clients reach us by TLS.
	Secure bool
	// Proxies are those in front of us whose word on where a request comes from is believed.
	Proxies []netip.Prefix
	// Tracing of what Observe sees; nil for none.
	Tracing *telemetry.Tracing
	// Admit refuses a change that there is no room for; reduces is set where it only takes authority away. nil admits all.
	Admit func(reduces bool) error
	// Changes limits what one person changes; nil for no limit.
	Changes *ChangeLimit
	// Requests that Observe has seen.
	Requests Requests

	// AnonymousTime is the time in which the body of a request that needs no credential must have come; 0 for no bound.
	AnonymousTime time.Duration
	// KeyHeaders of all tenants, as Read knows them.
	KeyHeaders KeyHeaders
}

// NewDoor makes a door that knows no key header yet.
func NewDoor(a *verify.Authenticator, log *slog.Logger) *Door {
	return &Door{Authenticator: a, Log: log}
}

// Caller lets in who may do what a route needs: all steps of a decision about the request's own credential. A body is read in between, and
// given: whoever is refused by the headers alone makes nobody read it, and the decision is about the moment when all of it had come, so
// that a body that trickles in does not stretch an authority that has meanwhile ended. A session of this server's making is asked for once, when the body has
// come: that it was made here shows without a read.
func (d *Door) Caller(w http.ResponseWriter, r *http.Request, needs verify.Requirement) (verify.Caller, []byte, error) {
	p := d.Read(r.Context(), r.Header)
	var c verify.Caller
	var body []byte
	var err error
	if !hasBody(r) || !d.Authenticator.IssuedSession(p) {
		c, err = d.authenticate(w, r, p)
	}
	if err == nil && hasBody(r) {
		body = Buffer(r)
		c, err = d.confirm(w, r, p, c)
	}
	if err == nil {
		witnessed(w, c.Principal)
		err = d.Authenticator.Engine.Allow(r.Context(), c, needs)
	}
	if err != nil {
		d.refused(r, c, err)
		return verify.Caller{}, nil, err
	}
	d.counts().Count("", c.Transport)
	return c, body, nil
}

// Verifier lets in who may ask about other credentials; Engine.DecideFor takes the last steps once it knows the question, and counts the caller then. A cookie, which browsers send by
// themselves, counts only from the same site. The body is read as by Caller: it must be released also where there is an error, and unread says what is wrong with it.
func (d *Door) Verifier(w http.ResponseWriter, r *http.Request) (v verify.Verifier, body Body, unread, err error) {
	p := d.Read(r.Context(), r.Header)
	var c verify.Caller
	if !d.Authenticator.IssuedSession(p) {
		c, err = d.authenticate(w, r, p)
	}
	if err == nil {
		body, unread = Read(r)
		c, err = d.confirm(w, r, p, c)
	}
	if err == nil && c.Facts == nil {
		err = sameSite(r)
	}
	if err == nil {
		v, err = c.Verifier()
	}
	if err != nil {
		d.refused(r, c, err)
	}
	return v, body, unread, err
}

// authenticate runs steps 1 to 4 by the headers of a request. The transport of a caller that is refused is known where one credential could
// be made out.
func (d *Door) authenticate(w http.ResponseWriter, r *http.Request, p verify.Presentation) (verify.Caller, error) {
	c, err := d.Authenticator.Authenticate(r.Context(), p, d.Origin(w.Header(), r))
	if err != nil {
		Abandon(w, r)
		return verify.Caller{Transport: p.Way().Transport}, err
	}
	return c, nil
}

// confirm runs steps 2 to 4 again once the body was read.
func (d *Door) confirm(w http.ResponseWriter, r *http.Request, p verify.Presentation, c verify.Caller) (verify.Caller, error) {
	if d.Authenticator.Engine.Unchanged(c) {
		return c, nil
	}
	return d.authenticate(w, r, p)
}

func (d *Door) refused(r *http.Request, c verify.Caller, err error) {
	d.counts().Count(verify.Outcome(r.Context(), err), c.Transport)
}

func (d *Door) counts() verify.Outcomes { return d.Authenticator.Engine.Counts().Callers }

// Origin of a request, for the audit trail. The request id is there once the middleware or a refusal has given one.
func (d *Door) Origin(answer http.Header, r *http.Request) principal.Origin {
	return principal.Origin{IP: d.client(r), RequestID: answer.Get(requestIDHeader)}
}

// Operator is who asks where only the operator can. It is for the way in that is closed to everyone else.
func (d *Door) Operator(w http.ResponseWriter) principal.Principal {
	p := principal.Operator().From(principal.Origin{RequestID: w.Header().Get(requestIDHeader)})
	witnessed(w, p)
	return p
}

// Handler serves a request or returns why it was refused.
type Handler func(w http.ResponseWriter, r *http.Request) error

// Handle makes an http.Handler of a Handler.
func (d *Door) Handle(h Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := h(w, r); err != nil {
			d.Refuse(w, r, err)
		}
	})
}

// Headers that need no allocation to set.
var (
	noStore  = []string{"no-store"}
	jsonType = []string{"application/json"}
	nosniff  = []string{"nosniff"}
)

// Private marks an answer as for its caller alone.
func Private(h http.Header) {
	h["Cache-Control"] = noStore
	h["X-Content-Type-Options"] = nosniff
}

// PrivateJSON marks an answer as JSON for its caller alone.
func PrivateJSON(h http.Header) {
	Private(h)
	h["Content-Type"] = jsonType
}

const requestIDHeader = "X-Request-Id"

var (
	requestPrefix = func() string {
		var b [5]byte
		_, _ = rand.Read(b[:]) // never fails
		return "req_" + base32.HexEncoding.EncodeToString(b[:])
	}()
	requestCount atomic.Uint64
)

// requestID gives the answer's request id, making one where there is none: random for each process, then counted.
func requestID(answer http.Header) string {
	if id := answer.Get(requestIDHeader); id != "" {
		return id
	}
	var n [8]byte
	binary.BigEndian.PutUint64(n[:], requestCount.Add(1))
	id := requestPrefix + base32.HexEncoding.WithPadding(base32.NoPadding).EncodeToString(n[3:])
	answer.Set(requestIDHeader, id)
	return id
}
