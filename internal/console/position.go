package console

import (
	"net/url"
	"strings"
	"time"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/paging"
)

// rowsPerPage is how many rows of a list one page shows.
const rowsPerPage = 50

// errPosition refuses a position in a list that no page made.
var errPosition = fault.New(fault.Malformed, "This is no page of the list. Go back to its beginning.")

// filters returns the query string of a list without what belongs to one page of it.
func (k *call) filters() url.Values {
	query := k.URL.Query()
	for _, name := range []string{"after", "did"} {
		query.Del(name)
	}
	return query
}

// binding is what a position is valid for: a person, a list, and its filters.
func (k *call) binding() []string {
	return []string{"console", string(k.session.User.ID), k.URL.Path, k.filters().Encode()}
}

// position returns which part of the list is asked for. It asks for one row more than the page
// shows, which says whether there is a next page.
func (k *call) position() (paging.Page, error) {
	page := paging.Page{Limit: rowsPerPage + 1}
	after := k.URL.Query().Get("after")
	if after == "" {
		return page, nil
	}
	plain, ok := k.console.Keyring.OpenCursor(after, k.binding()...)
	if !ok {
		return page, errPosition
	}
	text, id, _ := strings.Cut(string(plain), " ")
	at, err := time.Parse(time.RFC3339Nano, text)
	page.BeforeTime, page.BeforeID = at, id
	return page, err
}

// next returns the address of the page that follows an item.
func (k *call) next(at time.Time, id string) string {
	query := k.filters()
	text := at.UTC().Format(time.RFC3339Nano) + " " + id
	query.Set("after", k.console.Keyring.SealCursor([]byte(text), k.binding()...))
	return k.URL.Path + "?" + query.Encode()
}

// pageOf returns the items that the page shows, and the address of the next page; "" for none.
// key returns where an item is in the list.
func pageOf[T any](k *call, items []T, key func(T) (time.Time, string)) (shown []T, next string) {
	if len(items) <= rowsPerPage {
		return items, ""
	}
	items = items[:rowsPerPage]
	return items, k.next(key(items[rowsPerPage-1]))
}
