package identity

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/claviger-dev/claviger/internal/admission"
	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/notice"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
)

// ResetLink lets its holder set the password of a user once.
type ResetLink struct {
	ID   ident.LinkID
	User ident.UserID
	// MailedAt is when the link was handed to the outbox; zero for one that the operator hands
	// over.
	MailedAt             time.Time
	CreatedAt, ExpiresAt time.Time
}

const (
	// ResetLifetime is how long a link can be used.
	ResetLifetime = time.Hour
	// MaxResetsAnHour is how many links are mailed to a person within an hour. Each works for an
	// hour, so that somebody who requests all of them for another person leaves that person with
	// links that work.
	MaxResetsAnHour = 3
	// maxResetRequests bounds how many addresses wait for a link at once.
	maxResetRequests = 1_000
)

var errReset = fault.New(fault.LinkInvalid,
	"This link cannot be used: it was used before, has expired, or is not complete. Ask for another one.")

// resetRequests holds the addresses for which a link was requested since the last pass. A request
// is only stored here, so that it takes as long for an unknown address as for a known one.
type resetRequests struct {
	mu      sync.Mutex
	pending map[string]principal.Origin
}

// add stores a request. It returns false where there are too many.
func (r *resetRequests) add(canonical string, from principal.Origin) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.pending == nil {
		r.pending = map[string]principal.Origin{}
	}
	if _, again := r.pending[canonical]; !again && len(r.pending) >= maxResetRequests {
		return false
	}
	r.pending[canonical] = from
	return true
}

// drain returns and removes all requests.
func (r *resetRequests) drain() map[string]principal.Origin {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := r.pending
	r.pending = nil
	return all
}

// RequestReset requests that a link to set a new password be mailed to the address. It succeeds for
// every address, known or not. Without a mail server no link is made, and the operator must make
// one.
func (s *Service) RequestReset(from principal.Origin, email string) error {
	if err := fault.Refuse(EmailFaults(email)...); err != nil {
		return err
	}
	if !s.requests.add(CanonicalEmail(email), from) {
		return fault.Retry(fault.Unavailable, time.Second,
			"Too many people request a new password at the moment. Try again in a second.")
	}
	return nil
}

// MailResets makes and mails the links that were requested since the last pass.
func (s *Service) MailResets(ctx context.Context) error {
	pending := s.requests.drain()
	if !s.Mails {
		return nil
	}
	for canonical, from := range pending {
		err := s.mailReset(ctx, canonical, from)
		if err != nil {
			for left, from := range pending { // the next pass tries them again
				s.requests.add(left, from)
			}
			return err
		}
		delete(pending, canonical)
	}
	return nil
}

// mailReset makes and mails a link, if somebody has the address and may get another link.
func (s *Service) mailReset(ctx context.Context, canonical string, from principal.Origin) error {
	u, _, err := s.Store.UserByEmail(ctx, canonical)
	switch {
	case errors.Is(err, fault.NotFound):
		return nil
	case err != nil:
		return err
	case u.Disabled:
		return nil
	}
	l := s.newReset(u)
	l.MailedAt = l.CreatedAt
	token := s.Keyring.DeriveLinkToken(credential.ResetToken, l.ID, l.MailedAt)
	who := principal.System().WithOrigin(from)
	return s.Ledgers.Passwords.Write(ctx, who, func(ctx context.Context, tx PasswordTx) (audit.Event, error) {
		now, err := tx.LockUser(ctx, u.ID)
		if errors.Is(err, fault.NotFound) || err == nil && (now.Disabled || now.Canonical != canonical) {
			err = audit.ErrNothing // the user changed in the meantime
		}
		if err != nil {
			return audit.Event{}, err
		}
		sent, err := tx.CountMailedResets(ctx, u.ID, l.CreatedAt.Add(-time.Hour), MaxResetsAnHour)
		if err == nil && sent >= MaxResetsAnHour {
			err = audit.ErrNothing
		}
		if err != nil {
			return audit.Event{}, err
		}
		if err := tx.InsertReset(ctx, l, credential.HashToken(token.Reveal())); err != nil {
			return audit.Event{}, err
		}
		n := notice.OfLink(notice.PasswordReset, u.ID, l.ID, l.MailedAt,
			notice.Facts{Address: from.IP, Until: l.ExpiresAt})
		return l.created(who, now), tx.PlanNotice(ctx, n)
	})
}

