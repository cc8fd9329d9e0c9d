// Package session begins, resumes, lists and ends sign-ins.
//
// A session is a row. Its token holds 256 random bits and a tag; only their SHA-256 is stored, so
// that nobody can sign in with a stolen database. The tag also says what the token is
// (credential.TokenKind): a session of the gateway is none at Claviger itself, and the other way
// round. A session ends after an idle time and an absolute
// time, and at once when it is ended or its user is disabled. A job removes the rows of ended
// sessions.
//
// Each account that the person belongs to sets these times for itself: a session that the policy of
// one account has ended goes on in the others, and is over once it has ended in all of them.
//
// A person who has given their password, and has yet to prove or to set up a second factor, has a
// [HalfSession] instead (halfsession.go). It is another type, table and cookie, so nothing that
// accepts a session accepts it.
//
// Everybody lists and ends their own sessions and no others. An account's owners and admins change
// how long sessions live there, by its policy (package account).
package session

import (
	"cmp"
	"context"
	"errors"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/claviger-dev/claviger/internal/admission"
	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/paging"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/secondfactor"
)

// Session is one sign-in.
type Session struct {
	ID        ident.SessionID
	User      principal.Person
	CreatedAt time.Time
	// SignedInAt is when the password was last given. Sensitive actions require that it is recent.
	SignedInAt time.Time
	// FactorAt is when the second factor was proven by an app; zero for never.
	FactorAt time.Time
	// HasFactor is set where the person has a second factor now.
	HasFactor  bool
	LastSeenAt time.Time
	// ExpiresAt is the latest end, whatever accounts the person belongs to by then. In each account
	// the session may end earlier.
	ExpiresAt time.Time
	IP        string
	Agent     string
	// Kind says what the token of the session is, and thereby where it is good.
	Kind credential.TokenKind
	// Tenant is the only tenant that the session is good for; "" for every tenant of the person.
	Tenant ident.TenantID
}

// SignIn is a person who has just proven who they are.
type SignIn struct {
	User principal.Person
	// PasswordSetAt identifies the password that they gave.
	PasswordSetAt time.Time
	// Kind is that of the session that begins; "" for credential.SessionToken.
	Kind credential.TokenKind
	// Tenant is the only tenant that the session will be good for; "" for every tenant.
	Tenant ident.TenantID
	// Code is that of the second factor; zero where the person sent none.
	Code credential.Secret
	// Instead is the session in whose place this one begins, after the person changed their
	// password in it; the zero value for none. It has proven the second factor.
	Instead principal.Principal
	// From is where the request comes from.
	From principal.Origin
}

// Factors checks second factors. It is package secondfactor's Service.
type Factors interface {
	// Prove checks the code of a person in the transaction that begins their session. It fails with
	// fault.SecondFactorRequired where a person with a factor sent no code, and with
	// fault.SignInFailed where the code is wrong.
	Prove(ctx context.Context, tx secondfactor.ProveTx, user ident.UserID, code credential.Secret,
		from principal.Origin) (secondfactor.Proof, error)
}

// Attempts slows down those who guess codes. It is package identity's Service.
type Attempts interface {
	// TryCode runs a check of a code, which counts as failed before it begins and no longer once it
	// succeeds. It fails with fault.SignInFailed, without the check, where it comes too soon.
	TryCode(ctx context.Context, user ident.UserID, from principal.Origin,
		check func(context.Context) error) error
}

// Store is what this package reads, and what it writes past the ledger.
type Store interface {
	// HalfSession returns the half-session of a token, or fault.NotFound.
	HalfSession(ctx context.Context, token credential.TokenHash, now time.Time) (HalfSession, error)
	// Session returns a session that has not ended and what its user may do now, or fault.NotFound.
	// What it returns leaves out disabled users, accounts, tenants and memberships.
	Session(ctx context.Context, token credential.TokenHash) (Session, principal.Session, error)
	// SessionBounds returns the limits that each of the person's accounts sets for sessions, and
	// whether this session has ended there. It must be called after the session was read.
	SessionBounds(ctx context.Context, user ident.UserID, id ident.SessionID) ([]policy.AccountSessions, error)
	// EndIn records, past the ledger like Touch, that a session has ended in an account, whatever
	// the account's policy will be.
	EndSessionIn(ctx context.Context, id ident.SessionID, account ident.AccountID) error
	// Touch records when the session was last seen, on behalf of the caller in the context. Like
	// the last use of a key, this is not an audited change.
	Touch(ctx context.Context, id ident.SessionID, at time.Time) error
	// Sessions lists the sessions of a user that are within the bounds, newest first.
	Sessions(ctx context.Context, user ident.UserID, live Bounds, page paging.Page) ([]Session, error)
}

