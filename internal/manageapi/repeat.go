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

// Repeats knows the requests that were made under an Idempotency-Key.
type Repeats interface {
	// Made gives what is kept of a request, or fault.NotFound.
	Made(ctx context.Context, o audit.Once) (audit.Made, error)
}

const (
	repeatHeader = "Idempotency-Key"
	maxRepeatKey = 255
)

// repeatParam documents the header.
func repeatParam() *huma.Param {
	least, most := 1, maxRepeatKey
	return &huma.Param{
		Name: repeatHeader, In: "header",
		Description: "Makes repeating safe: for 24 hours the same key with the same body changes nothing more and answers what was made, without its secret.",
		Schema:      &huma.Schema{Type: huma.TypeString, MinLength: &least, MaxLength: &most},
	}
}

// onceOf gives the request's Idempotency-Key with what it counts for.
func onceOf(r *http.Request, caller verify.Caller, body []byte) (o audit.Once, asked bool, err error) {
	sent := r.Header[repeatHeader]
	if len(sent) == 0 {
		return audit.Once{}, false, nil
	}
	if len(sent) > 1 || !printable(sent[0]) {
		return audit.Once{}, false, fault.Refuse(fault.Field{Name: repeatHeader, Code: "form", Message: "Send one key of 1 to 255 printable ASCII characters without spaces."})
	}
	return audit.Once{Principal: callerID(caller), Method: r.Method, Path: r.URL.Path, Key: keptKey(callerID(caller), sent[0]), Body: sha256.Sum256(body)}, true, nil
}

// keptKey is what is kept of an Idempotency-Key, which may be a secret by mistake: a digest that is another for everyone.
func keptKey(principal, sent string) string {
	sum := sha256.Sum256([]byte(principal + " " + sent))
	return hex.EncodeToString(sum[:])
}

func printable(key string) bool {
	for _, c := range []byte(key) {
		if c <= ' ' || c > '~' {
			return false
		}
	}
	return key != "" && len(key) <= maxRepeatKey
}

// remembering puts the request's Idempotency-Key where the ledger finds it.
func remembering(ctx huma.Context, caller verify.Caller, body []byte) (huma.Context, error) {
	r, _ := humago.Unwrap(ctx)
	once, asked, err := onceOf(r, caller, body)
	if err != nil || !asked {
		return ctx, err
	}
	return huma.WithContext(ctx, audit.WithOnce(ctx.Context(), once)), nil
}

// replayable is an answer that says whether it is a repetition.
type replayable interface{ replayed() }

// Replay is the header of an answer to a repeated request. It is exported because huma sees no others when embedded.
type Replay struct {
	Replayed string `header:"Idempotent-Replayed" doc:"true for the answer to a repeated request."`
}

func (r *Replay) replayed() { r.Replayed = "true" }

// once serves an operation that can be repeated safely: do makes something, again shows what was made, without its secret.
func once[In any, Out replayable](a *API, do func(context.Context, *In) (Out, error), again func(ctx context.Context, in *In, target string) (Out, error)) func(context.Context, *In) (Out, error) {
	return func(ctx context.Context, in *In) (out Out, err error) {
		o, asked := audit.OnceOf(ctx)
		if !asked {
			return do(ctx, in)
		}
		made, err := a.Repeats.Made(ctx, o)
		if errors.Is(err, fault.NotFound) {
			if out, err = do(ctx, in); !errors.Is(err, audit.ErrRepeated) {
				return out, err
			}
			made, err = a.Repeats.Made(ctx, o)
		}
		switch {
		case errors.Is(err, fault.NotFound):
			return out, audit.ErrRepeated
		case err != nil:
			return out, err
		case made.Body != o.Body:
			return out, fault.New(fault.Conflict, "This Idempotency-Key was used with another body. Take a new one.")
		}
		if out, err = again(ctx, in, made.Target); err == nil {
			out.replayed()
		}
		return out, err
	}
}
