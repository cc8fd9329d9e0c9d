package identity

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/notice"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
)

// EmailLink confirms another e-mail address of a person. A change of the address has one link that
// is mailed to the new address and, where the address of before is proven, one that is mailed
// there. It happens once all of them were used.
type EmailLink struct {
	ID   ident.LinkID
	User ident.UserID
	// Email is the new address, of the link that is mailed there; "" for the other link.
	Email                string
	Used                 bool
	CreatedAt, ExpiresAt time.Time
}

const (
	// EmailChangeLifetime is how long the links of a change can be used.
	EmailChangeLifetime = time.Hour
	// MaxEmailChangesADay is how many changes a person may request within 24 hours. Each mails a
	// link to an address that the person chooses.
	MaxEmailChangesADay = 5
	// MaxEmailChangesTo is how many of these links are mailed to one address within 24 hours
	// for all people together.
	MaxEmailChangesTo = 10
)

var (
	errEmailLink = fault.New(fault.LinkInvalid,
		"This link cannot be used: it was used before, has expired, was replaced, or is not complete. Ask for the "+
			"change again.")
	errNoMail = fault.New(fault.Conflict,
		"This server sends no mail, so it cannot find out whether the new address is yours. Ask its operator to "+
			"change your address (`claviger user email`).")
	errEmailTaken = fault.New(fault.Conflict,
		"Another person here has this e-mail address. Nothing was changed. Sign in as that person, or use another "+
			"address.")
)

// EmailChange is a change of an address that waits for its confirmations.
type EmailChange struct {
	// Email is the new address.
	Email string
	// ConfirmOld is set where the address of before must confirm the change, too.
	ConfirmOld bool
	ExpiresAt  time.Time
}

// EmailReader reads the links of a change of address.
type EmailReader interface {
	// EmailLinks lists the links of the user's change that have not expired, used or not.
	EmailLinks(ctx context.Context, user ident.UserID, now time.Time) ([]EmailLink, error)
}

// EmailTx changes e-mail addresses.
type EmailTx interface {
	LockTx
	EndTx
	notice.Writer
	EmailReader
	// RequireUpgrade fails with fault.Conflict until the upgrade of the database is finished: nodes
	// of the version before know neither the links nor the effect.
	RequireUpgrade(ctx context.Context) error
	// NthEmailChange returns when the nth newest change of the user was requested; zero where there
	// are fewer.
	NthEmailChange(ctx context.Context, user ident.UserID, n int) (time.Time, error)
	// LockLinks makes other calls of it wait until this transaction ends. It must be the last lock
	// of the transaction.
	LockLinks(ctx context.Context) error
	// NthEmailChangeTo returns when the nth newest change to the address was requested, by anybody,
	// in whatever spelling; zero where there are fewer.
	NthEmailChangeTo(ctx context.Context, email string, n int) (time.Time, error)
	InsertEmailLink(ctx context.Context, l EmailLink, token credential.TokenHash) error
	// UseEmailLink uses a link up. It fails with fault.NotFound where that was done before or the
	// link has expired.
	UseEmailLink(ctx context.Context, token credential.TokenHash, now time.Time) error
	// VoidEmailChange voids the links of the user's change, used or not.
	VoidEmailChange(ctx context.Context, user ident.UserID, now time.Time) error
	// SetEmail replaces the address of a user by one that is proven to be theirs. It fails with
	// fault.Conflict where somebody else has it.
	SetEmail(ctx context.Context, user ident.UserID, email, canonical string, at time.Time) error
}

