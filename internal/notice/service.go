package notice

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
)

// Service plans and sends notices. Several nodes on one database share the work.
type Service struct {
	Ledger audit.Ledger[Tx]
	Store  Store
	Sender
	Now func() time.Time
	// Horizon is the time that work which cannot be undone goes by. It is never later than Now.
	Horizon func() time.Time
	Rand    io.Reader
	Log     *slog.Logger
	Keyring *credential.Keyring
	// Mails is set where the Sender is a mail server. Nothing else delivers links.
	Mails bool
	// Holder names this node among all that share a database.
	Holder string
	// Lease is how long a leased notice belongs to this node. It is longer than the Sender takes.
	Lease time.Duration

	// planning and sending serialize the passes of either.
	planning, sending sync.Mutex
	// idle is the position that the planning for idle keys has reached.
	idle        policy.Traversal[Position]
	unreachable bool // the Sender could not be reached last time
	counts      Counts
	backlog     backlog
}

// Sender delivers messages to people.
type Sender interface {
	// Send delivers a message. It calls commitSending right before the step that hands the message
	// over, and takes that step only if commitSending succeeds. A Sender that can repeat a delivery
	// without anybody noticing need not call it. A *Failure says what a failure means for the
	// notice; after any other error it is tried again.
	Send(ctx context.Context, m Message, commitSending func(context.Context) error) error
}

// Message is a notice that is being sent.
type Message struct {
	Notice
	// To is the recipient as of now.
	To Recipient
	// TenantName is the name of the tenant that it is about; "" for none.
	TenantName string
	// Date is that of the message.
	Date time.Time
	// Token is the token of the link in the message; zero for none.
	Token credential.Secret
}

// Link is a one-time link as of the time when its message is sent.
type Link struct {
	Kind credential.TokenKind
	Hash credential.TokenHash
	// Email is the address that it goes to where it belongs to no user; "" for its user's address.
	Email string
	// MailedAt is when it was last handed to the outbox.
	MailedAt time.Time
}

// Recipient is a person as of the time when a notice is sent.
type Recipient struct {
	Email, Name string
	// Active is false for a disabled or deleted person.
	Active bool
	// Proven is set where the address is known to be theirs.
	Proven bool
	// Muted lists the kinds that they do not want.
	Muted []Kind
}