// Bounds select the sessions that have not ended: those that expire, were seen and began after
// these times.
type Bounds struct {
	EndsAfter, SeenAfter, BegunAfter time.Time
}

// boundsOf returns the bounds at a time.
func boundsOf(s policy.Sessions, now time.Time) Bounds {
	return Bounds{EndsAfter: now, SeenAfter: now.Add(-s.Idle), BegunAfter: now.Add(-s.Absolute)}
}

// contains reports whether a session is within the bounds.
func (b Bounds) contains(s Session) bool {
	return s.ExpiresAt.After(b.EndsAfter) && s.LastSeenAt.After(b.SeenAfter) && s.CreatedAt.After(b.BegunAfter)
}

// Tx is what this package reads and changes in a transaction.
type Tx interface {
	secondfactor.Tx
	HalfTx
	// RememberClients records the clients from which a user signs in. It returns those that were
	// seen since the given time, and forgets older ones.
	RememberClients(ctx context.Context, user ident.UserID, clients []string,
		now, since time.Time) (known []string, err error)
	// PasswordSetAt returns when a user's password was set, and locks the user. It fails with
	// fault.NotFound for a disabled or deleted user.
	PasswordSetAt(ctx context.Context, user ident.UserID) (time.Time, error)
	// SessionBounds returns the limits that each of the person's accounts sets for sessions.
	SessionBounds(ctx context.Context, user ident.UserID) ([]policy.AccountSessions, error)
	InsertSession(ctx context.Context, s Session, token credential.TokenHash) error
	// EndOldestSessions ends all of a user's sessions of a kind except the newest ones, and returns
	// how many it ended. newest is how many stay.
	EndOldestSessions(ctx context.Context, user ident.UserID, kind credential.TokenKind, newest int) (int64, error)
	// DeleteSession fails with fault.NotFound where the session is not the user's.
	DeleteSession(ctx context.Context, user ident.UserID, id ident.SessionID) error
	// EndOtherSessions ends the sessions and half-sessions of the user, except one.
	EndOtherSessions(ctx context.Context, user ident.UserID, except ident.SessionID) error
	// HasShortPassword reports whether the user's password is too short to be the only factor.
	HasShortPassword(ctx context.Context, user ident.UserID) (bool, error)
	// DeleteDeadSessions removes all sessions outside the bounds, and returns how many.
	DeleteDeadSessions(ctx context.Context, live Bounds) (int64, error)
}

// MaxSessions is how many sessions of each kind a person may have. One more sign-in ends the oldest
// of the kind. It is never refused, since somebody who fills the list would otherwise lock the
// person out.
const MaxSessions = 100

// Service begins and ends sessions.
type Service struct {
	Ledger audit.Ledger[Tx]
	Store  Store
	Now    func() time.Time
	// Horizon is the time that work which cannot be undone goes by. It is never later than Now.
	Horizon func() time.Time
	Rand    io.Reader
	Keyring *credential.Keyring
	// Doubt returns why the clock cannot be trusted, or nil. While the clock is in doubt, no
	// session is resumed.
	Doubt func() error
	// Factors checks second factors, and Attempts slows down those who guess their codes.
	Factors  Factors
	Attempts Attempts

	resumes Resumes
	// dead holds tokens of no session, so that a client that keeps sending one causes no read. It
	// cannot end a live session: it holds only tokens that the database did not know, and a token
	// is random and issued after its session was committed, so that none becomes valid later.
	dead tokenCache[struct{}]
	// live holds the callers of tokens that were valid when last seen, so that a person counts as
	// one caller at the admission of reads, however many sessions they have. It grants nothing: the
	// session is read each time.
	live tokenCache[sighting]
}

// sighting is when a valid token was last seen, and who sent it.
type sighting struct {
	caller admission.Caller
	at     time.Time
}

