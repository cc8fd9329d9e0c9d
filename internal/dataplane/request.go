package dataplane

import (
	"context"
	"net/http"
	"net/netip"
	"sync"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/verify"
	"github.com/claviger-dev/claviger/internal/web"
)

// request is the body of verify. Its members are those of api.VerifyRequest. For credential and
// headers it knows whether they were sent at all. It keeps only the headers that can carry a
// credential.
type request struct {
	Credential sentText    `json:"credential"`
	Headers    sentHeaders `json:"headers"`
	// Scopes keep their memory when the request is released.
	Scopes        []scope.Scope `json:"scopes"`
	ApplicationID string        `json:"application_id"`
	TenantID      string        `json:"tenant_id"`
	SessionOnly   bool          `json:"session_only"`
	Transport     string        `json:"transport"`
	IP            string        `json:"ip"`
}

var requests = sync.Pool{New: func() any { return new(request) }}

// item is the JSON of one request to verify, twice: text is a copy of body, of which the request
// keeps parts. body is valid as long as the body of the HTTP request.
type item struct {
	body []byte
	text string
}

func newItem(body []byte) item { return item{body, string(body)} }

// getRequest returns an empty request, which must be released.
func getRequest() *request { return requests.Get().(*request) }

// read reads the JSON of a request, in the place of what was read before. It refuses what cannot be
// read; verifyRequest refuses what breaks a rule.
func (q *request) read(sent item, a *web.Authenticator) error {
	q.clear()
	if q.readPlain(sent.text) {
		return nil
	}
	q.clear()
	q.Headers.authenticator = a
	return web.Unmarshal(sent.body, q)
}

// clear makes the request empty. It may have held a credential.
func (q *request) clear() {
	clear(q.Scopes)
	*q = request{Scopes: q.Scopes[:0]}
}

// release clears the request and returns it to the pool.
func (q *request) release() {
	q.clear()
	requests.Put(q)
}

// verifyRequest checks everything but the credential, and returns what the engine is asked.
func (q *request) verifyRequest() (verify.Request, error) {
	faults := q.credentialFaults()
	via := policy.Transport(q.Transport)
	if via != "" && !via.Valid() {
		faults = append(faults, fault.Field{
			Name: "transport", Code: "unknown",
			Message: "Use bearer, basic, header or oauth.",
		})
	}
	ip, ok := parseAddress(q.IP)
	if !ok {
		faults = append(faults, fault.Field{
			Name: "ip", Code: "form",
			Message: "Use an IPv4 or IPv6 address, without a zone.",
		})
	}
	asked := verify.Request{Location: policy.Location{Transport: via}, IP: ip, Requirement: verify.Requirement{
		SessionOnly: q.SessionOnly,
		Tenant:      ident.TenantID(q.TenantID),
		Application: q.ApplicationID,
		Scopes:      q.Scopes,
	}}
	return asked, fault.Refuse(faults...)
}

// credentialFaults returns what is wrong with credential and headers: exactly one of the two is
// required.
func (q *request) credentialFaults() []fault.Field {
	faults := q.Headers.faults
	switch {
	case q.Credential.wrong:
		faults = append(faults, fault.Field{
			Name: "credential", Code: "type",
			Message: "Use a string.",
		})
	case q.Credential.text != "" && q.Headers.object, !q.Credential.sent && !q.Headers.sent:
		faults = append(faults, fault.Field{
			Name: "credential", Code: "exclusive",
			Message: "Send exactly one of credential and headers.",
		})
	}
	return faults
}

// presentation reads the credential to decide about. An empty one, or null, is malformed.
func (q *request) presentation(ctx context.Context, a *web.Authenticator) verify.Presentation {
	if q.Headers.object {
		return a.ReadCredential(ctx, q.Headers.header)
	}
	return web.ParseCredential(q.Credential.text)
}

// parseAddress returns the canonical form of an IP address. It accepts "" and returns "" for it.
func parseAddress(text string) (ip string, ok bool) {
	if text == "" {
		return "", true
	}
	parsed, err := netip.ParseAddr(text)
	if err != nil || parsed.Zone() != "" {
		return "", false
	}
	var buf [64]byte
	canonical := parsed.Unmap().AppendTo(buf[:0])
	if string(canonical) == text {
		return text, true
	}
	return string(canonical), true
}

// The kinds of JSON values that matter here.
const (
	kindNull   = 'n'
	kindString = '"'
	kindObject = '{'
	kindList   = '['
)

