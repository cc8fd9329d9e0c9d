// Package telemetry makes Claviger observable: logs without secrets, metrics for Prometheus and
// traces for OpenTelemetry.
package telemetry

import (
	"context"
	"io"
	"log/slog"
	"regexp"
	"strings"
)

// credentialPatterns matches everything that looks like a credential of ours or like a password in
// a URL. Code never logs one on purpose (see credential.Secret). This catches mistakes.
var credentialPatterns = regexp.MustCompile(strings.Join([]string{
	`[a-z]+(_[a-z]+)+_[0-9A-Za-z]{16}_[0-9A-Za-z]{48}`,                    // token
	`[0-9a-f]{24}:[0-9a-f]{72}`,                                           // pair
	`oauth2-[0-9A-Za-z]{22}@[a-z0-9.-]+:[0-9A-Za-z]{43}`,                  // client
	`[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}`, // uuid
	`://[^/\s:@]+:[^/\s@]+@`,                                              // a password in a URL
}, "|"))

// NewLogger returns a logger that writes text lines from the given level up, and replaces
// everything that looks like a credential by "[redacted]".
func NewLogger(w io.Writer, level slog.Level) *slog.Logger {
	return slog.New(redacting{slog.NewTextHandler(w, &slog.HandlerOptions{Level: level})})
}

// NewJSONLogger is like NewLogger, but writes a JSON object on each line.
func NewJSONLogger(w io.Writer, level slog.Level) *slog.Logger {
	return slog.New(redacting{slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level})})
}

// redacting is a slog.Handler that redacts credentials in messages and attributes.
type redacting struct{ next slog.Handler }

func (h redacting) Enabled(ctx context.Context, l slog.Level) bool { return h.next.Enabled(ctx, l) }

func (h redacting) Handle(ctx context.Context, r slog.Record) error {
	clean := slog.NewRecord(r.Time, r.Level, redact(r.Message), r.PC)
	r.Attrs(func(a slog.Attr) bool {
		clean.AddAttrs(redactAttr(a))
		return true
	})
	return h.next.Handle(ctx, clean)
}

func (h redacting) WithAttrs(attrs []slog.Attr) slog.Handler {
	for i, a := range attrs {
		attrs[i] = redactAttr(a)
	}
	return redacting{h.next.WithAttrs(attrs)}
}

func (h redacting) WithGroup(name string) slog.Handler { return redacting{h.next.WithGroup(name)} }

// shortestCredential is the length of the shortest text that a pattern without "://" matches: a
// UUID.
const shortestCredential = 36

// redact replaces what looks like a credential. Most texts of a log are too short for one.
func redact(text string) string {
	if len(text) < shortestCredential && !strings.Contains(text, "://") {
		return text
	}
	return credentialPatterns.ReplaceAllString(text, "[redacted]")
}

func redactAttr(a slog.Attr) slog.Attr {
	v := a.Value.Resolve()
	if v.Kind() == slog.KindGroup {
		inner := make([]slog.Attr, len(v.Group()))
		for i, g := range v.Group() {
			inner[i] = redactAttr(g)
		}
		return slog.Attr{Key: a.Key, Value: slog.GroupValue(inner...)}
	}
	if v.Kind() == slog.KindString || v.Kind() == slog.KindAny {
		return slog.String(a.Key, redact(v.String()))
	}
	return slog.Attr{Key: a.Key, Value: v}
}
