package blazemeter

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"github.com/claviger-dev/claviger/internal/dialect"
	"github.com/claviger-dev/claviger/internal/web"
)

const apiVersion = 4

// single is the envelope of one object.
type single[T any] struct {
	APIVersion int       `json:"api_version"`
	Error      *struct{} `json:"error"` // always null
	Result     T         `json:"result"`
}

// list is the envelope of a page of a list.
type list[T any] struct {
	APIVersion int       `json:"api_version"`
	Error      *struct{} `json:"error"` // always null
	Limit      int       `json:"limit"`
	Skip       int       `json:"skip"`
	// Total is how many objects the whole list has. Hidden is always 0.
	Total  int `json:"total"`
	Hidden int `json:"hidden"`
	Result []T `json:"result"`
}

// answer makes a handler from a function that returns the object to show.
func answer[T any](
	show func(context.Context, *dialect.Call) (T, error),
) func(http.ResponseWriter, *dialect.Call) error {
	return func(w http.ResponseWriter, c *dialect.Call) error {
		result, err := show(c.Context(), c)
		if err != nil {
			return err
		}
		return web.WriteJSON(w, http.StatusOK, single[T]{APIVersion: apiVersion, Result: result})
	}
}

// How many objects a page has. The Java client of BlazeMeter's plugins asks for up to 10,000 and
// reads no second page, so a page has room for all applications of a tenant.
const (
	defaultLimit = 50
	maxLimit     = 1_000
)

// writePage writes the page of a list that the query asks for. It never refuses a query.
func writePage[T any](w http.ResponseWriter, query url.Values, all []T) error {
	limit := number(query.Get("limit"), defaultLimit, 1, maxLimit)
	skip := number(query.Get("skip"), 0, 0, 1<<31-1)
	page := all[min(skip, len(all)):]
	page = page[:min(limit, len(page))]
	return web.WriteJSON(w, http.StatusOK, list[T]{
		APIVersion: apiVersion, Limit: limit, Skip: skip, Total: len(all), Result: append([]T{}, page...),
	})
}

// number reads a number and moves it into a range. It returns the default for text that is no
// number.
func number(text string, otherwise, least, most int) int {
	n, err := strconv.ParseInt(text, 10, 64) // returns the nearest number for one that is too large
	if err != nil && n == 0 {
		return otherwise
	}
	return int(min(max(n, int64(least)), int64(most)))
}
