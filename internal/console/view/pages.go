package view

// Pages returns one empty page of each type.
func Pages() []Page {
	return []Page{
		SignIn{},
		SignInCode{},
		FactorSetup{},
		Form{},
		Claim{},
		Keys{},
		Key{},
		NewKey{},
		KeySummary{},
		KeyMenu{},
		FirstKey{},
		Found{},
		Shortcuts{},
		EditKey{},
		Secret{},
		Waiting{},
		Uses{},
		Regenerate{},
		Confirm{},
		Problem{},
		Overview{},
		Editor{},
	}
}

// SignIn asks for e-mail address and password.
type SignIn struct {
	Email string
	// Failed is set after a sign-in that failed.
	Failed bool
	// Notice says why the page is shown; "" for no reason but a visit.
	Notice string
	// Next is where the person goes on.
	Next string
	// Kept are the fields of a form that was sent without a session.
	Kept []Field
	// Again is set if the person is signed in and must prove it once more.
	Again bool
}

func (SignIn) file() string { return "signin.html" }

// SignInCode asks a person who has given their password for a code of their second factor.
type SignInCode struct {
	Email string
	// Failed is set after a wrong code. TriesLeft says how many more are checked.
	Failed    bool
	TriesLeft int
	// Next and Kept are as in SignIn.
	Next string
	Kept []Field
}

func (SignInCode) file() string { return "signincode.html" }

// FactorSetup shows the secret of an authenticator app once, and asks for the first code.
type FactorSetup struct {
	Lead   string
	Action string
	QR     QRCode
	// Secret is what a person types into the app who cannot scan the QR code. Setup is the sealed
	// secret, which the form sends back.
	Secret, Setup string
	// Password is set if the person must give their password as well. User is their e-mail address.
	Password bool
	User     string
	Faults   Faults
	// Cancel leads back. Again is the page that shows another secret.
	Cancel Link
	Again  string
	// Next and Kept are as in SignIn.
	Next string
	Kept []Field
}

func (FactorSetup) file() string { return "factorsetup.html" }

// Input is a field of a form.
type Input struct {
	Name, Label, Hint string
	// Type is that of the input; "" for text.
	Type, Autocomplete, Value string
	// Least is how many characters the field has at least; 0 for any.
	Least int
}

// Form asks people without a session for something. It is sent to its own address.
type Form struct {
	Heading, Lead, Button string
	Fields                []Input
	Faults                Faults
	// Command does the same on the command line; "" if no command does.
	Command string
	// Operation is the operation of the API that does the same; "" to name none.
	Operation string
	// Unusable says how to get another link, if the link cannot be used; then there is no form.
	Unusable string
	// SignedInAs is who is signed in where the link cannot be used; "" for nobody.
	SignedInAs string
}

func (Form) file() string { return "form.html" }

// Claim shows a key whose secret waits for its owner.
type Claim struct {
	Row   KeyRow
	Facts []Fact
	Later string
}

func (Claim) file() string { return "claim.html" }

// Badge is the status of a key. Class is that of the style sheet.
type Badge struct{ Text, Icon, Class string }

// KeyRow is a key in a list.
type KeyRow struct {
	Name, Description, Path string
	PublicID, Last4         string
	// Blade is what the drawing of the key follows from, and Drawn how it is drawn: "", "off" or
	// "out".
	Blade, Drawn string
	Badge        Badge
	// Owner is "" in a list of the person's own keys. OwnerType is what kind of owner it is, and
	// OwnerIcon shows it.
	Owner, OwnerNote     string
	OwnerType, OwnerIcon string
	Created              When
	CreatedNote          string
	LastUsed             When
	LastUsedNote         string
	Expires              When
	// ExpiresTone is "", warn or bad.
	ExpiresTone, ExpiresNote string
	// Gone is how much of the lifetime is over, in percent; -1 for a key that does not expire.
	Gone int
	// Action is the one action that fits the state; its text is "" for none.
	Action Link
	// Reveal is where the owner sees the secret again, which is then the action; "" for elsewhere.
	Reveal string
	// Ended is set for a revoked key.
	Ended bool
	// Pick is the value of the row's check box; "" for none.
	Pick string
}

// KeyMenu is what can be done with a key of a list. Ends are what ends the key.
type KeyMenu struct {
	Name, PublicID string
	Items, Ends    []Action
}

func (KeyMenu) file() string { return "keymenu.html" }

// KeyGroup are the keys of one tenant.
type KeyGroup struct {
	ID, Tenant, Note string
	// New leads to the form for a key; if it is "", Why says who creates keys.
	New, Why string
	// Empty says what to do where there is no key.
	Empty string
	Rows  []KeyRow
	// Bulk is what can be done with selected rows.
	Bulk []Action
}

