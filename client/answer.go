package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/claviger-dev/claviger/api"
)

// answer is what the server said, read to its end.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// read returns the refusal, or decodes the answer into out, which may be nil.
func (a *answer) read(out any) error {
	switch {
	case a.status >= http.StatusBadRequest:
		return a.refusal()
	case a.status >= http.StatusMultipleChoices:
		return &StatusError{Status: a.status, Location: a.header.Get("Location")}
	case out == nil || len(a.body) == 0:
		return nil
	}
	return json.Unmarshal(a.body, out)
}

func (a *answer) refusal() error {
	p := &api.Problem{}
	if err := json.Unmarshal(a.body, p); err != nil || p.Code == "" {
		return &StatusError{Status: a.status}
	}
	p.Status, p.RetryAfter = a.status, a.retryAfter()
	return p
}

// retryAfter reads the header as seconds (RFC 9110 section 10.2.3; Claviger sends no dates); 0
// where there is none.
func (a *answer) retryAfter() time.Duration {
	seconds, err := strconv.ParseUint(a.header.Get("Retry-After"), 10, 31)
	if err != nil {
		return 0
	}
	return time.Duration(seconds) * time.Second
}

// StatusError is an answer that is not Claviger's: that of a proxy before it, or of another server.
type StatusError struct {
	Status int
	// Location is where a redirect led, which is not followed.
	Location string
}

// Error implements error.
func (e *StatusError) Error() string {
	if e.Location != "" {
		return fmt.Sprintf("the server answered %d: it redirects to %s, and redirects are not followed", e.Status,
			e.Location)
	}
	return fmt.Sprintf("the server answered %d without a problem document", e.Status)
}

// Status returns the HTTP status of the answer that an error stems from; 0 where no answer came.
func Status(err error) int {
	if p, ok := errors.AsType[*api.Problem](err); ok {
		return p.Status
	}
	if e, ok := errors.AsType[*StatusError](err); ok {
		return e.Status
	}
	return 0
}
