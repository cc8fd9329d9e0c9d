package manageapi

import (
	"cmp"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/web"
)

// settingsOf returns the wire form of a tenant's settings. An empty text and 0 of the domain are
// null.
func settingsOf(s policy.Settings) api.Settings {
	return api.Settings{
		Style: api.Style(s.Style), Prefix: web.Optional(s.Prefix), Label: web.Optional(s.Label),
		ClientDomain: web.Optional(s.ClientDomain),
		KeyHeader:    web.Optional(s.KeyHeader), Transports: web.TextsAs[api.Transport](s.Transports),
		SessionTransport:      s.SessionTransport,
		KeysPerUser:           limitOrNil(s.KeysPerUser),
		KeysPerServiceAccount: limitOrNil(s.KeysPerServiceAccount), KeysPerSubject: limitOrNil(s.KeysPerSubject),
		Owners: web.TextsAs[api.PartyType](s.OwnerTypes()), Creators: web.TextsAs[api.Creator](s.Creators),
		Visibility:    api.Visibility(s.Visibility),
		DefaultScopes: stringList(s.DefaultScopes),
		RevokeMode:    api.RevokeMode(s.RevokeMode), Disclosure: api.Disclosure(s.Disclosure),
		Dialect:      api.Dialect(s.Dialect),
		AdminRefresh: s.AdminRefresh,
		TokenSeconds: s.TokenSeconds, TokenFormat: api.TokenFormat(s.TokenFormat),
		TokenAudience:           web.Optional(s.TokenAudience),
		TokenAlgorithm:          api.TokenAlgorithm(cmp.Or(s.TokenAlgorithm, policy.RS256)),
		IdleDays:                limitOrNil(s.IdleDays),
		RequestsPerMinute:       limitOrNil(s.RequestsPerMinute),
		VerifyRequestsPerMinute: limitOrNil(s.VerifyRequestsPerMinute),
		VerifyRequires:          web.TextsAs[api.VerifyMember](s.VerifyRequires),
		LegacyPassword:          s.LegacyPassword,
	}
}

// limitOrNil returns nil for 0, which is null on the wire.
func limitOrNil(n int) *int {
	if n == 0 {
		return nil
	}
	return &n
}

// settings returns a function that applies a patch to a tenant's settings. The domain checks the
// result. settings itself refuses only null for a setting that cannot be cleared.
func (p *patch) settings(s api.SettingsPatch) func(*policy.Settings) {
	for _, member := range []struct {
		name string
		null bool
	}{
		{"style", s.Style.Null},
		{"transports", s.Transports.Null},
		{"session_transport", s.SessionTransport.Null},
		{"creators", s.Creators.Null},
		{"visibility", s.Visibility.Null},
		{"revoke_mode", s.RevokeMode.Null},
		{"disclosure", s.Disclosure.Null},
		{"dialect", s.Dialect.Null},
		{"admin_refresh", s.AdminRefresh.Null},
		{"token_seconds", s.TokenSeconds.Null},
		{"token_format", s.TokenFormat.Null},
		{"token_algorithm", s.TokenAlgorithm.Null},
	} {
		if member.null {
			p.notNullable("settings." + member.name)
		}
	}
	if s.Owners.Set && !s.Owners.Null && len(s.Owners.Value) == 0 {
		p.faults = append(p.faults, fault.Field{
			Name: "settings.owners", Code: "required",
			Message: "Name at least one type, or null for the types by default.",
		})
	}
	return func(to *policy.Settings) {
		set(&to.Style, s.Style, as[credential.Style])
		set(&to.Prefix, s.Prefix, as[string])
		set(&to.Label, s.Label, as[string])
		set(&to.ClientDomain, s.ClientDomain, as[string])
		set(&to.KeyHeader, s.KeyHeader, as[string])
		set(&to.Transports, s.Transports, typedList[policy.Transport])
		set(&to.SessionTransport, s.SessionTransport, unchanged[bool])
		set(&to.KeysPerUser, s.KeysPerUser, limit)
		set(&to.KeysPerServiceAccount, s.KeysPerServiceAccount, limit)
		set(&to.KeysPerSubject, s.KeysPerSubject, limit)
		set(&to.Owners, s.Owners, typedList[ident.PartyType])
		set(&to.Creators, s.Creators, typedList[policy.Creator])
		set(&to.Visibility, s.Visibility, as[policy.Visibility])
		set(&to.DefaultScopes, s.DefaultScopes, typedList[scope.Scope])
		set(&to.RevokeMode, s.RevokeMode, as[policy.RevokeMode])
		set(&to.Disclosure, s.Disclosure, as[policy.Disclosure])
		set(&to.Dialect, s.Dialect, as[string])
		set(&to.AdminRefresh, s.AdminRefresh, unchanged[bool])
		if s.TokenFormat.Set {
			*to = to.WithTokenFormat(policy.TokenFormat(s.TokenFormat.Value))
		}
		set(&to.TokenSeconds, s.TokenSeconds, unchanged[int])
		set(&to.TokenAudience, s.TokenAudience, as[string])
		set(&to.TokenAlgorithm, s.TokenAlgorithm, as[policy.TokenAlgorithm])
		set(&to.IdleDays, s.IdleDays, limit)
		set(&to.RequestsPerMinute, s.RequestsPerMinute, limit)
		set(&to.VerifyRequestsPerMinute, s.VerifyRequestsPerMinute, limit)
		set(&to.VerifyRequires, s.VerifyRequires, typedList[policy.VerifyField])
	}
}

// set sets a member if it was sent. null sets the zero value.
func set[To, From any](to *To, o api.Optional[From], convert func(From) To) {
	switch {
	case !o.Set:
	case o.Null:
		var zero To
		*to = zero
	default:
		*to = convert(o.Value)
	}
}

// as returns a text in the domain's type.
func as[To, From ~string](text From) To { return To(text) }

// unchanged returns a value that needs no conversion.
func unchanged[T any](v T) T { return v }

// limit returns a number for which null means no limit. No limit is 0 in the domain, so that a 0 in
// the request becomes a number that the domain refuses.
func limit(n int) int {
	if n == 0 {
		return -1
	}
	return n
}
