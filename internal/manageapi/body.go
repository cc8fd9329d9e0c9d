package manageapi

import (
	"reflect"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/claviger-dev/claviger/internal/web"
)

// describeBody documents the field JSON of an operation's input. It does so after huma.Register,
// since huma would otherwise read the body itself.
func describeBody[In any](h huma.API, op *huma.Operation) {
	field, ok := reflect.TypeFor[In]().FieldByName("JSON")
	if !ok {
		return
	}
	form, required := reflect.New(field.Type).Interface().(jsonBody).form()
	op.RequestBody = &huma.RequestBody{Required: required, Content: content(h, jsonType, form)}
}

// jsonBody is a body or an optionalBody of any type.
type jsonBody interface {
	form() (t reflect.Type, required bool)
}

// body is the JSON body of an operation, a field named JSON of its input. It is read by web.Decode
// and not by huma, so that all bodies are read alike.
type body[T any] struct{ value T }

// Resolve implements huma.Resolver.
func (b *body[T]) Resolve(ctx huma.Context) []error {
	r, _ := humago.Unwrap(ctx)
	if err := web.Decode(r, &b.value); err != nil {
		return []error{err}
	}
	return nil
}

func (b *body[T]) form() (t reflect.Type, required bool) { return reflect.TypeFor[T](), true }

// optionalBody is a body that may be missing.
type optionalBody[T any] struct{ value T }

// Resolve implements huma.Resolver.
func (b *optionalBody[T]) Resolve(ctx huma.Context) []error {
	r, _ := humago.Unwrap(ctx)
	if r.ContentLength == 0 {
		return nil
	}
	if err := web.Decode(r, &b.value); err != nil {
		return []error{err}
	}
	return nil
}

func (b *optionalBody[T]) form() (t reflect.Type, required bool) { return reflect.TypeFor[T](), false }