// Store is what this package reads and writes outside transactions. What the passes write goes past
// the ledger: the state of a notice is not an audited change.
type Store interface {
	// AcquireLease acquires or renews the lease of that name. held is false where another holder
	// has it.
	AcquireLease(ctx context.Context, name, holder string, now, until time.Time) (held bool, err error)
	// PlannedUntil returns when the last complete planning pass began; zero for never.
	PlannedUntil(ctx context.Context) (time.Time, error)
	SetPlannedUntil(ctx context.Context, at time.Time) error
	// Policies returns the policy rules of every account that has any.
	Policies(ctx context.Context) (map[ident.AccountID][]policy.Rule, error)
	// IdleTenants lists the tenants that disable idle keys.
	IdleTenants(ctx context.Context) ([]ident.TenantID, error)
	TenantRules(ctx context.Context, tenant ident.TenantID) (policy.Tenant, error)
	// TenantsIn lists the tenants of an account.
	TenantsIn(ctx context.Context, account ident.AccountID) ([]ident.TenantID, error)
	// Candidates returns the next keys that a search finds after a position, in the order of the
	// search; none at the end.
	Candidates(ctx context.Context, s Search, after Position) ([]Candidate, error)
	// IdleCandidates reads the next policy.TraversalPageSize of a tenant's keys, in the order of
	// when their secrets were set. It returns those that are not disabled and that since that time
	// have not been used, enabled or given a new secret. last is the position that it reached; nil
	// at the end.
	IdleCandidates(ctx context.Context, tenant ident.TenantID, since time.Time,
		after Position) (found []Candidate, last *Position, err error)
	// PlanNotices writes the notices that are not yet in the outbox.
	PlanNotices(ctx context.Context, all []Notice) error
	// DeleteOldNotices removes the notices that reached a final state before that time.
	DeleteOldNotices(ctx context.Context, before time.Time) error

	// ReleaseExpiredLeases recovers notices whose lease has expired: those in state Leased wait
	// again, and those in state Sending become InDoubt. It returns the latter.
	ReleaseExpiredLeases(ctx context.Context, now time.Time, why string) ([]Entry, error)
	// DueNotices returns the ids of some waiting notices that are due, the oldest first.
	DueNotices(ctx context.Context, now time.Time) ([]ident.NoticeID, error)
	// DueLinks returns the ids of some waiting notices of a kind that bring a link and are due, the
	// oldest first.
	DueLinks(ctx context.Context, kind Kind, now time.Time) ([]ident.NoticeID, error)
	// LeaseNotice leases a notice that waits and is due; ok is false where it no longer does.
	LeaseNotice(ctx context.Context, id ident.NoticeID, holder string,
		now, until time.Time) (n Notice, attempt int, ok bool, err error)
	// StartSending moves a leased notice to state Sending; ok is false where the lease has expired.
	StartSending(ctx context.Context, c Lease, now, until time.Time) (ok bool, err error)
	// FinishNotice records how an attempt ended. It does nothing where the lease has expired.
	FinishNotice(ctx context.Context, c Lease, o Outcome) error
	Recipient(ctx context.Context, user ident.UserID) (Recipient, error)
	// PendingLink returns a link that can be used now, or fault.NotFound.
	PendingLink(ctx context.Context, id ident.LinkID, now time.Time) (Link, error)
	// FailedSignIns returns the next counts after a position: failed sign-ins of one person in one
	// bucket, at least `least`, the last of them since the given time. The order is that of the
	// last failure.
	FailedSignIns(ctx context.Context, since time.Time, least int, after FailurePosition) ([]FailedAttempts, error)
	// Stewards returns the stewards of a service account who are active members of its tenant.
	Stewards(ctx context.Context, account ident.ServiceAccountID) ([]ident.UserID, error)
	// AdminsOf returns active members of a tenant with the role admin, up to 100.
	AdminsOf(ctx context.Context, tenant ident.TenantID) ([]ident.UserID, error)
	TenantName(ctx context.Context, tenant ident.TenantID) (string, error)
	// SubjectOf returns a key and the rules of its tenant. It fails with fault.NotFound for a
	// deleted key.
	SubjectOf(ctx context.Context, key ident.KeyID) (Subject, policy.Tenant, error)

	// Backlog counts the notices that are not final, and those that need the operator.
	Backlog(ctx context.Context) ([]Backlog, error)
	// Notices lists up to limit notices in the state, or in any state where it is "", newest first.
	Notices(ctx context.Context, state State, limit int) ([]Entry, error)
}

// RetryTx retries a notice.
type RetryTx interface {
	// LockNotice reads a notice and locks it.
	LockNotice(ctx context.Context, id ident.NoticeID) (Entry, error)
	// RetryNotice makes a notice wait again, due now, as if it had never been tried.
	RetryNotice(ctx context.Context, id ident.NoticeID, now time.Time) error
}

// Tx is what an operator's change reads and writes.
type Tx interface {
	RetryTx
	// RetryDead makes all dead notices wait again in the same way, and returns how many.
	RetryDead(ctx context.Context, now time.Time) (int64, error)
}

// Writer plans a notice in the transaction of the change that it reports. The transactions of other
// packages include it.
type Writer interface {
	// PlanNotice writes the notice, unless there is one of the same thing.
	PlanNotice(ctx context.Context, n Notice) error
}

// FailedAttempts counts the failed sign-ins of a person in one bucket.
type FailedAttempts struct {
	User     ident.UserID
	Count    int
	Position FailurePosition
}

// FailurePosition is a position in the order of failed sign-ins.
type FailurePosition struct {
	At     time.Time
	Bucket string
}

// Lease is one attempt at a notice.
type Lease struct {
	ID     ident.NoticeID
	Holder string
	// Attempt tells it from later leases of the same holder.
	Attempt int
}

// Outcome is how an attempt ended.
type Outcome struct {
	State State
	// At is when the attempt ended or, for Waiting, when the next one is due.
	At time.Time
	// Reason is why it was not sent, in Claviger's own words; "" for none.
	Reason string
}

// Entry is a notice in the outbox.
type Entry struct {
	Notice
	State State
	// DueAt is when the next attempt is due or, in a final state, when that was reached.
	DueAt    time.Time
	Attempts int
	Reason   string
	// Email is the recipient's address; "" for none.
	Email string
}
