// Package notice tells people what happens to their keys and sign-ins, each thing once.
//
// A [Notice] is planned into the outbox, which is a table, and sent from there. There are two
// sources of notices. What somebody does commits its notice in the same transaction (a key was
// created for you, refreshed, revealed, disabled or revoked; a new sign-in; a one-time link), so
// that none is lost and none reports what was rolled back. What comes with time is found by a pass
// over the keys ([Service.Plan]): 30, 7 and 1 days before the effective expiry, at the expiry, and
// 7 days before a key is disabled because it is idle, which waits for the notice. The same pass
// finds failed sign-ins. The outbox accepts each text of [Notice.Dedupe] once.
//
//	waiting ──lease──▶ claimed ──commit──▶ sending ──250──▶ sent
//	   ▲                  │ lease expired      │
//	   ├──────────────────┤ or failed: later   ├─ 4xx ─▶ waiting, later
//	   │                                       ├─ 5xx ─▶ dead
//	   │                                       └─ no answer, or the lease expired ─▶ in_doubt
//	   └── retried by the operator: dead, in_doubt, skipped
//
// The message is handed over only after the state "sending" is committed, by the node that still
// holds the lease. A notice found in that state later is not sent again automatically, since it may
// have arrived. So a notice arrives at most once, however many nodes send and however often they
// are killed. A notice of which it is not known whether it arrived is in doubt, and the operator
// sees it.
//
// Who may do what: everybody chooses which kinds they want, but for those of [Kind.Fixed]; the
// operator lists notices and sends them again (operator.go). Owners and admins of an account do the
// same with the notices of the account (package account).
package notice

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
)

// Kind is what a notice is about.
type Kind string

// The kinds.
const (
	KeyExpiring  Kind = "key_expiring"
	KeyExpired   Kind = "key_expired"
	KeyIdle      Kind = "key_idle"
	KeyCreated   Kind = "key_created" // by somebody else
	KeyRefreshed Kind = "key_refreshed"
	KeyRevealed  Kind = "key_revealed"
	KeyDisabled  Kind = "key_disabled" // by somebody else, or for idleness
	KeyRevoked   Kind = "key_revoked"
	NewSignIn    Kind = "new_sign_in"
)

// The kinds that nobody can turn off and that are not among Kinds. Somebody who uses another
// person's session must not be able to hide failed sign-ins from that person. Only a mail server
// delivers one-time links.
const (
	FailedSignIns Kind = "failed_sign_ins"
	// RecoveryCodeUsed says that somebody signed in with a recovery code.
	RecoveryCodeUsed Kind = "recovery_code_used"
	PasswordReset    Kind = "password_reset"
	Invitation       Kind = "invitation"
	// EmailChangeNew and EmailChangeOld bring the links that confirm another e-mail address, to the
	// new one and to that of before. EmailChanged tells the address of before that it was replaced.
	EmailChangeNew Kind = "email_change_new"
	EmailChangeOld Kind = "email_change_old"
	EmailChanged   Kind = "email_changed"
	KeyClaim       Kind = "key_claim"
	// Test is a message that an owner or admin of an account sends to their own address.
	Test Kind = "test"
)

// Kinds lists the kinds among which people choose.
func Kinds() []Kind {
	return []Kind{
		KeyExpiring, KeyExpired, KeyIdle, KeyCreated, KeyRefreshed, KeyRevealed, KeyDisabled, KeyRevoked,
		NewSignIn,
	}
}

// Fixed reports whether everybody gets notices of the kind: keys do not expire unannounced, and
// somebody who uses another person's session to reveal a secret cannot hide it.
func (k Kind) Fixed() bool {
	return slices.Contains([]Kind{KeyExpiring, KeyExpired, KeyIdle, KeyRevealed}, k) || !slices.Contains(Kinds(), k)
}

// State is the state of a notice in the outbox.
type State string

// The states.
const (
	Waiting State = "waiting"
	Leased  State = "claimed"
	Sending State = "sending"
	Sent    State = "sent"
	// Skipped: not sent, since there was nobody to send it to, it was not wanted, or it was no
	// longer true.
	Skipped State = "skipped"
	// Dead: could not be delivered.
	Dead State = "dead"
	// InDoubt: handed over, and it is not known whether it was accepted.
	InDoubt State = "in_doubt"
)

var states = [...]State{Waiting, Leased, Sending, Sent, Skipped, Dead, InDoubt}

// final reports whether a notice in this state stays there unless the operator retries it.
func (s State) final() bool { return slices.Contains([]State{Sent, Skipped, Dead, InDoubt}, s) }

