// Package policy holds the settings of tenants and the policies of accounts as pure rules: what a
// preset sets, when a key expires, which status it has. It has neither a clock nor storage: the
// time is a parameter.
package policy

import (
	"slices"
	"strings"
	"time"

	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/scope"
)

// Transport is how a request carries a credential.
type Transport string

// The transports. No tenant lists Session, the transport of a session cookie.
const (
	Bearer  Transport = "bearer"
	Basic   Transport = "basic"
	Header  Transport = "header"
	OAuth   Transport = "oauth"
	Session Transport = "session"
)

// Valid reports whether a key can be sent by the transport.
func (t Transport) Valid() bool { return slices.Contains(keyTransports(), t) }

// keyTransports returns the transports by which a key can be sent.
func keyTransports() []Transport { return []Transport{Bearer, Basic, Header, OAuth} }

// Creator is a kind of person who may create keys in a tenant.
type Creator string

// The creators.
const (
	BySelf  Creator = "self"
	ByAdmin Creator = "admin"
)

// Visibility says which keys the members of a tenant see.
type Visibility string

// The visibilities.
const (
	SeeAll Visibility = "all"
	SeeOwn Visibility = "own"
)

// RevokeMode says what a revocation leaves: a revoked key or nothing.
type RevokeMode string

// The modes of revocation.
const (
	Tombstone RevokeMode = "tombstone"
	Delete    RevokeMode = "delete"
)

// Disclosure says whether a secret can be shown again.
type Disclosure string

// The disclosures.
const (
	Once        Disclosure = "once"
	Recoverable Disclosure = "recoverable"
)

// TokenFormat is the format of OAuth access tokens.
type TokenFormat string

// The formats of access tokens.
const (
	Opaque TokenFormat = "opaque"
	JWT    TokenFormat = "jwt"
)

// TokenAlgorithm is the algorithm that signs JWTs (RFC 7518 section 3.1, RFC 8037).
type TokenAlgorithm string

// The algorithms.
const (
	RS256 TokenAlgorithm = "RS256"
	ES256 TokenAlgorithm = "ES256"
	EdDSA TokenAlgorithm = "EdDSA"
)

// TokenAlgorithms returns the algorithms. The first is the default: common verifiers know no other.
func TokenAlgorithms() []TokenAlgorithm { return []TokenAlgorithm{RS256, ES256, EdDSA} }

// Settings are the settings of a tenant. They are stored as JSON. A missing member has its zero
// value.
type Settings struct {
	Style        credential.Style `json:"style"`
	Prefix       string           `json:"prefix,omitempty"`
	Label        string           `json:"label,omitempty"`
	ClientDomain string           `json:"client_domain,omitempty"`
	// KeyHeader is the name of the header in which the tenant's keys travel; "" for none.
	KeyHeader        string      `json:"key_header,omitempty"`
	Transports       []Transport `json:"transports"`
	SessionTransport bool        `json:"session_transport"`
	// KeysPerUser is how many keys with a slot a user may have; 0 for any number.
	KeysPerUser int `json:"keys_per_user"`
	// KeysPerServiceAccount and KeysPerSubject are the same for the other types of owners.
	KeysPerServiceAccount int `json:"keys_per_service_account,omitempty"`
	KeysPerSubject        int `json:"keys_per_subject,omitempty"`
	// Owners are the types of owners that may get new keys. See [Settings.OwnerTypes].
	Owners   []ident.PartyType `json:"owners,omitempty"`
	Creators []Creator         `json:"creators"`
	// Visibility is what members see. Admins and auditors see all keys.
	Visibility Visibility `json:"visibility"`
	// DefaultScopes are the scopes of a key that is created without any; if it is empty, the
	// creator must choose. With Every, such a key also has all applications.
	DefaultScopes []scope.Scope `json:"default_scopes,omitempty"`
	RevokeMode    RevokeMode    `json:"revoke_mode"`
	Disclosure    Disclosure    `json:"disclosure"`
	// Dialect names the vendor whose paths and bodies the tenant serves; "problem+json" for none.
	Dialect string `json:"dialect"`
	// AdminRefresh allows admins to refresh the keys of others.
	AdminRefresh bool `json:"admin_refresh"`
	// TokenSeconds is the lifetime of an OAuth access token.
	TokenSeconds int         `json:"token_seconds"`
	TokenFormat  TokenFormat `json:"token_format"`
	// TokenAudience is for whom JWTs are (`aud`); "" for this server's base URL.
	TokenAudience string `json:"token_audience,omitempty"`
	// TokenAlgorithm signs JWTs; "" for RS256.
	TokenAlgorithm TokenAlgorithm `json:"token_algorithm,omitempty"`
	// IdleDays is after how many days without use a key is disabled; 0 for never.
	IdleDays int `json:"idle_days,omitempty"`
	// RequestsPerMinute is the rate limit of each key; 0 for none.
	RequestsPerMinute int `json:"requests_per_minute,omitempty"`
	// VerifyRequestsPerMinute is the rate limit of each key for verifying other credentials; 0 for
	// none.
	VerifyRequestsPerMinute int `json:"verify_requests_per_minute,omitempty"`
	// VerifyRequires are the fields without which a verify request is refused, if a key of the
	// tenant sends it or if it is about a key of the tenant.
	VerifyRequires []VerifyField `json:"verify_requires,omitempty"`
	// LegacyPassword allows people of an old tenant to use its API with e-mail address and
	// password, too. Only the operator sets it.
	LegacyPassword bool `json:"legacy_password,omitempty"`
	// MembersManageApplications lets members hold the scopes that create, change and delete
	// applications. Only a preset sets it, for new tenants: nobody else gains rights by an upgrade.
	MembersManageApplications bool `json:"members_manage_applications,omitempty"`
}

