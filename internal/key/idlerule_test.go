package key

import (
	"context"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/internal/notice"
	"github.com/claviger-dev/claviger/internal/policy"
)

// plannedAt is a transaction in which every notice was planned at that time.
type plannedAt struct {
	SweepTx
	at time.Time
}

func (p plannedAt) NoticePlanned(context.Context, notice.Notice) (time.Time, error) { return p.at, nil }

func TestAnIdleKeyIsDisabledOnceItsOwnerHasHadTheNoticeForAWeek(t *testing.T) {
	tenant := policy.Tenant{Settings: policy.Settings{IdleDays: 30}, IdleSince: testNow.Add(-300 * policy.Day)}
	for name, c := range map[string]struct {
		lastUsed time.Duration // before now
		planned  time.Time
		want     bool
	}{
		"notified a week ago":          {60 * policy.Day, testNow.Add(-policy.IdleNotice), true},
		"notified less than that ago":  {60 * policy.Day, testNow.Add(1 - policy.IdleNotice), false},
		"not notified":                 {60 * policy.Day, time.Time{}, false},
		"notified, and used since":     {policy.Day, testNow.Add(-10 * policy.Day), false},
		"notified, and nearly in time": {30 * policy.Day, testNow.Add(-policy.IdleNotice), true},
	} {
		t.Run(name, func(t *testing.T) {
			k := keyTx{tenant: tenant, now: testNow, horizon: testNow}
			k.Owner.ID = "usr_owner"
			k.SecretSetAt, k.LastUsedAt = testNow.Add(-200*policy.Day), testNow.Add(-c.lastUsed)
			got, err := k.dueForIdleDisable(t.Context(), plannedAt{at: c.planned})
			if got != c.want || err != nil {
				t.Errorf("%t (%v), want %t", got, err, c.want)
			}
		})
	}
}