// Notice is one message to one person, or to the stewards of a service account. The latter becomes
// a notice for each of them when it is due (stewards.go).
type Notice struct {
	ID   ident.NoticeID
	Kind Kind
	// User gets the notice, at the address on file when it is sent; "" for stewards.
	User ident.UserID
	// Key is the key that it is about; "" for none.
	Key ident.KeyID
	// Link is the link that the message contains; "" for none. Nobody else sees it.
	Link ident.LinkID
	// To is the address that a tenant's link goes to, the one that a person asked for, or that of
	// before of a person who has another one now; "" for every other notice.
	To string
	// Account is the account that it is about. The outbox sets it to that of Facts.Tenant where it
	// is "". It stays "" for a notice about a person's own sign-ins and password.
	Account ident.AccountID
	// Dedupe is the same for all notices of the same thing, of which the outbox keeps one.
	Dedupe string
	Facts  Facts
	// At is when it was planned.
	At time.Time
}

// Facts are what a notice says, as of the time it was planned. The database stores the JSON form.
// They never contain a secret.
type Facts struct {
	Tenant ident.TenantID `json:"tenant,omitempty"`
	// AccountName is the name of the account that sent a test message.
	AccountName string `json:"account_name,omitempty"`
	// ServiceAccount owns the key. ServiceAccountName is its name.
	ServiceAccount     ident.ServiceAccountID `json:"service_account,omitempty"`
	ServiceAccountName string                 `json:"service_account_name,omitempty"`
	KeyName            string                 `json:"key_name,omitempty"`
	PublicID           string                 `json:"public_id,omitempty"`
	Last4              string                 `json:"last4,omitempty"`
	// Days is how many days before the expiry it is: one of the thresholds.
	Days int `json:"days,omitempty"`
	// Expiry is that of the key; zero where it has none.
	Expiry policy.Expiry `json:"expiry,omitzero"`
	// IdleAt is when the key will be disabled because it is idle. LastUsedAt is when it was last
	// used; zero for never.
	IdleAt     time.Time `json:"idle_at,omitzero"`
	LastUsedAt time.Time `json:"last_used_at,omitzero"`
	// IdleDays is the number of days without use after which the tenant disables a key. It is set
	// where the key was disabled for that reason.
	IdleDays int `json:"idle_days,omitempty"`
	// By names who did it (see Named and Self); "" for Claviger itself.
	By string `json:"by,omitempty"`
	// Why is the reason for a revocation, in the words of the person who revoked the key.
	Why string `json:"why,omitempty"`
	// Keys is how many keys were revoked at once. No single key is named then.
	Keys int64 `json:"keys,omitempty"`
	// Deleted is set where the key was deleted, and left no tombstone.
	Deleted bool `json:"deleted,omitempty"`
	// ByLink is set where the owner has yet to fetch the secret of a new key.
	ByLink bool `json:"by_link,omitempty"`
	// Address is the IP address that it was done from.
	Address string `json:"address,omitempty"`
	// Agent is the user agent of a sign-in.
	Agent string `json:"agent,omitempty"`
	// Attempts is how many sign-ins failed.
	Attempts int `json:"attempts,omitempty"`
	// CodesLeft is how many recovery codes are left after one was used.
	CodesLeft int `json:"codes_left,omitempty"`
	// Role is that of an invitation.
	Role scope.Role `json:"role,omitempty"`
	// Email is the address that a person asked for.
	Email string `json:"email,omitempty"`
	// Until is when the link expires.
	Until time.Time `json:"until,omitzero"`
}

// Self stands for the recipient in Facts.By.
const Self = "you"

// Named returns name and address of somebody else for Facts.By. One of them may be "".
func Named(name, email string) string {
	switch {
	case name == "":
		return email
	case email == "":
		return name
	}
	return name + " (" + email + ")"
}

// New returns a notice of one thing. The kind and the parts identify that thing, and the id follows
// from them, so that a transaction that runs twice plans the same notice.
func New(kind Kind, to ident.UserID, at time.Time, facts Facts, parts ...string) Notice {
	dedupe := strings.Join(append([]string{string(kind)}, parts...), "/")
	hash := sha256.Sum256([]byte(dedupe))
	return Notice{
		ID: ident.New[ident.NoticeID](at, strings.NewReader(string(hash[:]))), Kind: kind, User: to, Dedupe: dedupe,
		Facts: facts, At: at,
	}
}

// OfLink returns a notice that brings a user a link. at is when the link is handed to the outbox.
func OfLink(kind Kind, to ident.UserID, link ident.LinkID, at time.Time, facts Facts) Notice {
	n := New(kind, to, at, facts, string(link), strconv.FormatInt(at.UnixMicro(), 10))
	n.Link = link
	return n
}

// OfTenant returns a notice that brings a link of a tenant to an address. to is "" where it is not
// known whether a user has the address.
func OfTenant(kind Kind, to ident.UserID, email string, link ident.LinkID, at time.Time, facts Facts) Notice {
	n := OfLink(kind, to, link, at, facts)
	n.To = email
	return n
}

// OfKey returns a notice about a key. With the kind and the key, more identifies the thing.
func OfKey(kind Kind, to ident.UserID, key ident.KeyID, at time.Time, facts Facts, more ...any) Notice {
	parts := []string{string(key)}
	for _, part := range more {
		parts = append(parts, fmt.Sprint(part))
	}
	n := New(kind, to, at, facts, parts...)
	n.Key = key
	return n
}
