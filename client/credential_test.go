package client_test

import (
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/claviger-dev/claviger/client"
)

func TestACredentialThatCannotBeSentFailsEachRequestAtOnce(t *testing.T) {
	t.Parallel()
	f := newFlaky(t)
	const secret = "clv_ak_neverrepeated"
	anyone := newClient(t, f.URL)
	for name, c := range map[string]*client.Client{
		"nothing":             anyone.WithKey(""),
		"a line end":          anyone.WithKey(secret + "\n"),
		"two lines":           anyone.WithKey(secret + "\r\n" + secret),
		"a space":             anyone.WithKey(secret + " " + secret),
		"a space before it":   anyone.WithKey(" " + secret),
		"a NUL":               anyone.WithKey(secret + "\x00"),
		"a byte-order mark":   anyone.WithKey("\ufeff" + secret),
		"a letter not ASCII":  anyone.WithKey(secret + "é"),
		"a pair without id":   anyone.WithPair("", secret),
		"a pair with a break": anyone.WithPair("id", secret+"\n"),
		"a pair of two ids":   anyone.WithPair("id:id", secret),
		"another header":      anyone.WithKey(secret+"\n").WithHeader("X-Request-Id", "1"),
	} {
		_, err := c.Whoami(t.Context())
		if !errors.Is(err, client.ErrCredential) || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, c := range map[string]*client.Client{
		"a value with a break": anyone.WithHeader("X-API-Key", secret+"\n"),
		"a name with a space":  anyone.WithHeader("X API Key", secret),
	} {
		if _, err := c.Whoami(t.Context()); err == nil || strings.Contains(err.Error(), secret) ||
			!strings.Contains(err.Error(), "cannot be sent") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := anyone.WithSession("claviger=" + secret + "\n"); err == nil || strings.Contains(err.Error(), secret) {
		t.Errorf("a session with a line end: %v", err)
	}
	if came := f.keys(); len(came) > 0 {
		t.Errorf("%d requests were sent", len(came))
	}
}

func TestAPairIsSentByBasic(t *testing.T) {
	t.Parallel()
	f := newFlaky(t)
	var sent string
	f.then = func(w http.ResponseWriter, r *http.Request) {
		sent = r.Header.Get("Authorization")
		answer(http.StatusOK, `{}`)(w, r)
	}
	if _, err := newClient(t, f.URL).WithPair("id", "se:cret").Whoami(t.Context()); err != nil {
		t.Fatal(err)
	}
	if want := "Basic " + base64.StdEncoding.EncodeToString([]byte("id:se:cret")); sent != want {
		t.Errorf("sent %s, not %s", sent, want)
	}
}
