package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/identity"
	"github.com/claviger-dev/claviger/internal/notice"
	"github.com/claviger-dev/claviger/internal/paging"
)

// noticeColumns are scanned by scanNotice, in this order.
const noticeColumns = `n.id, n.kind, n.dedupe, n.user_id, n.key_id, n.payload, n.created_at, n.state, n.due_at,
	n.attempts, n.last_error, n.link_id, n.recipient, n.account_id, COALESCE(u.email, n.recipient)`

const noticeTables = ` FROM outbox n LEFT JOIN users u ON u.id = n.user_id`

const (
	insertNotice query = `INSERT INTO outbox (id, kind, dedupe, user_id, key_id, payload, created_at, due_at, attempts,
		link_id, recipient, tenant_id, account_id)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $7, 0, $8, $9, $10,
		COALESCE(CAST($11 AS TEXT), (SELECT account_id FROM tenants WHERE id = $12))) ON CONFLICT (dedupe) DO NOTHING`
	deleteOldNotices query = `DELETE FROM outbox WHERE state IN ('sent', 'skipped', 'dead', 'in_doubt')
		AND due_at < $1`
	releaseExpiredLeases query = `UPDATE outbox SET state = 'waiting', claimed_by = NULL, claimed_until = NULL
		WHERE state = 'claimed' AND claimed_until <= $1`
	selectExpiredSending query = `SELECT ` + noticeColumns + noticeTables +
		` WHERE n.state = 'sending' AND n.claimed_until <= $1 LIMIT 100`
	// The lease stays on record. If its holder is still alive, it can record the outcome later.
	markNoticeInDoubt query = `UPDATE outbox SET state = 'in_doubt', last_error = $3 WHERE id = $1 AND state = 'sending'
		AND claimed_until <= $2`
	dueNotices query = `SELECT id FROM outbox WHERE state = 'waiting' AND due_at <= $1 ORDER BY due_at, id
		LIMIT 50`
	dueLinks query = `SELECT id FROM outbox WHERE link_id IS NOT NULL AND state = 'waiting' AND kind = $1
		AND due_at <= $2 ORDER BY due_at, id LIMIT 50`
	leaseNotice query = `UPDATE outbox
		SET state = 'claimed', claimed_by = $2, claimed_until = $3, attempts = attempts + 1
		WHERE id = $1 AND state = 'waiting' AND due_at <= $4 RETURNING attempts`
	startSending query = `UPDATE outbox SET state = 'sending', claimed_until = $5
		WHERE id = $1 AND claimed_by = $2 AND attempts = $3 AND state = 'claimed' AND claimed_until > $4`
	finishNotice query = `UPDATE outbox SET state = $4, due_at = $5, last_error = $6, claimed_by = NULL,
		claimed_until = NULL
		WHERE id = $1 AND claimed_by = $2 AND attempts = $3`
	selectNotice  query = `SELECT ` + noticeColumns + noticeTables + ` WHERE n.id = $1`
	listNotices   query = `SELECT ` + noticeColumns + noticeTables + ` ORDER BY n.id DESC LIMIT $1`
	listNoticesIn query = `SELECT ` + noticeColumns + noticeTables +
		` WHERE n.state = $2 ORDER BY n.due_at DESC, n.id DESC LIMIT $1`
	listAccountNotices query = `SELECT ` + noticeColumns + noticeTables + ` WHERE (n.created_at, n.id) < ($1, $2)
		AND n.account_id = $4 ORDER BY n.created_at DESC, n.id DESC LIMIT $3`
	lockNotice  query = `SELECT 1 FROM outbox WHERE id = $1`
	retryNotice query = `UPDATE outbox
		SET state = 'waiting', due_at = $2, attempts = $3, claimed_by = NULL, claimed_until = NULL WHERE id = $1`
	retryDead query = `UPDATE outbox
		SET state = 'waiting', due_at = $1, attempts = $2, claimed_by = NULL, claimed_until = NULL WHERE state = 'dead'`
	selectBacklog query = `SELECT state, COUNT(*), MIN(created_at) FROM outbox
		WHERE state IN ('waiting', 'claimed', 'sending', 'dead', 'in_doubt') GROUP BY state`
	selectRecipient  query = `SELECT email, name, disabled_at, muted, email_proven_at FROM users WHERE id = $1`
	selectTenantName query = `SELECT name FROM tenants WHERE id = $1`
	nthMailOf        query = `SELECT created_at FROM outbox WHERE tenant_id = $1 ORDER BY created_at DESC
		LIMIT 1 OFFSET $2`
	nthMailTo query = `SELECT created_at FROM outbox WHERE recipient = $1 AND tenant_id = $3
		ORDER BY created_at DESC LIMIT 1 OFFSET $2`
	nthMailToOf query = `SELECT n.created_at FROM outbox n JOIN tenants t ON t.id = n.tenant_id
		WHERE n.recipient = $1
		AND t.account_id = (SELECT account_id FROM tenants WHERE id = $3) ORDER BY n.created_at DESC LIMIT 1 OFFSET $2`
	// These make the outbox forget the addresses of a person who is deleted: their own, in what was
	// sent or is not going to be; earlier ones; and those that they asked for.
	forgetRecipient query = `UPDATE outbox SET recipient = NULL
		WHERE recipient = (SELECT canonical_email FROM users WHERE id = $1)
		AND (user_id = $1 OR state IN ('sent', 'skipped', 'dead', 'in_doubt'))`
	listEarlierAddresses query = `SELECT recipient FROM outbox WHERE dedupe > $1 AND dedupe < $2
		ORDER BY dedupe LIMIT 100`
	forgetEarlierAddresses query = `UPDATE outbox SET recipient = NULL WHERE recipient IN ($1…)
		AND (kind = 'email_changed' OR state IN ('sent', 'skipped', 'dead', 'in_doubt'))`
	listRequestedAddresses   query = `SELECT id, created_at FROM links WHERE kind = 'email_change' AND user_id = $1`
	forgetRequestedAddresses query = `UPDATE outbox SET recipient = NULL, payload = '{}' WHERE dedupe IN ($1…)`
	selectPlannedAt          query = `SELECT created_at FROM outbox WHERE dedupe = $1`
	selectPlannedUntil       query = `SELECT CAST(value AS BIGINT) FROM server_settings WHERE name = 'notices_planned'`
)

