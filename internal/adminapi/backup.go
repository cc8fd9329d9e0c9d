package adminapi

import (
	"net/http"

	"github.com/claviger-dev/claviger/internal/web"
)

// backup streams. Where it fails half way there is no other sign than that its end is missing, and the connection breaks off.
func (a *API) backup(w http.ResponseWriter, r *http.Request) error {
	a.Door.Operator(w)
	begun := &beginning{to: w}
	err := a.Backup(r.Context(), begun)
	if err != nil && begun.done {
		a.Door.Log.Error("a backup broke off", "error", err)
		panic(http.ErrAbortHandler)
	}
	return err
}

// beginning notes whether anything was written.
type beginning struct {
	to   http.ResponseWriter
	done bool
}

// Write implements io.Writer.
func (b *beginning) Write(p []byte) (int, error) {
	if !b.done {
		web.Private(b.to.Header())
		b.to.Header().Set("Content-Type", "application/x-ndjson")
		b.done = true
	}
	return b.to.Write(p)
}
