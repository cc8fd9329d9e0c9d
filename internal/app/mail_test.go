package app_test

import (
	"mime"
	"net/mail"
	"strings"
	"testing"
)

// header gives a header of a message as people read it.
func header(t *testing.T, content, name string) string {
	t.Helper()
	m, err := mail.ReadMessage(strings.NewReader(content))
	if err != nil {
		t.Fatalf("not a message: %v\n%s", err, content)
	}
	text, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get(name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}