// RequestEmailChange mails the links that confirm another address of the caller. It takes the place
// of a change that was requested before. It does the same whether somebody else has the address or
// not. It needs a sign-in younger than five minutes, and a mail server.
func (s *Service) RequestEmailChange(ctx context.Context, who principal.Principal,
	email string,
) (c EmailChange, err error) {
	me, err := s.recentlySignedIn(who)
	if err == nil && !s.Mails {
		err = errNoMail
	}
	if err == nil {
		err = fault.Refuse(EmailFaults(email)...)
	}
	if err != nil {
		return EmailChange{}, err
	}
	now := s.Now()
	c = EmailChange{Email: NormalEmail(email), ExpiresAt: now.Add(EmailChangeLifetime)}
	forNew, forOld := s.newEmailLink(me.User.ID, now), s.newEmailLink(me.User.ID, now)
	forNew.Email = c.Email
	err = s.Ledgers.Emails.Write(ctx, who, func(ctx context.Context, tx EmailTx) (audit.Event, error) {
		u, err := s.lockForEmailChange(ctx, tx, me.User.ID, c.Email, now)
		if err != nil {
			return audit.Event{}, err
		}
		if err := tx.VoidEmailChange(ctx, u.ID, now); err != nil {
			return audit.Event{}, err
		}
		facts := notice.Facts{Address: who.Origin().IP, Until: c.ExpiresAt, Email: c.Email}
		c.ConfirmOld = u.EmailProven
		if c.ConfirmOld {
			err = s.mailEmailLink(ctx, tx, forOld, notice.EmailChangeOld, facts)
		}
		if err == nil {
			err = checkEmailChangesTo(ctx, tx, c.Email, now)
		}
		if err != nil {
			return audit.Event{}, err
		}
		err = s.mailEmailLink(ctx, tx, forNew, notice.EmailChangeNew, facts)
		return audit.By(who, audit.ActionUserEmailRequest, target(u)).With("link", string(forNew.ID)), err
	})
	return c, err
}

func (s *Service) newEmailLink(user ident.UserID, now time.Time) EmailLink {
	return EmailLink{
		ID: ident.New[ident.LinkID](now, s.Rand), User: user, CreatedAt: now, ExpiresAt: now.Add(EmailChangeLifetime),
	}
}

// lockForEmailChange locks a user who may request a change to the address.
func (s *Service) lockForEmailChange(ctx context.Context, tx EmailTx, user ident.UserID, email string,
	now time.Time,
) (User, error) {
	if err := tx.RequireUpgrade(ctx); err != nil {
		return User{}, err
	}
	u, err := tx.LockUser(ctx, user)
	if err == nil && u.Email == email {
		err = fault.Refuse(fault.Field{Name: "email", Code: "same", Message: "This is your address now."})
	}
	if err != nil {
		return User{}, err
	}
	at, err := tx.NthEmailChange(ctx, u.ID, MaxEmailChangesADay)
	if wait := at.Add(policy.Day).Sub(now); err == nil && !at.IsZero() && wait > 0 {
		err = fault.Retry(fault.RateLimited, wait, "You may request "+strconv.Itoa(MaxEmailChangesADay)+
			" changes of your address within 24 hours. Wait as long as Retry-After says.")
	}
	return u, err
}

// checkEmailChangesTo refuses another link to an address to which too many were mailed within 24
// hours, so that many people together cannot flood the mailbox of somebody else.
func checkEmailChangesTo(ctx context.Context, tx EmailTx, email string, now time.Time) error {
	if err := tx.LockLinks(ctx); err != nil {
		return err
	}
	at, err := tx.NthEmailChangeTo(ctx, email, MaxEmailChangesTo)
	if wait := at.Add(policy.Day).Sub(now); err == nil && !at.IsZero() && wait > 0 {
		err = fault.Retry(fault.RateLimited, wait, "Within 24 hours, this server mails "+
			strconv.Itoa(MaxEmailChangesTo)+" of these links to one address. Wait as long as Retry-After says, or ask "+
			"the operator to change your address (`claviger user email`).")
	}
	return err
}

// mailEmailLink writes a link and plans its message.
func (s *Service) mailEmailLink(ctx context.Context, tx EmailTx, l EmailLink, kind notice.Kind,
	facts notice.Facts,
) error {
	token := s.Keyring.DeriveLinkToken(credential.EmailChangeToken, l.ID, l.CreatedAt)
	if err := tx.InsertEmailLink(ctx, l, credential.HashToken(token.Reveal())); err != nil {
		return err
	}
	n := notice.OfLink(kind, l.User, l.ID, l.CreatedAt, facts)
	n.To = l.Email
	return tx.PlanNotice(ctx, n)
}

