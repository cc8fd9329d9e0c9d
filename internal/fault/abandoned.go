package fault

import (
	"context"
	"errors"
)

// Abandoned reports whether the work failed only because the client left: the context of the
// request was cancelled, and the work stopped because of that. It is false for a deadline of our
// own, and for another failure after which the client left.
func Abandoned(ctx context.Context, err error) bool {
	return errors.Is(err, context.Canceled) && errors.Is(ctx.Err(), context.Canceled)
}
