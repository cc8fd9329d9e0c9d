package app_test

import (
	"io"
	"mime"
	"net/mail"
	"strings"
	"testing"
)

// subjectOf gives the subject of a message as people read it.
func subjectOf(t *testing.T, content string) string {
	t.Helper()
	m, err := mail.ReadMessage(strings.NewReader(content))
	if err != nil {
		t.Fatalf("not a message: %v\n%s", err, content)
	}
	if _, err := io.Copy(io.Discard, m.Body); err != nil {
		t.Fatal(err)
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
	if err != nil {
		t.Fatal(err)
	}
	return subject
}