// EmailConfirmation is what a link of a change confirms.
type EmailConfirmation struct {
	// Email is the new address.
	Email string
	// AtOld is set for the link that was mailed to the address of before.
	AtOld bool
}

// CheckEmailLink returns what a link confirms, or fault.LinkInvalid where it cannot be used. It
// changes nothing, and reads nothing for a token that this server did not make.
func (s *Service) CheckEmailLink(ctx context.Context, token string) (EmailConfirmation, error) {
	if !s.Keyring.TokenTagged(credential.EmailChangeToken, token) {
		return EmailConfirmation{}, errEmailLink
	}
	l, state, err := s.emailLink(ctx, credential.HashToken(token))
	return EmailConfirmation{Email: state.email(), AtOld: l.Email == ""}, err
}

// emailLink returns a link that can be used now, and the change that it belongs to.
func (s *Service) emailLink(ctx context.Context, hash credential.TokenHash) (EmailLink, emailState, error) {
	l, err := s.Store.EmailLink(ctx, hash, s.Now())
	if err != nil {
		return l, nil, emailLinkFault(err)
	}
	u, err := s.Store.User(ctx, l.User)
	if err == nil && u.Disabled {
		err = errEmailLink
	}
	if err != nil {
		return l, nil, emailLinkFault(err)
	}
	links, err := s.Store.EmailLinks(ctx, l.User, s.Now())
	if err == nil && !emailState(links).usable(u) {
		err = errEmailLink
	}
	return l, links, err
}

// emailState are the links of a change.
type emailState []EmailLink

// at returns the link to the new address, or that to the address of before.
func (s emailState) at(old bool) (EmailLink, bool) {
	i := slices.IndexFunc(s, func(l EmailLink) bool { return (l.Email == "") == old })
	if i < 0 {
		return EmailLink{}, false
	}
	return s[i], true
}

func (s emailState) email() string {
	l, _ := s.at(false)
	return l.Email
}

// usable reports whether the change can still happen. A proven address must confirm it: one that
// was proven only after the request was not asked.
func (s emailState) usable(u User) bool {
	_, asked := s.at(true)
	_, hasNew := s.at(false)
	return hasNew && (asked || !u.EmailProven)
}

// complete reports whether all links but one were used.
func (s emailState) complete(u User, but ident.LinkID) bool {
	for _, l := range s {
		needed := l.Email != "" || u.EmailProven
		if needed && !l.Used && l.ID != but {
			return false
		}
	}
	return s.usable(u)
}

// ConfirmEmail uses a link of a change up. changed reports whether it was the last one that the
// change waited for. Then the address is replaced, all sessions of the person and their other links
// end, and the address of before is told. It fails with fault.Conflict, and the link stays usable,
// where somebody else has the new address.
func (s *Service) ConfirmEmail(ctx context.Context, from principal.Origin, token string) (changed bool, err error) {
	if !s.Keyring.TokenTagged(credential.EmailChangeToken, token) {
		return false, errEmailLink // no read for a token that this server did not make
	}
	hash := credential.HashToken(token)
	l, state, err := s.emailLink(ctx, hash)
	if err != nil {
		return false, err
	}
	u, err := s.Store.User(ctx, l.User)
	if err == nil && state.complete(u, l.ID) {
		err = s.requireFree(ctx, state.email(), l.User)
	}
	if err != nil {
		return false, emailLinkFault(err)
	}
	who := principal.OfSession(&principal.Session{User: u.Person()}).WithOrigin(from)
	err = s.Ledgers.Emails.Write(ctx, who, func(ctx context.Context, tx EmailTx) (audit.Event, error) {
		var e audit.Event
		e, changed, err = s.confirmEmail(ctx, tx, who, l, hash)
		return e, err
	})
	return changed, emailLinkFault(err)
}

