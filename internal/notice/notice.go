// Package notice tells people what becomes of their keys and sign-ins, each thing once.
//
// A [Notice] is planned into the outbox, a table, and sent from there. What somebody does is told by a notice that commits with the change itself
// (key made for you, refreshed, shown again, disabled, revoked, new sign-in), so that none is lost and none tells of what was rolled back. What time does is found by a pass over
// the keys ([Service.Plan]): the notices 30, 7 and 1 days before the effective expiry, the one of the expiry itself, and the one 7 days before a key is disabled for
// idleness, which waits for it. The outbox takes
// each text of [Notice.Dedupe] once.
//
//	waiting ──claim──▶ claimed ──hand over──▶ sending ──250──▶ sent
//	   ▲                  │ lease ran out        │
//	   ├──────────────────┤ or failed: later     ├─ 4xx ─▶ waiting, later
//	   │                                         ├─ 5xx ─▶ dead
//	   │                                         └─ no answer, or the lease ran out ─▶ in_doubt
//	   └── retried by the operator: dead, in_doubt, skipped
//
// Nothing is handed over before the state "sending" is committed, by whoever still holds the lease, and what is found in it afterwards is never sent again by
// itself: it may have arrived. So a notice arrives at most once, however often a sender is killed and however many there are; one of which that is not known
// is in doubt, and seen by the operator.
package notice

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
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

// Kinds lists them.
func Kinds() []Kind {
	return []Kind{KeyExpiring, KeyExpired, KeyIdle, KeyCreated, KeyRefreshed, KeyRevealed, KeyDisabled, KeyRevoked, NewSignIn}
}

// Fixed reports whether everybody gets notices of the kind: nobody chooses to let keys end unannounced, and whoever uses another's session to see a secret
// cannot keep it quiet.
func (k Kind) Fixed() bool {
	return slices.Contains([]Kind{KeyExpiring, KeyExpired, KeyIdle, KeyRevealed}, k)
}

// State is where a notice stands.
type State string

// The states.
const (
	Waiting State = "waiting"
	Claimed State = "claimed"
	Sending State = "sending"
	Sent    State = "sent"
	// Skipped was not sent, since there was nobody to send it to, it was not wanted, or it was no longer true.
	Skipped State = "skipped"
	// Dead could not be delivered.
	Dead State = "dead"
	// InDoubt was handed over, and it is not known whether it was taken.
	InDoubt State = "in_doubt"
)

var states = [...]State{Waiting, Claimed, Sending, Sent, Skipped, Dead, InDoubt}

// over reports whether nothing more becomes of a notice in this state by itself.
func (s State) over() bool { return slices.Contains([]State{Sent, Skipped, Dead, InDoubt}, s) }

// Notice is one message to one person.
type Notice struct {
	ID   ident.NoticeID
	Kind Kind
	// User is told, at the address on file when it is sent.
	User ident.UserID
	// Key that it is about; "" for none.
	Key ident.KeyID
	// Dedupe is the same for notices of the same thing: of those one is kept.
	Dedupe string
	Facts  Facts
	// At is when it was planned.
	At time.Time
}

// Facts are what a notice says, as it was when it was planned. The JSON form is what is stored. There is never a secret among them.
type Facts struct {
	Tenant   ident.TenantID `json:"tenant,omitempty"`
	KeyName  string         `json:"key_name,omitempty"`
	PublicID string         `json:"public_id,omitempty"`
	Last4    string         `json:"last4,omitempty"`
	// Days before the expiry, one of the thresholds.
	Days int `json:"days,omitempty"`
	// Expiry of the key; the zero value where it has none.
	Expiry policy.Expiry `json:"expiry,omitzero"`
	// IdleAt is when the key will be disabled for idleness, and LastUsedAt when it was last used; zero for never.
	IdleAt     time.Time `json:"idle_at,omitzero"`
	LastUsedAt time.Time `json:"last_used_at,omitzero"`
	// IdleDays that the tenant lets a key be unused; set where that is why it was disabled.
	IdleDays int `json:"idle_days,omitempty"`
	// By names who did it, see Named and Self; "" where it was Claviger itself.
	By string `json:"by,omitempty"`
	// Why the key was revoked, in the words of who did it.
	Why string `json:"why,omitempty"`
	// Keys is how many were revoked at once; then no single one is named.
	Keys int64 `json:"keys,omitempty"`
	// Deleted is set where the key is gone for good, and no tombstone shows it.
	Deleted bool `json:"deleted,omitempty"`
	// ByLink is set where the owner has yet to fetch the secret of a new key.
	ByLink bool `json:"by_link,omitempty"`
	// Address that it was done from.
	Address string `json:"address,omitempty"`
	// Agent of a sign-in.
	Agent string `json:"agent,omitempty"`
}

// Self names the recipient as who did it.
const Self = "you"

// Named names somebody else by name and address, of which one may be missing.
func Named(name, email string) string {
	switch {
	case name == "":
		return email
	case email == "":
		return name
	}
	return name + " (" + email + ")"
}

// New makes a notice of one thing, which the kind and these words tell from every other. Its id follows from them, so that a change that runs twice makes the same one.
func New(kind Kind, to ident.UserID, at time.Time, facts Facts, thing ...string) Notice {
	dedupe := strings.Join(append([]string{string(kind)}, thing...), "/")
	hash := sha256.Sum256([]byte(dedupe))
	return Notice{
		ID: ident.New[ident.NoticeID](at, strings.NewReader(string(hash[:]))), Kind: kind, User: to, Dedupe: dedupe, Facts: facts, At: at,
	}
}

// OfKey makes a notice about a key.
func OfKey(kind Kind, to ident.UserID, key ident.KeyID, at time.Time, facts Facts, more ...any) Notice {
	thing := []string{string(key)}
	for _, word := range more {
		thing = append(thing, fmt.Sprint(word))
	}
	n := New(kind, to, at, facts, thing...)
	n.Key = key
	return n
}
