// Package paging reads lists in pages, newest first.
package paging

import "time"

// Page asks for a part of a list, newest first.
type Page struct {
	// BeforeTime and BeforeID are the position of the last item seen; zero for the first page.
	BeforeTime time.Time
	BeforeID   string
	// Limit is how many items the page may have.
	Limit int
}

// Scan fills a page of a list whose filter the database cannot apply: it reads rows in batches and
// keeps those that the list shows. Because it stops after Most rows, a page may have fewer items
// than asked for, also where it is not the last.
type Scan[Position, Row, Item any] struct {
	// Batch is how many rows one read returns.
	Batch int
	// Most bounds how many rows one page reads.
	Most int
	// Read returns up to limit rows that follow a position. It returns a stop where it looked at as
	// much as one request may, and the position that it reached.
	Read func(after Position, limit int) (rows []Row, stop *Position, err error)
	// Position returns that of a row.
	Position func(Row) Position
	// Show returns what the list shows of a row, and whether it shows the row at all.
	Show func(Row) (item Item, listed bool, err error)
	// Ends reports whether the list shows neither the row nor any that follows it. It may be nil.
	Ends func(Row) bool
}

// Page returns up to limit items that follow a position. next is the position to go on from; nil on
// the last page.
func (s Scan[Position, Row, Item]) Page(after Position, limit int) (items []Item, next *Position, err error) {
	for seen := 0; seen < s.Most; seen += s.Batch {
		rows, stop, err := s.Read(after, s.Batch)
		if err != nil {
			return nil, nil, err
		}
		for _, row := range rows {
			if s.Ends != nil && s.Ends(row) {
				return items, nil, nil
			}
			if len(items) == limit {
				return items, &after, nil
			}
			item, listed, err := s.Show(row)
			if err != nil {
				return nil, nil, err
			}
			after = s.Position(row)
			if listed {
				items = append(items, item)
			}
		}
		if stop != nil {
			return items, stop, nil
		}
		if len(rows) < s.Batch {
			return items, nil, nil
		}
	}
	return items, &after, nil
}