// sentText is a string that can be null or missing.
type sentText struct {
	// sent is set if the member is present, wrong if it is neither a string nor null.
	sent, wrong bool
	text        string
}

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (t *sentText) UnmarshalJSONFrom(d *jsontext.Decoder) (err error) {
	t.sent = true
	switch d.PeekKind() {
	case kindNull:
		return d.SkipValue()
	case kindString:
		t.text, err = readText(d)
		return err
	}
	t.wrong = true
	return d.SkipValue()
}

// readText reads a string.
func readText(d *jsontext.Decoder) (string, error) {
	token, err := d.ReadToken()
	if err != nil {
		return "", err
	}
	return token.String(), nil
}

// sentHeaders are the headers of the request to decide about. The value of a header is a string or
// a list of strings. null, an empty list, and values of white space alone mean that the header is
// absent. Only headers that can carry a credential are read; all others may be of any type.
type sentHeaders struct {
	// authenticator knows which headers can carry a credential.
	authenticator *web.Authenticator
	// sent is set if the member is present, object if it is an object.
	sent, object bool
	header       http.Header
	faults       []fault.Field
}

// UnmarshalJSONFrom implements json.UnmarshalerFrom. It returns an error only if the JSON cannot be
// read; faults has everything else.
func (s *sentHeaders) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	s.sent = true
	switch d.PeekKind() {
	case kindNull:
		return d.SkipValue()
	case kindObject:
		s.object = true
		return s.readObject(d)
	}
	s.faults = append(s.faults, fault.Field{
		Name: "headers", Code: "type",
		Message: "Use an object with a member for each header.",
	})
	return d.SkipValue()
}

// readObject reads the headers that can carry a credential and skips the others.
func (s *sentHeaders) readObject(d *jsontext.Decoder) error {
	s.header = http.Header{}
	if _, err := d.ReadToken(); err != nil { // {
		return err
	}
	for d.PeekKind() == kindString {
		sent, err := readText(d)
		if err != nil {
			return err
		}
		name := http.CanonicalHeaderKey(sent)
		if s.authenticator.IsCredentialHeader(name) {
			err = s.readHeader(d, name)
		} else {
			err = d.SkipValue()
		}
		if err != nil {
			return err
		}
	}
	_, err := d.ReadToken() // }, or a syntax error
	return err
}

// readHeader reads a header that can carry a credential. In a key header, a value that is no text
// counts as a value that is no key, since another tenant may have chosen the name.
func (s *sentHeaders) readHeader(d *jsontext.Decoder, name string) error {
	values, texts, err := readValues(d)
	if err != nil {
		return err
	}
	if !texts && name == web.AuthorizationHeader {
		s.faults = append(s.faults, fault.Field{
			Name: "headers." + name, Code: "type", Message: "Use a string, a list of strings, or null.",
		})
		return nil
	}
	if !hasText(values) {
		return nil // absent
	}
	if len(s.header[name]) > 0 {
		// Nobody knows which of the two the protected API would have seen.
		s.faults = append(s.faults, fault.Field{
			Name: "headers", Code: "duplicate", Message: "Send each header once. Names are case-insensitive.",
		})
	}
	s.header[name] = values
	return nil
}

// readValues reads the value of a header: a string, a list of strings, or null. texts is false if
// anything in it is of another type; "" is returned in its place.
func readValues(d *jsontext.Decoder) (values []string, texts bool, err error) {
	switch d.PeekKind() {
	case kindNull:
		return nil, true, d.SkipValue()
	case kindString:
		text, err := readText(d)
		return []string{text}, true, err
	case kindList:
		return readList(d)
	}
	return []string{""}, false, d.SkipValue()
}

// readList reads a list as readValues does. null in a list is no value.
func readList(d *jsontext.Decoder) (values []string, texts bool, err error) {
	if _, err := d.ReadToken(); err != nil { // [
		return nil, false, err
	}
	texts = true
	for d.PeekKind() != ']' {
		var text string
		kind := d.PeekKind()
		if kind == kindString {
			text, err = readText(d)
		} else {
			err = d.SkipValue()
		}
		if err != nil {
			return nil, false, err
		}
		if kind != kindNull { // a value that is absent
			texts = texts && kind == kindString
			values = append(values, text)
		}
	}
	_, err = d.ReadToken() // ]
	return values, texts, err
}

// hasText reports whether a value is more than white space.
func hasText(values []string) bool {
	for _, v := range values {
		if web.TrimField(v) != "" {
			return true
		}
	}
	return false
}
