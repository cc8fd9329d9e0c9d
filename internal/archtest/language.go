package archtest

import (
	"fmt"
	"go/ast"
	"go/token"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// The limits of a line, in columns. A tab counts as tabColumns.
const (
	commentColumns = 100
	codeColumns    = 120
	tabColumns     = 4
)

// maxAssigned is how many values one statement may assign.
const maxAssigned = 2

// retiredNames are names that nothing is declared by any more, each with the name that replaced it.
// They are compared without regard to the case of the first letter.
var retiredNames = map[string]string{
	"acting":          "EffectiveRole",
	"advise":          "withExitCode",
	"allowance":       "limiter",
	"around":          "template",
	"aside":           "execUnaudited",
	"bed":             "harness",
	"beginning":       "StartMarker",
	"book":            "contextFile",
	"byItself":        "KindSystem",
	"byOS":            "KindOperator",
	"carrier":         "Sender",
	"carries":         "Allows",
	"carry":           "Send",
	"changing":        "keyTx",
	"desk":            "Renderer",
	"door":            "Authenticator, ErrorWriter or Middleware",
	"emptiedAt":       "DrainedAt",
	"examine":         "Evaluate",
	"expiring":        "ExpiryPatch",
	"fits":            "MatchesShape",
	"fleet":           "loadgen",
	"floor":           "baseline",
	"foreign":         "mustBelong",
	"furnish":         "fixture",
	"furniture":       "fixtures",
	"guarantee":       "testCase",
	"handOver":        "commitSending",
	"hold":            "SlotHolder",
	"house":           "Server, Seeder or fixture",
	"hush":            "skipAccessLog",
	"identify":        "Authenticate",
	"judge":           "Decide or check",
	"judges":          "canInspect",
	"junk":            "invalidKeys",
	"keepTime":        "syncWatermark",
	"keepers":         "exclusiveModules",
	"lapsed":          "expired",
	"lastWords":       "flushOnStop",
	"lean":            "Compact",
	"learn":           "Sync",
	"letter":          "Message",
	"linger":          "writeGrace",
	"mend":            "patchSchema",
	"minted":          "Issued",
	"needless":        "skipReason",
	"noticesRetried":  "RetryNoticesResponse",
	"noun":            "groupCommand",
	"officer":         "AccountMember",
	"openDoor":        "newMiddleware",
	"openedAccount":   "CreateAccountResponse",
	"opening":         "CreateAccountRequest",
	"operatedTenant":  "TenantOperatorSettings",
	"outdate":         "Invalidate",
	"outdatesLookups": "InvalidatesLookups",
	"patience":        "jobGrace",
	"pile":            "Backlog",
	"pipes":           "inProcessListener",
	"place":           "AllocateSlot, position or client",
	"play":            "scenario",
	"player":          "scenario",
	"policyAnswer":    "UpdatePolicyResponse",
	"presented":       "Parsed",
	"proves":          "Matches",
	"question":        "Request",
	"quiet":           "skipAccessLog",
	"rehearsal":       "runTwice",
	"remarks":         "docComments",
	"remembering":     "replay",
	"remote":          "apiCommand",
	"renewal":         "RefreshParams",
	"repeats":         "IdempotencyStore",
	"restoration":     "RestoreMarker",
	"retirement":      "RetireKeysRequest",
	"revive":          "reclaimSlot",
	"round":           "planPass",
	"said":            "docComments",
	"settle":          "PropagationDelay",
	"spoil":           "poisonCommit",
	"standing":        "AccountRole or AccountMember",
	"startApart":      "StartNonCritical",
	"swept":           "evicted",
	"takings":         "Revocations",
	"tally":           "a count",
	"tend":            "sweep",
	"ticket":          "Token",
	"tied":            "belongs",
	"upto":            "Checkpoint",
	"verdict":         "Decision",
	"waste":           "DummyCompare",
	"way":             "Transport or Location",
	"witness":         "responseRecorder",
	"worked":          "runError",
}

// retiredWords are words that comments and documents once used in a sense of their own.
var retiredWords = regexp.MustCompile(`(?i)\b(` + strings.Join([]string{
	`the doors?`, `public doors?`, `ways? in`, `the ground`, `the house`, `houses`, `furnish\w*`, `furniture`,
	`officers?`, `takings`, `lingers?`, `hush(es|ed)?`, `mend(s|ed|ing)?`, `wrap(ped|s)? anew`, `judg(e|es|ed|ing)`,
	`outdate[sd]?`, `tickets?`, `mint(s|ed|ing)?`, `gives? out`, `whoever`, `tends?`,
}, "|") + `)\b`)

// givesDoc is a doc comment in the form that Go's convention has "returns" for.
var givesDoc = regexp.MustCompile(`^// \w+ gives\b`)

// language reports code that does not read as CONTRIBUTING.md asks.
func (t tree) language() []string {
	var reports []string
	for _, f := range t.files {
		reports = append(reports, f.longLines()...)
		reports = append(reports, t.retired(f)...)
		reports = append(reports, t.comments(f)...)
		reports = append(reports, t.denseStatements(f)...)
	}
	return reports
}

// longLines reports lines that are too long. A comment of a single word, as an address, cannot be
// broken.
func (f file) longLines() []string {
	var reports []string
	n := 0
	for line := range strings.Lines(f.text) {
		n++
		line = strings.TrimRight(line, "\n")
		limit, kind := codeColumns, "code"
		if text, ok := strings.CutPrefix(strings.TrimSpace(line), "//"); ok {
			limit, kind = commentColumns, "a comment"
			if len(strings.Fields(text)) < 2 || strings.HasPrefix(text, "go:") {
				continue
			}
		}
		columns := utf8.RuneCountInString(strings.ReplaceAll(line, "\t", strings.Repeat(" ", tabColumns)))
		if columns > limit {
			reports = append(reports,
				fmt.Sprintf("%s:%d: %d columns: %s has at most %d", f.path, n, columns, kind, limit))
		}
	}
	return reports
}

// retired reports declarations by a retired name: of packages, types, methods and fields.
func (t tree) retired(f file) []string {
	var reports []string
	report := func(names ...*ast.Ident) {
		for _, id := range names {
			if use, ok := retiredNames[strings.ToLower(id.Name[:1])+id.Name[1:]]; ok {
				reports = append(reports, fmt.Sprintf("%s: the name %s is retired: use %s", t.at(id), id.Name, use))
			}
		}
	}
	for _, d := range f.syntax.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			report(d.Name)
		case *ast.GenDecl:
			for _, s := range d.Specs {
				switch s := s.(type) {
				case *ast.ValueSpec:
					report(s.Names...)
				case *ast.TypeSpec:
					report(s.Name)
					report(members(s.Type)...)
				}
			}
		}
	}
	return reports
}

