package manageapi

import (
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/web"
)

// call is the huma.Context of one request to an operation. As soon as the request has failed,
// nothing that huma sets or writes reaches the client: begin then writes the response through
// [web.Surface.Refuse], like every other refusal of the server.
type call struct {
	humaContext
	origin principal.Origin
	// failure is why the request failed; nil while it has not.
	failure error
}

// humaContext is huma.Context under a name that is not that of its method Context.
type humaContext huma.Context

// callKey is the key of the call in a request's context.
type callKey struct{}

// callOf returns the call of a request. Every operation has one.
func callOf(ctx huma.Context) *call { return ctx.Context().Value(callKey{}).(*call) }

// Unwrap returns the context that humago made.
func (c *call) Unwrap() huma.Context { return c.humaContext }

// SetStatus implements huma.Context.
func (c *call) SetStatus(code int) {
	if c.failure == nil {
		c.humaContext.SetStatus(code)
	}
}

// SetHeader implements huma.Context.
func (c *call) SetHeader(name, value string) {
	if c.failure == nil {
		c.humaContext.SetHeader(name, value)
	}
}

// AppendHeader implements huma.Context.
func (c *call) AppendHeader(name, value string) {
	if c.failure == nil {
		c.humaContext.AppendHeader(name, value)
	}
}

// BodyWriter implements huma.Context.
func (c *call) BodyWriter() io.Writer {
	if c.failure != nil {
		return io.Discard
	}
	return c.humaContext.BodyWriter()
}

// refusal is an error in the form that huma wants. It is never written.
type refusal struct {
	api.Problem // for the schema that huma documents
	cause       error
}

// refuse ends the request of the context with an error.
func refuse(ctx huma.Context, err error) *refusal {
	callOf(ctx).failure = err
	return &refusal{cause: err}
}

// GetStatus implements huma.StatusError.
func (f *refusal) GetStatus() int { return web.NewFailure(f.cause, "").Status }

// Error implements error.
func (f *refusal) Error() string { return f.cause.Error() }

// ContentType implements huma.ContentTypeFilter.
func (f *refusal) ContentType(string) string { return problemType }

// translate returns the error behind one of huma's. An error of a handler is returned unchanged, a
// finding of huma's validation becomes a fault of a field, and everything else of huma's becomes a
// fault of the same status.
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
	return fault.Wrap(fault.Internal, errors.New("huma: "+message), "") // the message is only logged
}

// fieldOf returns location and message of huma's finding, never the value. Findings about unknown
// names do not occur: package web refuses those.
func fieldOf(d *huma.ErrorDetail) fault.Field {
	name := d.Location
	for _, part := range []string{"query.", "path.", "header.", "body."} {
		name = strings.TrimPrefix(name, part)
	}
	return fault.Field{Name: name, Code: "invalid", Message: d.Message}
}
