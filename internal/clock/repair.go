package clock

import (
	"fmt"
	"time"

	"github.com/claviger-dev/claviger/internal/fault"
)

// Repair is what putting the time on record back did, and what it may give back: keys and secrets that
// had expired by the time on record and have not by the present time.
type Repair struct {
	// From was the latest time on record, To is the present time.
	From, To time.Time
	// Keys, PreviousSecrets, Sessions and Links may be good again.
	Keys, PreviousSecrets, Sessions, Links int64
	// SessionsEnded began in the future and were ended.
	SessionsEnded int64
	// Forgotten are keys that lost what proves them in the future: they stay expired.
	Forgotten int64
	// Changes are those whose record says that they were made in the future. They stay as they are.
	Changes int64
}

// Wall returns the time by the machine's wall clock, whether it is trusted or not.
func (c *Clock) Wall() time.Time { return c.machine.read().wall.UTC() }

// Agreed returns the present time for a repair: that of the wall clock, where a second clock agrees with
// it. That is the database's or, stated by the operator, one that they trust.
func (c *Clock) Agreed(e Evidence, stated time.Time) (time.Time, error) {
	wall := c.Wall()
	for _, other := range []struct {
		name string
		at   time.Time
	}{{"database's clock says", e.Database}, {"time that you state is", stated}} {
		if !other.at.IsZero() && !within(wall.Sub(other.at), Tolerance) {
			return wall, fault.New(fault.Conflict, fmt.Sprintf("The machine's clock says %s and the %s %s. Set the one that is wrong, then repeat this.",
				stamp(wall), other.name, stamp(other.at)))
		}
	}
	if e.Database.IsZero() && stated.IsZero() {
		return wall, fault.New(fault.Conflict, "There is no second clock here that says whether the machine's clock is right. State the present time (`time`).")
	}
	if c.Doubt() == nil && !e.Record.After(wall.Add(Tolerance)) {
		return wall, fault.New(fault.Conflict, "The clock is not in doubt: there is nothing to repair.")
	}
	return wall.Truncate(time.Microsecond), nil
}

// Status is what a clock says, and what it is compared with.
type Status struct {
	// Reason is why the clock is in doubt; "" where it is trusted.
	Reason string
	// Wall is the machine's clock, Database PostgreSQL's (zero for none), Record the latest time on record (zero for none).
	Wall, Database, Record time.Time
	Horizon                time.Time
}
