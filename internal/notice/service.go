package notice

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
)

// Service plans and sends notices. Several on one database share the work.
type Service struct {
	Ledger audit.Ledger[Tx]
	Store  Store
	Carrier
	Now func() time.Time
	// Horizon is the time that work which cannot be undone goes by; it is never ahead of Now.
	Horizon func() time.Time
	Rand    io.Reader
	Log     *slog.Logger
	// Holder names this service among all that share a database.
	Holder string
	// Lease is how long a notice is another's no more once it was claimed. It is longer than the carrier takes.
	Lease time.Duration

	// planning and sending let one pass of either go at a time.
	planning, sending sync.Mutex
	silent            bool // the carrier could not be reached last time
	counts            Counts
	backlog           backlog
}

// Carrier brings letters to people.
type Carrier interface {
	// Carry delivers a letter. It calls handOver when all is done but the last word, and says that word only if handOver succeeds; one that can repeat a delivery without
	// anybody noticing need not call it. A *Failure says what the outcome means; any other error counts as one after which it can be tried again.
	Carry(ctx context.Context, l Letter, handOver func(context.Context) error) error
}

// Letter is a notice on its way.
type Letter struct {
	Notice
	// To is who gets it, as they are known now.
	To Recipient
	// TenantName is that of the key's tenant; "" where it is about none.
	TenantName string
	// Date of the letter.
	Date time.Time
}

// Recipient is a person as they are when a notice is sent.
type Recipient struct {
	Email, Name string
	// Live is false for who is disabled or deleted.
	Live bool
	// Muted are the kinds they do not want.
	Muted []Kind
}

// Store is where notices are kept. What it writes for the passes goes past the ledger: how far a notice has come is no change of anything.
type Store interface {
	// Lease takes or renews a lease by its name; held is false where it is another's.
	Lease(ctx context.Context, name, holder string, now, until time.Time) (held bool, err error)
	// PlannedUntil is when the last whole pass of planning began; zero for never.
	PlannedUntil(ctx context.Context) (time.Time, error)
	SetPlannedUntil(ctx context.Context, at time.Time) error
	// Policies gives the rules of every account that has any.
	Policies(ctx context.Context) (map[ident.AccountID][]policy.Rule, error)
	// IdleTenants lists the tenants that disable idle keys.
	IdleTenants(ctx context.Context) ([]ident.TenantID, error)
	TenantRules(ctx context.Context, tenant ident.TenantID) (policy.Tenant, error)
	// TenantsIn lists the tenants of an account.
	TenantsIn(ctx context.Context, account ident.AccountID) ([]ident.TenantID, error)
	// Candidates gives a page of the keys that a search finds: those after the place, in the search's order; none where there are no more.
	Candidates(ctx context.Context, s Search, after Place) ([]Candidate, error)
	// PlanNotices keeps those of the notices that are new.
	PlanNotices(ctx context.Context, all []Notice) error
	// ForgetNotices that were over before the time.
	ForgetNotices(ctx context.Context, before time.Time) error

	// RecoverNotices puts back those whose lease has run out: the claimed wait again, and the handed over are in doubt. It gives the latter.
	RecoverNotices(ctx context.Context, now time.Time, why string) ([]Entry, error)
	// DueNotices gives the ids of some that wait and are due, the oldest first.
	DueNotices(ctx context.Context, now time.Time) ([]ident.NoticeID, error)
	// ClaimNotice claims one that waits and is due; ok is false where it is no longer so.
	ClaimNotice(ctx context.Context, id ident.NoticeID, holder string, now, until time.Time) (n Notice, attempt int, ok bool, err error)
	// HandOverNotice moves a claim from claimed to sending; ok is false where it no longer holds.
	HandOverNotice(ctx context.Context, c Claim, now, until time.Time) (ok bool, err error)
	// SettleNotice says how an attempt ended. Nothing happens where it is no longer this claim's.
	SettleNotice(ctx context.Context, c Claim, o Outcome) error
	Recipient(ctx context.Context, user ident.UserID) (Recipient, error)
	TenantName(ctx context.Context, tenant ident.TenantID) (string, error)
	// SubjectOf gives a key and the rules of its tenant; a key that is gone is fault.NotFound.
	SubjectOf(ctx context.Context, key ident.KeyID) (Subject, policy.Tenant, error)

	// Backlog tells of the notices that are not over, and of those that need the operator.
	Backlog(ctx context.Context) ([]Pile, error)
	// Notices lists those in the state, or in any where it is "", the newest first.
	Notices(ctx context.Context, state State, limit int) ([]Entry, error)
}

// Tx is what an operator changes.
type Tx interface {
	// LockNotice reads a notice and holds it.
	LockNotice(ctx context.Context, id ident.NoticeID) (Entry, error)
	// RetryNotice lets a notice wait again, due now, as if it had never been tried.
	RetryNotice(ctx context.Context, id ident.NoticeID, now time.Time) error
	// RetryDead does the same for all that are dead, and gives how many.
	RetryDead(ctx context.Context, now time.Time) (int64, error)
}

// Writer is the part of a transaction that plans a notice with the change it tells of. The transactions of other packages name it.
type Writer interface {
	// PlanNotice keeps the notice, unless there is one of the same thing.
	PlanNotice(ctx context.Context, n Notice) error
}

// Claim is one attempt at a notice.
type Claim struct {
	ID     ident.NoticeID
	Holder string
	// Attempt tells it from later claims by the same holder.
	Attempt int
}

// Outcome is how an attempt ended.
type Outcome struct {
	State State
	// At is when it ended or, for Waiting, when the next attempt is due.
	At time.Time
	// Reason it was not sent, in our own words; "" for none.
	Reason string
}

// Entry is a notice in the outbox.
type Entry struct {
	Notice
	State State
	// DueAt is when the next attempt is due or, once it is over, when that was so.
	DueAt    time.Time
	Attempts int
	Reason   string
	// Email is the address on file; "" for none.
	Email string
}
