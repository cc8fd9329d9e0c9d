package notice

import (
	"context"
	"time"

	"github.com/claviger-dev/claviger/internal/policy"
)

// minFailures is how many failed sign-ins in one bucket cause a notice: more than people mistype.
const minFailures = 10

// planFailedSignIns plans notices to people whose password somebody tries to guess, one a day for
// each. It searches for them here, because a sign-in must do the same for every person.
func (r *planPass) planFailedSignIns(ctx context.Context) error {
	var after FailurePosition
	for {
		found, err := r.service.Store.FailedSignIns(ctx, r.from, minFailures, after)
		if err != nil || len(found) == 0 {
			return err
		}
		var all []Notice
		for _, g := range found {
			after = g.Position
			if g.User == "" {
				continue
			}
			day := g.Position.At.UTC().Truncate(policy.Day).Format(time.DateOnly)
			all = append(all, New(FailedSignIns, g.User, r.now, Facts{Attempts: g.Count}, string(g.User), day))
		}
		if err := r.service.Store.PlanNotices(ctx, all); err != nil {
			return err
		}
	}
}
