package testkit

import (
	"net/http"
	"strings"
	"sync"
	"testing"
)

// Log keeps what is logged.
type Log struct {
	mu   sync.Mutex
	text strings.Builder
}

// Write implements io.Writer.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// String returns everything logged so far.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// LogLines returns the lines with the message that were logged after the first since bytes.
func LogLines(h *Server, since int, message string) (found []string) {
	for line := range strings.Lines(h.Log.String()[since:]) {
		if strings.Contains(line, " msg="+message+" ") {
			found = append(found, strings.TrimSpace(line))
		}
	}
	return found
}

// RequestLogLines waits for the access log of a request. It returns the lines after the first since
// bytes. The line comes after the answer: if no line is wanted, the line of another request shows
// that none came.
func RequestLogLines(t testing.TB, h *Server, since int, wanted bool) []string {
	t.Helper()
	if !wanted {
		_ = h.Anyone().Do(t.Context(), http.MethodGet, "/after", nil, nil)
	}
	Await(t, func() string { return strings.Join(LogLines(h, since, "request"), "") })
	found := LogLines(h, since, "request")
	if !wanted {
		found = found[1:]
	}
	if len(found) == 0 {
		return nil
	}
	return found
}
