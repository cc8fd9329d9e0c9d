package console

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
	_ "time/tzdata" // the machine may have no time zones

	"github.com/claviger-dev/claviger/internal/console/view"
)

// zoneCookie is the cookie with the time zone of the browser, which the script sets.
const zoneCookie = "tz"

// zoneOf returns the time zone of a person; UTC if it is not known.
func zoneOf(r *http.Request) *time.Location {
	c, err := r.Cookie(zoneCookie)
	if err != nil || len(c.Value) > 100 {
		return time.UTC
	}
	name, err := url.QueryUnescape(c.Value)
	if err != nil || name == "" || name == "Local" || strings.Contains(name, "..") {
		return time.UTC
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return time.UTC
	}
	return zone
}

const (
	day       = 24 * time.Hour
	dayForm   = "2 Jan 2006"
	clockForm = "15:04"
	// momentForm has the seconds, for what happens while a person waits.
	momentForm = "15:04:05"
)

// date returns a day in words: "26 Feb 2027".
func (k *call) date(at time.Time) string { return at.In(k.zone).Format(dayForm) }

// when returns a time with the text.
func when(text string, at time.Time) view.When {
	return view.When{Text: text, Exact: at.UTC().Format("2 Jan 2006 15:04:05 UTC"), ISO: at.UTC().Format(time.RFC3339)}
}

// on returns the day of a time.
func (k *call) on(at time.Time) view.When { return when(k.date(at), at) }

// at returns a time with day and clock: "26 Feb 2027, 18:21".
func (k *call) at(at time.Time) view.When {
	return when(k.date(at)+", "+at.In(k.zone).Format(clockForm), at)
}

// never is in the place of a time that does not exist.
func never(text string) view.When { return view.When{Text: text} }

// ago returns a time in the past: "4 min ago", or its day if it is longer ago than a day.
func (k *call) ago(at time.Time) view.When {
	if at.IsZero() {
		return never("never")
	}
	switch past := k.now.Sub(at); {
	case past < time.Second:
		return when("just now", at)
	case past < time.Minute:
		return when(fmt.Sprintf("%d s ago", int(past.Seconds())), at)
	case past < time.Hour:
		return when(fmt.Sprintf("%d min ago", int(past.Minutes())), at)
	case past < day:
		return when(count(int(past.Hours()), "hour")+" ago", at)
	default:
		return k.on(at)
	}
}

// in returns a time in the future: "in 9 hours", "in 90 days"; or in the past: "28 days ago".
func (k *call) in(at time.Time) view.When {
	left := at.Sub(k.now)
	past := left < 0
	text := span(left.Abs())
	if past {
		return when(text+" ago", at)
	}
	return when("in "+text, at)
}

// span returns a duration in its largest unit, rounded: a key that was made for 90 days a moment
// ago has 90 days left.
func span(d time.Duration) string {
	switch {
	case d >= 2*day:
		return count(int(d.Round(day)/day), "day")
	case d >= 2*time.Hour:
		return count(int(d.Round(time.Hour)/time.Hour), "hour")
	case d >= 2*time.Minute:
		return count(int(d.Round(time.Minute)/time.Minute), "minute")
	default:
		return count(int(d/time.Second), "second")
	}
}

// age returns how old a key is: "89 days old".
func (k *call) age(at time.Time) string {
	if days := int(k.now.Sub(at) / day); days > 0 {
		return count(days, "day") + " old"
	}
	return today
}

// today is the age of what was made on this day.
const today = "today"

// listed returns words as a list: "keys, scopes and plans".
func listed(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " and " + words[last]
}

// nounFor returns the words for one or for several.
func nounFor(n int64, one, several string) string {
	if n == 1 {
		return one
	}
	return several
}

// count returns a number with its noun.
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
