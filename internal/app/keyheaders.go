package app

import (
	"context"
	"sync/atomic"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/web"
)

// keyHeaders keeps the key headers of all tenants up to date for the authenticator.
type keyHeaders struct {
	// load reads them from the database.
	load func(context.Context) ([]audit.KeyHeader, error)
	// known is what the authenticator reads; nil before there is one.
	known atomic.Pointer[web.KeyHeaders]
	// stale is set where key headers changed and the change does not say to what.
	stale atomic.Bool
}

// publishTo fills known from the database and keeps it up to date from now on.
func (k *keyHeaders) publishTo(ctx context.Context, known *web.KeyHeaders) error {
	k.known.Store(known)
	return k.read(ctx)
}

// invalidate applies the key headers that a change sets.
func (k *keyHeaders) invalidate(i audit.Invalidation) {
	if known := k.known.Load(); known != nil {
		for _, h := range i.KeyHeaders {
			known.Set(web.KeyHeader(h))
		}
	}
	if len(i.HeaderNames) > 0 {
		k.stale.Store(true)
	}
}

// refresh reads the key headers again where they are stale.
func (k *keyHeaders) refresh(ctx context.Context) error {
	if !k.stale.Swap(false) {
		return nil
	}
	err := k.read(ctx)
	if err != nil {
		k.stale.Store(true)
	}
	return err
}

func (k *keyHeaders) read(ctx context.Context) error {
	headers, err := k.load(ctx)
	if err != nil {
		return err
	}
	all := make([]web.KeyHeader, len(headers))
	for i, h := range headers {
		all[i] = web.KeyHeader(h)
	}
	k.known.Load().Set(all...)
	return nil
}
