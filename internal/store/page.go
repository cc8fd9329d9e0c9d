package store

import (
	"math"
	"time"
)

// maxPage bounds the length of every list.
const maxPage = 201

// pageArgs returns the position before which a page begins, and the length of the page. Lists run
// from the newest item to the oldest. Without a position they begin at the newest item.
func pageArgs(before time.Time, id string, limit int) []any {
	at := int64(math.MaxInt64)
	if !before.IsZero() {
		at = before.UnixMicro()
	}
	return []any{at, id, pageLimit(limit)}
}

func pageLimit(limit int) int { return min(max(limit, 1), maxPage) }
