package api

// Each type of this file is the set of values of one or more members. Their values are part of the
// wire format. A server may add values later: a client must accept a value that it does not know. A
// field that takes only some of them names these in its tag "values".

// Status is the state of an account, a tenant, an application, a member or a user.
type Status string

// The values of Status.
const (
	StatusActive   Status = "active"
	StatusDisabled Status = "disabled"
)

// Values returns all values.
func (Status) Values() []Status { return []Status{StatusActive, StatusDisabled} }

// KeyStatus is the state of a key.
type KeyStatus string

// The values of KeyStatus.
const (
	KeyActive   KeyStatus = "active"
	KeyDisabled KeyStatus = "disabled"
	KeyExpired  KeyStatus = "expired"
	KeyRevoked  KeyStatus = "revoked"
)

// Values returns all values.
func (KeyStatus) Values() []KeyStatus {
	return []KeyStatus{KeyActive, KeyDisabled, KeyExpired, KeyRevoked}
}

// Role is a person's role: in an account owner or admin, in a tenant admin, member or auditor.
type Role string

// The values of Role.
const (
	RoleOwner   Role = "owner"
	RoleAdmin   Role = "admin"
	RoleMember  Role = "member"
	RoleAuditor Role = "auditor"
)

// Values returns all values.
func (Role) Values() []Role { return []Role{RoleOwner, RoleAdmin, RoleMember, RoleAuditor} }

// PartyType says what a party is. Users, service accounts and subjects own keys. The other types
// only create objects.
type PartyType string

// The values of PartyType.
const (
	PartyUser           PartyType = "user"
	PartyServiceAccount PartyType = "service_account"
	PartySubject        PartyType = "subject"
	PartyManagementKey  PartyType = "management_key"
	PartyOperator       PartyType = "operator"
	PartySystem         PartyType = "system"
)

// Values returns all values.
func (PartyType) Values() []PartyType {
	return []PartyType{
		PartyUser, PartyServiceAccount, PartySubject, PartyManagementKey, PartyOperator, PartySystem,
	}
}

// Style is the format of a key.
type Style string

// The values of Style.
const (
	StyleToken  Style = "token"
	StylePair   Style = "pair"
	StyleClient Style = "client"
	StyleUUID   Style = "uuid"
)

// Values returns all values.
func (Style) Values() []Style { return []Style{StyleToken, StylePair, StyleClient, StyleUUID} }

// Transport is how a request carries a credential.
type Transport string

// The values of Transport. A request never carries a key by TransportSession.
const (
	TransportBearer  Transport = "bearer"
	TransportBasic   Transport = "basic"
	TransportHeader  Transport = "header"
	TransportOAuth   Transport = "oauth"
	TransportSession Transport = "session"
)

// Values returns all values.
func (Transport) Values() []Transport {
	return []Transport{TransportBearer, TransportBasic, TransportHeader, TransportOAuth, TransportSession}
}

// Creator is who may create keys: the owner of the key, or an admin for the owner.
type Creator string

// The values of Creator.
const (
	CreatorSelf  Creator = "self"
	CreatorAdmin Creator = "admin"
)

// Values returns all values.
func (Creator) Values() []Creator { return []Creator{CreatorSelf, CreatorAdmin} }

// Visibility is which keys of a tenant its members see: all, or their own.
type Visibility string

// The values of Visibility.
const (
	VisibilityAll Visibility = "all"
	VisibilityOwn Visibility = "own"
)

// Values returns all values.
func (Visibility) Values() []Visibility { return []Visibility{VisibilityAll, VisibilityOwn} }

// RevokeMode is what becomes of a revoked key: it stays listed as revoked, or it is deleted.
type RevokeMode string

// The values of RevokeMode.
const (
	RevokeTombstone RevokeMode = "tombstone"
	RevokeDelete    RevokeMode = "delete"
)

// Values returns all values.
func (RevokeMode) Values() []RevokeMode { return []RevokeMode{RevokeTombstone, RevokeDelete} }

// Disclosure is whether a key's secret is shown once, or can be revealed again.
type Disclosure string

// The values of Disclosure.
const (
	DisclosureOnce        Disclosure = "once"
	DisclosureRecoverable Disclosure = "recoverable"
)

// Values returns all values.
func (Disclosure) Values() []Disclosure {
	return []Disclosure{DisclosureOnce, DisclosureRecoverable}
}

// TokenFormat is the format of an OAuth access token.
type TokenFormat string

// The values of TokenFormat.
const (
	TokenOpaque TokenFormat = "opaque"
	TokenJWT    TokenFormat = "jwt"
)

// Values returns all values.
func (TokenFormat) Values() []TokenFormat { return []TokenFormat{TokenOpaque, TokenJWT} }

// TokenAlgorithm is the algorithm that signs access tokens of format jwt (RFC 7518).
type TokenAlgorithm string

// The values of TokenAlgorithm.
const (
	TokenRS256 TokenAlgorithm = "RS256"
	TokenES256 TokenAlgorithm = "ES256"
	TokenEdDSA TokenAlgorithm = "EdDSA"
)

// Values returns all values.
func (TokenAlgorithm) Values() []TokenAlgorithm {
	return []TokenAlgorithm{TokenRS256, TokenES256, TokenEdDSA}
}

// Preset is a set of tenant settings that behaves as one of the four vendors' systems, or as
// Claviger's own.
type Preset string

