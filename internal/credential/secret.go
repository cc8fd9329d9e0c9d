package credential

import (
	"fmt"
	"log/slog"
)

const redacted = "[redacted]"

// Secret is a text that must not be printed. fmt, slog, JSON, errors and templates show
// "[redacted]". Only Reveal returns the text, so a search for Reveal finds every place that shows a
// secret.
type Secret struct {
	// text is a pointer, because fmt does not call the methods of unexported fields: of a pointer
	// it prints the address.
	text *string
}

// NewSecret returns the text as a secret.
func NewSecret(text string) Secret { return Secret{text: &text} }

// Reveal returns the text. The caller is responsible for where it goes.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// IsZero reports whether the secret is empty.
func (s Secret) IsZero() bool { return s.text == nil || *s.text == "" }

// Format writes "[redacted]" for every verb.
func (Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// String returns "[redacted]".
func (Secret) String() string { return redacted }

// LogValue returns "[redacted]".
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText returns "[redacted]". encoding/json and html/template use it.
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }
