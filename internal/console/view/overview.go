package view

// Overview is a page of panels: what an administrator sees of a tenant or an account, as tables,
// facts and events.
type Overview struct {
	// Crumb leads up; its text is "" on a page of the sidebar.
	Crumb          Link
	Heading, Intro string
	// Badge is the status of what the page is about; nil for none.
	Badge   *Badge
	Actions []Action
	Tabs    []Tab
	Notices []Message
	// Once is what this response alone shows; nil for nothing.
	Once   *Once
	Tiles  []Tile
	Panels []Panel
}

// Once shows values that are in this response and nowhere else, such as a link.
type Once struct {
	Heading, Text string
	Values        []Value
	// Done leads to the page without them.
	Done Link
}

func (Overview) file() string { return "overview.html" }

// Action is a link or a form of one button.
type Action struct {
	Text, Path string
	// Icon is "" for none. Class is "", primary, or ends for an action that ends something.
	Icon, Class string
	// Object is what the action is about, for people who hear the page.
	Object string
	// Post is set for a button that acts at once. Hidden are its fields.
	Post   bool
	Hidden []Field
}

// Tile is a number that leads to what it counts. Tone is "", warn or bad.
type Tile struct{ Number, Text, Path, Tone string }

// Panel is a part of an overview. It shows what it has of facts, plot, table,
// events, form and text.
type Panel struct {
	// ID is unique in the page.
	ID, Heading, Note string
	// Intro is a sentence below the heading.
	Intro   string
	Actions []Action
	Filter  *Filter
	Facts   []Fact
	Plot    *Plot
	Table   *Table
	Days    []Day
	Form    *Inline
	// Picture is the path of a picture; "" for none.
	Picture string
	// Text is in the place of content that is not there.
	Text string
	// Shown says how much is shown: "50 keys shown, 214 in all". Next and Prev lead to the
	// next page and to the one before.
	Shown, Next, Prev string
}

// Filter is the form above a list. It is sent by GET, so that a filter is an address.
type Filter struct {
	Path, Query string
	// Hint is what can be searched for; "" for a list without a search.
	Hint   string
	Hidden []Field
	// Selects are lists, and lines of text.
	Selects []Control
	Chips   []Tab
	// Reset leads to the list without a filter; "" if none is set.
	Reset string
}

// Table lists objects.
type Table struct {
	Columns []Column
	Rows    []TableRow
	// Select is set if rows can be selected; Bulk is then what can be done with them.
	Select bool
	Bulk   []Action
	// Same is set if the columns of all tables of the page begin at the same places.
	Same bool
	// Caption says what is listed, where no heading does. Empty says what the list is for, if it
	// has no rows.
	Caption, Empty string
}

// Column is the head of a column. Sort leads to the list in its order; "" if it cannot be sorted.
// Sorted is ascending or descending for the order that is shown, otherwise "".
type Column struct{ Text, Sort, Sorted string }

// TableRow is an object. It has one cell for each column.
type TableRow struct {
	// Value is that of the row's check box, and Name says what is selected.
	Value, Name string
	Cells       []Cell
	Actions     []Action
	// Ended is set for an object that is no longer in use.
	Ended bool
}

// Cell is a cell of a table. It shows what it has.
type Cell struct {
	Key   *KeyRow
	Text  string
	Path  string
	Mono  bool
	Badge *Badge
	When  When
	// ID and Note are under the text, the ID in the face for code.
	ID, Note string
	// Tone is "", warn or bad.
	Tone string
	Tags []string
	// Expires shows when the Key of this cell expires, and Icon is before the text.
	Expires *KeyRow
	Icon    string
	// Spark are the points of a small line, and Number is a number in words.
	Spark, Number string
}

// Day are the events of a day.
type Day struct {
	Text   string
	Events []Event
}

// Event is what happened, who did it and where it came from.
type Event struct {
	When When
	Icon string
	Who  string
	// Text goes on after Who. Object with Path is at its end.
	Text, Object, Path string
	Note               string
	// Details is the event as JSON; "" for none.
	Details string
}

// Inline is a form within a panel, in one row.
type Inline struct {
	Action, Once, Button string
	Inputs               []Control
	Faults               Faults
	// After is a hint below the form.
	After string
}
