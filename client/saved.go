package client

import (
	"errors"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
)

// SavedSession is a sign-in that outlives its client. Anyone who has it is signed in: keep it
// secret. It prints as [session], and as itself in JSON.
type SavedSession string

// String implements fmt.Stringer.
func (SavedSession) String() string { return "[session]" }

// GoString implements fmt.GoStringer.
func (s SavedSession) GoString() string { return s.String() }

// SaveSession returns the client's session, to go on with later; "" where the client has none.
func (c *Client) SaveSession() SavedSession {
	base, err := url.Parse(c.base)
	if err != nil || c.http.Jar == nil {
		return ""
	}
	for _, cookie := range c.http.Jar.Cookies(base) {
		return SavedSession(cookie.Name + "=" + cookie.Value)
	}
	return ""
}

// WithSession returns a client that goes on with a session of the same server.
func (c *Client) WithSession(s SavedSession) (*Client, error) {
	base, err := url.Parse(c.base)
	if err != nil {
		return nil, err
	}
	other, err := c.withJar()
	if err != nil {
		return nil, err
	}
	name, value, _ := strings.Cut(string(s), "=")
	if !visible(name) || !visible(value) || strings.ContainsAny(value, `",;\`) {
		return nil, errors.New("the saved session is not one: sign in again")
	}
	other.http.Jar.SetCookies(base,
		[]*http.Cookie{{Name: name, Value: value, Path: "/", Secure: base.Scheme == "https"}})
	return other, nil
}

// withJar returns a client that keeps the cookies it gets.
func (c *Client) withJar() (*Client, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	other := *c
	other.http = &http.Client{Timeout: c.http.Timeout, Jar: jar, Transport: c.http.Transport, CheckRedirect: stay}
	return &other, nil
}
