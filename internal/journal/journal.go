// Package journal remembers outside of the database what took authority away, so that a database that is brought back from a backup gives none of it back.
//
// A journal is a file of lines, each a JSON object, made from the events of the audit trail and holding no secrets:
//
//	{"action":"key.revoke","change":812,"at":"…","tenant":"ten_…","key":"key_…"}
//	{"action":"journal.upto","change":820}      everything up to this change is in the journal
//	{"action":"journal.begin","at":"…"}         what was before this time may not be
//	{"action":"journal.restore","change":640}   a backup was restored by this change, and the count goes on from it
//
// What gives authority back ("key.enable") is there too, since the last word on a key, a person, a membership, a tenant or an account counts. The last is that
// of the latest change, not that of the last line: what other nodes changed is written late. [Read] keeps the last words; [State.Apply] brings a database to
// them, and never gives it authority that it has not.
package journal

import (
	"bufio"
	"bytes"
	"cmp"
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
	"github.com/claviger-dev/claviger/internal/policy"
)

// The actions of lines that are no events.
const (
	begin   = "journal.begin"
	upto    = "journal.upto"
	restore = "journal.restore"
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
	// Days that the account's policies of lifetime count since then, by reason.
	Days map[policy.Reason]int `json:"days,omitempty"`
	// Expires is the key's own expiry after an edit of it; zero for none.
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
		if e.Action == "account.member_remove" {
			l.User = ident.UserID(e.Target.ID)
			return l, true
		}
		return l, e.Action == "account.disable" || e.Action == "account.enable"
	case "policy":
		l.Account = e.Account
		return l, l.ofPolicy(e.Details)
	}
	if e.Action == Restored && e.Details[Covered] != "yes" {
		return Beginning(e.At), true
	}
	return l, false
}

// lifetimes are the details of an event that say how many days a policy counts.
var lifetimes = map[string]policy.Reason{"auto_expiry_days": policy.ByAutoExpiry, "max_lifetime_days": policy.ByMaxLifetime}

// ofPolicy takes what ends keys. A policy that is off ends none.
func (l *Line) ofPolicy(details map[string]string) bool {
	l.Days = map[policy.Reason]int{}
	for name, reason := range lifetimes {
		if days, err := strconv.Atoi(details[name]); err == nil {
			l.Days[reason] = days
		} else if details[name] != "" {
			l.Days[reason] = 0
		}
	}
	return len(l.Days) > 0
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
		return slices.Contains(strings.Fields(details["changed"]), "expires_at")
	}
	return false
}

// Beginning is the line that says since when a journal is without a gap.
func Beginning(at time.Time) Line { return Line{Action: begin, At: at} }

// Upto is the line that says up to which change a journal has everything.
func Upto(change int64) Line { return Line{Action: upto, Change: change} }

// Restoration is the line that says by which change a backup was restored. Changes are counted on from it, whatever was before.
func Restoration(change int64) Line { return Line{Action: restore, Change: change} }

// Encode gives the line as it is written.
func (l Line) Encode() []byte {
	text, err := json.Marshal(l)
	if err != nil {
		panic("journal: " + err.Error()) // of texts, numbers and times of our own
	}
	return append(text, '\n')
}

// Lean gives a journal without the lines that say how far it has come, but for the last: of those there are as many as pauses in which anything was changed.
func Lean(text []byte) (lean []byte, err error) {
	last := Upto(0)
	err = eachLine(bytes.NewReader(text), func(l Line) {
		switch l.Action {
		case upto:
			last = l
			return
		case restore:
			last = Upto(l.Change)
		}
		lean = append(lean, l.Encode()...)
	})
	return append(lean, last.Encode()...), err
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
	officers map[standing]time.Time // when they last ceased to be one
	tenants  map[ident.TenantID]bool
	accounts map[ident.AccountID]bool
	policies map[ident.AccountID]map[policy.Reason]policyState
}

// policyState is the last word on how long keys of an account may live: so many days, 0 for no bound, since a change.
type policyState struct {
	days  int
	since time.Time
}

type membership struct {
	tenant ident.TenantID
	user   ident.UserID
}

type standing struct {
	account ident.AccountID
	user    ident.UserID
}

// memberState is the last word on a membership.
type memberState struct {
	disabled bool
	// left is when it was last removed: the membership and keys of before are gone, whatever came later.
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
		officers: map[standing]time.Time{}, tenants: map[ident.TenantID]bool{}, accounts: map[ident.AccountID]bool{},
		policies: map[ident.AccountID]map[policy.Reason]policyState{},
	}
	var run []Line // of one count of changes
	err := eachLine(from, func(l Line) {
		if l.Action == begin || l.Action == restore {
			s.takeAll(run)
			run = nil
		}
		run = append(run, l)
	})
	s.takeAll(run)
	return s, err
}

// takeAll takes lines in the order of their changes.
func (s *State) takeAll(run []Line) {
	slices.SortStableFunc(run, func(a, b Line) int { return cmp.Compare(a.Change, b.Change) })
	for _, l := range run {
		s.take(l)
	}
}

// eachLine calls take for each whole line.
func eachLine(from io.Reader, take func(Line)) error {
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
		take(l)
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
	case l.Action == upto, l.Action == restore:
		s.Upto = l.Change
	case l.Key != "":
		s.takeKey(l)
	case l.User != "" && l.Tenant != "":
		s.takeMember(l)
	case l.User != "" && l.Account != "":
		s.officers[standing{l.Account, l.User}] = l.At
	case l.User != "":
		if s.users[l.User] != "user.delete" {
			s.users[l.User] = l.Action
		}
	case l.Tenant != "":
		s.tenants[l.Tenant] = l.Disabled
	case len(l.Days) > 0:
		s.takePolicy(l)
	case l.Account != "":
		s.accounts[l.Account] = l.Action == "account.disable"
	}
}

func (s *State) takePolicy(l Line) {
	if s.policies[l.Account] == nil {
		s.policies[l.Account] = map[policy.Reason]policyState{}
	}
	for reason, days := range l.Days {
		s.policies[l.Account][reason] = policyState{days, l.At}
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
		k.serial, k.expires = l.Serial, time.Time{} // it says itself how long the new secret lives
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
	m.disabled = l.Disabled
	if l.Action == "member.remove" {
		m.left = l.At
	}
}
