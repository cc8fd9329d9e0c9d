// Package ident defines a type of identifier for each kind of object, so that the compiler refuses
// a tenant's id in the place of a key's.
//
// An identifier is a prefix, ten characters of time and some random characters, in Crockford's base
// 32 (lower case):
//
//	key_ 0dk4x9q2vz 8m1c7r0p5n
//	     │          └ 50 random bits (30 in ten_, because vendors' paths allow 20 characters)
//	     └ milliseconds since 1970, so that ids sort by creation
//
// Identifiers are opaque to clients, unique and not secret: knowing one gives no access.
package ident

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// The typed identifiers.
type (
	AccountID     string // acc_
	TenantID      string // ten_, at most 20 characters
	UserID        string // usr_
	ApplicationID string // app_
	KeyID         string // key_
	EventID       string // evt_
	SessionID     string // ses_
	HalfSessionID string // hlf_
	LinkID        string // lnk_
	NoticeID      string // ntc_

	ServiceAccountID string // sva_
	SubjectID        string // sub_
	ManagementKeyID  string // mgk_
)

func (AccountID) form() form     { return form{"acc_", 10} }
func (TenantID) form() form      { return form{"ten_", 6} }
func (UserID) form() form        { return form{"usr_", 10} }
func (ApplicationID) form() form { return form{"app_", 10} }
func (KeyID) form() form         { return form{"key_", 10} }
func (EventID) form() form       { return form{"evt_", 10} }
func (SessionID) form() form     { return form{"ses_", 10} }
func (HalfSessionID) form() form { return form{"hlf_", 10} }
func (LinkID) form() form        { return form{"lnk_", 10} }
func (NoticeID) form() form      { return form{"ntc_", 10} }

func (ServiceAccountID) form() form { return form{"sva_", 10} }
func (SubjectID) form() form        { return form{"sub_", 10} }
func (ManagementKeyID) form() form  { return form{"mgk_", 10} }

// ID is any of the typed identifiers.
type ID interface {
	~string
	form() form
}

type form struct {
	prefix string
	random int // characters, 5 bits each
}

const (
	alphabet  = "0123456789abcdefghjkmnpqrstvwxyz"
	timeChars = 10
)

// New returns a new identifier with the given time. It panics if the source of randomness fails,
// which crypto/rand never does.
func New[T ID](now time.Time, random io.Reader) T {
	var zero T
	f := zero.form()
	text := make([]byte, 0, len(f.prefix)+timeChars+f.random)
	text = append(text, f.prefix...)
	ms := uint64(now.UnixMilli())
	for shift := 5 * (timeChars - 1); shift >= 0; shift -= 5 {
		text = append(text, alphabet[ms>>shift&31])
	}
	bits := make([]byte, f.random)
	if _, err := io.ReadFull(random, bits); err != nil {
		panic(fmt.Sprintf("ident: source of randomness failed: %v", err))
	}
	for _, b := range bits {
		text = append(text, alphabet[b&31])
	}
	return T(text)
}

// Parse returns the text as an identifier. It accepts exactly the form of the identifiers that New
// returns. The error does not contain the text.
func Parse[T ID](text string) (T, error) {
	var zero T
	f := zero.form()
	if len(text) != len(f.prefix)+timeChars+f.random || !strings.HasPrefix(text, f.prefix) {
		return zero, fmt.Errorf("not an identifier of the form %s…", f.prefix)
	}
	for _, c := range []byte(text[len(f.prefix):]) {
		if strings.IndexByte(alphabet, c) < 0 {
			return zero, fmt.Errorf("not an identifier of the form %s…", f.prefix)
		}
	}
	return T(text), nil
}
