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
	// sendFor bounds a pass: what remains is for the next one.
	sendFor      = 30 * time.Second
	settleWithin = 5 * time.Second
)

// Verdict is what a failure means for the notice.
type Verdict string

// The verdicts.
const (
	// Later: it was not taken, and may be another time.
	Later Verdict = "later"
	// Unreachable: like Later, and others will not fare better now.
	Unreachable Verdict = "unreachable"
	// Never: it was refused for good.
	Never Verdict = "never"
	// Unknown: it was handed over, and nobody said whether it was taken.
	Unknown Verdict = "unknown"
)

// Failure is why a letter was not delivered.
type Failure struct {
	Verdict Verdict
	// Reason in our own words: it is kept and logged, so it repeats nothing of what others said.
	Reason string
	// Cause is for the log; nil where the reason says it all.
	Cause error
}

// Error implements error.
func (f *Failure) Error() string { return f.Reason }

// The reasons that are ours.
const (
	reasonGone     = "The recipient is disabled or deleted."
	reasonUnwanted = "The recipient does not want notices of this kind."
	reasonUntrue   = "It is no longer so: the key's expiry changed, the key was used or revoked, or a later notice says more."
	reasonInDoubt  = "The sender ended in the middle of handing it over. It may have arrived."
)

// errLapsed ends an attempt whose claim is another's by now.
var errLapsed = errors.New("the claim on the notice has run out")

// Send sends what is due: one pass. That a letter cannot be delivered is no failure of the pass; it waits and is tried again, for three days.
func (s *Service) Send(ctx context.Context) error {
	s.sending.Lock()
	defer s.sending.Unlock()
	doubtful, err := s.Store.RecoverNotices(ctx, s.Now(), reasonInDoubt)
	if err != nil {
		return err
	}
	for _, e := range doubtful {
		s.count(e.Notice, e.Attempts, Outcome{State: InDoubt, Reason: e.Reason})
	}
	end := s.Now().Add(sendFor)
	for more := true; more && s.Now().Before(end); {
		if more, err = s.sendSome(ctx, end); err != nil {
			return err
		}
	}
	piles, err := s.Store.Backlog(ctx)
	s.backlog.set(piles, s.Now())
	return err
}

// sendSome sends a few; more is false where there are no others, or others would not fare better.
func (s *Service) sendSome(ctx context.Context, end time.Time) (more bool, err error) {
	due, err := s.Store.DueNotices(ctx, s.Now())
	for _, id := range due {
		if ctx.Err() != nil || !s.Now().Before(end) {
			return false, nil
		}
		claimed, reached, err := s.attempt(ctx, id)
		if err != nil || !reached {
			return false, err
		}
		more = more || claimed
	}
	return more, err
}

// attempt claims a notice and tries to deliver it. claimed is false where another did.
func (s *Service) attempt(ctx context.Context, id ident.NoticeID) (claimed, reached bool, err error) {
	now := s.Now()
	n, attempt, claimed, err := s.Store.ClaimNotice(ctx, id, s.Holder, now, now.Add(s.Lease))
	if err != nil || !claimed {
		return claimed, true, err
	}
	c := Claim{ID: id, Holder: s.Holder, Attempt: attempt}
	failure, err := s.deliver(ctx, n, c)
	if err != nil {
		return true, true, err
	}
	if errors.Is(failure, errLapsed) {
		return true, true, nil
	}
	return true, s.reached(failure), s.settle(ctx, n, c, failure)
}

// settle writes down how an attempt ended, also where the node is stopping.
func (s *Service) settle(ctx context.Context, n Notice, c Claim, failure error) error {
	o, err := s.outcome(ctx, failure, c.Attempt)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleWithin)
	defer cancel()
	if err := s.Store.SettleNotice(ctx, c, o); err != nil {
		return err
	}
	s.count(n, c.Attempt, o)
	return nil
}

// deliver gives why the letter did not go out, nil where it did. err is a failure of ours, after which the claim runs out by itself.
func (s *Service) deliver(ctx context.Context, n Notice, c Claim) (failure, err error) {
	l := Letter{Notice: n, Date: s.Now()}
	if l.To, err = s.Store.Recipient(ctx, n.User); err != nil {
		return nil, err
	}
	if n.Facts.Tenant != "" {
		if l.TenantName, err = s.Store.TenantName(ctx, n.Facts.Tenant); err != nil {
			return nil, err
		}
	}
	if reason, err := s.needless(ctx, l); err != nil || reason != "" {
		return skip(reason), err
	}
	failure = s.Carry(ctx, l, func(ctx context.Context) error {
		now := s.Now()
		ok, err := s.Store.HandOverNotice(ctx, c, now, now.Add(s.Lease))
		if err == nil && !ok {
			err = errLapsed
		}
		return err
	})
	return failure, nil
}

// skip is why a letter is not to be sent.
type skip string

func (s skip) Error() string { return string(s) }

// needless says why a letter should not be sent after all; "" where it should.
func (s *Service) needless(ctx context.Context, l Letter) (string, error) {
	switch {
	case !l.To.Live:
		return reasonGone, nil
	case !l.Kind.Fixed() && slices.Contains(l.To.Muted, l.Kind):
		return reasonUnwanted, nil
	}
	holds, err := s.holds(ctx, l)
	if errors.Is(err, fault.NotFound) || err == nil && !holds {
		return reasonUntrue, nil
	}
	return "", err
}

// holds reports whether what a letter says of the time ahead is still so. A key that is gone is fault.NotFound.
func (s *Service) holds(ctx context.Context, l Letter) (bool, error) {
	if !slices.Contains([]Kind{KeyExpiring, KeyExpired, KeyIdle}, l.Kind) {
		return true, nil
	}
	subject, t, err := s.Store.SubjectOf(ctx, l.Key)
	if err != nil {
		return false, err
	}
	n, _ := subject.Stage(t.Rules, s.Now())
	if l.Kind == KeyIdle {
		n, _ = subject.Idle(t, s.Now())
	}
	return n.Dedupe == l.Dedupe, nil
}

// outcome says what becomes of a notice after an attempt.
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
	case !ok && ctx.Err() != nil: // cut short by our own end
		return Outcome{State: Waiting, At: now, Reason: "The node stopped."}, nil
	case !ok:
		f = &Failure{Verdict: Later, Reason: "It failed here; the log has the cause."}
		s.Log.Error("a notice could not be sent", "error", failure)
	case f.Verdict == Unknown:
		return Outcome{State: InDoubt, At: now, Reason: f.Reason}, nil
	}
	if f.Verdict == Never || attempt >= maxAttempts {
		return Outcome{State: Dead, At: now, Reason: f.Reason}, nil
	}
	p, err := pause(attempt, s.Rand)
	return Outcome{State: Waiting, At: now.Add(p), Reason: f.Reason}, err
}

// reached reports whether the carrier could be reached, and says in the log when that changes.
func (s *Service) reached(failure error) bool {
	f, _ := errors.AsType[*Failure](failure)
	silent := f != nil && f.Verdict == Unreachable
	switch {
	case silent && !s.silent:
		s.Log.Warn("notices cannot be sent, and wait", "reason", f.Reason, "error", f.Cause)
	case !silent && s.silent:
		s.Log.Info("notices can be sent again")
	}
	s.silent = silent
	return !silent
}
