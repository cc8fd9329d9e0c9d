package fault

import (
	"context"
	"errors"
)

// Abandoned reports whether the failure says only that whoever asked has left: the context of the request was cancelled,
// and the work broke off because of that. A deadline of our own is not, nor is a failure that the client did not wait for.
func Abandoned(ctx context.Context, err error) bool {
	return errors.Is(err, context.Canceled) && errors.Is(ctx.Err(), context.Canceled)
}
