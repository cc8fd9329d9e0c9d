package web

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/proxy"
	"github.com/claviger-dev/claviger/internal/verify"
)

// Authenticator reads the one credential of a request and authenticates the caller with it. It is
// the only reader of credentials. Its configuration is set before the first request.
type Authenticator struct {
	// Verify decides about the credential that was read.
	Verify *verify.Authenticator
	// Secure is set where clients use TLS. The session cookie then has the prefix __Host-.
	Secure bool
	// Cookie is the session cookie; the zero value is that of Claviger itself.
	Cookie Cookie
	// Proxies are the networks of the proxies in front of this server. Their X-Forwarded-For header
	// is trusted; everybody else's is ignored.
	Proxies proxy.Networks
	// KeyHeaders are the key headers of all tenants; nil for none.
	KeyHeaders *KeyHeaders
	// ManagementKeys limits the requests of management keys; nil for no limit.
	ManagementKeys *ManagementLimit

	// uploads are the files that people send now.
	uploads uploads
	// origins recognises requests that another site made a browser send.
	origins http.CrossOriginProtection
}

// Caller authenticates the request and checks that the caller meets the route's requirement: all
// steps of a decision about the request's own credential.
//
// Caller also reads the body and returns it. A caller who is refused because of the headers alone
// makes nobody read the body. The decision is about the moment when the whole body was there, so
// that a slow body does not extend a right that has ended meanwhile. A session that was valid a few
// seconds ago is checked only once, after the body. If the body does not arrive, net/http cancels
// the request's context, and nothing more is asked of the database.
func (a *Authenticator) Caller(w http.ResponseWriter, r *http.Request,
	needs verify.Requirement,
) (verify.Caller, []byte, error) {
	p := a.ReadCredential(r.Context(), r.Header)
	if needs.Management {
		p = a.Verify.ForManagement(p)
	}
	return a.caller(w, r, needs, p)
}

// pollHeader marks a request that an open page makes by itself.
const pollHeader = "X-Claviger-Poll"

// PollingCaller is Caller for a route that open pages ask again and again. A request that says so
// does not keep the session from being idle. No other route looks at the header.
func (a *Authenticator) PollingCaller(w http.ResponseWriter, r *http.Request,
	needs verify.Requirement,
) (verify.Caller, []byte, error) {
	p := a.ReadCredential(r.Context(), r.Header)
	if r.Header.Get(pollHeader) != "" {
		p = p.Passive()
	}
	return a.caller(w, r, needs, p)
}

// caller is Caller for the credential of the request.
func (a *Authenticator) caller(w http.ResponseWriter, r *http.Request, needs verify.Requirement,
	p verify.Presentation,
) (verify.Caller, []byte, error) {
	var c verify.Caller
	var body []byte
	var err error
	if !hasBody(r) || !a.Verify.SessionWasLive(p) {
		c, err = a.authenticate(w, r, p)
	}
	if err == nil && hasBody(r) {
		body, err = ReadBodyFirst(r)
		if err == nil {
			c, err = a.confirm(w, r, p, c)
		}
	}
	if err == nil {
		recordCaller(w, c.Principal)
		err = a.ManagementKeys.Consume(c.Principal)
	}
	if err == nil {
		err = a.Verify.Engine.Allow(r.Context(), c, needs)
	}
	if err != nil {
		a.countRefused(r, c, err)
		return verify.Caller{}, nil, err
	}
	a.outcomes().Count("", c.Transport)
	return c, body, nil
}

// Verifier authenticates a caller who asks about the credential of somebody else.
// [verify.Engine.DecideFor] takes the last steps and counts the caller, once it knows what is
// asked. A session cookie is accepted only from the same site, since browsers send cookies by
// themselves.
//
// Verifier reads the body when Caller does, with read, which is ReadBody or ReadLargeBody. unread
// is the reason why the body cannot be used. The body must be released even if there is an error.
func (a *Authenticator) Verifier(w http.ResponseWriter, r *http.Request,
	read func(*http.Request) (Body, error),
) (v verify.Verifier, body Body, unread, err error) {
	p := a.ReadCredential(r.Context(), r.Header)
	var c verify.Caller
	if !a.Verify.SessionWasLive(p) {
		c, err = a.authenticate(w, r, p)
	}
	if err == nil {
		body, unread = read(r)
		if unread != nil && r.Context().Err() != nil { // the request ended with its body
			err = unread
		} else {
			c, err = a.confirm(w, r, p, c)
		}
	}
	if err == nil && c.Facts == nil {
		err = a.checkSameSite(r)
	}
	if err == nil {
		v, err = a.Verify.Engine.Verifier(c)
	}
	if err != nil {
		a.countRefused(r, c, err)
	}
	return v, body, unread, err
}

