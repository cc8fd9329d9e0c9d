package manageapi

import (
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/web"
)

// refusal is a problem document in the form huma writes.
type refusal struct {
	api.Problem
	cause error
}

// refusalOf takes what huma gives: an error of ours unchanged, its own as a fault of the same status.
func refusalOf(status int, message string, errs ...error) *refusal {
	cause := translate(status, message, errs)
	return &refusal{Problem: *web.NewProblem(cause, ""), cause: cause}
}

// in adds the request's id and the headers that go with the problem.
func (f *refusal) in(ctx huma.Context) *refusal {
	door, ok := ctx.Context().Value(doorKey{}).(*web.Door)
	if !ok {
		return f
	}
	r, w := humago.Unwrap(ctx)
	f.Problem = *door.Problem(w, r, f.cause)
	return f
}

// doorKey carries the door to what huma calls without one.
type doorKey struct{}

// GetStatus implements huma.StatusError.
func (f *refusal) GetStatus() int { return f.Status }

// Error implements error.
func (f *refusal) Error() string { return f.cause.Error() }

// ContentType implements huma.ContentTypeFilter.
func (f *refusal) ContentType(string) string { return problemType }

func translate(status int, message string, errs []error) error {
	var fields []fault.Field
	for _, err := range errs {
		if d, ok := err.(*huma.ErrorDetail); ok {
			fields = append(fields, fieldOf(d))
			continue
		}
		if err != nil {
			return err
		}
	}
	switch {
	case len(fields) > 0:
		return fault.Refuse(fields...)
	case status == http.StatusRequestEntityTooLarge:
		return fault.TooLarge
	case status >= http.StatusBadRequest && status < http.StatusInternalServerError:
		return fault.New(fault.Malformed, message)
	}
	return fault.Internal
}

// fieldOf keeps the place and the message of huma's finding, never the value, nor a name that might be one.
func fieldOf(d *huma.ErrorDetail) fault.Field {
	name := d.Location
	for _, part := range []string{"query.", "path.", "header.", "body."} {
		name = strings.TrimPrefix(name, part)
	}
	if d.Message == "unknown query parameter" {
		name = web.UnknownName(name)
	}
	return fault.Field{Name: name, Code: "invalid", Message: d.Message}
}
