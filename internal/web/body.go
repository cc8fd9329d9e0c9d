package web

import (
	"bytes"
	"io"
	"net/http"
	"time"

	"github.com/claviger-dev/claviger/internal/fault"
)

const (
	// AnonymousBody is the largest body of a request without a credential, in bytes.
	AnonymousBody = 16 << 10
	// discardTime is how long the rest of the body of a refused request may take to arrive, so that
	// the connection can be used again.
	discardTime = 50 * time.Millisecond
)

// hasBody reports whether a body may follow the headers.
func hasBody(r *http.Request) bool { return r.Body != nil && r.Body != http.NoBody }

// BufferAnonymousBody reads the body of a request without a credential, as [ReadBodyFirst] does. It
// reads less and waits less, since the client is unknown.
func (m *Middleware) BufferAnonymousBody(w http.ResponseWriter, r *http.Request) error {
	if !hasBody(r) {
		return nil
	}
	control := http.NewResponseController(w)
	limited := m.AnonymousTime > 0 && control.SetReadDeadline(time.Now().Add(m.AnonymousTime)) == nil
	text, err := io.ReadAll(io.LimitReader(r.Body, AnonymousBody+1))
	switch {
	case len(text) > AnonymousBody:
		DiscardBody(w, r)
		return fault.New(fault.TooLarge, "The body is larger than 16 KiB.")
	case err != nil:
		DiscardBody(w, r)
	case limited:
		_ = control.SetReadDeadline(time.Time{}) // nothing more is read
	}
	r.Body = io.NopCloser(io.MultiReader(bytes.NewReader(text), failing{err}))
	return nil
}

// DiscardBody stops reading a body that is no longer needed, before the response is written.
// Otherwise the server would wait for the rest of it as long as the client likes. If the rest
// arrives within a moment, the connection stays open; if not, it is closed with the response.
func DiscardBody(w http.ResponseWriter, r *http.Request) { discardBody(w, r, MaxBody, discardTime) }

// discardBody is DiscardBody for a rest of less than most bytes, which arrives within a time.
func discardBody(w http.ResponseWriter, r *http.Request, most int64, within time.Duration) {
	if !hasBody(r) || r.ProtoMajor != 1 { // HTTP/2 ends only the stream
		return
	}
	control := http.NewResponseController(w)
	if control.SetReadDeadline(time.Now().Add(within)) != nil {
		return
	}
	if r.Header.Get("Expect") == "" {
		n, err := io.Copy(io.Discard, io.LimitReader(r.Body, most))
		if err == nil && n < most {
			_ = control.SetReadDeadline(time.Time{}) // nothing more is read
			return
		}
	}
	w.Header().Set("Connection", "close")
	_ = control.SetReadDeadline(time.Now())
}
