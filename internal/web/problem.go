package web

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/claviger-dev/claviger/internal/fault"
)

// ProblemWriter writes problem documents (RFC 9457), with the challenges of RFC 6750 and RFC 7617.
type ProblemWriter struct {
	// Authenticator knows whether the request carried a credential.
	Authenticator *Authenticator
}

// WriteError implements [ErrorWriter].
func (p ProblemWriter) WriteError(w http.ResponseWriter, r *http.Request, f Failure) {
	var body bytes.Buffer
	f.writeProblem(&body)
	h := w.Header()
	p.Challenge(h, r, f)
	WriteFailure(w, f, "application/problem+json", body.Bytes())
}

// writeProblem writes the failure as a problem document and a line feed.
func (f Failure) writeProblem(dst *bytes.Buffer) {
	encoder := json.NewEncoder(dst)
	encoder.SetEscapeHTML(false)
	if encoder.Encode(f.Problem()) != nil {
		dst.WriteString(`{"code":"internal"}`)
	}
}

// WritePartProblem writes the problem document about a part of a request, which is answered apart
// from the rest of the request. response are the headers of the response, which have its id.
func WritePartProblem(dst *bytes.Buffer, response http.Header, err error) {
	NewFailure(err, requestID(response)).writeProblem(dst)
	dst.Truncate(dst.Len() - 1)
}

// WriteFailure writes status and body of a failure.
func WriteFailure(w http.ResponseWriter, f Failure, contentType string, body []byte) {
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(f.Status)
	_, _ = w.Write(body) // the client may be gone
}

const basicChallenge = `Basic realm="claviger", charset="UTF-8"`

// Challenge sets WWW-Authenticate (RFC 6750 section 3, RFC 7617). Bearer is the first, since some
// proxies pass on only one.
func (p ProblemWriter) Challenge(h http.Header, r *http.Request, f Failure) {
	const bearer = `Bearer realm="claviger"`
	switch {
	case f.Kind == fault.InsufficientScope:
		h.Set("WWW-Authenticate", bearer+`, error="insufficient_scope"`)
	case f.Status != http.StatusUnauthorized:
	case p.Authenticator.hasCredential(r.Header):
		h["Www-Authenticate"] = []string{bearer + `, error="invalid_token"`, basicChallenge}
	default:
		h["Www-Authenticate"] = []string{bearer, basicChallenge}
	}
}