// confirmEmail is ConfirmEmail in its transaction.
func (s *Service) confirmEmail(ctx context.Context, tx EmailTx, who principal.Principal, l EmailLink,
	hash credential.TokenHash,
) (e audit.Event, changed bool, err error) {
	u, err := tx.LockUser(ctx, l.User)
	if err == nil && u.Disabled {
		err = errEmailLink
	}
	if err == nil {
		err = tx.UseEmailLink(ctx, hash, s.Now())
	}
	if err != nil {
		return e, false, err
	}
	links, err := tx.EmailLinks(ctx, u.ID, s.Now())
	if err == nil && !emailState(links).usable(u) {
		err = errEmailLink
	}
	if err != nil {
		return e, false, err
	}
	if !emailState(links).complete(u, "") {
		at := "new"
		if l.Email == "" {
			at = "old"
		}
		return audit.By(who, audit.ActionUserEmailConfirm, target(u)).With("address", at), false, nil
	}
	e, err = s.setEmail(ctx, tx, who, u, emailState(links).email())
	return e.With("by", "links"), true, err
}

// setEmail replaces the address of a locked user.
func (s *Service) setEmail(ctx context.Context, tx EmailTx, who principal.Principal, u User,
	email string,
) (e audit.Event, err error) {
	if err := tx.RequireUpgrade(ctx); err != nil {
		return e, err
	}
	now := s.Now()
	if err := tx.SetEmail(ctx, u.ID, email, CanonicalEmail(email), now); err != nil {
		return e, err
	}
	if err := tx.VoidLinks(ctx, u.ID, now); err != nil {
		return e, err
	}
	if err := tx.EndSessions(ctx, u.ID); err != nil {
		return e, err
	}
	if u.EmailProven && u.Email != "" {
		n := notice.New(notice.EmailChanged, "", now, notice.Facts{Address: who.Origin().IP}, string(u.ID),
			strconv.FormatInt(now.UnixMicro(), 10))
		n.To = u.Email
		if err := tx.PlanNotice(ctx, n); err != nil {
			return e, err
		}
	}
	e = audit.By(who, audit.ActionUserEmail, target(u))
	e = e.WithEffects(audit.Effect{Kind: audit.EffectEmailSet, User: u.ID})
	return e.InvalidatesOwners(ident.PartyID(u.ID)), nil
}

// requireFree fails with fault.Conflict where somebody else has the address, proven or not. The
// people who confirm an address by a link do not know whom it would delete, unlike those who accept
// an invitation to it with a password.
func (s *Service) requireFree(ctx context.Context, email string, but ident.UserID) error {
	holder, _, err := s.Store.UserByEmail(ctx, CanonicalEmail(email))
	if errors.Is(err, fault.NotFound) || err == nil && holder.ID == but {
		return nil
	}
	if err == nil {
		err = errEmailTaken
	}
	return err
}

// SetEmail replaces the address of a user. Only the operator may, who vouches for the address. It
// ends the sessions of the user.
func (s *Service) SetEmail(ctx context.Context, who principal.Principal, user ident.UserID,
	email string,
) (u User, err error) {
	if who.Kind() != principal.KindOperator {
		return User{}, fault.Forbidden
	}
	if err := fault.Refuse(EmailFaults(email)...); err != nil {
		return User{}, err
	}
	email = NormalEmail(email)
	err = s.Ledgers.Emails.Write(ctx, who, func(ctx context.Context, tx EmailTx) (audit.Event, error) {
		u, err = tx.LockUser(ctx, user)
		if err == nil && u.Email == email && u.EmailProven {
			err = audit.ErrNothing
		}
		if err != nil {
			return audit.Event{}, err
		}
		e, err := s.setEmail(ctx, tx, who, u, email)
		u.Email, u.Canonical = email, CanonicalEmail(email)
		u.EmailProven = true
		return e.With("by", "operator"), err
	})
	return u, err
}

// emailLinkFault turns fault.NotFound of a link into fault.LinkInvalid.
func emailLinkFault(err error) error {
	if errors.Is(err, fault.NotFound) {
		return errEmailLink
	}
	return err
}
