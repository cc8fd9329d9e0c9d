package manageapi

import (
	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/web"
)

// settingsOf gives the wire form of a tenant's settings: null where the domain has an empty text or 0.
func settingsOf(s policy.Settings) api.Settings {
	return api.Settings{
		Style: string(s.Style), Prefix: web.Optional(s.Prefix), Label: web.Optional(s.Label), ClientDomain: web.Optional(s.ClientDomain),
		KeyHeader: web.Optional(s.KeyHeader), Transports: texts(s.Transports), SessionTransport: s.SessionTransport,
		KeysPerUser: limitOf(s.KeysPerUser), Creators: texts(s.Creators), Visibility: string(s.Visibility), DefaultScopes: texts(s.DefaultScopes),
		RevokeMode: string(s.RevokeMode), Disclosure: string(s.Disclosure), Dialect: s.Dialect, AdminRefresh: s.AdminRefresh,
		TokenSeconds: s.TokenSeconds, TokenFormat: string(s.TokenFormat), IdleDays: limitOf(s.IdleDays), RequestsPerMinute: limitOf(s.RequestsPerMinute),
		LegacyPassword: s.LegacyPassword,
	}
}

func limitOf(n int) *int {
	if n == 0 {
		return nil
	}
	return &n
}

// settings gives what a patch does to a tenant's settings. Its rules are the domain's; here only null is refused where there is nothing to clear.
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
	} {
		if member.null {
			p.cannotClear("settings." + member.name)
		}
	}
	return func(to *policy.Settings) {
		put(&to.Style, s.Style, as[credential.Style])
		put(&to.Prefix, s.Prefix, as[string])
		put(&to.Label, s.Label, as[string])
		put(&to.ClientDomain, s.ClientDomain, as[string])
		put(&to.KeyHeader, s.KeyHeader, as[string])
		put(&to.Transports, s.Transports, words[policy.Transport])
		put(&to.SessionTransport, s.SessionTransport, itself[bool])
		put(&to.KeysPerUser, s.KeysPerUser, limit)
		put(&to.Creators, s.Creators, words[policy.Creator])
		put(&to.Visibility, s.Visibility, as[policy.Visibility])
		put(&to.DefaultScopes, s.DefaultScopes, words[scope.Scope])
		put(&to.RevokeMode, s.RevokeMode, as[policy.RevokeMode])
		put(&to.Disclosure, s.Disclosure, as[policy.Disclosure])
		put(&to.Dialect, s.Dialect, as[string])
		put(&to.AdminRefresh, s.AdminRefresh, itself[bool])
		put(&to.TokenSeconds, s.TokenSeconds, itself[int])
		put(&to.TokenFormat, s.TokenFormat, as[policy.TokenFormat])
		put(&to.IdleDays, s.IdleDays, limit)
		put(&to.RequestsPerMinute, s.RequestsPerMinute, limit)
	}
}

// put writes a member that was sent; null writes the zero value.
func put[To, From any](to *To, o api.Optional[From], convert func(From) To) {
	switch {
	case !o.Set:
	case o.Null:
		var zero To
		*to = zero
	default:
		*to = convert(o.Value)
	}
}

func as[T ~string](text string) T { return T(text) }

func itself[T any](v T) T { return v }

// limit takes a number where null stands for none. To the domain that is 0, so a 0 that was sent becomes one that it refuses.
func limit(n int) int {
	if n == 0 {
		return -1
	}
	return n
}