// plannedSetting is the name of the setting that holds when the last complete planning pass began.
const plannedSetting = "notices_planned"

// PlannedUntil implements notice.Store.
func (s *Store) PlannedUntil(ctx context.Context) (at time.Time, err error) {
	err = s.reading.row(ctx, selectPlannedUntil).Scan(nullTime{&at})
	if errors.Is(err, sql.ErrNoRows) {
		return at, nil
	}
	return at, s.fault(err)
}

// SetPlannedUntil implements notice.Store.
func (s *Store) SetPlannedUntil(ctx context.Context, at time.Time) error {
	_, err := s.execUnaudited(ctx, upsertSetting, plannedSetting, strconv.FormatInt(at.UnixMicro(), 10))
	return err
}

// PlanNotice implements notice.Writer.
func (t *Tx) PlanNotice(ctx context.Context, n notice.Notice) error {
	args, err := noticeArgs(n)
	if err != nil {
		return err
	}
	return t.exec(ctx, insertNotice, args...)
}

// LockLinks implements notice.LinkWriter. It locks the row of the change counter, which every
// transaction locks at its end.
func (t *Tx) LockLinks(ctx context.Context) error { return t.lockRows(ctx, lockChangeCounter) }

// NthMailOf implements notice.LinkWriter.
func (t *Tx) NthMailOf(ctx context.Context, tenant ident.TenantID, n int) (time.Time, error) {
	return t.nthMail(ctx, nthMailOf, tenant, n-1)
}

// NthMailTo implements notice.LinkWriter.
func (t *Tx) NthMailTo(ctx context.Context, email string, tenant ident.TenantID, n int) (time.Time, error) {
	return t.nthMail(ctx, nthMailTo, identity.CanonicalEmail(email), n-1, tenant)
}

// NthMailToOfAccount implements notice.LinkWriter.
func (t *Tx) NthMailToOfAccount(ctx context.Context, email string, tenant ident.TenantID, n int) (time.Time, error) {
	return t.nthMail(ctx, nthMailToOf, identity.CanonicalEmail(email), n-1, tenant)
}

func (t *Tx) nthMail(ctx context.Context, q query, args ...any) (at time.Time, err error) {
	err = t.row(ctx, q, args...).Scan(nullTime{&at})
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return at, err
}

// forgetAddresses removes the addresses of a person from the outbox. It runs before the person and
// their links are erased.
func (t *Tx) forgetAddresses(ctx context.Context, user ident.UserID) error {
	if err := t.exec(ctx, forgetRecipient, user); err != nil {
		return err
	}
	changed := string(notice.EmailChanged) + "/" + string(user)
	earlier, err := collect(ctx, t, listEarlierAddresses, scanRecipient, changed+"/", changed+"0") // 0 follows /
	if err != nil {
		return err
	}
	if len(earlier) > 0 {
		q, args := expand(forgetEarlierAddresses, 1, earlier)
		if err := t.exec(ctx, q, args...); err != nil {
			return err
		}
	}
	links, err := collect(ctx, t, listRequestedAddresses, scanRequestNotices, user)
	if err != nil || len(links) == 0 {
		return err
	}
	q, args := expand(forgetRequestedAddresses, 1, slices.Concat(links...))
	return t.exec(ctx, q, args...)
}

