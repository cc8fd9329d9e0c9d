// Package journal remembers outside of the database what took authority away, so that a database that is brought back from a backup gives none of it back.
//
// A journal is a file of lines, each a JSON object. It is made from the effects of changes ([audit.Effect]) and holds no secrets:
//
//	{"change":812,"at":"…","effects":[{"kind":"key_revoked","tenant":"ten_…","key":"key_…"}]}
//	{"action":"journal.upto","change":820}      every change up to this one is in the journal
//	{"action":"journal.begin","at":"…"}         changes before this time may be missing
//	{"action":"journal.restore","change":640}   a backup was restored by this change, and the numbers of changes go on from it
//
// A checkpoint has the event of its change, too, by which another database shows.
//
// Effects that give authority back (key_enabled) are there too, since the last word on a key, a person, a membership, a tenant or an account counts. The last
// word is that of the latest change, not that of the last line: what other nodes changed is written late. [Read] keeps the last words; [State.Apply] brings a
// database to them, and never gives it authority that it has not.
//
// Earlier versions wrote lines with the action of a change in the place of its effects (earlier.go).
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
	"time"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
)

// Marker is what a line says of the journal itself; "" for a line of effects.
type Marker string

// The markers.
const (
	start      Marker = "journal.begin"
	checkpoint Marker = "journal.upto"
	restore    Marker = "journal.restore"
)

// Line of a journal.
type Line struct {
	Marker  Marker         `json:"action,omitempty"`
	Change  int64          `json:"change,omitempty"`
	At      time.Time      `json:"at,omitzero"`
	Effects []audit.Effect `json:"effects,omitempty"`
	// ID of the event of a checkpoint: in another database the change of that number has another.
	ID ident.EventID `json:"event,omitempty"`
}

// Change is a committed change as the audit trail tells of it.
type Change struct {
	Number  int64
	ID      ident.EventID
	At      time.Time
	Effects []audit.Effect
}

// LineOf returns the line of a change; ok is false for one that has no effects. A restore that the journal did not go through makes it begin anew: what was
// revoked in the database that was lost, the trail of the restored one does not tell.
func LineOf(c Change) (l Line, ok bool) {
	for _, f := range c.Effects {
		if f.Kind == audit.EffectDatabaseRestored {
			return StartMarker(c.At), true
		}
	}
	return Line{Change: c.Number, At: c.At, Effects: c.Effects}, len(c.Effects) > 0
}

// StartMarker is the line that says since when a journal is complete.
func StartMarker(at time.Time) Line { return Line{Marker: start, At: at} }

// Checkpoint is the line that says up to which change a journal is complete.
func Checkpoint(change int64) Line { return Line{Marker: checkpoint, Change: change} }

// RestoreMarker is the line that says by which change a backup was restored. Numbers of changes go on from it, whatever was before.
func RestoreMarker(change int64) Line { return Line{Marker: restore, Change: change} }

// Encode returns the line as it is written.
func (l Line) Encode() []byte {
	text, err := json.Marshal(l)
	if err != nil {
		panic("journal: " + err.Error()) // texts, numbers and times of our own
	}
	return append(text, '\n')
}

// parse reads a line. It fails on whatever no version up to this one would have written: to skip it could revive what was revoked.
func parse(text []byte) (l Line, err error) {
	var stored struct {
		Line
		earlier
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&stored); err != nil {
		return l, err
	}
	l = stored.Line
	switch {
	case l.Marker == start, l.Marker == checkpoint, l.Marker == restore:
		return l, nil
	case l.Marker != "":
		l.Effects, err = stored.effects(audit.Action(l.Marker))
		l.Marker = ""
		return l, err
	case len(l.Effects) == 0:
		return l, errors.New("neither effects nor a marker")
	}
	for _, f := range l.Effects {
		if err := f.Check(); err != nil {
			return l, err
		}
	}
	return l, nil
}

// eachLine calls take for each whole line.
func eachLine(from io.Reader, take func(Line) error) error {
	_, err := eachText(from, func(text []byte) error {
		l, err := parse(text)
		if err != nil {
			return fmt.Errorf("is none of a journal: %w", err)
		}
		return take(l)
	})
	return err
}

// eachText calls take for the text of each whole line, and returns how many bytes they have. A last line that was cut short, as by a power cut, is no line: what it
// was about had not been answered.
func eachText(from io.Reader, take func(text []byte) error) (size int64, err error) {
	lines := bufio.NewReaderSize(from, 1<<16)
	for n := 1; ; n++ {
		text, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return size, nil
		}
		if err == nil {
			err = take(text)
		}
		if err != nil {
			return size, fmt.Errorf("line %d %w", n, err)
		}
		size += int64(len(text))
	}
}

