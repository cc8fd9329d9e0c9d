package clock

import (
	"fmt"
	"time"

	"github.com/claviger-dev/claviger/internal/fault"
)

// Repair is the result of setting the time on record back. It counts what may be valid again, such
// as keys that had expired at the time on record and have not expired at the present time.
type Repair struct {
	// From was the latest time on record, To is the present time.
	From, To time.Time
	// Keys, PreviousSecrets, Sessions and Links count those that may be valid again.
	Keys, PreviousSecrets, Sessions, Links int64
	// SessionsEnded counts the sessions that began in the future and were ended.
	SessionsEnded int64
	// Forgotten counts the keys whose digests were deleted at a time in the future. They stay
	// expired.
	Forgotten int64
	// Changes counts the changes with a recorded time in the future. They stay as they are.
	Changes int64
}

// Wall returns the time of the machine's wall clock, whether it is trusted or not.
func (c *Clock) Wall() time.Time { return c.machine.Read().Wall.UTC() }

// TimeForRepair returns the present time for a repair: that of the wall clock, if a second clock
// agrees with it. The second clock is the database's, or one whose time the operator states.
func (c *Clock) TimeForRepair(e Evidence, stated time.Time) (time.Time, error) {
	wall := c.Wall()
	for _, other := range []struct {
		name string
		at   time.Time
	}{{"database's clock says", e.Database}, {"time that you state is", stated}} {
		if !other.at.IsZero() && !within(wall.Sub(other.at), Tolerance) {
			return wall, fault.New(fault.Conflict, fmt.Sprintf(
				"The machine's clock says %s and the %s %s. Set the one that is wrong, then repeat this.",
				formatTime(wall), other.name, formatTime(other.at)))
		}
	}
	if e.Database.IsZero() && stated.IsZero() {
		return wall, fault.New(fault.Conflict,
			"There is no second clock here that says whether the machine's clock is right. "+
				"State the present time (`time`).")
	}
	if c.Doubt() == nil && !e.Record.After(wall.Add(Tolerance)) {
		return wall, fault.New(fault.Conflict, "The clock is not in doubt: there is nothing to repair.")
	}
	return wall.Truncate(time.Microsecond), nil
}

// Status is what a clock shows, and what it is compared with.
type Status struct {
	// Reason is why the clock is in doubt; "" if it is trusted.
	Reason string
	// Wall is the machine's clock, Database PostgreSQL's (zero for none), Record the latest time on
	// record (zero for none).
	Wall, Database, Record time.Time
	Horizon                time.Time
}