// The values of Preset.
const (
	PresetStandard   Preset = "standard"
	PresetBlazeMeter Preset = "blazemeter"
	PresetLoadRunner Preset = "loadrunner"
	PresetBlazeauth  Preset = "blazeauth"
	PresetBlancco    Preset = "blancco"
)

// Values returns all values.
func (Preset) Values() []Preset {
	return []Preset{PresetStandard, PresetBlazeMeter, PresetLoadRunner, PresetBlazeauth, PresetBlancco}
}

// Dialect is the form of error responses on the vendors' paths.
type Dialect string

// The values of Dialect.
const (
	DialectProblem    Dialect = "problem+json"
	DialectBlazeMeter Dialect = "blazemeter"
	DialectLoadRunner Dialect = "loadrunner"
	DialectBlazeauth  Dialect = "blazeauth"
	DialectBlancco    Dialect = "blancco"
)

// Values returns all values.
func (Dialect) Values() []Dialect {
	return []Dialect{DialectProblem, DialectBlazeMeter, DialectLoadRunner, DialectBlazeauth, DialectBlancco}
}

// VerifyMember is a member of a VerifyRequest that a tenant can require.
type VerifyMember string

// The values of VerifyMember.
const (
	VerifyApplicationID VerifyMember = "application_id"
	VerifyTenantID      VerifyMember = "tenant_id"
	VerifyScopes        VerifyMember = "scopes"
	VerifyIP            VerifyMember = "ip"
)

// Values returns all values.
func (VerifyMember) Values() []VerifyMember {
	return []VerifyMember{VerifyApplicationID, VerifyTenantID, VerifyScopes, VerifyIP}
}

// Delivery is how the owner of a new key gets its secret: in the response, or through a link.
type Delivery string

// The values of Delivery.
const (
	DeliveryDirect Delivery = "direct"
	DeliveryLink   Delivery = "link"
)

// Values returns all values.
func (Delivery) Values() []Delivery { return []Delivery{DeliveryDirect, DeliveryLink} }

// Blocker is what keeps an otherwise active key from working.
type Blocker string

// The values of Blocker.
const (
	BlockedByOwner   Blocker = "owner"
	BlockedByTenant  Blocker = "tenant"
	BlockedByAccount Blocker = "account"
)

// Values returns all values.
func (Blocker) Values() []Blocker {
	return []Blocker{BlockedByOwner, BlockedByTenant, BlockedByAccount}
}

// ExpiryReason is the rule that a key's effective expiry follows from.
type ExpiryReason string

// The values of ExpiryReason.
const (
	ExpiryByKey         ExpiryReason = "key"
	ExpiryByMaxLifetime ExpiryReason = "max_lifetime"
	ExpiryByAutoExpiry  ExpiryReason = "auto_expiry"
)

// Values returns all values.
func (ExpiryReason) Values() []ExpiryReason {
	return []ExpiryReason{ExpiryByKey, ExpiryByMaxLifetime, ExpiryByAutoExpiry}
}

// Finding is one thing to improve about a key or a management key.
type Finding string

// The values of Finding.
const (
	// FindingNeverUsed says that the key was never used, and its secret is at least 7 days old.
	FindingNeverUsed         Finding = "never_used"
	FindingUnused90Days      Finding = "unused_90_days"
	FindingOlderThan90Days   Finding = "older_than_90_days"
	FindingOlderThan12Months Finding = "older_than_12_months"
	FindingNeverExpires      Finding = "never_expires"
	FindingUnusedScopes      Finding = "unused_scopes"
	FindingOverlapOpen       Finding = "overlap_open"
	FindingNoSteward         Finding = "no_steward"
	// FindingShownToFormerAdmin, FindingExpiresSoon and FindingServiceAccountDisabled are about
	// management keys only.
	FindingShownToFormerAdmin     Finding = "shown_to_former_admin"
	FindingExpiresSoon            Finding = "expires_soon"
	FindingServiceAccountDisabled Finding = "service_account_disabled"
)

// Values returns all values.
func (Finding) Values() []Finding {
	return []Finding{
		FindingNeverUsed, FindingUnused90Days, FindingOlderThan90Days, FindingOlderThan12Months,
		FindingNeverExpires, FindingUnusedScopes, FindingOverlapOpen, FindingNoSteward, FindingShownToFormerAdmin,
		FindingExpiresSoon, FindingServiceAccountDisabled,
	}
}

// SessionKind says where a session is valid.
type SessionKind string

// The values of SessionKind.
const (
	// SessionOfConsole is valid for Claviger itself, and for APIs behind forward-auth.
	SessionOfConsole SessionKind = "session"
	// SessionOfGateway is valid at the gateway alone.
	SessionOfGateway SessionKind = "gateway_session"
	// SessionOfPassword is valid at the gateway alone, for one tenant. A program received it for a
	// password.
	SessionOfPassword SessionKind = "password_session"
)

// Values returns all values.
func (SessionKind) Values() []SessionKind {
	return []SessionKind{SessionOfConsole, SessionOfGateway, SessionOfPassword}
}

// PrincipalKind is what kind of credential a caller used.
type PrincipalKind string

// The values of PrincipalKind.
const (
	PrincipalKey     PrincipalKind = "key"
	PrincipalSession PrincipalKind = "session"
)

// Values returns all values.
func (PrincipalKind) Values() []PrincipalKind {
	return []PrincipalKind{PrincipalKey, PrincipalSession}
}