// State is what a journal says in the end.
type State struct {
	// Begin is since when it is complete; zero for ever.
	Begin time.Time
	// Upto is the change up to which it is complete.
	Upto int64
	// Latest time in it.
	Latest time.Time
	// Lines are how many there are.
	Lines int

	keys     map[ident.KeyID]*keyState
	users    map[ident.UserID]userState
	members  map[membership]*memberState
	officers map[standing]time.Time // when they last ceased to be one
	tenants  map[ident.TenantID]bool
	accounts map[ident.AccountID]bool
	policies map[ident.AccountID]map[policy.Reason]policyState
}

// userState is the last word on a person.
type userState struct{ disabled, deleted bool }

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

// Read reads a journal to its end.
func Read(from io.Reader) (*State, error) {
	s := &State{
		keys: map[ident.KeyID]*keyState{}, users: map[ident.UserID]userState{}, members: map[membership]*memberState{},
		officers: map[standing]time.Time{}, tenants: map[ident.TenantID]bool{}, accounts: map[ident.AccountID]bool{},
		policies: map[ident.AccountID]map[policy.Reason]policyState{},
	}
	var run []Line // of one count of changes
	err := eachLine(from, func(l Line) error {
		if l.Marker == start || l.Marker == restore {
			if err := s.takeAll(run); err != nil {
				return err
			}
			run = nil
		}
		run = append(run, l)
		return nil
	})
	return s, errors.Join(err, s.takeAll(run))
}

// takeAll takes lines in the order of their changes.
func (s *State) takeAll(run []Line) error {
	slices.SortStableFunc(run, func(a, b Line) int { return cmp.Compare(a.Change, b.Change) })
	for _, l := range run {
		if err := s.take(l); err != nil {
			return err
		}
	}
	return nil
}

func (s *State) take(l Line) error {
	s.Lines++
	if l.At.After(s.Latest) {
		s.Latest = l.At
	}
	switch l.Marker {
	case start:
		s.Begin = l.At
	case checkpoint, restore:
		s.Upto = l.Change
	}
	for _, f := range l.Effects {
		if err := s.takeEffect(f, l.At); err != nil {
			return err
		}
	}
	return nil
}

// takeEffect takes an effect that [audit.Effect.Check] knows. A test has every kind, so that none is left out here.
func (s *State) takeEffect(f audit.Effect, at time.Time) error {
	switch f.Kind {
	case audit.EffectKeyRevoked, audit.EffectKeyDisabled, audit.EffectKeyEnabled, audit.EffectKeyRefreshed, audit.EffectKeyPreviousEnded, audit.EffectKeyExpirySet:
		s.takeKey(f)
	case audit.EffectMemberDisabled, audit.EffectMemberEnabled, audit.EffectMemberRemoved:
		s.takeMember(f, at)
	case audit.EffectUserDisabled, audit.EffectUserEnabled:
		if !s.users[f.User].deleted {
			s.users[f.User] = userState{disabled: f.Kind == audit.EffectUserDisabled}
		}
	case audit.EffectUserDeleted:
		s.users[f.User] = userState{deleted: true}
	case audit.EffectTenantDisabled, audit.EffectTenantEnabled:
		s.tenants[f.Tenant] = f.Kind == audit.EffectTenantDisabled
	case audit.EffectAccountDisabled, audit.EffectAccountEnabled:
		s.accounts[f.Account] = f.Kind == audit.EffectAccountDisabled
	case audit.EffectAccountRoleRemoved:
		s.officers[standing{f.Account, f.User}] = at
	case audit.EffectLifetimeSet:
		if s.policies[f.Account] == nil {
			s.policies[f.Account] = map[policy.Reason]policyState{}
		}
		s.policies[f.Account][f.Reason] = policyState{f.Days, at}
	default:
		return fmt.Errorf("%w %q", audit.ErrUnknownEffect, f.Kind)
	}
	return nil
}

func (s *State) takeKey(f audit.Effect) {
	k := s.keys[f.Key]
	if k == nil {
		k = &keyState{tenant: f.Tenant}
		s.keys[f.Key] = k
	}
	if k.revoked { // for good
		return
	}
	switch f.Kind {
	case audit.EffectKeyRevoked:
		*k = keyState{tenant: f.Tenant, revoked: true}
	case audit.EffectKeyDisabled, audit.EffectKeyEnabled:
		k.disabled = f.Kind == audit.EffectKeyDisabled
	case audit.EffectKeyRefreshed:
		k.serial, k.expires = f.Serial, time.Time{} // it says itself how long the new secret lives
	case audit.EffectKeyPreviousEnded:
		k.endedPreviousOf = f.Serial
	case audit.EffectKeyExpirySet:
		k.expires = f.Expires
	}
}

func (s *State) takeMember(f audit.Effect, at time.Time) {
	of := membership{f.Tenant, f.User}
	m := s.members[of]
	if m == nil {
		m = &memberState{}
		s.members[of] = m
	}
	m.disabled = f.Kind == audit.EffectMemberDisabled
	if f.Kind == audit.EffectMemberRemoved {
		m.left = at
	}
}
