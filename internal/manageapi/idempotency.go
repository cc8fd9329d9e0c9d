package manageapi

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/verify"
)

// IdempotencyStore keeps the results of requests that had an Idempotency-Key.
type IdempotencyStore interface {
	// IdempotentResult returns the result of an earlier request, or fault.NotFound.
	IdempotentResult(ctx context.Context, o audit.IdempotencyKey) (audit.IdempotentResult, error)
}

const (
	idempotencyHeader = "Idempotency-Key"
	maxIdempotencyKey = 255
)

// idempotencyParam documents the header.
func idempotencyParam() *huma.Param {
	least, most := 1, maxIdempotencyKey
	return &huma.Param{
		Name: idempotencyHeader, In: "header",
		Description: "Makes it safe to repeat the request: for 24 hours, a request with the same key and the same " +
			"body changes nothing. It returns what the first one created, without its secret.",
		Schema: &huma.Schema{Type: huma.TypeString, MinLength: &least, MaxLength: &most},
	}
}

// idempotencyKeyOf returns the request's Idempotency-Key, with everything that it is valid for.
func idempotencyKeyOf(r *http.Request, caller verify.Caller,
	body []byte,
) (key audit.IdempotencyKey, sent bool, err error) {
	values := r.Header[idempotencyHeader]
	if len(values) == 0 {
		return audit.IdempotencyKey{}, false, nil
	}
	if len(values) > 1 || !isIdempotencyKey(values[0]) {
		return audit.IdempotencyKey{}, false,
			fault.Refuse(fault.Field{
				Name: idempotencyHeader, Code: "form",
				Message: "Send one key of 1 to 255 printable ASCII characters without spaces.",
			})
	}
	return audit.IdempotencyKey{
		Principal: callerID(caller), Method: r.Method, Path: r.URL.Path,
		Key: digestIdempotencyKey(callerID(caller), values[0]), Body: sha256.Sum256(body),
	}, true, nil
}

// digestIdempotencyKey returns what is stored of an Idempotency-Key, which may be a secret by
// mistake: a digest that differs for each principal.
func digestIdempotencyKey(principal, key string) string {
	sum := sha256.Sum256([]byte(principal + " " + key))
	return hex.EncodeToString(sum[:])
}

// isIdempotencyKey reports whether the text has the form of an Idempotency-Key.
func isIdempotencyKey(text string) bool {
	for _, c := range []byte(text) {
		if c <= ' ' || c > '~' {
			return false
		}
	}
	return text != "" && len(text) <= maxIdempotencyKey
}

// withIdempotencyKey adds the request's Idempotency-Key, if it has one, to the context, where the
// ledger finds it.
func withIdempotencyKey(ctx huma.Context, caller verify.Caller, body []byte) (huma.Context, error) {
	r, _ := humago.Unwrap(ctx)
	key, sent, err := idempotencyKeyOf(r, caller, body)
	if err != nil || !sent {
		return ctx, err
	}
	return huma.WithContext(ctx, audit.WithIdempotencyKey(ctx.Context(), key)), nil
}

// replayable is an output that can be marked as the response to a repeated request.
type replayable interface{ setReplayed() }

// Replay is the header of a response to a repeated request. It is exported because huma sees no
// other embedded types.
type Replay struct {
	Replayed string `header:"Idempotent-Replayed" doc:"true for the response to a repeated request."`
}

func (r *Replay) setReplayed() { r.Replayed = "true" }

// idempotent returns the handler of an operation that accepts an Idempotency-Key. create creates an
// object; replay returns the object that an earlier request created, without its secret.
func idempotent[In any, Out replayable](a *API, create func(context.Context, *In) (Out, error),
	replay func(ctx context.Context, in *In, target string) (Out, error),
) func(context.Context, *In) (Out, error) {
	return func(ctx context.Context, in *In) (out Out, err error) {
		key, sent := audit.IdempotencyKeyOf(ctx)
		if !sent {
			return create(ctx, in)
		}
		earlier, err := a.Idempotency.IdempotentResult(ctx, key)
		if errors.Is(err, fault.NotFound) {
			out, err = create(ctx, in)
			if !errors.Is(err, audit.ErrAlreadyReserved) {
				return out, err
			}
			earlier, err = a.Idempotency.IdempotentResult(ctx, key)
		}
		switch {
		case errors.Is(err, fault.NotFound):
			return out, audit.ErrAlreadyReserved
		case err != nil:
			return out, err
		case earlier.Body != key.Body:
			return out, fault.New(fault.Conflict, "This Idempotency-Key was used with another body. Use a new one.")
		}
		out, err = replay(ctx, in, earlier.Target)
		if err == nil {
			out.setReplayed()
		}
		return out, err
	}
}
