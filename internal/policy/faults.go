package policy

import (
	"cmp"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/scope"
)

var keyHeaderPattern = regexp.MustCompile(`(?i)^X-[A-Z0-9-]+-(Key|Token)$`)

// MaxKeysPerOwner is how many keys with a slot an owner has in a tenant at most, whatever
// keys_per_user is.
const MaxKeysPerOwner = 10_000

// MaxJWTSeconds is how long a JWT is valid at most, in seconds.
const MaxJWTSeconds = 300

// The bounds of a tenant's numbers.
const (
	minTokenSeconds  = 60
	maxTokenSeconds  = 86_400
	maxIdleDays      = 3650
	maxPerMinute     = 1_000_000
	maxDefaultScopes = 200
)

// Faults returns what is wrong with the settings. The names of the fields begin with "settings.".
func (s Settings) Faults() []fault.Field {
	faults := slices.Concat(s.Shape().Faults(), s.unusedStyleFaults(), s.transportFaults(), s.choiceFaults(),
		s.scopeFaults(),
		s.numberFaults())
	for i := range faults {
		faults[i].Name = "settings." + faults[i].Name
	}
	return faults
}

// LabelFaults returns a fault if the label is reserved for credentials of Claviger itself. It is
// checked when the label is set: a tenant that had it before may change other settings.
func (s Settings) LabelFaults() []fault.Field {
	if !credential.ReservedLabel(s.Label) {
		return nil
	}
	return []fault.Field{{
		Name: "settings.label", Code: "reserved",
		Message: "Claviger's own credentials have the labels mk and at. Use another label.",
	}}
}

// unusedStyleFaults checks the settings that the present style does not use, because another style
// may be chosen later.
func (s Settings) unusedStyleFaults() (faults []fault.Field) {
	const valid = "x"
	if s.Style != credential.Token {
		faults = credential.Shape{
			Style: credential.Token, Prefix: cmp.Or(s.Prefix, valid),
			Label: cmp.Or(s.Label, valid),
		}.Faults()
	}
	if s.Style != credential.Client && s.ClientDomain != "" {
		faults = append(faults, credential.Shape{Style: credential.Client, Domain: s.ClientDomain}.Faults()...)
	}
	return faults
}

func (s Settings) transportFaults() (faults []fault.Field) {
	faults = listFaults("transports", s.Transports, keyTransports())
	switch {
	case s.KeyHeader != "" && (len(s.KeyHeader) > 64 || !keyHeaderPattern.MatchString(s.KeyHeader)):
		faults = append(faults,
			fault.Field{
				Name: "key_header", Code: "form",
				Message: "Use X-…-Key or X-…-Token, at most 64 letters, digits and hyphens.",
			})
	case s.KeyHeader == "" && slices.Contains(s.Transports, Header):
		faults = append(faults,
			fault.Field{
				Name: "key_header", Code: "required",
				Message: "Name the header that carries keys, or remove header from `transports`.",
			})
	}
	return faults
}

func (s Settings) choiceFaults() []fault.Field {
	return slices.Concat(
		listFaults("creators", s.Creators, []Creator{BySelf, ByAdmin}),
		optionalListFaults("owners", s.Owners, ident.OwnerTypes()),
		choiceFaults("visibility", s.Visibility, SeeAll, SeeOwn),
		choiceFaults("revoke_mode", s.RevokeMode, Tombstone, Delete),
		choiceFaults("disclosure", s.Disclosure, Once, Recoverable),
		choiceFaults("dialect", s.Dialect, dialects()...),
		choiceFaults("token_format", s.TokenFormat, Opaque, JWT),
		choiceFaults("token_algorithm", cmp.Or(s.TokenAlgorithm, RS256), TokenAlgorithms()...),
		s.audienceFaults(),
		optionalListFaults("verify_requires", s.VerifyRequires, verifyFields()),
	)
}

// maxAudience bounds the length of a token audience, in characters.
const maxAudience = 200

var audiencePattern = regexp.MustCompile(`^[!-~]*$`)

// audienceFaults checks the audience, which is a URI or a name (RFC 7519 section 2).
func (s Settings) audienceFaults() []fault.Field {
	if len(s.TokenAudience) <= maxAudience && audiencePattern.MatchString(s.TokenAudience) {
		return nil
	}
	return []fault.Field{
		{
			Name: "token_audience",
			Code: "form",
			Message: fmt.Sprintf(
				"Use at most %d printable ASCII characters without a space, such as https://api.example.com, "+
					"or null for the URL of this server.",
				maxAudience,
			),
		},
	}
}

// dialects returns the dialects that a tenant can have.
func dialects() []string {
	return []string{problemDialect, string(BlazeMeter), string(LoadRunner), string(Blazeauth), string(Blancco)}
}

