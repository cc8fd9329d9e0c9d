package credential

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
)

// Ticket is what an opaque token of Claviger's own is good for. One kind never passes for another.
type Ticket string

// The tickets: the cookie of a sign-in, and the one-time links.
const (
	SessionTicket    Ticket = "session"
	SetupTicket      Ticket = "setup"
	InvitationTicket Ticket = "invitation"
	ClaimTicket      Ticket = "claim"
)

// The layout of a ticket: 256 random bits in base64url and a tag of 64 bits in hexadecimal, by which one this server never made is told without a
// read.
const (
	ticketRandom = 32 // bytes
	ticketText   = 43 // characters
	ticketTag    = 16 // characters
)

// MintTicket draws a ticket.
func (k *Keyring) MintTicket(kind Ticket) Secret {
	var raw [ticketRandom]byte
	fill(k.random, raw[:])
	text := base64.RawURLEncoding.EncodeToString(raw[:])
	return NewSecret(text + k.ring.Load().tickets.current(k.now()).key.ticket(kind, text))
}

// OwnTicket reports whether a text carries the tag of a ticket of this kind. It reads nothing.
func (k *Keyring) OwnTicket(kind Ticket, token string) bool {
	if len(token) != ticketText+ticketTag {
		return false
	}
	text, tag := token[:ticketText], token[ticketText:]
	for _, t := range k.ring.Load().tickets {
		if subtle.ConstantTimeCompare([]byte(t.key.ticket(kind, text)), []byte(tag)) == 1 {
			return true
		}
	}
	return false
}

// ticket is a tag under the kind's name, which is no style of keys.
func (t *tagger) ticket(kind Ticket, text string) string {
	return fmt.Sprintf("%016x", t.sum(Style(kind), text))
}

// TicketHash is what is stored of a ticket, so that a stolen database holds none.
type TicketHash [sha256.Size]byte

// HashTicket gives what is stored of a ticket.
func HashTicket(token string) TicketHash { return sha256.Sum256([]byte(token)) }
