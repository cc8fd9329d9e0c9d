package console

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/claviger-dev/claviger/internal/console/view"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/tenancy"
)

const (
	// mostCan and mostCannot are how many scopes the summary of a new key says in words.
	mostCan    = 8
	mostCannot = 5
)

// summarize fills in what the form for a key says about the key, from what is chosen in it.
func (k *call) summarize(page *view.NewKey, t tenancy.Tenant, owner ident.PartyID, whose string) error {
	held, err := k.console.Keys.Held(k.Context(), k.who, t.ID, owner)
	if err != nil {
		return err
	}
	s := view.KeySummary{Slots: slotWords(t, owner.Type(), held[owner].Keys, whose)}
	var cannot []string
	for _, g := range page.Scopes {
		for _, c := range g.Scopes {
			switch {
			case c.Off:
			case chooses(chosenOf(page.Access), c):
				s.Can = append(s.Can, deed(c))
			default:
				cannot = append(cannot, deed(c))
			}
		}
	}
	if more := len(s.Can) - mostCan; more > 0 {
		s.Can = append(s.Can[:mostCan], count(more, "more thing"))
	}
	if more := len(cannot) - mostCannot; more > 0 {
		cannot = append(cannot[:mostCannot], count(more, "more thing"))
	}
	if len(cannot) > 0 {
		s.Cannot = "It cannot: " + strings.Join(cannot, "; ") + "."
	}
	s.Later = chosenOf(page.Access) == accessAll
	s.Where = whereWords(page)
	s.Until = untilWords(page)
	page.Summary = s
	return nil
}

// chosenOf returns the value of the choice that is made; "" for none.
func chosenOf(choices []view.Choice) string {
	for _, c := range choices {
		if c.Checked {
			return c.Value
		}
	}
	return ""
}

// chooses reports whether a way to choose scopes chooses this one.
func chooses(access string, c view.Choice) bool {
	switch access {
	case accessAll:
		return true
	case accessRead:
		return strings.HasSuffix(c.Value, ":read")
	}
	return c.Checked
}

// deed says what a scope allows, within a sentence.
func deed(c view.Choice) string {
	text := strings.TrimSuffix(strings.TrimSpace(c.Note), ".")
	if text == "" {
		return c.Value
	}
	first, size := utf8.DecodeRuneInString(text)
	second, _ := utf8.DecodeRuneInString(text[size:])
	if unicode.IsUpper(second) { // an abbreviation
		return text
	}
	return string(unicode.ToLower(first)) + text[size:]
}

// whereWords says in which applications the key works.
func whereWords(page *view.NewKey) string {
	if chosenOf(page.ApplicationChoices) != accessSome {
		return "in all applications, including later ones,"
	}
	var names []string
	for _, c := range page.Applications {
		if c.Checked {
			names = append(names, c.Text)
		}
	}
	if len(names) == 0 {
		return "in no application yet: choose one,"
	}
	return "in " + listWords(names) + " only,"
}

// untilWords says when the key expires.
func untilWords(page *view.NewKey) string {
	for _, c := range page.Expiry {
		switch {
		case !c.Checked:
		case c.Value == expiryNever:
			return "without an end."
		case c.Value == expiryPolicy:
			return "until " + strings.TrimSuffix(c.Note, byPolicyNote) + ", which is " + c.Text +
				". It follows the policy of the account."
		case c.Value == expiryDate && page.Date == "":
			return "until the day that you choose."
		case c.Value == expiryDate:
			return "until " + dayWords(page.Date) + "."
		default:
			return "until " + c.Note + ", which is " + c.Text + "."
		}
	}
	return ""
}

// dayWords returns a day of a form as pages say it.
func dayWords(typed string) string {
	day, err := time.Parse(time.DateOnly, typed)
	if err != nil {
		return typed
	}
	return day.Format(dayForm)
}

// slotWords says which of the owner's keys this one is.
func slotWords(t tenancy.Tenant, owner ident.PartyType, held int, whose string) string {
	most, _ := t.Settings.KeyLimit(owner)
	switch {
	case most == 0:
		return "There is no limit of keys in " + t.Name + "."
	case held >= most:
		return fmt.Sprintf("All of %s %s in %s are in use. Revoke one first.", whose, count(most, "key"), t.Name)
	case held+1 == most:
		return fmt.Sprintf("Uses %s last free slot in %s (%d of %d).", whose, t.Name, most, most)
	}
	return fmt.Sprintf("Uses slot %d of %d in %s.", held+1, most, t.Name)
}

// newKeySummary is the summary of the form for a key, for the form that is open.
func (c *Console) newKeySummary(k *call) (response, error) {
	return summaryOf(k.keyForm(k.URL.Query(), nil))
}

// newKeyForSummary is newKeySummary for a key of another owner.
func (c *Console) newKeyForSummary(k *call) (response, error) {
	return summaryOf(k.keyForForm(k.URL.Query(), nil))
}

func summaryOf(answer response, err error) (response, error) {
	if err != nil {
		return response{}, err
	}
	switch page := answer.page.(type) {
	case view.NewKey:
		return response{part: page.Summary}, nil
	case view.Editor: // the owner is not chosen yet
		return response{part: view.KeySummary{}}, nil
	}
	return response{}, fault.NotFound
}