func scanRecipient(row scanner) (address string, err error) {
	err = row.Scan(nullString(&address))
	return address, err
}

// scanRequestNotices returns what makes the notices of a change of address unique (notice.OfLink).
func scanRequestNotices(row scanner) (dedupe []string, err error) {
	var link ident.LinkID
	var at time.Time
	if err := row.Scan(&link, nullTime{&at}); err != nil {
		return nil, err
	}
	for _, kind := range []notice.Kind{notice.EmailChangeNew, notice.EmailChangeOld} {
		dedupe = append(dedupe, notice.OfLink(kind, "", link, at, notice.Facts{}).Dedupe)
	}
	return dedupe, nil
}

// NoticePlanned implements key.SweepTx.
func (t *Tx) NoticePlanned(ctx context.Context, n notice.Notice) (at time.Time, err error) {
	err = t.row(ctx, selectPlannedAt, n.Dedupe).Scan(nullTime{&at})
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return at, err
}

// PlanNotices implements notice.Store. It inserts all notices in one transaction, outside of the
// ledger.
func (s *Store) PlanNotices(ctx context.Context, all []notice.Notice) error {
	if len(all) == 0 {
		return nil
	}
	return s.unauditedTx(ctx, func(ctx context.Context, tx *sql.Tx) error {
		for _, n := range all {
			args, err := noticeArgs(n)
			if err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx, string(insertNotice), args...); err != nil {
				return err
			}
		}
		return nil
	})
}

func noticeArgs(n notice.Notice) ([]any, error) {
	facts, err := json.Marshal(n.Facts)
	var tenant any
	if n.Link != "" {
		tenant = nullIfEmpty(n.Facts.Tenant)
	}
	return []any{
		string(n.ID), string(n.Kind), n.Dedupe, nullIfEmpty(n.User), nullIfEmpty(n.Key), string(facts), micros(n.At),
		nullIfEmpty(n.Link), nullIfEmpty(identity.CanonicalEmail(n.To)), tenant,
		nullIfEmpty(n.Account), nullIfEmpty(n.Facts.Tenant),
	}, err
}

// DeleteOldNotices implements notice.Store.
func (s *Store) DeleteOldNotices(ctx context.Context, before time.Time) error {
	_, err := s.execUnaudited(ctx, deleteOldNotices, micros(before))
	return err
}

// ReleaseExpiredLeases implements notice.Store.
func (s *Store) ReleaseExpiredLeases(ctx context.Context, now time.Time,
	why string,
) (doubtful []notice.Entry, err error) {
	if _, err := s.execUnaudited(ctx, releaseExpiredLeases, micros(now)); err != nil {
		return nil, err
	}
	lapsed, err := readNotices(ctx, s.reading, selectExpiredSending, micros(now))
	if err != nil {
		return nil, s.fault(err)
	}
	for _, e := range lapsed {
		n, err := s.execUnaudited(ctx, markNoticeInDoubt, e.ID, micros(now), why)
		if err != nil {
			return nil, err
		}
		if n == 1 { // and another node did not do it first
			e.State, e.Reason = notice.InDoubt, why
			doubtful = append(doubtful, e)
		}
	}
	return doubtful, nil
}

// DueNotices implements notice.Store.
func (s *Store) DueNotices(ctx context.Context, now time.Time) ([]ident.NoticeID, error) {
	due, err := ids[ident.NoticeID](ctx, s.reading, dueNotices, micros(now))
	return due, s.fault(err)
}

// DueLinks implements notice.Store.
func (s *Store) DueLinks(ctx context.Context, kind notice.Kind, now time.Time) ([]ident.NoticeID, error) {
	due, err := ids[ident.NoticeID](ctx, s.reading, dueLinks, string(kind), micros(now))
	return due, s.fault(err)
}

// LeaseNotice implements notice.Store.
func (s *Store) LeaseNotice(ctx context.Context, id ident.NoticeID, holder string,
	now, until time.Time,
) (n notice.Notice, attempt int, ok bool, err error) {
	if err := s.writable(); err != nil {
		return n, 0, false, err
	}
	attempt, err = s.leaseNotice(ctx, id, holder, now, until)
	if errors.Is(err, sql.ErrNoRows) {
		return n, 0, false, nil
	}
	if err != nil {
		return n, 0, false, s.fault(err)
	}
	e, err := scanNotice(s.reading.row(ctx, selectNotice, id))
	return e.Notice, attempt, err == nil, s.fault(err)
}