// recentlyLive is how long after a valid token was seen the server waits for the body of a request
// with it.
const recentlyLive = 5 * time.Second

// Begin signs a person in and returns the token once. Nothing else makes a session, so no sign-in
// goes past the second factor. It fails with fault.SignInFailed where another password was set in
// the meantime, the user was disabled or deleted, or the code is wrong, and with
// fault.SecondFactorRequired where the person has a second factor and sent no code, or must set one
// up first.
func (s *Service) Begin(ctx context.Context, in SignIn) (begun Session, token credential.Secret, err error) {
	begin := func(ctx context.Context) (err error) {
		begun, token, err = s.begin(ctx, in)
		return err
	}
	if in.Code.IsZero() {
		err = begin(ctx)
	} else {
		err = s.Attempts.TryCode(ctx, in.User.ID, in.From, begin)
	}
	if err != nil {
		return Session{}, credential.Secret{}, err
	}
	return begun, token, nil
}

// errSetUpFactor is the answer to a person who must set up a second factor first.
var errSetUpFactor = fault.New(fault.SecondFactorRequired,
	"An account that you belong to requires a second factor. Sign in to the console with a browser to set one up.")

func (s *Service) begin(ctx context.Context, in SignIn) (Session, credential.Secret, error) {
	b := s.newSession(in)
	err := s.Ledger.Write(ctx, b.who, func(ctx context.Context, tx Tx) (audit.Event, error) {
		if err := checkPassword(ctx, tx, in); err != nil {
			return audit.Event{}, err
		}
		proof, err := s.prove(ctx, tx, in)
		if err != nil {
			return audit.Event{}, err
		}
		return b.insert(ctx, tx, proof, audit.ActionSessionBegin, target(b.session.ID))
	})
	if err == nil {
		s.live.add(b.hash, sighting{admission.ForPrincipal(b.who), b.session.CreatedAt})
	}
	return b.session, b.token, err
}

// prove checks the second factor of a sign-in. A session that begins in the place of another one
// has proven what that one had, unless the factor was set up after it began.
func (s *Service) prove(ctx context.Context, tx Tx, in SignIn) (secondfactor.Proof, error) {
	earlier, ok := in.Instead.Session()
	if !ok || earlier.User.ID != in.User.ID {
		return s.Factors.Prove(ctx, tx, in.User.ID, in.Code, in.From)
	}
	f, err := tx.SecondFactor(ctx, in.User.ID)
	switch {
	case errors.Is(err, fault.NotFound):
		return secondfactor.Proof{}, nil
	case err != nil:
		return secondfactor.Proof{}, err
	case f.SetAt.After(earlier.SignedInAt):
		return secondfactor.Proof{}, secondfactor.ErrRequired
	}
	return secondfactor.Proof{Method: secondfactor.BySession, At: earlier.FactorAt}, nil
}

// checkPassword locks a person, and checks that the password that they gave is still theirs.
func checkPassword(ctx context.Context, tx Tx, in SignIn) error {
	setAt, err := tx.PasswordSetAt(ctx, in.User.ID)
	if errors.Is(err, fault.NotFound) || err == nil && !setAt.Equal(in.PasswordSetAt) {
		err = fault.SignInFailed
	}
	return err
}

// pendingSession is a session that is about to begin.
type pendingSession struct {
	session Session
	token   credential.Secret
	hash    credential.TokenHash
	who     principal.Principal
}

// newSession returns a session of the person, with a new id and token.
func (s *Service) newSession(in SignIn) *pendingSession {
	kind := cmp.Or(in.Kind, credential.SessionToken)
	now := s.Now()
	b := &pendingSession{token: s.Keyring.IssueToken(kind)}
	b.hash = credential.HashToken(b.token.Reveal())
	b.session = Session{
		ID: ident.New[ident.SessionID](now, s.Rand), User: in.User,
		CreatedAt: now, SignedInAt: now, LastSeenAt: now, IP: in.From.IP, Agent: in.From.Device(),
		Kind: kind, Tenant: in.Tenant,
	}
	b.who = principal.OfSession(&principal.Session{ID: b.session.ID, User: in.User}).WithOrigin(in.From)
	return b
}

