package web

import (
	"bytes"
	"io"
	"net/http"
	"time"

	"github.com/claviger-dev/claviger/internal/fault"
)

const (
	// AnonymousBody is the largest body of a request that anyone may make, in bytes.
	AnonymousBody = 16 << 10
	// unwantedTime is how long a refused request may take to bring the rest of its body, so that its connection can be used again.
	unwantedTime = 50 * time.Millisecond
)

// hasBody reports whether a body may follow the headers.
func hasBody(r *http.Request) bool { return r.Body != nil && r.Body != http.NoBody }

// BufferAnonymous reads the body of a request that needs no credential, as Buffer does, but little of it and not for long: whoever sends it is
// nobody that is known.
func (d *Door) BufferAnonymous(w http.ResponseWriter, r *http.Request) error {
	if !hasBody(r) {
		return nil
	}
	control := http.NewResponseController(w)
	limited := d.AnonymousTime > 0 && control.SetReadDeadline(time.Now().Add(d.AnonymousTime)) == nil
	text, err := io.ReadAll(io.LimitReader(r.Body, AnonymousBody+1))
	switch {
	case len(text) > AnonymousBody:
		Abandon(w, r)
		return fault.New(fault.TooLarge, "The body is larger than 16 KiB.")
	case err != nil:
		Abandon(w, r)
	case limited:
		_ = control.SetReadDeadline(time.Time{}) // no more is read
	}
	r.Body = io.NopCloser(io.MultiReader(bytes.NewReader(text), failing{err}))
	return nil
}

// Abandon ends the reading of a body that is not wanted any more, before the answer is written. The server would otherwise wait for the rest
// of it, as long as the client likes. What has come already is thrown away and the connection stays; otherwise it ends with the answer.
func Abandon(w http.ResponseWriter, r *http.Request) {
	if !hasBody(r) || r.ProtoMajor != 1 { // HTTP/2 ends the stream alone
		return
	}
	control := http.NewResponseController(w)
	if control.SetReadDeadline(time.Now().Add(unwantedTime)) != nil {
		return
	}
	if r.Header.Get("Expect") == "" {
		n, err := io.Copy(io.Discard, io.LimitReader(r.Body, MaxBody))
		if err == nil && n < MaxBody {
			_ = control.SetReadDeadline(time.Time{}) // no more is read
			return
		}
	}
	w.Header().Set("Connection", "close")
	_ = control.SetReadDeadline(time.Now())
}
