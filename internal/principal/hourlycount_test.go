package principal_test

import (
	"testing"
	"time"

	"github.com/claviger-dev/claviger/internal/principal"
)

func TestAnHourlyCountEndsAfterAnHourAlone(t *testing.T) {
	t.Parallel()
	began := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	next := began.Add(time.Hour)
	full := principal.HourlyCount{Began: began, Count: 3}
	for name, c := range map[string]struct {
		now  time.Time
		want principal.HourlyCount
		wait time.Duration
	}{
		"within the hour":               {began.Add(time.Minute), full, 59 * time.Minute},
		"by a clock that is behind":     {began.Add(-time.Second), full, time.Hour + time.Second},
		"a moment before the hour ends": {began.Add(time.Hour - 1), full, 1},
		"at the end":                    {next, principal.HourlyCount{Began: next, Count: 1}, 0},
	} {
		got, wait := full.Next(3, c.now)
		if got != c.want || wait != c.wait {
			t.Errorf("%s: %+v, wait %s; want %+v, wait %s", name, got, wait, c.want, c.wait)
		}
	}
	got, wait := principal.HourlyCount{Began: began, Count: 2}.Next(3, began.Add(-time.Second))
	if got != full || wait != 0 {
		t.Errorf("room, by a clock that is behind: %+v, wait %s", got, wait)
	}
}