// insert inserts the session of a person who is locked and has proven who they are, and returns the
// event. It fails with fault.SecondFactorRequired where they have no second factor and need one.
func (b *pendingSession) insert(ctx context.Context, tx Tx, proof secondfactor.Proof, action audit.Action,
	on audit.Target,
) (audit.Event, error) {
	accounts, err := tx.SessionBounds(ctx, b.session.User.ID)
	if err == nil && proof.Method == secondfactor.ByNone && policy.RequiresFactor(accounts...) {
		err = errSetUpFactor
	}
	if err != nil {
		return audit.Event{}, err
	}
	begun := b.session.CreatedAt
	b.session.ExpiresAt = begun.Add(max(policy.LongestSession(accounts...).Absolute, policy.DefaultSessions.Absolute))
	b.session.FactorAt = proof.At
	if err := b.session.notifyNewClient(ctx, tx); err != nil {
		return audit.Event{}, err
	}
	ended, err := tx.EndOldestSessions(ctx, b.session.User.ID, b.session.Kind, MaxSessions-1)
	if err != nil {
		return audit.Event{}, err
	}
	e := proof.On(audit.By(b.who, action, on))
	if ended > 0 {
		e = e.With("sessions_ended", strconv.FormatInt(ended, 10))
	}
	return e, tx.InsertSession(ctx, b.session, b.hash)
}

// WasLive reports whether the token was valid a few seconds ago. It reads nothing.
func (s *Service) WasLive(kind credential.TokenKind, token string) bool {
	if !s.Keyring.TokenTagged(kind, token) {
		return false
	}
	hash := credential.HashToken(token)
	if _, dead := s.dead.get(hash); dead {
		return false
	}
	seen, known := s.live.get(hash)
	ago := s.Now().Sub(seen.at)
	return known && ago >= 0 && ago < recentlyLive
}

// Resume returns the principal of a token of a kind. It fails with fault.NotFound for a token that
// was not issued under this root secret for that kind, which is no credential at all, and with
// fault.SessionEnded for one whose session has ended. Until it knows whose token it is, it reads on
// behalf of the caller in the context.
func (s *Service) Resume(ctx context.Context, kind credential.TokenKind, token string) (principal.Principal, error) {
	who, found, ended, err := s.find(ctx, kind, token)
	s.resumes.count(err)
	if now := s.Now(); err == nil && now.Sub(found.LastSeenAt) > time.Minute {
		own, _ := who.Session()
		s.touch(admission.WithCaller(ctx, admission.ForPrincipal(who)), own.ID, ended, now)
	}
	return who, err
}

// Check is Resume without a use of the session: it does not keep the session from being idle.
func (s *Service) Check(ctx context.Context, kind credential.TokenKind, token string) (principal.Principal, error) {
	who, _, _, err := s.find(ctx, kind, token)
	return who, err
}

// find returns the principal of a token, with its session, and the accounts in which that has
// ended.
func (s *Service) find(ctx context.Context, kind credential.TokenKind, token string) (
	who principal.Principal, found Session, ended []policy.AccountSessions, err error,
) {
	if !s.Keyring.TokenTagged(kind, token) {
		return who, found, nil, fault.NotFound // no read for a token that this server did not issue
	}
	if err := s.Doubt(); err != nil {
		return who, found, nil, err
	}
	hash := credential.HashToken(token)
	if _, dead := s.dead.get(hash); dead {
		return who, found, nil, fault.SessionEnded
	}
	if seen, known := s.live.get(hash); known {
		ctx = admission.WithCaller(ctx, seen.caller)
	}
	found, rights, err := s.Store.Session(ctx, hash)
	if errors.Is(err, fault.NotFound) {
		s.dead.add(hash, struct{}{})
		err = fault.SessionEnded
	}
	if err != nil {
		return who, found, nil, err
	}
	if found.Tenant != "" {
		rights.Memberships = slices.DeleteFunc(rights.Memberships, func(m principal.Membership) bool {
			return m.Tenant != found.Tenant
		})
	}
	ended, err = s.endIn(ctx, found, &rights)
	if err != nil {
		return who, found, nil, err
	}
	who = principal.OfSession(&rights)
	s.live.add(hash, sighting{admission.ForPrincipal(who), s.Now()})
	return who, found, ended, nil
}

