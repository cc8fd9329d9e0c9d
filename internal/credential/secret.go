package credential

import (
	"fmt"
	"log/slog"
)

const redacted = "[redacted]"

// Secret is text that must not be printed. Through fmt, slog, JSON, errors and templates it comes out as
// "[redacted]"; Reveal is the only way to the text, so that a search for it finds every place that shows one.
type Secret struct {
	// A pointer, since fmt does not call the methods of a struct's unexported fields: there it prints an address, not the text.
	text *string
}

// NewSecret wraps the text.
func NewSecret(text string) Secret { return Secret{text: &text} }

// Reveal gives the text. The caller answers for where it goes.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// IsZero reports whether there is no secret.
func (s Secret) IsZero() bool { return s.text == nil || *s.text == "" }

// Format writes "[redacted]" for every verb.
func (Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// String gives "[redacted]".
func (Secret) String() string { return redacted }

// LogValue gives "[redacted]".
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText gives "[redacted]", also for encoding/json and html/template.
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }
