package manageapi

import (
	"context"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/key"
	"github.com/claviger-dev/claviger/internal/paging"
	"github.com/claviger-dev/claviger/internal/web"
)

// shortPages is a sentence for the descriptions of lists that are filtered after they are read.
const shortPages = "A page may have fewer items than requested even if it is not the last one."

// output is the output of an operation.
type output[T any] struct{ Body T }

// created is the output of an operation that creates an object.
type created[T any] struct {
	Location string `header:"Location"`
	Replay
	Body T
}

// listPage reads a page of a list of the tenancy service and returns its response. The cursor is
// bound to name and filters.
func listPage[From, To any](ctx context.Context, a *API, in PageInput, name string, filters []string,
	read func(paging.Page) ([]From, error), wire func(From) To, positionOf func(From) position,
) (*output[api.List[To]], error) {
	bound := binding(callerOf(ctx), name, filters...)
	at, err := openCursor(a.Keyring, in.Cursor, bound)
	if err != nil {
		return nil, err
	}
	found, err := read(paging.Page{BeforeTime: at.Time, BeforeID: at.ID, Limit: in.Limit + 1})
	if err != nil {
		return nil, err
	}
	return firstPage(a, found, in.Limit, wire, positionOf, bound)
}

// keyPage reads a page of a list of keys and returns its response.
func keyPage[From, To any](a *API, in PageInput, binding []string, wire func(From) To,
	read func(key.Page) ([]From, *key.Page, error),
) (*output[api.List[To]], error) {
	at, err := openCursor(a.Keyring, in.Cursor, binding)
	if err != nil {
		return nil, err
	}
	found, next, err := read(key.Page{BeforeTime: at.Time, BeforeID: ident.KeyID(at.ID), Limit: in.Limit})
	if err != nil {
		return nil, err
	}
	if next == nil {
		return pageOf(a, found, wire, nil, binding)
	}
	return pageOf(a, found, wire, &position{next.BeforeTime, string(next.BeforeID)}, binding)
}

// firstPage returns at most limit of the items. If there are more, the next page begins after the
// position of the last one.
func firstPage[From, To any](a *API, found []From, limit int, wire func(From) To, positionOf func(From) position,
	binding []string,
) (*output[api.List[To]], error) {
	if len(found) <= limit {
		return pageOf(a, found, wire, nil, binding)
	}
	next := positionOf(found[limit-1])
	return pageOf(a, found[:limit], wire, &next, binding)
}

// pageOf returns all of the items as a page. The next page begins after next; nil for no next page.
func pageOf[From, To any](a *API, found []From, wire func(From) To, next *position,
	binding []string,
) (*output[api.List[To]], error) {
	page := web.List(found, wire)
	if next != nil {
		cursor, err := sealCursor(a.Keyring, *next, binding)
		if err != nil {
			return nil, err
		}
		page.NextCursor = &cursor
	}
	return &output[api.List[To]]{page}, nil
}
