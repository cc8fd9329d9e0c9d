package notice

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
)

const (
	// sendPassLimit bounds one pass. What remains is for the next one.
	sendPassLimit = 30 * time.Second
	finishTimeout = 5 * time.Second
)

// Disposition is what a failure means for the notice.
type Disposition string

// The dispositions.
const (
	// Later: it was not accepted now, and may be later.
	Later Disposition = "later"
	// Unreachable: like Later, and no other notice can be sent now.
	Unreachable Disposition = "unreachable"
	// Never: it was refused permanently.
	Never Disposition = "never"
	// Unknown: it was handed over, and no answer says whether it was accepted.
	Unknown Disposition = "unknown"
)

// Failure is why a message was not delivered.
type Failure struct {
	Disposition Disposition
	// Reason is in Claviger's own words. It is stored and logged, so it repeats nothing that a mail
	// server said.
	Reason string
	// Cause is for the log; nil where Reason is enough.
	Cause error
}

// Error implements error.
func (f *Failure) Error() string { return f.Reason }

// The reasons of this package. They are stored.
const (
	reasonGone     = "The recipient is disabled or deleted."
	reasonUnwanted = "The recipient does not want notices of this kind."
	reasonOutdated = "It is no longer true: the key's expiry changed, the key was used or revoked, " +
		"or a later notice says more."
	reasonUnproven = "The address is not proven to be the recipient's."
	reasonNoServer = "It contains a link, and only a mail server delivers links."
	reasonVoid     = "The link in it was used, has expired or was replaced."
	reasonInDoubt  = "The node stopped while it handed the message over. It may have arrived."
)

// errLeaseExpired ends an attempt whose lease has expired.
var errLeaseExpired = errors.New("the lease of the notice has expired")

// SendDue sends the notices that are due, in one pass. A message that cannot be delivered is not a
// failure of the pass: the notice waits and is tried again, for three days.
func (s *Service) SendDue(ctx context.Context) error {
	s.sending.Lock()
	defer s.sending.Unlock()
	inDoubt, err := s.Store.ReleaseExpiredLeases(ctx, s.Now(), reasonInDoubt)
	if err != nil {
		return err
	}
	for _, e := range inDoubt {
		s.count(e.Notice, e.Attempts, Outcome{State: InDoubt, Reason: e.Reason})
	}
	end := s.Now().Add(sendPassLimit)
	for more := true; more && s.Now().Before(end); {
		more, err = s.sendBatch(ctx, end)
		if err != nil {
			return err
		}
	}
	backlogs, err := s.Store.Backlog(ctx)
	s.backlog.set(backlogs, s.Now())
	return err
}

// sendBatch sends a few notices. more is false where no others are due or none can be sent now.
func (s *Service) sendBatch(ctx context.Context, end time.Time) (more bool, err error) {
	due, err := s.nextDue(ctx)
	for _, id := range due {
		if ctx.Err() != nil || !s.Now().Before(end) {
			return false, nil
		}
		leased, reachable, err := s.attempt(ctx, id)
		if err != nil || !reachable {
			return false, err
		}
		more = more || leased
	}
	return more, err
}

// urgentLinks are the kinds of notices that somebody waits for, the most urgent first: they cannot
// sign in, or cannot begin, without the link. They do not wait behind the notices about a day on
// which 100,000 keys expire.
var urgentLinks = []Kind{PasswordReset, EmailChangeNew, EmailChangeOld, Invitation, KeyClaim}

// nextDue returns the notices to send next: urgent links, then those that are due longest. Links
// may be among both; the second attempt finds that they are sent.
func (s *Service) nextDue(ctx context.Context) (next []ident.NoticeID, err error) {
	for _, kind := range urgentLinks {
		links, err := s.Store.DueLinks(ctx, kind, s.Now())
		if err != nil {
			return nil, err
		}
		next = append(next, links...)
	}
	others, err := s.Store.DueNotices(ctx, s.Now())
	return append(next, others...), err
}

// attempt leases a notice and tries to deliver it. leased is false where another node leased it
// first. reachable is false where the Sender could not be reached.
func (s *Service) attempt(ctx context.Context, id ident.NoticeID) (leased, reachable bool, err error) {
	now := s.Now()
	n, attempt, leased, err := s.Store.LeaseNotice(ctx, id, s.Holder, now, now.Add(s.Lease))
	if err != nil || !leased {
		return leased, true, err
	}
	c := Lease{ID: id, Holder: s.Holder, Attempt: attempt}
	failure, err := s.deliver(ctx, n, c)
	if err != nil {
		return true, true, err
	}
	if errors.Is(failure, errLeaseExpired) {
		return true, true, nil
	}
	return true, s.noteReachability(failure), s.finish(ctx, n, c, failure)
}

// finish records how an attempt ended, also while the node is stopping.
func (s *Service) finish(ctx context.Context, n Notice, c Lease, failure error) error {
	o, err := s.outcome(ctx, failure, c.Attempt)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishTimeout)
	defer cancel()
	if err := s.Store.FinishNotice(ctx, c, o); err != nil {
		return err
	}
	s.count(n, c.Attempt, o)
	return nil
}

