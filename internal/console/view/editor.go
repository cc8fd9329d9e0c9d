package view

// Editor is a form that creates or changes something, in parts. It is sent by POST.
type Editor struct {
	Crumb          Link
	Heading, Intro string
	// Action is where the form is sent.
	Action string
	// Files is set for a form that sends a file.
	Files bool
	// Once makes the form count once, and Version is that of what it changes; "" where there is
	// none.
	Once, Version string
	Hidden        []Field
	Faults        Faults
	Notices       []Message
	Parts         []Part
	// Button saves. Risk is set if it takes a risk.
	Button string
	Risk   bool
	// Preview shows what the form would do and saves nothing; "" for no such button.
	Preview string
	Cancel  Link
	// Effect is what the form would do; its button is then below it.
	Effect *Effect
	// Panels are what the page shows below the form.
	Panels []Panel
}

func (Editor) file() string { return "editor.html" }

// Part is a part of a form: what it is about, and its fields.
type Part struct {
	Heading, Intro string
	Controls       []Control
}

// The kinds of fields. A Control without a Kind is a line of text.
const (
	KindEmail  = "email"
	KindNumber = "number"
	KindDate   = "date"
	// KindPassword is never filled in.
	KindPassword = "password"
	KindTextarea = "textarea"
	KindSelect   = "select"
	// KindRadios shows its choices as cards, KindChecks as check boxes.
	KindRadios = "radios"
	KindChecks = "checks"
	// KindScopes shows Groups as check boxes by resource.
	KindScopes = "scopes"
	// KindFile is a file that the browser sends. Its form has Files set.
	KindFile = "file"
	// KindText is a text instead of a field.
	KindText = "text"
)

// Control is a field of a form.
type Control struct {
	Kind, Name, Label, Hint string
	Value, Placeholder      string
	// Min, Max and MaxLength are "" for no bound.
	Min, Max, MaxLength string
	// Choices are those of a list, or what is suggested for a line of text.
	Choices  []Choice
	Groups   []ScopeGroup
	Optional bool
	Mono     bool
	// Width is "", short or mini. Grow is set for a field that takes the room which its row has.
	Width string
	Grow  bool
	// Accept are the media types that a file should have.
	Accept string
	// Autocomplete is "off" where the browser must suggest nothing, or "".
	Autocomplete string
	// If is the style by which the field is hidden while another choice is made: if-some,
	// if-apps, if-date, if-person, if-machine, if-subject. It may then be empty.
	If string
}

// Effect is what a form would do.
type Effect struct {
	Heading, Note string
	Tiles         []Tile
	Notices       []Message
	Chart         *Chart
	Table         *Table
	// More says how many rows the table leaves out; "" for none.
	More string
	// Later lists what ends later, and MoreLater says how many rows it leaves out.
	Later     *Table
	MoreLater string
	// Accept is a sentence that the person must tick; "" for none.
	Accept string
}

// Chart shows numbers over time: as it would be, and as it is.
type Chart struct {
	// Finding is the sentence that the chart shows.
	Finding string
	Most    int
	Bars    []Bar
	// Marks are the times below the bars, at equal distances.
	Marks []string
	// Series and Was name the two.
	Series, Was string
}

// Bar is a point in time, with where its two bars begin and their heights in percent of the
// highest.
type Bar struct {
	X, IsX            int
	Text              string
	Value, WasValue   int
	Height, Top       int
	WasHeight, WasTop int
}