// members returns the names of a type's fields or methods.
func members(of ast.Expr) (names []*ast.Ident) {
	var list *ast.FieldList
	switch of := of.(type) {
	case *ast.StructType:
		list = of.Fields
	case *ast.InterfaceType:
		list = of.Methods
	default:
		return nil
	}
	for _, field := range list.List {
		names = append(names, field.Names...)
	}
	return names
}

// comments reports comments that use retired words, and doc comments that begin "Foo gives".
func (t tree) comments(f file) []string {
	var reports []string
	for _, group := range f.syntax.Comments {
		if givesDoc.MatchString(group.List[0].Text) {
			reports = append(reports, fmt.Sprintf(`%s: write "returns" or what it does, not "gives"`, t.at(group)))
		}
		for _, c := range group.List {
			for _, word := range retiredWords.FindAllString(c.Text, -1) {
				reports = append(reports, fmt.Sprintf("%s: the word %q is retired: see CONTRIBUTING.md", t.at(c), word))
			}
		}
	}
	return reports
}

// denseStatements reports statements that assign three or more values, and assignments to variables
// of outside in the head of an if or a switch.
func (t tree) denseStatements(f file) []string {
	var reports []string
	head := func(init ast.Stmt) {
		if a, ok := init.(*ast.AssignStmt); init != nil && (!ok || a.Tok != token.DEFINE) {
			reports = append(reports, fmt.Sprintf("%s: assign before the statement, not in its head", t.at(init)))
		}
	}
	for node := range ast.Preorder(f.syntax) {
		switch n := node.(type) {
		case *ast.AssignStmt:
			if len(n.Rhs) > maxAssigned {
				reports = append(reports, fmt.Sprintf("%s: %d values in one assignment: at most %d",
					t.at(n), len(n.Rhs), maxAssigned))
			}
		case *ast.ValueSpec:
			if len(n.Values) > maxAssigned {
				reports = append(reports, fmt.Sprintf("%s: %d values in one declaration: at most %d",
					t.at(n), len(n.Values), maxAssigned))
			}
		case *ast.IfStmt:
			head(n.Init)
		case *ast.SwitchStmt:
			head(n.Init)
		}
	}
	return reports
}

// retiredInDocuments reports retired words in the text of a document.
func retiredInDocuments(name, text string) []string {
	var reports []string
	n := 0
	for line := range strings.Lines(text) {
		n++
		for _, word := range retiredWords.FindAllString(line, -1) {
			reports = append(reports, fmt.Sprintf("%s:%d: the word %q is retired: see CONTRIBUTING.md", name, n, word))
		}
	}
	return slices.Compact(reports)
}
