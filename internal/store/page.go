package store

import (
	"math"
	"strings"
	"time"

	"github.com/claviger-dev/claviger/internal/text"
)

// maxPage bounds every list, whatever a caller asks.
const maxPage = 201

// pageArgs gives the place before which a page begins, and its length. Lists run from the newest back; without a place they begin at the end of time.
func pageArgs(before time.Time, id string, limit int) []any {
	at := int64(math.MaxInt64)
	if !before.IsZero() {
		at = before.UnixMicro()
	}
	return []any{at, id, pageLimit(limit)}
}

func pageLimit(limit int) int { return min(max(limit, 1), maxPage) }

var escapes = strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`)

// pattern gives the LIKE pattern of whatever holds the text, without regard to case.
func pattern(q string) string { return "%" + escapes.Replace(text.Fold(q)) + "%" }
