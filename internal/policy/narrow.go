package policy

import (
	"slices"
	"strings"

	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/scope"
)

// Bounds returns only the settings that say what is allowed. All others have the zero value: how
// new keys look, how responses are written and what a revocation leaves.
func (s Settings) Bounds() Settings {
	s.Style, s.Prefix = credential.Style(""), ""
	s.Label, s.ClientDomain = "", ""
	s.RevokeMode, s.Dialect = "", ""
	s.TokenAudience, s.TokenAlgorithm = "", ""
	return s
}

// Narrowed returns the settings that allow only what both s and to allow. A list without a common
// entry becomes empty, and then nothing of its kind is allowed. For example, if the key headers
// differ, the result allows no keys in headers.
func (s Settings) Narrowed(to Settings) Settings {
	s.Transports = intersection(s.Transports, to.Transports)
	if !strings.EqualFold(s.KeyHeader, to.KeyHeader) {
		s.KeyHeader = ""
		s.Transports = slices.DeleteFunc(s.Transports, func(t Transport) bool { return t == Header })
	}
	s.SessionTransport = s.SessionTransport && to.SessionTransport
	s.KeysPerUser = lowerLimit(s.KeysPerUser, to.KeysPerUser)
	s.KeysPerServiceAccount = lowerLimit(s.KeysPerServiceAccount, to.KeysPerServiceAccount)
	s.KeysPerSubject = lowerLimit(s.KeysPerSubject, to.KeysPerSubject)
	s = s.narrowOwners(to)
	s.Creators = intersection(s.Creators, to.Creators)
	if to.Visibility == SeeOwn {
		s.Visibility = SeeOwn
	}
	s.DefaultScopes = scope.Set(s.DefaultScopes).Narrowed(to.DefaultScopes)
	if to.Disclosure == Once {
		s.Disclosure = Once
	}
	s.AdminRefresh = s.AdminRefresh && to.AdminRefresh
	s.TokenSeconds = lowerLimit(s.TokenSeconds, to.TokenSeconds)
	if to.TokenFormat == Opaque {
		s.TokenFormat = Opaque
	}
	s.IdleDays = lowerLimit(s.IdleDays, to.IdleDays)
	s.RequestsPerMinute = lowerLimit(s.RequestsPerMinute, to.RequestsPerMinute)
	s.VerifyRequestsPerMinute = lowerLimit(s.VerifyRequestsPerMinute, to.VerifyRequestsPerMinute)
	for _, f := range to.VerifyRequires {
		if !slices.Contains(s.VerifyRequires, f) {
			s.VerifyRequires = append(slices.Clip(s.VerifyRequires), f)
		}
	}
	s.LegacyPassword = s.LegacyPassword && to.LegacyPassword
	s.MembersManageApplications = s.MembersManageApplications && to.MembersManageApplications
	return s
}

// narrowOwners returns the settings that allow new keys only to the types of owners that both
// allow. Users always may have keys, so some type remains. to are bounds, which have no dialect: a
// list that was not chosen allows all types.
func (s Settings) narrowOwners(to Settings) Settings {
	if len(to.Owners) == 0 {
		return s
	}
	both := intersection(s.OwnerTypes(), to.Owners)
	if len(both) == 0 {
		both = []ident.PartyType{ident.UserParty}
	}
	if len(both) < len(s.OwnerTypes()) {
		s.Owners = both
	}
	return s
}

// intersection returns the entries that both lists have, in the order of the first.
func intersection[T comparable](list, other []T) []T {
	both := []T{} // not nil, so that it is not stored as null
	for _, v := range list {
		if slices.Contains(other, v) {
			both = append(both, v)
		}
	}
	return both
}

// lowerLimit returns the lower of two limits; 0 is no limit.
func lowerLimit(a, b int) int {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// Narrowed returns the session limits that are no longer than both s and to.
func (s Sessions) Narrowed(to Sessions) Sessions {
	is, other := s.effective(), to.effective()
	if other.Idle < is.Idle {
		s.Idle = other.Idle
	}
	if other.Absolute < is.Absolute {
		s.Absolute = other.Absolute
	}
	return s
}