// Shape returns the shape of the tenant's new keys. It has only the settings that the style uses.
func (s Settings) Shape() credential.Shape {
	shape := credential.Shape{Style: s.Style}
	switch s.Style {
	case credential.Token:
		shape.Prefix, shape.Label = s.Prefix, s.Label
	case credential.Client:
		shape.Domain = s.ClientDomain
	}
	return shape
}

// Location is where a request carries its credential.
type Location struct {
	Transport Transport
	// Header is the name of the key header; "" if it is not known, and for other transports.
	Header string
}

// Allows reports whether the tenant's keys may be sent there: by one of its transports and, for
// transport header, in its own key header.
func (s Settings) Allows(w Location) bool {
	if !slices.Contains(s.Transports, w.Transport) {
		return false
	}
	return w.Transport != Header || s.KeyHeader != "" && (w.Header == "" || strings.EqualFold(w.Header, s.KeyHeader))
}

// OwnerTypes returns the types of owners that may get new keys: those chosen, or else all of them,
// or only users if the tenant behaves like one of the other systems, which know no others.
func (s Settings) OwnerTypes() []ident.PartyType {
	switch {
	case len(s.Owners) > 0:
		return s.Owners
	case s.Dialect == problemDialect:
		return ident.OwnerTypes()
	}
	return []ident.PartyType{ident.UserParty}
}

// KeyLimit returns how many keys with a slot an owner of the type may have, and the name of the
// setting that says so; 0 for any number.
func (s Settings) KeyLimit(owner ident.PartyType) (limit int, setting string) {
	switch owner {
	case ident.ServiceAccountParty:
		return s.KeysPerServiceAccount, "keys_per_service_account"
	case ident.SubjectParty:
		return s.KeysPerSubject, "keys_per_subject"
	}
	return s.KeysPerUser, "keys_per_user"
}

// WithTokenFormat returns the settings with the format of access tokens. A JWT cannot be taken back
// from those who verify it by its signature, so its lifetime is cut to what a JWT may have.
func (s Settings) WithTokenFormat(f TokenFormat) Settings {
	s.TokenFormat = f
	if f == JWT {
		s.TokenSeconds = min(s.TokenSeconds, MaxJWTSeconds)
	}
	return s
}

// AllowsCreator reports whether this kind of person may create keys.
func (s Settings) AllowsCreator(c Creator) bool { return slices.Contains(s.Creators, c) }