// Keys lists the keys of a person, or those of a tenant.
type Keys struct {
	Heading, Intro string
	New            string
	// Others is where the person creates a key for somebody else; "" for nowhere.
	Others string
	Tabs   []Tab
	Heads  KeyHeads
	// Soon is the key that stops working next; nil for none within a week.
	Soon   *SoonKey
	Groups []KeyGroup
	// Search is set for a list with a search. None says that it found nothing.
	Search *Search
	None   string
	// Shown says how many keys are shown, and Export is where the list is a file; "" for neither.
	Shown, Export string
	// Next and Prev lead to the next page and to the one before; "" for none.
	Next, Prev string
	// Rows lead to the list with another number of rows on a page.
	Rows []Tab
	// Unsorted says why the list cannot be sorted by something; "" if it can.
	Unsorted string
}

// KeyHeads are the heads of the columns of a list of keys that may be sorted.
type KeyHeads struct{ Name, Owner, Created, LastUsed, Expires Column }

// Search is the form above a list.
type Search struct {
	Path, Query, Status string
	Statuses            []Tab
	// Owners are the types of owners, and Orders the orders of the list.
	Owners, Orders []Choice
	// Rows is how many rows a page shows; "" for as many as usual. CreatedBy is the party whose
	// keys are listed; "" for all.
	Rows, CreatedBy string
	// Reset leads to the list without a filter; "" if none is set.
	Reset string
}

// SoonKey is a key that stops working soon.
type SoonKey struct{ Name, When, Path string }

func (Keys) file() string { return "keys.html" }

// Fact is a line of a list of facts. Path is "" for a text without a link.
type Fact struct {
	Name, Value, Note, Path string
	Mono                    bool
	When                    When
}

// SecretRow is one secret of a key.
type SecretRow struct {
	Title, ID, Note string
	LastUsed        When
	LastUsedNote    string
	Ends            When
	// End is where the secret can be ended; "" if it cannot.
	End string
}

// Key shows one key.
type Key struct {
	Row     KeyRow
	Back    Link
	Actions []Link
	// Full is false for people who see the name and description of the key alone.
	Full bool
	// Blocked says what keeps the key from working; "" for nothing. Blocker leads to it; its path
	// is "" for a person who does not find it.
	Blocked  string
	Blocker  Link
	Uses     Uses
	Facts    []Fact
	Lifeline *Lifeline
	LifeNote string
	Findings []Finding
	// Usage is how much the key was used; nil where the person does not see it.
	Usage   *Panel
	History Panel
	Scopes  []string
	Applies string
	// Danger are the actions that end the key.
	Danger []Link
	// Reveal is where the owner can see the secret again; "" if they cannot.
	Reveal string
	// Renew makes another link for a key that its owner has not claimed; nil for none.
	Renew *Action
	// Toggle disables or enables the key at once; its path is "" for neither.
	Toggle Link
}

func (Key) file() string { return "key.html" }

// Uses is the part of the page of a key that has its secrets, with their last uses.
type Uses struct {
	Secrets []SecretRow
	// None says why there is no secret.
	None string
	// Poll is where the page asks again.
	Poll string
}

func (Uses) file() string { return "uses.html" }

// Finding is something that people should do about a key. Tone is that of a message.
type Finding struct {
	Tone, Icon, Title, Text string
	// Link leads to the action; its text is "" for none.
	Link Link
}

// Lifeline draws the life of a key on a line. Its numbers are units of the drawing.
type Lifeline struct {
	Start, Now, End int
	Dots            []Dot
	// Dates are at equal distances.
	Dates  []string
	Legend []Mark
	// Finding says in words what is drawn.
	Finding string
}

// Dot is a moment on a line. Class is "", now, old or end.
type Dot struct {
	X, Y  int
	Class string
}

// Mark explains a dot.
type Mark struct {
	Class, Text string
	Strong      bool
}

// Choice is one of several, each with a note.
type Choice struct {
	Value, Text, Note string
	Checked, Off      bool
	// ID is that of the element, for styles that depend on the choice; "" for none.
	ID string
}

// ScopeGroup are the scopes of one resource.
type ScopeGroup struct {
	Resource string
	Scopes   []Choice
}

// KeyOwner is who gets a key that somebody else creates. Change leads to the choice of another.
type KeyOwner struct{ ID, Type, Name, Note, Change string }

// NewKey creates a key.
type NewKey struct {
	Crumb                  Link
	Heading, Intro, Button string
	Once, Action           string
	Faults                 Faults
	// Owner is who gets the key; nil for the person who creates it. Delivery is how they get its
	// secret, and DeliveryNote says more.
	Owner *KeyOwner
	// Others is where the person creates a key for somebody else; "" if they may not.
	Others             string
	Delivery           []Choice
	DeliveryNote       string
	Tenants            []Choice
	Tenant             string
	Name, Description  string
	DescriptionLeft    int
	Expiry             []Choice
	Date, MinDate      string
	MaxDate, Limit     string
	Access             []Choice
	Scopes             []ScopeGroup
	ApplicationChoices []Choice
	Applications       []Choice
	Addresses, Visible string
	Metadata           string
	Summary            KeySummary
}