// endIn takes the rights away in the accounts in which the session has ended, and returns those. It
// fails with fault.SessionEnded if the session has ended everywhere, and with
// fault.SecondFactorRequired if an account in which it has not ended requires a second factor that
// the person does not have.
func (s *Service) endIn(ctx context.Context, found Session, rights *principal.Session) (
	ended []policy.AccountSessions, err error,
) {
	ctx = admission.WithCaller(ctx, admission.ForPrincipal(principal.OfSession(rights)))
	accounts, err := s.Store.SessionBounds(ctx, found.User.ID, found.ID)
	if err != nil {
		return nil, err
	}
	now := s.Now()
	ended, live := found.splitEnded(accounts, now)
	if !boundsOf(policy.LongestSession(live...), now).contains(found) || len(live) == 0 && len(ended) > 0 {
		return nil, fault.SessionEnded
	}
	if !found.HasFactor && policy.RequiresFactor(live...) {
		return nil, errSetUpFactor
	}
	for _, a := range ended {
		rights.EndIn(a.Account)
	}
	rights.ExpiresAt = found.endsAt(policy.LongestSession(live...))
	return ended, nil
}

// splitEnded separates the accounts in which the session has ended from those in which it is live.
func (s Session) splitEnded(accounts []policy.AccountSessions, now time.Time) (ended, live []policy.AccountSessions) {
	for _, a := range accounts {
		if a.HasEnded(s.CreatedAt, s.LastSeenAt, now) {
			ended = append(ended, a)
		} else {
			live = append(live, a)
		}
	}
	return ended, live
}

// endsAt returns the latest end of the session under these limits.
func (s Session) endsAt(bounds policy.Sessions) time.Time {
	if end := s.CreatedAt.Add(bounds.Absolute); end.Before(s.ExpiresAt) {
		return end
	}
	return s.ExpiresAt
}

// touch records that the session was seen. It first records in which accounts the session has
// ended: once it was seen, nothing shows any more that it was idle. It gives up after a second:
// where nothing can be written, people can still read and sign out, and the session ends a little
// early.
func (s *Service) touch(ctx context.Context, id ident.SessionID, ended []policy.AccountSessions, now time.Time) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	for _, a := range ended {
		if a.Ended {
			continue
		}
		if err := s.Store.EndSessionIn(ctx, id, a.Account); err != nil {
			return
		}
	}
	_ = s.Store.Touch(ctx, id, now)
}

// List returns the caller's own sessions that have not ended, newest first.
func (s *Service) List(ctx context.Context, who principal.Principal, page paging.Page) ([]Session, error) {
	own, ok := who.Session()
	if !ok {
		return nil, fault.SessionRequired
	}
	accounts, err := s.Store.SessionBounds(ctx, own.User.ID, own.ID)
	if err != nil {
		return nil, err
	}
	loosest := policy.LongestSession(accounts...)
	list, err := s.Store.Sessions(ctx, own.User.ID, boundsOf(loosest, s.Now()), page)
	for i := range list {
		list[i].ExpiresAt = list[i].endsAt(loosest)
	}
	return list, err
}

// End ends one of the caller's own sessions. It fails with fault.NotFound for any other.
func (s *Service) End(ctx context.Context, who principal.Principal, id ident.SessionID) error {
	own, ok := who.Session()
	if !ok {
		return fault.SessionRequired
	}
	return s.Ledger.Write(ctx, who, func(ctx context.Context, tx Tx) (audit.Event, error) {
		return audit.By(who, audit.ActionSessionEnd, target(id)), tx.DeleteSession(ctx, own.User.ID, id)
	})
}

// Sweep removes the sessions that have ended by the longest limits that any policy can set.
func (s *Service) Sweep(ctx context.Context) error {
	return s.Ledger.Write(ctx, principal.System(), func(ctx context.Context, tx Tx) (audit.Event, error) {
		n, err := tx.DeleteDeadSessions(ctx, boundsOf(policy.MaxSessions, s.Horizon()))
		if err != nil {
			return audit.Event{}, err
		}
		half, err := tx.DeleteExpiredHalfSessions(ctx, s.Horizon())
		n += half
		if err == nil && n == 0 {
			err = audit.ErrNothing
		}
		return audit.By(principal.System(), audit.ActionSessionSweep, target("")).With("sessions",
			strconv.FormatInt(n, 10)), err
	})
}

func target(id ident.SessionID) audit.Target { return audit.Target{Type: "session", ID: string(id)} }
