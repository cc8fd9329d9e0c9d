package notice_test

import (
	"database/sql"
	"fmt"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/notice"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// On SQLite there is one writer at a time. Here two transactions come to the end of what they can
// do before the row of the change counter is free.
func TestLinksThatAreMailedAtOnceStayWithinTheLimitOfTheAccount(t *testing.T) {
	t.Parallel()
	p := testkit.NewSMTPMailbox(t, testkit.Postgres)
	const inviters = 8 // so that none is at the limit of its tenant
	var invite []func() error
	for n := range inviters {
		tenant := p.Tenant(fmt.Sprintf("Tenant %d", n), nil)
		admin := p.As(p.Member(tenant, fmt.Sprintf("Admin %d", n), scope.Admin))
		invite = append(invite, func() error {
			_, err := admin.Invite(t.Context(), string(tenant.ID),
				api.CreateInvitationRequest{Email: "ann@claviger.example", Role: "member"})
			return err
		})
	}
	for n := range notice.MaxLinksToOfAccount - 1 {
		testkit.NoError(t, invite[n%inviters]())
	}
	p.Clock.Move(time.Hour)
	db := p.Beside()
	tx := testkit.Must[*sql.Tx](t)(db.BeginTx(t.Context(), nil))
	_, err := tx.ExecContext(t.Context(), `SELECT 1 FROM counters WHERE name = 'change' FOR NO KEY UPDATE`)
	testkit.NoError(t, err)
	errs := make(chan error, 2)
	for _, do := range invite[:2] {
		go func() { errs <- do() }()
	}
	testkit.Await(t, func() string {
		var waiting int
		testkit.NoError(t, db.QueryRowContext(t.Context(), `SELECT COUNT(*) FROM pg_stat_activity
			WHERE datname = current_database() AND wait_event_type = 'Lock'`).Scan(&waiting))
		if waiting >= 2 {
			return "both wait"
		}
		return ""
	})
	testkit.NoError(t, tx.Rollback())
	count := map[api.Code]int{}
	for range 2 {
		count[testkit.Code(t, <-errs)]++
	}
	if count[""] != 1 || count[api.RateLimited] != 1 {
		t.Errorf("of two links at once, where one is allowed: %v", count)
	}
}
