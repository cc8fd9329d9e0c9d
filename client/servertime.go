package client

import (
	"context"
	"errors"
	"net/http"
	"time"
)

// errNoDate says that nothing is known of the server's clock.
var errNoDate = errors.New("the server's answer does not say what time it is there (header Date)")

// ServerTime returns what time it is by the server's clock, in whole seconds and never later than
// that clock. The server compares the times of a request with that clock. So a key that is to
// expire in 90 days expires 90 days after ServerTime. It does not matter whether the client is
// signed in.
func (c *Client) ServerTime(ctx context.Context) (time.Time, error) {
	a, err := c.exchange(ctx, http.MethodGet, "/api/v1/session", nil, nil, 0)
	if a == nil || a.status >= http.StatusInternalServerError {
		return time.Time{}, err
	}
	if _, ours := errors.AsType[*StatusError](err); ours {
		return time.Time{}, err // it is not known whose clock that is
	}
	at, err := http.ParseTime(a.header.Get("Date"))
	if err != nil || a.header.Get("Age") != "" { // an answer of a cache has the date of when it was made
		return time.Time{}, errNoDate
	}
	return at.UTC(), nil
}