// leaseNotice leases a notice and returns the number of the attempt.
func (s *Store) leaseNotice(ctx context.Context, id ident.NoticeID, holder string,
	now, until time.Time,
) (attempt int, err error) {
	pass, err := s.gates.own.Acquire(ctx, "")
	if err != nil {
		return 0, err
	}
	defer pass.Release()
	err = s.writing.row(ctx, leaseNotice, id, holder, micros(until), micros(now)).Scan(&attempt)
	return attempt, err
}

// StartSending implements notice.Store.
func (s *Store) StartSending(ctx context.Context, c notice.Lease, now, until time.Time) (bool, error) {
	n, err := s.execUnaudited(ctx, startSending, c.ID, c.Holder, c.Attempt, micros(now), micros(until))
	return n == 1, err
}

// FinishNotice implements notice.Store.
func (s *Store) FinishNotice(ctx context.Context, c notice.Lease, o notice.Outcome) error {
	_, err := s.execUnaudited(ctx, finishNotice, c.ID, c.Holder, c.Attempt, string(o.State), micros(o.At),
		nullIfEmpty(o.Reason))
	return err
}

// Recipient implements notice.Store.
func (s *Store) Recipient(ctx context.Context, user ident.UserID) (r notice.Recipient, err error) {
	var disabled bool
	var muted mutedKinds
	err = s.reading.row(ctx, selectRecipient, user).Scan(nullString(&r.Email), nullString(&r.Name), isSet{&disabled},
		&muted,
		isSet{&r.Proven})
	if err != nil {
		return r, s.fault(err)
	}
	r.Active, r.Muted = r.Email != "" && !disabled, muted
	return r, nil
}

// TenantName implements notice.Store.
func (s *Store) TenantName(ctx context.Context, tenant ident.TenantID) (name string, err error) {
	err = s.reading.row(ctx, selectTenantName, tenant).Scan(&name)
	return name, s.fault(err)
}

// Backlog implements notice.Store.
func (s *Store) Backlog(ctx context.Context) (piles []notice.Backlog, err error) {
	err = forEachRow(ctx, s.reading, selectBacklog, func(row *sql.Rows) error {
		var p notice.Backlog
		if err := row.Scan(&p.State, &p.Size, nullTime{&p.Oldest}); err != nil {
			return err
		}
		piles = append(piles, p)
		return nil
	})
	return piles, s.fault(err)
}

// Notices implements notice.Store.
func (s *Store) Notices(ctx context.Context, state notice.State, limit int) ([]notice.Entry, error) {
	q, args := listNotices, []any{pageLimit(limit)}
	if state != "" {
		q, args = listNoticesIn, append(args, string(state))
	}
	list, err := readNotices(ctx, s.reading, q, args...)
	return list, s.fault(err)
}

// AccountNotices implements account.MailStore.
func (s *Store) AccountNotices(ctx context.Context, account ident.AccountID,
	page paging.Page,
) ([]notice.Entry, error) {
	args := append(pageArgs(page.BeforeTime, page.BeforeID, page.Limit), account)
	list, err := readNotices(ctx, s.reading, listAccountNotices, args...)
	return list, s.fault(err)
}

// LockNotice implements notice.RetryTx.
func (t *Tx) LockNotice(ctx context.Context, id ident.NoticeID) (notice.Entry, error) {
	if err := t.lockRow(ctx, lockNotice, id); err != nil {
		return notice.Entry{}, err
	}
	return scanNotice(t.row(ctx, selectNotice, id))
}

// RetryNotice implements notice.RetryTx.
func (t *Tx) RetryNotice(ctx context.Context, id ident.NoticeID, now time.Time) error {
	return t.runOne(ctx, retryNotice, id, micros(now), 0)
}

// RetryDead implements notice.Tx.
func (t *Tx) RetryDead(ctx context.Context, now time.Time) (int64, error) {
	return t.count(ctx, retryDead, micros(now), 0)
}

func readNotices(ctx context.Context, from querier, q query, args ...any) (list []notice.Entry, err error) {
	list, err = collect(ctx, from, q, scanNotice, args...)
	return list, err
}

func scanNotice(row scanner) (e notice.Entry, err error) {
	var facts string
	err = row.Scan(&e.ID, &e.Kind, &e.Dedupe, nullString(&e.User), nullString(&e.Key), &facts, nullTime{&e.At},
		&e.State,
		nullTime{&e.DueAt}, &e.Attempts,
		nullString(&e.Reason), nullString(&e.Link), nullString(&e.To), nullString(&e.Account), nullString(&e.Email))
	if err != nil {
		return e, err
	}
	return e, json.Unmarshal([]byte(facts), &e.Facts)
}
