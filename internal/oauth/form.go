package oauth

import (
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/web"
)

// form holds the parameters of a request (RFC 6749 section 3.2). One without a value counts as
// absent, and unknown ones are ignored.
type form struct{ values url.Values }

const formType = "application/x-www-form-urlencoded"

// readForm runs phase 1: it reads the body of a client that is not known yet.
func (a *API) readForm(w http.ResponseWriter, r *http.Request) (f form, err error) {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != formType || len(r.Header["Content-Type"]) > 1 {
		web.DiscardBody(w, r)
		return f, fault.New(fault.Malformed, "Send the parameters as a form, with Content-Type: "+formType+".")
	}
	if err := web.PlainContent(r.Header); err != nil {
		web.DiscardBody(w, r)
		return f, fault.New(fault.Malformed, fault.Message(err))
	}
	if err := a.Middleware.BufferAnonymousBody(w, r); err != nil {
		return f, err
	}
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return f, fault.Wrap(fault.Malformed, err, "The body was cut short.")
	}
	return parseForm(string(text))
}

// parseForm parses parameters. It refuses a known one that is repeated (RFC 6749 section 3.2).
func parseForm(text string) (f form, err error) {
	f.values, err = url.ParseQuery(text)
	if err != nil {
		return f, fault.New(fault.Malformed, "The form is not well encoded. Encode it as "+formType+".")
	}
	for _, name := range parameters {
		if len(f.values[name]) > 1 {
			return f, fault.New(fault.Malformed, fmt.Sprintf("The parameter %s is repeated. Send it once.", name))
		}
	}
	return f, nil
}

// parameters are those that the endpoints know.
var parameters = []string{
	"grant_type", "scope", "client_id", "client_secret", "token", "token_type_hint", "ip",
}

// get returns the value of a parameter; "" for none.
func (f form) get(name string) string { return f.values.Get(name) }

// require returns the value of a parameter that must be there.
func (f form) require(name string) (string, error) {
	value := f.get(name)
	if value == "" {
		return "", fault.New(fault.Malformed, fmt.Sprintf("The parameter %s is missing.", name))
	}
	return value, nil
}