// Preset names the settings of a new tenant: Claviger's own, or those that behave like one of four
// other systems.
type Preset string

// The presets.
const (
	Standard   Preset = "standard"
	BlazeMeter Preset = "blazemeter"
	LoadRunner Preset = "loadrunner"
	Blazeauth  Preset = "blazeauth"
	Blancco    Preset = "blancco"
)

// Presets returns all presets, Claviger's own first.
func Presets() []Preset { return []Preset{Standard, BlazeMeter, LoadRunner, Blazeauth, Blancco} }

// problemDialect is the dialect of tenants that behave like no other system.
const problemDialect = "problem+json"

// Settings returns a fresh copy of the preset's settings.
func (p Preset) Settings() (Settings, error) {
	common := Settings{
		TokenSeconds: 3600, TokenFormat: Opaque, RevokeMode: Tombstone, Disclosure: Once,
		Visibility: SeeOwn, SessionTransport: true,
	}
	s := common
	s.Dialect = string(p)
	switch p {
	case Standard:
		s.Style = credential.Token
		s.Prefix = "clv"
		s.Label = "ak"
		s.KeyHeader, s.Transports = "X-API-Key", keyTransports()
		s.KeysPerUser, s.Creators = 2, []Creator{BySelf, ByAdmin}
		s.Visibility, s.Dialect = SeeAll, problemDialect
	case BlazeMeter:
		s.Style, s.Transports = credential.Pair, []Transport{Basic}
		s.Creators, s.DefaultScopes = []Creator{BySelf}, []scope.Scope{scope.Every}
	case LoadRunner:
		s.Style = credential.Client
		s.ClientDomain = "microfocus.com"
		s.Transports = []Transport{OAuth}
		s.SessionTransport = false
		s.KeysPerUser = 2
		s.RevokeMode = Delete
		s.Creators, s.DefaultScopes = []Creator{ByAdmin}, []scope.Scope{scope.Every}
	case Blazeauth:
		s.Style = credential.Token
		s.Prefix = "blz_mgmt"
		s.Label = "bak"
		s.Transports, s.Creators = []Transport{Bearer}, []Creator{BySelf}
		s.MembersManageApplications = true
	case Blancco:
		s.Style = credential.UUID
		s.KeyHeader = "X-BLANCCO-API-KEY"
		s.Transports = []Transport{Header}
		s.SessionTransport = false
		s.Visibility = SeeAll
		s.RevokeMode = Delete
		s.Creators = []Creator{BySelf}
		s.DefaultScopes = []scope.Scope{scope.Every}
		s.Disclosure = Recoverable
	default:
		return Settings{},
			fault.Refuse(fault.Field{
				Name: "preset", Code: "unknown",
				Message: "Use standard, blazemeter, loadrunner, blazeauth or blancco.",
			})
	}
	return s, nil
}

// AutoExpires reports whether a new account with the preset has automatic expiration. It has not if
// the other system has not.
func (p Preset) AutoExpires() bool { return p == Standard || p == LoadRunner }

// Tenant is what the rules need to know about a tenant and its account.
type Tenant struct {
	ID      ident.TenantID
	Number  int64
	Account ident.AccountID
	// Active is false where the tenant or its account is disabled.
	Active bool
	// AccountDisabled is set where its account is.
	AccountDisabled bool

	Settings  Settings
	Catalogue scope.Catalogue
	Rules     []Rule
	// IdleSince is when Settings.IdleDays was last changed; zero if it is 0.
	IdleSince time.Time
}

// Blocks returns what keeps the keys of an owner from working; "" for nothing.
func (t Tenant) Blocks(ownerDisabled bool) Blocker {
	switch {
	case t.AccountDisabled:
		return BlockedByAccount
	case !t.Active:
		return BlockedByTenant
	case ownerDisabled:
		return BlockedByOwner
	}
	return ""
}

// IdleRule returns the tenant's rule for keys that nobody uses.
func (t Tenant) IdleRule() IdleRule { return IdleRule{Days: t.Settings.IdleDays, Since: t.IdleSince} }