// deliver sends the message of a notice. failure is why it was not sent, nil where it was. err is a
// failure of Claviger itself: nothing is recorded, and the lease expires.
func (s *Service) deliver(ctx context.Context, n Notice, c Lease) (failure, err error) {
	if n.forStewards() {
		reason, err := s.planForStewards(ctx, n)
		return skip(reason), err
	}
	m := Message{Notice: n, Date: s.Now()}
	if n.Kind == EmailChanged { // the address on file is another one now
		m.To = Recipient{Email: n.To, Active: n.To != "", Proven: true} // "" once the person is deleted
	}
	if n.User != "" {
		m.To, err = s.Store.Recipient(ctx, n.User)
		if err != nil {
			return nil, err
		}
	}
	if n.Link != "" {
		if reason, err := s.addLink(ctx, &m); err != nil || reason != "" {
			return skip(reason), err
		}
	}
	if n.Facts.Tenant != "" {
		m.TenantName, err = s.Store.TenantName(ctx, n.Facts.Tenant)
		if err != nil {
			return nil, err
		}
	}
	if reason, err := s.skipReason(ctx, m); err != nil || reason != "" {
		return skip(reason), err
	}
	failure = s.Sender.Send(ctx, m, func(ctx context.Context) error {
		now := s.Now()
		ok, err := s.Store.StartSending(ctx, c, now, now.Add(s.Lease))
		if err == nil && !ok {
			err = errLeaseExpired
		}
		return err
	})
	return failure, nil
}

// addLink adds the token of the link to a message, or returns why the message must not be sent.
func (s *Service) addLink(ctx context.Context, m *Message) (reason string, err error) {
	if !s.Mails {
		return reasonNoServer, nil
	}
	link, err := s.Store.PendingLink(ctx, m.Link, s.Now())
	if errors.Is(err, fault.NotFound) || err == nil && !link.MailedAt.Equal(m.At) {
		return reasonVoid, nil
	}
	if err != nil {
		return "", err
	}
	if link.Email != "" {
		m.To = Recipient{Email: link.Email, Active: true}
	}
	var found bool
	m.Token, found = s.Keyring.FindLinkToken(link.Kind, m.Link, link.MailedAt, link.Hash)
	if !found {
		return reasonVoid, nil
	}
	return "", nil
}

// skip is the reason not to send a message.
type skip string

// Error implements error.
func (s skip) Error() string { return string(s) }

// skipReason returns why a message should not be sent after all; "" where it should.
func (s *Service) skipReason(ctx context.Context, m Message) (string, error) {
	switch {
	case !m.To.Active:
		return reasonGone, nil
	case s.Mails && m.Link == "" && !m.To.Proven:
		return reasonUnproven, nil
	case !m.Kind.Fixed() && slices.Contains(m.To.Muted, m.Kind):
		return reasonUnwanted, nil
	}
	isTrue, err := s.stillTrue(ctx, m)
	if errors.Is(err, fault.NotFound) || err == nil && !isTrue {
		return reasonOutdated, nil
	}
	return "", err
}

// stillTrue reports whether what a message announces is still going to happen. It fails with
// fault.NotFound for a deleted key.
func (s *Service) stillTrue(ctx context.Context, m Message) (bool, error) {
	if !slices.Contains([]Kind{KeyExpiring, KeyExpired, KeyIdle}, m.Kind) {
		return true, nil
	}
	subject, t, err := s.Store.SubjectOf(ctx, m.Key)
	if err != nil {
		return false, err
	}
	n, _ := subject.Stage(t.Rules, s.Now())
	if m.Kind == KeyIdle {
		n, _ = subject.Idle(t, s.Now())
	}
	return n.Dedupe == m.thing(), nil
}

// outcome returns what becomes of a notice after an attempt.
func (s *Service) outcome(ctx context.Context, failure error, attempt int) (Outcome, error) {
	now := s.Now()
	if failure == nil {
		return Outcome{State: Sent, At: now}, nil
	}
	if reason, ok := errors.AsType[skip](failure); ok {
		return Outcome{State: Skipped, At: now, Reason: string(reason)}, nil
	}
	f, ok := errors.AsType[*Failure](failure)
	switch {
	case !ok && ctx.Err() != nil: // this node is stopping
		return Outcome{State: Waiting, At: now, Reason: "The node stopped."}, nil
	case !ok:
		f = &Failure{Disposition: Later, Reason: "It failed on this node. The log has the cause."}
		s.Log.Error("a notice could not be sent", "error", failure)
	case f.Disposition == Unknown:
		return Outcome{State: InDoubt, At: now, Reason: f.Reason}, nil
	}
	if f.Disposition == Never || attempt >= maxAttempts {
		return Outcome{State: Dead, At: now, Reason: f.Reason}, nil
	}
	p, err := retryDelay(attempt, s.Rand)
	return Outcome{State: Waiting, At: now.Add(p), Reason: f.Reason}, err
}

// noteReachability reports whether the Sender could be reached, and logs when that changes.
func (s *Service) noteReachability(failure error) bool {
	f, _ := errors.AsType[*Failure](failure)
	unreachable := f != nil && f.Disposition == Unreachable
	switch {
	case unreachable && !s.unreachable:
		s.Log.Warn("notices cannot be sent, and wait", "reason", f.Reason, "error", f.Cause)
	case !unreachable && s.unreachable:
		s.Log.Info("notices can be sent again")
	}
	s.unreachable = unreachable
	return !unreachable
}