// KeySummary says in words what the key in the form will be. It is a part of the page, which asks
// for it again when something in the form changes.
type KeySummary struct {
	// Can is what the key may do; Later is set if that includes scopes that are added later.
	Can    []string
	Later  bool
	Cannot string
	// Where and Until go on with the sentence that Can begins.
	Where, Until string
	// Slots says how many keys the owner has then, and Secret who sees the secret; "" for the
	// person who creates the key.
	Slots, Secret string
}

func (KeySummary) file() string { return "keysummary.html" }

func (NewKey) file() string { return "newkey.html" }

// FirstKey creates the first key of a new account with one button.
type FirstKey struct {
	Once, Action, Skip string
	Faults             Faults
	Tenant, TenantName string
	Name               string
	// Reads is what the key may read, until a day that many days from now.
	Reads       string
	Until, Days string
	// Other is the form with all choices.
	Other string
	// Prefix and Label are those of the tenant's keys; "" where these have none.
	Prefix, Label string
	Later         []Link
}

func (FirstKey) file() string { return "firstkey.html" }

// Found is what a search found. Part is set for the list under the field.
type Found struct {
	Query, Tenant string
	Rows          []Result
	Part          bool
}

func (Found) file() string { return "found.html" }

// Result is a page or a key. Kind says which.
type Result struct{ Text, Path, Icon, Kind, ID string }

// Shortcuts lists the shortcuts of the keyboard. Off is set if those of single keys do nothing.
type Shortcuts struct {
	Action string
	Off    bool
}

func (Shortcuts) file() string { return "shortcuts.html" }

// EditKey changes a key.
type EditKey struct {
	Action, Cancel    string
	Version           string
	Faults            Faults
	Name, Description string
	DescriptionLeft   int
	Expiry            []Choice
	Date, MinDate     string
	MaxDate, Limit    string

	Access             []Choice
	Scopes             []ScopeGroup
	ApplicationChoices []Choice
	Applications       []Choice

	Addresses, Metadata string
}

func (EditKey) file() string { return "editkey.html" }

// Value is a part of a credential.
type Value struct {
	Name, Text string
	Main       bool
}

// Example is a call in one language.
type Example struct{ ID, Name, Text string }

// Secret shows a secret once.
type Secret struct {
	Heading, Name, Done string
	Values              []Value
	// Download is the content of the file to download.
	ID, Secret, Value string
	Examples          []Example
	KeyPath           string
	Notes             []string
	// Recoverable is set if its owner can see the secret again.
	Recoverable bool
	// Next are pages to go on to.
	Next []Link
	// Waiting says what became of the first requests; nil if nobody looks for them.
	Waiting *Waiting
	// Shown is when a secret was shown that cannot be shown again; then there are no values.
	Shown string
	// Lead and Text are said instead of what is said of the secret of a key, and Kept instead of
	// the text of the button; "" for a key. Lost says what to do without what was shown.
	Lead, Text, Kept, Lost string
}

func (Secret) file() string { return "secret.html" }

// Waiting is the part of the page with a secret that says what became of the first requests.
type Waiting struct {
	// Poll is where the page asks again.
	Poll, KeyPath string
	// Works is set once a request was verified, and Over once nobody looks for requests any more.
	Works, Over bool
	// First is set for the first request since the secret was set, and After is how long that took.
	First       bool
	When        When
	From, After string
	// Refusal is the last request that was refused; nil for none.
	Refusal *Refusal
}

func (Waiting) file() string { return "waiting.html" }

// Refusal is a request that was refused.
type Refusal struct {
	When       When
	Code, From string
	// Missing is what the request asked for and the key does not have; "" if that is not known.
	// Scope is set for a scope.
	Missing string
	Scope   bool
	// WrongSecret is set if the request had the id of the key and another secret.
	WrongSecret bool
}

// Regenerate replaces the secret of a key.
type Regenerate struct {
	Once, Action, Cancel string
	Faults               Faults
	Row                  KeyRow
	Overlaps             []Choice
	IDs                  []Choice
	Notice               string
}

func (Regenerate) file() string { return "regenerate.html" }

// Confirm asks before something ends.
type Confirm struct {
	// Lead may have words of the API between backquotes.
	Heading, Lead  string
	Action, Button string
	Keep           Link
	Facts          []Fact
	Once, Version  string
	Hidden         []Field
	Faults         Faults
	// Table lists what else ends.
	Table *Table
	// Reason is set if the person may say why; ReasonText is what they typed.
	Reason     bool
	ReasonText string
	// Phrase must be typed where many things end at once; "" for one thing.
	Phrase string
}

func (Confirm) file() string { return "confirm.html" }

// Problem says that a request failed.
type Problem struct {
	Status          int
	Heading, Detail string
	Code, RequestID string
	Next            []Link
	Faults          Faults
	CodePath        string
}

func (Problem) file() string { return "problem.html" }
