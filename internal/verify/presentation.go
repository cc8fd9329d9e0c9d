package verify

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/policy"
)

// CredentialKind is the kind of credential that a request presented. The list is closed: only the
// constructors below make a [Presentation].
type CredentialKind uint8

// The kinds.
const (
	// NoCredential is a request without a credential.
	NoCredential CredentialKind = iota
	// MalformedCredential is a value without the form of a credential.
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

// Presentation is the one credential that a request carried (step 1), or why there is none. The
// zero value is no credential. It holds a secret, so it must not outlive the request, and printing
// it shows "[redacted]".
type Presentation struct {
	kind     CredentialKind
	location policy.Location
	key      credential.Parsed // of an API key or a management key
	token    string            // of a session or an access token
	session  credential.TokenKind
	// passive is set for a session that the request does not use.
	passive bool
	// headers are the names of the headers that carried an ambiguous credential.
	headers []string
}

// PresentMalformed returns the presentation of a value without the form of a credential.
func PresentMalformed(location policy.Location) Presentation {
	return Presentation{kind: MalformedCredential, location: location}
}

// PresentAmbiguous returns the presentation of more than one credential. headers are the names of
// the headers that carried them.
func PresentAmbiguous(headers ...string) Presentation {
	return Presentation{kind: AmbiguousCredential, headers: headers}
}

// PresentKey returns the presentation of an API key. With the zero location its transport is not
// checked.
func PresentKey(key credential.Parsed, location policy.Location) Presentation {
	return Presentation{kind: APIKey, key: key, location: location}
}

// PresentSession returns the presentation of a session's token of a kind.
func PresentSession(kind credential.TokenKind, token string) Presentation {
	return Presentation{
		kind: SessionToken, session: kind, token: token, location: policy.Location{Transport: policy.Session},
	}
}

// Passive returns the same presentation, whose session is not kept from being idle: the request was
// not made by the person, but by a page that is open.
func (p Presentation) Passive() Presentation {
	p.passive = true
	return p
}

// PresentAccessToken returns the presentation of an access token. Its transport is oauth, wherever
// the request carried it.
func PresentAccessToken(token string) Presentation {
	return Presentation{kind: AccessToken, token: token, location: policy.Location{Transport: policy.OAuth}}
}

// PresentManagementKey returns the presentation of a management key.
func PresentManagementKey(key credential.Parsed) Presentation {
	return Presentation{kind: ManagementKey, key: key, location: policy.Location{Transport: policy.Bearer}}
}

// Kind returns the kind of the credential.
func (p Presentation) Kind() CredentialKind { return p.kind }

// Location returns where the request carried the credential; zero if that is not known.
func (p Presentation) Location() policy.Location { return p.location }

// Explicit reports whether the client chose to send a credential, valid or not. A cookie does not
// count: a browser sends it by itself.
func (p Presentation) Explicit() bool { return p.kind != NoCredential && p.kind != SessionToken }

// maxAmbiguousNames is how many headers Detail names.
const maxAmbiguousNames = 8

// Detail returns the message about an ambiguous credential, which names the headers; "" for every
// other kind.
func (p Presentation) Detail() string {
	if p.kind != AmbiguousCredential || len(p.headers) == 0 {
		return ""
	}
	names := slices.Clone(p.headers)
	if len(names) > maxAmbiguousNames {
		names = append(names[:maxAmbiguousNames], "others")
	}
	list := names[len(names)-1]
	if before := names[:len(names)-1]; len(before) > 0 {
		list = strings.Join(before, ", ") + " and " + list
	}
	return "More than one credential was sent, in " + list + ". Send one credential, in one header."
}

// Key returns the API key. ok is false for every other kind.
func (p Presentation) Key() (key credential.Parsed, ok bool) { return p.key, p.kind == APIKey }

// Format writes "[redacted]" for every verb.
func (Presentation) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("[redacted]")) }

// LogValue returns "[redacted]".
func (Presentation) LogValue() slog.Value { return slog.StringValue("[redacted]") }

// refusal returns the code that refuses the presentation where only API keys are accepted; "" for
// an API key. It refuses a kind that is not listed.
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
