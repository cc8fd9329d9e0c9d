package cli

import (
	"errors"
	"regexp"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/claviger-dev/claviger/api"
)

// Forms of times and durations, for errors and help.
const (
	timeForms = "give a duration such as 90d, 12h or 2w, or a time such as 2027-01-31 or 2027-01-31T12:00:00Z"
	spanForms = "give a duration such as 12h, 90d or 2w"
	// timeHelp ends the help of a flag for a future time.
	timeHelp = "a duration from now such as 12h, 90d or 2w, " + timePointHelp
	// sinceHelp ends the help of a flag for a past time.
	sinceHelp     = "a duration before now such as 12h, 90d or 2w, " + timePointHelp
	timePointHelp = "a date such as 2027-01-31 (at 00:00 UTC), or a time such as 2027-01-31T12:00:00Z"
)

// day is 24 hours.
const day = 24 * time.Hour

// maxSpan is the maximum duration. Nothing that Claviger stores lives longer.
const maxSpan = 100 * 365 * day

// weeksAndDays matches a duration. Its first two groups are units that time.ParseDuration does not
// know.
var weeksAndDays = regexp.MustCompile(`^(?:([0-9]{1,6})w)?(?:([0-9]{1,6})d)?(.*)$`)

// parseSpan parses a duration such as 12h, 90d or 2w, or a sum such as 1d12h.
func parseSpan(text string) (time.Duration, bool) {
	m := weeksAndDays.FindStringSubmatch(text)
	if m == nil || text == "" {
		return 0, false
	}
	weeks, _ := strconv.Atoi(m[1]) // "" means 0, and there are only digits
	days, _ := strconv.Atoi(m[2])
	span := time.Duration(7*weeks+days) * day
	if m[3] != "" {
		rest, err := time.ParseDuration(m[3])
		if err != nil || rest < 0 || rest > maxSpan || m[3][0] == '+' {
			return 0, false
		}
		span += rest
	}
	return span, span <= maxSpan
}

// parseSpanFlag parses the duration that a flag was given.
func parseSpanFlag(flag, text string) (time.Duration, error) {
	d, ok := parseSpan(text)
	if !ok {
		return 0, usage("--%s: %s", flag, spanForms)
	}
	return d, nil
}

// timeValue is the value of a time flag: a point in time, or a duration from now.
type timeValue struct {
	at   time.Time
	span time.Duration
	// relative is set for a duration, which may be 0.
	relative bool
}

// parseTimeFlag parses the time that a flag was given.
func parseTimeFlag(flag, text string) (timeValue, error) {
	if d, ok := parseSpan(text); ok {
		return timeValue{span: d, relative: true}, nil
	}
	if at, err := time.Parse(time.DateOnly, text); err == nil {
		return timeValue{at: at}, nil
	}
	at, err := api.ParseTime(text)
	if errors.Is(err, api.ErrTimePrecision) {
		return timeValue{}, usage("--%s: %w", flag, err)
	}
	if err != nil {
		return timeValue{}, usage("--%s: %s", flag, timeForms)
	}
	return timeValue{at: at}, nil
}

// Directions of a duration: an expiry is after now, an event before now.
const (
	fromNow = 1
	ago     = -1
)

// timeFlag returns the time that a flag was given. A duration starts now by the clock of the
// server, which also checks the time. The clock of the user's computer may differ.
func (c *call) timeFlag(flag, text string, direction time.Duration) (time.Time, error) {
	m, err := parseTimeFlag(flag, text)
	if err != nil || !m.relative {
		return m.at, err
	}
	now, err := c.ServerTime(c.ctx)
	if err != nil {
		return time.Time{}, err
	}
	return now.Add(direction * m.span), nil
}

// optionalTimeFlag is timeFlag for an optional flag. It returns the zero time if the flag is
// missing.
func (c *call) optionalTimeFlag(cmd *cobra.Command, flag, text string, direction time.Duration) (time.Time, error) {
	if !cmd.Flags().Changed(flag) {
		return time.Time{}, nil
	}
	return c.timeFlag(flag, text, direction)
}

// expiryPatch is changed for --expires and --clear-expires.
func (c *call) expiryPatch(cmd *cobra.Command, value string) (o api.Optional[time.Time], err error) {
	switch {
	case cmd.Flags().Changed("clear-expires"):
		return api.Cleared[time.Time](), nil
	case !cmd.Flags().Changed("expires"):
		return o, nil
	}
	at, err := c.timeFlag("expires", value, fromNow)
	return api.To(at), err
}
