package testkit

import (
	"io"
	"mime"
	"mime/multipart"
	"net/mail"
	"regexp"
	"strings"
	"testing"
)

// MailHeader returns a header of a message, decoded.
func MailHeader(t testing.TB, content, name string) string {
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

// MailText returns the plain text of a message, decoded.
func MailText(t testing.TB, content string) string { return MailPart(t, content, "text/plain") }

// MailPart returns the part of a message with the media type, decoded.
func MailPart(t testing.TB, content, kind string) string {
	t.Helper()
	m, err := mail.ReadMessage(strings.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	_, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	parts := multipart.NewReader(m.Body, params["boundary"])
	for {
		part, err := parts.NextPart() // which decodes quoted-printable
		if err != nil {
			t.Fatalf("no %s: %v", kind, err)
		}
		if strings.HasPrefix(part.Header.Get("Content-Type"), kind) {
			text, err := io.ReadAll(part)
			if err != nil {
				t.Fatal(err)
			}
			return string(text)
		}
	}
}

// MailedToken returns the token in the only link of a message, whose path begins so.
func MailedToken(t testing.TB, h *Server, m Mail, path string) string {
	t.Helper()
	found := regexp.MustCompile(regexp.QuoteMeta(h.URL+path) + `([\w-]+)`).FindStringSubmatch(MailText(t, m.Content))
	if found == nil {
		t.Fatalf("no link to %s in %s", path, m.Content)
	}
	return found[1]
}
