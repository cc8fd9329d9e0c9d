package verify

import (
	"fmt"
	"log/slog"

	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/policy"
)

// CredentialKind is what a request presented. The kinds are closed: only the constructors below make a [Presentation].
type CredentialKind uint8

// The kinds.
const (
	// NoCredential is a request without a credential.
	NoCredential CredentialKind = iota
	// MalformedCredential is something that has not the form of a credential.
	MalformedCredential
	// AmbiguousCredential is more than one credential.
	AmbiguousCredential
	// APIKey is an API key.
	APIKey
	// AccessToken is an OAuth access token.
	AccessToken
	// SessionToken is the cookie of a sign-in.
	SessionToken
	// ManagementKey is a management key.
	ManagementKey
)

// Presentation is the one credential that a request carried (step 1), or why there is none. The zero value is no credential.
// It holds a secret and must not outlive the request; it does not print.
type Presentation struct {
	kind  CredentialKind
	way   policy.Way
	key   credential.Presented // of an API key or a management key
	token string               // of a session or an access token
}

// PresentMalformed makes the presentation of something that has not the form of a credential.
func PresentMalformed(way policy.Way) Presentation {
	return Presentation{kind: MalformedCredential, way: way}
}

// PresentAmbiguous makes the presentation of more than one credential.
func PresentAmbiguous() Presentation { return Presentation{kind: AmbiguousCredential} }

// PresentKey makes the presentation of an API key. The zero way leaves its transport undecided.
func PresentKey(key credential.Presented, way policy.Way) Presentation {
	return Presentation{kind: APIKey, key: key, way: way}
}

// PresentSession makes the presentation of a session's cookie.
func PresentSession(token string) Presentation {
	return Presentation{kind: SessionToken, token: token, way: policy.Way{Transport: policy.Session}}
}

// PresentAccessToken makes the presentation of an access token. A token counts as transport oauth, however it came.
func PresentAccessToken(token string) Presentation {
	return Presentation{kind: AccessToken, token: token, way: policy.Way{Transport: policy.OAuth}}
}

// PresentManagementKey makes the presentation of a management key.
func PresentManagementKey(key credential.Presented) Presentation {
	return Presentation{kind: ManagementKey, key: key, way: policy.Way{Transport: policy.Bearer}}
}

// Kind of the credential.
func (p Presentation) Kind() CredentialKind { return p.kind }

// Way is how the credential came; zero where that is not known.
func (p Presentation) Way() policy.Way { return p.way }

// Explicit reports whether the request carried a credential of its own, good or bad. A browser sends a cookie by itself.
func (p Presentation) Explicit() bool { return p.kind != NoCredential && p.kind != SessionToken }

// Key returns the API key; ok is false for every other kind.
func (p Presentation) Key() (key credential.Presented, ok bool) { return p.key, p.kind == APIKey }

// Format writes "[redacted]" for every verb.
func (Presentation) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("[redacted]")) }

// LogValue returns "[redacted]".
func (Presentation) LogValue() slog.Value { return slog.StringValue("[redacted]") }

// refusal returns the code for a presentation where only an API key is accepted; "" for an API key. A kind that is not
// listed is refused.
func (p Presentation) refusal() fault.Kind {
	switch p.kind {
	case APIKey:
		return ""
	case AmbiguousCredential:
		return fault.CredentialAmbiguous
	case AccessToken:
		return fault.TokenInvalid
	case NoCredential, MalformedCredential, SessionToken, ManagementKey:
		return fault.KeyInvalid
	default:
		return fault.KeyInvalid
	}
}
