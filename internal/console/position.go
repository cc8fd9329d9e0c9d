package console

import (
	"encoding/json"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/claviger-dev/claviger/internal/console/view"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/paging"
)

const (
	// rowsPerPage is how many rows of a list one page shows, and moreRows how many it shows if the
	// person asks for it.
	rowsPerPage = 50
	moreRows    = 100
	// maxTrail is how many pages a person can go back.
	maxTrail = 20
)

// rows returns how many rows the page shows.
func (k *call) rows() int {
	if k.URL.Query().Get("rows") == strconv.Itoa(moreRows) {
		return moreRows
	}
	return rowsPerPage
}

// rowChoices lead to the beginning of the list with another number of rows.
func (k *call) rowChoices() (list []view.Tab) {
	for _, n := range []int{rowsPerPage, moreRows} {
		query := k.filters()
		query.Del("rows")
		if n != rowsPerPage {
			query.Set("rows", strconv.Itoa(n))
		}
		list = append(list, view.Tab{
			Link: view.Link{Text: strconv.Itoa(n), Path: withQuery(k.URL.Path, query)}, Current: n == k.rows(),
		})
	}
	return list
}

// withQuery returns a path with a query string, if there is any.
func withQuery(path string, query url.Values) string {
	if len(query) == 0 {
		return path
	}
	return path + "?" + query.Encode()
}

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

// trail returns the positions of the pages before this one and of this one, each after which a page
// begins. It is empty on the first page.
func (k *call) trail() (positions []string, err error) {
	after := k.URL.Query().Get("after")
	if after == "" {
		return nil, nil
	}
	plain, ok := k.console.Keyring.OpenCursor(after, k.binding()...)
	if !ok || json.Unmarshal(plain, &positions) != nil || len(positions) == 0 {
		return nil, errPosition
	}
	return positions, nil
}

// pageAfter returns the address of the page at the end of a trail.
func (k *call) pageAfter(positions []string) string {
	query := k.filters()
	if len(positions) > 0 {
		plain, _ := json.Marshal(positions) // strings are always valid
		query.Set("after", k.console.Keyring.SealCursor(plain, k.binding()...))
	}
	return withQuery(k.URL.Path, query)
}

// position returns which part of the list is asked for. It asks for one row more than the page
// shows, which says whether there is a next page.
func (k *call) position() (paging.Page, error) {
	page := paging.Page{Limit: k.rows() + 1}
	at, id, _, err := k.lastPosition()
	page.BeforeTime, page.BeforeID = at, id
	return page, err
}

// lastPosition returns the position after which the page begins; zero for the first page.
func (k *call) lastPosition() (at time.Time, id, text string, err error) {
	positions, err := k.trail()
	if err != nil || len(positions) == 0 {
		return at, "", "", err
	}
	first, rest, _ := strings.Cut(positions[len(positions)-1], " ")
	id, text, _ = strings.Cut(rest, " ")
	at, err = time.Parse(time.RFC3339Nano, first)
	return at, id, text, err
}

// next returns the address of the page that follows an item.
func (k *call) next(at time.Time, id string) string { return k.nextAfter(at, id, "") }

// nextAfter is next for a list that is sorted by a text.
func (k *call) nextAfter(at time.Time, id, text string) string {
	positions, err := k.trail()
	if err != nil {
		return ""
	}
	position := at.UTC().Format(time.RFC3339Nano) + " " + id
	if text != "" {
		position += " " + text
	}
	positions = append(positions, position)
	return k.pageAfter(positions[max(0, len(positions)-maxTrail):])
}

// previous returns the address of the page before this one; "" for none.
func (k *call) previous() string {
	positions, err := k.trail()
	if err != nil || len(positions) == 0 {
		return ""
	}
	return k.pageAfter(positions[:len(positions)-1])
}

// pageOf returns the items that the page shows, and the address of the next page; "" for none.
// key returns where an item is in the list.
func pageOf[T any](k *call, items []T, key func(T) (time.Time, string)) (shown []T, next string) {
	if len(items) <= k.rows() {
		return items, ""
	}
	items = items[:k.rows()]
	return items, k.next(key(items[len(items)-1]))
}