// Refusal returns why the caller is refused because of the headers of a request; nil if they are
// not. Unlike Caller, it neither reads nor discards the body.
func (a *Authenticator) Refusal(w http.ResponseWriter, r *http.Request) error {
	_, err := a.Verify.Authenticate(r.Context(), a.ReadCredential(r.Context(), r.Header), a.Origin(w.Header(), r))
	return err
}

// StillSignedIn authenticates the session of a request again, whose response is sent while it is
// read, and returns the person with the rights that they have now. It is no use of the session.
func (a *Authenticator) StillSignedIn(w http.ResponseWriter, r *http.Request) (principal.Principal, error) {
	p := a.ReadCredential(r.Context(), r.Header).Passive()
	c, err := a.Verify.Authenticate(r.Context(), p, a.Origin(w.Header(), r))
	return c.Principal, err
}

// authenticate runs steps 1 to 4b of a decision with the headers of the request. A caller who is
// refused has a transport if the request carries exactly one credential.
func (a *Authenticator) authenticate(w http.ResponseWriter, r *http.Request,
	p verify.Presentation,
) (verify.Caller, error) {
	c, err := a.Verify.Authenticate(r.Context(), p, a.Origin(w.Header(), r))
	if err != nil {
		DiscardBody(w, r)
		return verify.Caller{Transport: p.Location().Transport}, err
	}
	return c, nil
}

// confirm repeats steps 2 to 4b after the body was read, if anything changed meanwhile.
func (a *Authenticator) confirm(w http.ResponseWriter, r *http.Request, p verify.Presentation,
	c verify.Caller,
) (verify.Caller, error) {
	if a.Verify.Engine.Unchanged(c) {
		return c, nil
	}
	return a.authenticate(w, r, p)
}

func (a *Authenticator) countRefused(r *http.Request, c verify.Caller, err error) {
	a.outcomes().Count(verify.Outcome(r.Context(), err), c.Transport)
}

// outcomes returns the counters of callers.
func (a *Authenticator) outcomes() verify.Outcomes { return a.Verify.Engine.Counts().Callers }

// Origin returns where a request comes from, for the audit trail. response has the request id as
// soon as the middleware or a refusal has set one.
func (a *Authenticator) Origin(response http.Header, r *http.Request) principal.Origin {
	return principal.Origin{
		IP: a.clientAddress(r), RequestID: response.Get(requestIDHeader), UserAgent: r.UserAgent(),
	}
}

// Operator returns the principal of a request to an entry point that only the operator can reach.
// It reads no credential.
func Operator(w http.ResponseWriter) principal.Principal {
	p := principal.Operator().WithOrigin(principal.Origin{RequestID: w.Header().Get(requestIDHeader)})
	recordCaller(w, p)
	return p
}

// TrustOrigin makes the origin of the public URL part of this site, even if a proxy in front
// changes the Host of its requests. Any other origin must be that of the Host. TrustOrigin is
// called before the first request.
func (a *Authenticator) TrustOrigin(base string) error {
	u, err := url.Parse(base)
	if err != nil {
		return err
	}
	return a.origins.AddTrustedOrigin(originOf(u))
}

// originOf returns the origin of a URL as browsers send it: the host in lower case, without the
// default port of the scheme (RFC 6454 section 6.2).
func originOf(u *url.URL) string {
	host := strings.ToLower(u.Host)
	for scheme, port := range map[string]string{"http": ":80", "https": ":443"} {
		if u.Scheme == scheme {
			host = strings.TrimSuffix(host, port)
		}
	}
	return u.Scheme + "://" + strings.TrimSuffix(host, ":")
}

// checkSameSite refuses a request that changes something and that another site made a browser send.
// Requests from outside of browsers pass.
func (a *Authenticator) checkSameSite(r *http.Request) error {
	if err := a.origins.Check(r); err != nil {
		return fault.Wrap(fault.CrossSite, err, "")
	}
	return nil
}
