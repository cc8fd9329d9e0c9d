package account

import (
	"context"
	"strconv"
	"time"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/notice"
	"github.com/claviger-dev/claviger/internal/paging"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
)

// testPeriod is how often a person may send a test message of an account.
const testPeriod = time.Minute

// MailStore reads the messages of an account.
type MailStore interface {
	// AccountNotices lists the notices about the tenants of an account, and its test messages,
	// newest first. Those about a person's own sign-ins and password belong to no account.
	AccountNotices(ctx context.Context, account ident.AccountID, page paging.Page) ([]notice.Entry, error)
}

// MailTx plans and retries the messages of an account.
type MailTx interface {
	notice.Writer
	notice.RetryTx
	// NoticePlanned returns when a notice of the same thing was planned; zero for never.
	NoticePlanned(ctx context.Context, n notice.Notice) (time.Time, error)
	// RequireUpgrade returns fault.Conflict until no node of the version before can use the
	// database. Such a node would send a test message without its text.
	RequireUpgrade(ctx context.Context) error
}

// Mail lists the messages of an account, newest first, for its owners and admins.
func (s *Service) Mail(ctx context.Context, who principal.Principal, account ident.AccountID,
	page paging.Page,
) ([]notice.Entry, error) {
	if err := RequireAdmin(who, account); err != nil {
		return nil, err
	}
	return s.Store.AccountNotices(ctx, account, page)
}

// RetryMail makes a message of an account due now, as if it had never been tried, for its owners
// and admins. A message in doubt may then arrive twice.
func (s *Service) RetryMail(ctx context.Context, who principal.Principal, account ident.AccountID,
	id ident.NoticeID,
) error {
	return s.inAccount(ctx, who, account, "",
		func(ctx context.Context, tx Tx, _ Account, _ scope.AccountRole) (audit.Event, error) {
			e, err := tx.LockNotice(ctx, id)
			if err == nil && e.Account != account {
				err = fault.NotFound
			}
			if err != nil {
				return audit.Event{}, err
			}
			return notice.Retry(ctx, tx, who, e, s.Now())
		})
}

// SendTest plans a test message to the person's own address, for the owners and admins of an
// account. A person may send one a minute.
func (s *Service) SendTest(ctx context.Context, who principal.Principal, account ident.AccountID) error {
	own, ok := who.Session()
	if !ok {
		return fault.SessionRequired
	}
	return s.inAccount(ctx, who, account, "",
		func(ctx context.Context, tx Tx, a Account, _ scope.AccountRole) (audit.Event, error) {
			if err := tx.RequireUpgrade(ctx); err != nil {
				return audit.Event{}, err
			}
			now := s.Now()
			minute := strconv.FormatInt(now.Truncate(testPeriod).Unix(), 10)
			n := notice.New(notice.Test, own.User.ID, now, notice.Facts{AccountName: a.Name},
				string(a.ID), string(own.User.ID), minute)
			n.Account = a.ID
			at, err := tx.NoticePlanned(ctx, n)
			if err != nil {
				return audit.Event{}, err
			}
			if !at.IsZero() {
				return audit.Event{}, fault.New(fault.Conflict,
					"A test message to you was planned a moment ago. Wait a minute before you send another one.")
			}
			event := audit.By(who, audit.ActionNoticeTest, audit.Target{
				Type: "user", ID: string(own.User.ID), Name: own.User.Name,
			})
			return event, tx.PlanNotice(ctx, n)
		})
}