// listFaults returns a fault unless the list has at least one of the words, and each at most once.
func listFaults[T ~string](name string, got, words []T) (faults []fault.Field) {
	if len(got) == 0 {
		return []fault.Field{{Name: name, Code: "required", Message: "Use at least one of " + listWords(words) + "."}}
	}
	for i, word := range got {
		switch {
		case !slices.Contains(words, word):
			faults = append(faults,
				fault.Field{
					Name: fmt.Sprintf("%s.%d", name, i), Code: "unknown",
					Message: "Use " + listWords(words) + ".",
				})
		case slices.Index(got, word) != i:
			faults = append(faults, duplicate(name, i))
		}
	}
	return faults
}

// optionalListFaults returns a fault unless the list has only these words, each at most once.
func optionalListFaults[T ~string](name string, got, words []T) []fault.Field {
	if len(got) == 0 {
		return nil
	}
	return listFaults(name, got, words)
}

func choiceFaults[T ~string](name string, got T, words ...T) []fault.Field {
	if slices.Contains(words, got) {
		return nil
	}
	return []fault.Field{{Name: name, Code: "unknown", Message: "Use " + listWords(words) + "."}}
}

// listWords returns "a, b or c".
func listWords[T ~string](words []T) string {
	var b strings.Builder
	for i, word := range words {
		switch {
		case i == 0:
		case i == len(words)-1:
			b.WriteString(" or ")
		default:
			b.WriteString(", ")
		}
		b.WriteString(string(word))
	}
	return b.String()
}

func (s Settings) scopeFaults() (faults []fault.Field) {
	if len(s.DefaultScopes) > maxDefaultScopes {
		return []fault.Field{{
			Name: "default_scopes", Code: "length",
			Message: fmt.Sprintf("Use at most %d scopes.", maxDefaultScopes),
		}}
	}
	if slices.Contains(s.DefaultScopes, scope.Every) && len(s.DefaultScopes) > 1 {
		return []fault.Field{{Name: "default_scopes", Code: "every", Message: "Use `*` alone, or leave it out."}}
	}
	for i, name := range s.DefaultScopes {
		if slices.Index(s.DefaultScopes, name) != i {
			faults = append(faults, duplicate("default_scopes", i))
		}
	}
	return faults
}

func duplicate(list string, i int) fault.Field {
	return fault.Field{Name: fmt.Sprintf("%s.%d", list, i), Code: "duplicate", Message: "Remove the duplicate."}
}

// UnknownScopes returns a fault for each default scope that is not in the catalogue.
func (s Settings) UnknownScopes(c scope.Catalogue) (faults []fault.Field) {
	for i, name := range s.DefaultScopes {
		if name != scope.Every && !c.Knows(name) {
			faults = append(faults,
				fault.Field{
					Name: fmt.Sprintf("settings.default_scopes.%d", i), Code: "unknown",
					Message: "Use a scope of the tenant's catalogue.",
				})
		}
	}
	return faults
}

func (s Settings) numberFaults() []fault.Field {
	longest := maxTokenSeconds
	if s.TokenFormat == JWT {
		longest = MaxJWTSeconds
	}
	return slices.Concat(
		rangeFaults("keys_per_user", s.KeysPerUser, 0, MaxKeysPerOwner),
		rangeFaults("keys_per_service_account", s.KeysPerServiceAccount, 0, MaxKeysPerOwner),
		rangeFaults("keys_per_subject", s.KeysPerSubject, 0, MaxKeysPerOwner),
		rangeFaults("token_seconds", s.TokenSeconds, minTokenSeconds, longest),
		rangeFaults("idle_days", s.IdleDays, 0, maxIdleDays),
		rangeFaults("requests_per_minute", s.RequestsPerMinute, 0, maxPerMinute),
		rangeFaults("verify_requests_per_minute", s.VerifyRequestsPerMinute, 0, maxPerMinute),
	)
}

// rangeFaults returns a fault unless the number is between the bounds. If the lower bound is 0,
// then 0 stands for null.
func rangeFaults(name string, n, least, most int) []fault.Field {
	if n >= least && n <= most {
		return nil
	}
	message := fmt.Sprintf("Use %d to %d.", least, most)
	if least == 0 {
		message = fmt.Sprintf("Use 1 to %d, or null for none.", most)
	}
	return []fault.Field{{Name: name, Code: "range", Message: message}}
}

// Differences returns the JSON names of the settings that differ.
func (s Settings) Differences(to Settings) (names []string) {
	was, is := reflect.ValueOf(s), reflect.ValueOf(to)
	for i, f := range reflect.VisibleFields(was.Type()) {
		empty := f.Type.Kind() == reflect.Slice && was.Field(i).Len()+is.Field(i).Len() == 0
		if !empty && !reflect.DeepEqual(was.Field(i).Interface(), is.Field(i).Interface()) {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			names = append(names, name)
		}
	}
	return names
}
