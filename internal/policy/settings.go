// Package policy holds the settings of tenants and the policies of accounts as pure rules: what a preset means, when a
// key expires, in which state it is. No clock and no storage: time comes in as a parameter.
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

// The transports. A session cookie is the fifth way; no tenant lists it.
const (
	Bearer  Transport = "bearer"
	Basic   Transport = "basic"
	Header  Transport = "header"
	OAuth   Transport = "oauth"
	Session Transport = "session"
)

// Valid reports whether a key can come by the transport.
func (t Transport) Valid() bool { return slices.Contains(keyTransports(), t) }

// keyTransports lists those by which a key can come.
func keyTransports() []Transport { return []Transport{Bearer, Basic, Header, OAuth} }

// Creator says who may create keys in a tenant.
type Creator string

// The creators.
const (
	BySelf  Creator = "self"
	ByAdmin Creator = "admin"
)

// Visibility says which keys a tenant's members see.
type Visibility string

// The visibilities.
const (
	SeeAll Visibility = "all"
	SeeOwn Visibility = "own"
)

// RevokeMode says what revoking leaves behind.
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

// TokenFormat is the form of OAuth access tokens.
type TokenFormat string

// The formats of access tokens.
const (
	Opaque TokenFormat = "opaque"
	JWT    TokenFormat = "jwt"
)

// Settings of a tenant. The JSON form is what is stored; a member it lacks keeps its zero value.
type Settings struct {
	Style        credential.Style `json:"style"`
	Prefix       string           `json:"prefix,omitempty"`
	Label        string           `json:"label,omitempty"`
	ClientDomain string           `json:"client_domain,omitempty"`
	// KeyHeader is the tenant's own header for keys; "" for none.
	KeyHeader        string      `json:"key_header,omitempty"`
	Transports       []Transport `json:"transports"`
	SessionTransport bool        `json:"session_transport"`
	// KeysPerUser is the cap; 0 means unlimited.
	KeysPerUser int       `json:"keys_per_user"`
	Creators    []Creator `json:"creators"`
	// Visibility to members; admins and auditors see all.
	Visibility Visibility `json:"visibility"`
	// DefaultScopes are given to a key that names none; empty means that the creator must choose. With Every come all applications.
	DefaultScopes []scope.Scope `json:"default_scopes,omitempty"`
	RevokeMode    RevokeMode    `json:"revoke_mode"`
	Disclosure    Disclosure    `json:"disclosure"`
	// Dialect is the vendor whose envelopes the tenant speaks on that vendor's paths; "problem+json" for our own.
	Dialect string `json:"dialect"`
	// AdminRefresh lets an admin refresh another's key.
	AdminRefresh bool `json:"admin_refresh"`
	// TokenSeconds is the life of an OAuth access token.
	TokenSeconds int         `json:"token_seconds"`
	TokenFormat  TokenFormat `json:"token_format"`
	// IdleDays disables a key unused for that long; 0 for never.
	IdleDays int `json:"idle_days,omitempty"`
	// RequestsPerMinute bounds each key; 0 for no bound.
	RequestsPerMinute int `json:"requests_per_minute,omitempty"`
	// LegacyPassword lets people of an old tenant come to its API with e-mail address and password, too. Only the operator sets it.
	LegacyPassword bool `json:"legacy_password,omitempty"`
}

// Shape is how the tenant's new keys look: of the settings only those that its style knows.
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

// Way is how a credential came.
type Way struct {
	Transport Transport
	// Header is the name of the key header it came in; "" where that is not known, or for another transport.
	Header string
}

// Allows reports whether the tenant's keys may come that way: by one of its transports, and in its own key header.
func (s Settings) Allows(w Way) bool {
	if !slices.Contains(s.Transports, w.Transport) {
		return false
	}
	return w.Transport != Header || s.KeyHeader != "" && (w.Header == "" || strings.EqualFold(w.Header, s.KeyHeader))
}

// LetsCreate reports whether keys may be made by this kind of creator.
func (s Settings) LetsCreate(c Creator) bool { return slices.Contains(s.Creators, c) }

// Preset names settings that behave as one of the four systems of the seeds, or as Claviger's own.
type Preset string

// The presets.
const (
	Standard   Preset = "standard"
	BlazeMeter Preset = "blazemeter"
	LoadRunner Preset = "loadrunner"
	Blazeauth  Preset = "blazeauth"
	Blancco    Preset = "blancco"
)

// Settings gives a fresh copy of the preset's settings.
func (p Preset) Settings() (Settings, error) {
	common := Settings{TokenSeconds: 3600, TokenFormat: Opaque, RevokeMode: Tombstone, Disclosure: Once, Visibility: SeeOwn, SessionTransport: true}
	s := common
	s.Dialect = string(p)
	switch p {
	case Standard:
		s.Style, s.Prefix, s.Label = credential.Token, "clv", "ak"
		s.KeyHeader, s.Transports = "X-API-Key", keyTransports()
		s.KeysPerUser, s.Creators = 2, []Creator{BySelf, ByAdmin}
		s.Visibility, s.Dialect = SeeAll, "problem+json"
	case BlazeMeter:
		s.Style, s.Transports = credential.Pair, []Transport{Basic}
		s.Creators, s.DefaultScopes = []Creator{BySelf}, []scope.Scope{scope.Every}
	case LoadRunner:
		s.Style, s.ClientDomain, s.Transports = credential.Client, "microfocus.com", []Transport{OAuth}
		s.SessionTransport, s.KeysPerUser, s.RevokeMode = false, 2, Delete
		s.Creators, s.DefaultScopes = []Creator{ByAdmin}, []scope.Scope{scope.Every}
	case Blazeauth:
		s.Style, s.Prefix, s.Label = credential.Token, "blz_mgmt", "bak"
		s.Transports, s.Creators = []Transport{Bearer}, []Creator{BySelf}
	case Blancco:
		s.Style, s.KeyHeader, s.Transports = credential.UUID, "X-BLANCCO-API-KEY", []Transport{Header}
		s.SessionTransport, s.Visibility, s.RevokeMode = false, SeeAll, Delete
		s.Creators, s.DefaultScopes, s.Disclosure = []Creator{BySelf}, []scope.Scope{scope.Every}, Recoverable
	default:
		return Settings{}, fault.Refuse(fault.Field{Name: "preset", Code: "unknown", Message: "Use standard, blazemeter, loadrunner, blazeauth or blancco."})
	}
	return s, nil
}

// AutoExpires reports whether an account that begins with the preset expires its keys automatically: not where the system it follows does not.
func (p Preset) AutoExpires() bool { return p == Standard || p == LoadRunner }

// Tenant is what the rules need to know of a tenant and its account.
type Tenant struct {
	ID      ident.TenantID
	Account ident.AccountID
	// Open is false where the tenant or its account is disabled.
	Open      bool
	Settings  Settings
	Catalogue scope.Catalogue
	Rules     []Rule
	// IdleSince is when Settings.IdleDays became what it is; zero where it is 0.
	IdleSince time.Time
}

// Idleness is what the tenant makes of keys that nobody uses.
func (t Tenant) Idleness() Idleness { return Idleness{Days: t.Settings.IdleDays, Since: t.IdleSince} }
