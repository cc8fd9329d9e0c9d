package verify

import (
	"strings"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/usage"
)

// sight tells the watch of a key, if there is one, what became of a request with it. A key that was
// recognised has facts. A key whose secret was wrong has an entry alone. It allocates nothing for a
// key that is not watched.
func (e *Engine) sight(d *Decision, r *Requirement, via policy.Transport, ip string) {
	if !e.watches.Any() {
		return
	}
	switch {
	case d.Facts != nil:
		w := e.watches.Of(d.Facts.Key.ID)
		if w != nil && !d.credential.life.Previous { // a client that was not given the new secret yet
			w.Saw(d.seen(d.missing(r), via, ip))
		}
	case d.entry != nil:
		for i := range d.entry.credentials {
			if w := e.watches.Of(d.entry.credentials[i].facts.Key.ID); w != nil {
				w.Saw(d.seen("", via, ip))
			}
		}
	}
}

// seen returns what a watch is told about the decision. The address may be part of the request's
// buffer, so it is copied.
func (d *Decision) seen(missing string, via policy.Transport, ip string) usage.Seen {
	return usage.Seen{At: d.at, Code: d.Code, Missing: missing, IP: strings.Clone(ip), Transport: via}
}

// isAbout reports whether a request is about the keys of the entry: it is made in their tenant, and
// a verifier, if there is one, may inspect them. Only then do their owners learn that it had the
// wrong secret.
func (e *Entry) isAbout(verifier *Verifier, r *Request) bool {
	for i := range e.credentials {
		f := e.credentials[i].facts
		if !f.tenant.accepts(*r) || verifier != nil && !verifier.canInspect(f, *r) {
			return false
		}
	}
	return true
}

// sightCaller is sight for a caller that steps 1 to 4b accepted, with the code of a refusal or "".
func (e *Engine) sightCaller(c *Caller, code fault.Kind, r *Requirement) {
	if !e.watches.Any() || c.Facts == nil || c.credential == nil {
		return
	}
	if code == fault.ValidationFailed { // what was asked is wrong, not the key
		code = ""
	}
	d := Decision{Code: code, Facts: c.Facts, credential: c.credential, token: c.token, at: e.now()}
	e.sight(&d, r, c.Transport, c.Origin().IP)
}

// missing returns the scope or the application because of which a key is refused; "" if none is, or
// if its name is not one that anything here can have.
func (d *Decision) missing(r *Requirement) string {
	switch d.Code {
	case fault.InsufficientScope:
		for _, name := range r.Scopes {
			if !d.Scopes().Has(name) && name.Valid() {
				return strings.Clone(string(name))
			}
		}
	case fault.ApplicationForbidden:
		if _, err := ident.Parse[ident.ApplicationID](r.Application); err == nil {
			return strings.Clone(r.Application)
		}
	}
	return ""
}