// NewReset makes a link to set the user's password, for the operator to hand over, and returns its
// token once. Using the link proves the address, since the operator vouches for its recipient.
func (s *Service) NewReset(ctx context.Context, who principal.Principal,
	user ident.UserID,
) (ResetLink, credential.Secret, error) {
	if who.Kind() != principal.KindOperator {
		return ResetLink{}, credential.Secret{}, fault.Forbidden
	}
	l, token := s.newReset(User{ID: user}), s.Keyring.IssueToken(credential.ResetToken)
	err := s.Ledgers.Passwords.Write(ctx, who, func(ctx context.Context, tx PasswordTx) (audit.Event, error) {
		u, err := tx.LockUser(ctx, user)
		if err == nil && u.Disabled {
			err = fault.New(fault.Conflict, "This person is disabled. Enable them first.")
		}
		if err != nil {
			return audit.Event{}, err
		}
		return l.created(who, u), tx.InsertReset(ctx, l, credential.HashToken(token.Reveal()))
	})
	if err != nil {
		return ResetLink{}, credential.Secret{}, err
	}
	return l, token, nil
}

func (s *Service) newReset(u User) ResetLink {
	now := s.Now()
	return ResetLink{
		ID: ident.New[ident.LinkID](now, s.Rand), User: u.ID, CreatedAt: now,
		ExpiresAt: now.Add(ResetLifetime),
	}
}

// created records that the link was made.
func (l ResetLink) created(who principal.Principal, u User) audit.Event {
	by := "operator"
	if !l.MailedAt.IsZero() {
		by = "mail"
	}
	return audit.By(who, audit.ActionUserResetLink, target(u)).With("link", string(l.ID)).With("delivery", by)
}

// Reset sets the password of the user whose link it is. The link works once. It does not remove a
// second factor. Reset ends the user's
// sessions and other links, forgets failed sign-ins, records that the address is proven, and
// remembers the client.
func (s *Service) Reset(ctx context.Context, from principal.Origin, token string, password credential.Secret) error {
	if !s.Keyring.TokenTagged(credential.ResetToken, token) {
		return errReset // no read for a token that this server did not make
	}
	tokenHash := credential.HashToken(token)
	u, err := s.userOfReset(ctx, tokenHash)
	if err != nil {
		return resetFault(err)
	}
	if err := s.checkPassword(ctx, u.Person(), "password", password); err != nil {
		return err
	}
	hash, err := s.Passwords.Hash(ctx, admission.ForAddress(from.IP), password)
	if err != nil {
		return err
	}
	who := principal.OfSession(&principal.Session{User: u.Person()}).WithOrigin(from)
	err = s.Ledgers.Passwords.Write(ctx, who, func(ctx context.Context, tx PasswordTx) (audit.Event, error) {
		now, err := tx.LockUser(ctx, u.ID)
		if err == nil && now.Disabled {
			err = errReset
		}
		if err == nil {
			err = tx.UseReset(ctx, tokenHash, s.Now())
		}
		if err == nil {
			now, err = s.setPassword(ctx, tx, now, newPassword{"password", password, hash})
		}
		if err == nil {
			err = tx.ProveEmail(ctx, u.ID, now.PasswordSetAt)
		}
		if err == nil {
			err = s.rememberClient(ctx, tx, now, from)
		}
		return passwordEvent(who, now).With("by", "link"), err
	})
	return resetFault(err)
}

// CheckReset reports whether a link can still be used to set a password: nil, or fault.LinkInvalid.
// It changes nothing, and reads nothing for a token that this server did not make.
func (s *Service) CheckReset(ctx context.Context, token string) error {
	if !s.Keyring.TokenTagged(credential.ResetToken, token) {
		return errReset
	}
	_, err := s.userOfReset(ctx, credential.HashToken(token))
	return resetFault(err)
}

// userOfReset returns the user whose password a link can set now.
func (s *Service) userOfReset(ctx context.Context, tokenHash credential.TokenHash) (User, error) {
	l, err := s.Store.Reset(ctx, tokenHash, s.Now())
	if err != nil {
		return User{}, err
	}
	u, err := s.Store.User(ctx, l.User)
	if err == nil && u.Disabled {
		err = errReset
	}
	return u, err
}

// rememberClient remembers the client from which a person proved who they are, so that attempts
// from elsewhere cannot lock them out there.
func (s *Service) rememberClient(ctx context.Context, tx PasswordTx, u User, from principal.Origin) error {
	address, device := from.ClientNames()
	now := u.PasswordSetAt
	_, err := tx.RememberClients(ctx, u.ID, slices.Compact([]string{address, device}), now,
		now.Add(-policy.KnownClientPeriod))
	return err
}

// resetFault turns fault.NotFound of a link into fault.LinkInvalid.
func resetFault(err error) error {
	if errors.Is(err, fault.NotFound) {
		return errReset
	}
	return err
}
