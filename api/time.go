package api

import (
	"errors"
	"regexp"
	"strings"
	"time"
)

// The errors of ParseTime.
var (
	ErrTimeForm      = errors.New("use a time in RFC 3339, for example 2027-01-31T12:00:00Z")
	ErrTimePrecision = errors.New("use a time in whole microseconds, for example 2027-01-31T12:00:00.123456Z")
)

// timeForm is the grammar of RFC 3339 section 5.6 (date-time). Its group holds the digits of the
// fraction without zeros at the end. T and Z may be lower case.
var timeForm = regexp.MustCompile(`^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d` +
	`(?:\.(\d*?)0*)?(?:[Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)$`)

// microDigits is how many digits a fraction in microseconds has.
const microDigits = 6

// ParseTime parses a time in RFC 3339 form, in whole microseconds and with any offset. Its error is
// ErrTimeForm or ErrTimePrecision.
func ParseTime(text string) (time.Time, error) {
	m := timeForm.FindStringSubmatch(text)
	if m == nil {
		return time.Time{}, ErrTimeForm
	}
	at, err := time.Parse(time.RFC3339, strings.ToUpper(text))
	if err != nil {
		return time.Time{}, ErrTimeForm
	}
	if len(m[1]) > microDigits {
		return time.Time{}, ErrTimePrecision
	}
	return at, nil
}
