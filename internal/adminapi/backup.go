package adminapi

import (
	"io"
	"net/http"

	"github.com/claviger-dev/claviger/internal/web"
)

// backup streams the backup. If it fails in the middle, the connection is cut, and the end of the
// backup is missing.
func (a *API) backup(w http.ResponseWriter, r *http.Request) error {
	return a.stream(w, "a backup", func(to io.Writer) error { return a.Backup(r.Context(), to) })
}

// stream answers with what write writes. It cuts the connection if write fails in the middle.
func (a *API) stream(w http.ResponseWriter, what string, write func(to io.Writer) error) error {
	web.Operator(w)
	out := &streamWriter{to: w}
	err := write(out)
	if err != nil && out.started {
		a.Log.Error(what+" broke off", "error", err)
		panic(http.ErrAbortHandler)
	}
	return err
}

// streamWriter sets the headers of a stream before its first byte.
type streamWriter struct {
	to      http.ResponseWriter
	started bool
}

// Write implements io.Writer.
func (s *streamWriter) Write(p []byte) (int, error) {
	if !s.started {
		web.SetPrivate(s.to.Header())
		s.to.Header().Set("Content-Type", "application/x-ndjson")
		s.started = true
	}
	return s.to.Write(p)
}
