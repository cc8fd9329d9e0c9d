// Package journal remembers outside of the database what took authority away, so that a database that is brought back from a backup gives none of it back.
//
// A journal is a file of lines, each a JSON object, made from the events of the audit trail and holding no secrets:
//
//	{"action":"key.revoke","change":812,"at":"…","tenant":"ten_…","key":"key_…"}
//	{"action":"journal.upto","change":820}      everything up to this change is in the journal
//	{"action":"journal.begin","at":"…"}         what was before this time may not be
//
// What gives authority back ("key.enable") is there too, since the last word on a key, a person, a membership, a tenant or an account counts. [Read] keeps
// the last words; [State.Apply] brings a database to them, and never gives it authority that it has not.
package journal

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/ident"
)

// The actions of lines that are no events.
const (
	begin = "journal.begin"
	upto  = "journal.upto"
)

// Restored is the action of the event that a restore leaves, and Covered its detail that is "yes" where the journal reached back to the backup.
const (
	Restored = "server.restore"
	Covered  = "covered"
)

// Line of a journal.
type Line struct {
	Action string    `json:"action"`
	Change int64     `json:"change,omitempty"`
	At     time.Time `json:"at,omitzero"`

	Account ident.AccountID `json:"account,omitempty"`
	Tenant  ident.TenantID  `json:"tenant,omitempty"`
	User    ident.UserID    `json:"user,omitempty"`
	Key     ident.KeyID     `json:"key,omitempty"`
	// Serial of the key's secret after a refresh, or when the one before it was ended.
	Serial int `json:"serial,omitempty"`
	// Disabled is what became of a membership or a tenant.
	Disabled bool `json:"disabled,omitempty"`
	// Expires is the key's own expiry after an edit.
	Expires time.Time `json:"expires,omitzero"`
}

// Of gives the line of an event; ok is false for one that need not be remembered.
func Of(change int64, e audit.Event) (l Line, ok bool) {
	l = Line{Action: e.Action, Change: change, At: e.At}
	switch noun, _, _ := strings.Cut(e.Action, "."); noun {
	case "key":
		l.Tenant, l.Key = e.Tenant, ident.KeyID(e.Target.ID)
		return l, l.ofKey(e.Details)
	case "user":
		l.User = ident.UserID(e.Target.ID)
		return l, slices.Contains([]string{"user.disable", "user.enable", "user.delete"}, e.Action)
	case "member":
		l.Tenant, l.User, l.Disabled = e.Tenant, ident.UserID(e.Target.ID), e.Details["status"] == "disabled"
		return l, slices.Contains([]string{"member.add", "member.join", "member.edit", "member.remove"}, e.Action)
	case "tenant":
		changed := strings.Fields(e.Details["changed"])
		l.Tenant, l.Disabled = e.Tenant, slices.Contains(changed, "disabled")
		return l, l.Disabled || slices.Contains(changed, "active")
	case "account":
		l.Account = e.Account
		return l, e.Action == "account.disable" || e.Action == "account.enable"
	}
	if e.Action == Restored && e.Details[Covered] != "yes" {
		return Beginning(e.At), true
	}
	return l, false
}

func (l *Line) ofKey(details map[string]string) bool {
	switch l.Action {
	case "key.revoke", "key.delete", "key.disable", "key.enable":
		return true
	case "key.refresh", "key.end_previous":
		l.Serial, _ = strconv.Atoi(details["serial"])
		return l.Serial > 0
	case "key.edit":
		l.Expires, _ = time.Parse(time.RFC3339Nano, details["expires_at"])
		return !l.Expires.IsZero()
	}
	return false
}

// Beginning is the line that says since when a journal is without a gap.
func Beginning(at time.Time) Line { return Line{Action: begin, At: at} }

// Upto is the line that says up to which change a journal has everything.
func Upto(change int64) Line { return Line{Action: upto, Change: change} }

// Encode gives the line as it is written.
func (l Line) Encode() []byte {
	text, err := json.Marshal(l)
	if err != nil {
		panic("journal: " + err.Error()) // of texts, numbers and times of our own
	}
	return append(text, '\n')
}

// State is what a journal says in the end.
type State struct {
	// Begin is since when it is without a gap; zero for ever.
	Begin time.Time
	// Upto is the change up to which it has everything.
	Upto int64
	// Latest time in it.
	Latest time.Time
	// Lines are how many there are.
	Lines int

	keys     map[ident.KeyID]*keyState
	users    map[ident.UserID]string
	members  map[membership]*memberState
	tenants  map[ident.TenantID]bool
	accounts map[ident.AccountID]bool
}

type membership struct {
	tenant ident.TenantID
	user   ident.UserID
}

// memberState is the last word on a membership.
type memberState struct {
	removed, disabled bool
	// left is when it was last removed: keys of before are revoked, whatever came later.
	left time.Time
}

// keyState is the last word on a key.
type keyState struct {
	tenant                  ident.TenantID
	revoked, disabled       bool
	serial, endedPreviousOf int
	expires                 time.Time
}

// Read reads a journal to its end. A last line that was cut short, as by a power cut, is no line: what it was about had not been answered.
func Read(from io.Reader) (*State, error) {
	s := &State{
		keys: map[ident.KeyID]*keyState{}, users: map[ident.UserID]string{}, members: map[membership]*memberState{},
		tenants: map[ident.TenantID]bool{}, accounts: map[ident.AccountID]bool{},
	}
	err := eachLine(from, func(l Line, _ []byte) { s.take(l) })
	return s, err
}

// eachLine calls take for each whole line, with its text.
func eachLine(from io.Reader, take func(l Line, text []byte)) error {
	lines := bufio.NewReader(from)
	for n := 1; ; n++ {
		text, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		var l Line
		if json.Unmarshal(text, &l) != nil || l.Action == "" {
			return fmt.Errorf("line %d is none of a journal", n)
		}
		take(l, text)
	}
}

func (s *State) take(l Line) {
	s.Lines++
	if l.At.After(s.Latest) {
		s.Latest = l.At
	}
	switch {
	case l.Action == begin:
		s.Begin = l.At
	case l.Action == upto:
		s.Upto = l.Change
	case l.Key != "":
		s.takeKey(l)
	case l.User != "" && l.Tenant != "":
		s.takeMember(l)
	case l.User != "":
		if s.users[l.User] != "user.delete" {
			s.users[l.User] = l.Action
		}
	case l.Tenant != "":
		s.tenants[l.Tenant] = l.Disabled
	case l.Account != "":
		s.accounts[l.Account] = l.Action == "account.disable"
	}
}

func (s *State) takeKey(l Line) {
	k := s.keys[l.Key]
	if k == nil {
		k = &keyState{tenant: l.Tenant}
		s.keys[l.Key] = k
	}
	switch l.Action {
	case "key.revoke", "key.delete":
		k.revoked = true
	case "key.disable":
		k.disabled = true
	case "key.enable":
		k.disabled = false
	case "key.refresh":
		k.serial = max(k.serial, l.Serial)
	case "key.end_previous":
		k.endedPreviousOf = l.Serial
	case "key.edit":
		k.expires = l.Expires
	}
}

func (s *State) takeMember(l Line) {
	at := membership{l.Tenant, l.User}
	m := s.members[at]
	if m == nil {
		m = &memberState{}
		s.members[at] = m
	}
	m.removed, m.disabled = l.Action == "member.remove", l.Disabled
	if m.removed {
		m.left = l.At
	}
}
