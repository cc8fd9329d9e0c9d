package console

import (
	"cmp"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/claviger-dev/claviger/internal/console/view"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
)

// setting is a tenant's setting as forms and tables have it. Its name is that of the settings'
// JSON, which the domain uses in faults too.
type setting struct {
	view.Control
	// none is the word for a setting without a value.
	none string
	// get puts the setting into the fields of a form, and set takes it from there. set returns what
	// is wrong with a field that cannot be read; "" for nothing.
	get func(s policy.Settings, values url.Values)
	set func(s *policy.Settings, values url.Values) string
}

// settingsPart is a part of the form for the settings of a tenant.
type settingsPart struct {
	heading, intro string
	settings       []setting
}

// settingsParts are all settings that the owners and admins of the account can change.
var settingsParts = []settingsPart{
	{
		"Key format", "For new keys. Existing keys keep their format until they are regenerated with a new ID.",
		[]setting{
			choiceSetting(view.Control{Kind: view.KindRadios, Name: "style", Label: "Format", Choices: []view.Choice{
				{Value: string(credential.Token), Text: "Token", Note: "prefix_label_…_…"},
				{Value: string(credential.Pair), Text: "ID and secret", Note: "two lines of digits"},
				{Value: string(credential.Client), Text: "OAuth client", Note: "oauth2-…@client domain"},
				{Value: string(credential.UUID), Text: "UUID", Note: "one value"},
			}}, func(s *policy.Settings) *credential.Style { return &s.Style }),
			textSetting("prefix", "Prefix", "Of keys in the format “Token”.", "short",
				func(s *policy.Settings) *string { return &s.Prefix }),
			textSetting("label", "Label", "Of keys in the format “Token”.", "short",
				func(s *policy.Settings) *string { return &s.Label }),
			textSetting("client_domain", "Client domain", "Of keys in the format “OAuth client”.", "short",
				func(s *policy.Settings) *string { return &s.ClientDomain }),
		},
	},
	{
		"How clients send keys", "A valid key sent another way is refused with `transport_forbidden`.",
		[]setting{
			listSetting("transports", "Ways to send a key", []view.Choice{
				{Value: string(policy.Bearer), Text: "Bearer token", Note: "`Authorization: Bearer …`"},
				{Value: string(policy.Basic), Text: "Basic", Note: "ID as user name, secret as password"},
				{Value: string(policy.Header), Text: "Custom header", Note: "the header below"},
				{Value: string(policy.OAuth), Text: "OAuth 2.0", Note: "client credentials"},
			}, func(s *policy.Settings) *[]policy.Transport { return &s.Transports }),
			textSetting("key_header", "Header name", "Such as `X-API-Key`.", "short",
				func(s *policy.Settings) *string { return &s.KeyHeader }),
			flagSetting("session_transport", "Session cookie", "Signed-in people may call the API from the browser",
				func(s *policy.Settings) *bool { return &s.SessionTransport }),
			choiceSetting(view.Control{
				Kind: view.KindSelect, Name: "dialect", Label: "Dialect", Width: "short",
				Hint: "Whose paths and errors the gateway answers with.",
				Choices: []view.Choice{
					{Value: "problem+json", Text: "problem+json"},
					{Value: "blazemeter", Text: "blazemeter"},
					{Value: "loadrunner", Text: "loadrunner"},
					{Value: "blazeauth", Text: "blazeauth"},
					{Value: "blancco", Text: "blancco"},
				},
			}, func(s *policy.Settings) *string { return &s.Dialect }),
		},
	},
	{
		"Access tokens", "What clients get who send keys by OAuth 2.0.",
		[]setting{
			choiceSetting(view.Control{
				Kind: view.KindRadios, Name: "token_format", Label: "Token format",
				Choices: []view.Choice{
					{Value: string(policy.Opaque), Text: "Opaque", Note: "revoked at once with its key"},
					{Value: string(policy.JWT), Text: "JWT", Note: "verified by signature, for at most 300 seconds"},
				},
			}, func(s *policy.Settings) *policy.TokenFormat { return &s.TokenFormat }),
			numberSetting("token_seconds", "Token lifetime, seconds", "60 to 86400; a JWT at most 300.", "", 60, 86_400,
				func(s *policy.Settings) *int { return &s.TokenSeconds }),
			textSetting("token_audience", "Audience of JWTs", "Empty: the URL of this server.", "short",
				func(s *policy.Settings) *string { return &s.TokenAudience }),
			algorithmSetting(),
		},
	},
	{
		"Limits", "Empty means no limit. Lowering a limit revokes no key.",
		[]setting{
			numberSetting("keys_per_user", "Keys per person", "2 are recommended.", noLimit, 1, mostKeys,
				func(s *policy.Settings) *int { return &s.KeysPerUser }),
			numberSetting("keys_per_service_account", "Keys per service account", "", noLimit, 1, mostKeys,
				func(s *policy.Settings) *int { return &s.KeysPerServiceAccount }),
			numberSetting("keys_per_subject", "Keys per subject", "", noLimit, 1, mostKeys,
				func(s *policy.Settings) *int { return &s.KeysPerSubject }),
			numberSetting("requests_per_minute", "Requests per minute, per key", "", noLimit, 1, 1_000_000,
				func(s *policy.Settings) *int { return &s.RequestsPerMinute }),
		},
	},
	{
		"Who has keys", "",
		[]setting{
			ownersSetting(),
			listSetting("creators", "Who creates keys", []view.Choice{
				{Value: string(policy.BySelf), Text: "Members, for themselves"},
				{Value: string(policy.ByAdmin), Text: "Admins, for any owner"},
			}, func(s *policy.Settings) *[]policy.Creator { return &s.Creators }),
			flagSetting("admin_refresh", "Secrets of other people", "Admins may regenerate keys of other people",
				func(s *policy.Settings) *bool { return &s.AdminRefresh }),
			defaultScopesSetting(),
			choiceSetting(view.Control{
				Kind: view.KindRadios, Name: "visibility", Label: "Members see",
				Choices: []view.Choice{
					{Value: string(policy.SeeOwn), Text: "Their own keys"},
					{Value: string(policy.SeeAll), Text: "All keys", Note: "name, description, owner and date only"},
				},
			}, func(s *policy.Settings) *policy.Visibility { return &s.Visibility }),
		},
	},
	{
		"Verification", "For calls to `/api/v1/verify`.",
		[]setting{
			listSetting("verify_requires", "A call must name", []view.Choice{
				{Value: string(policy.VerifyApplication), Text: "application_id"},
				{Value: string(policy.VerifyTenant), Text: "tenant_id"},
				{Value: string(policy.VerifyScopes), Text: "scopes"},
				{Value: string(policy.VerifyIP), Text: "ip"},
			}, func(s *policy.Settings) *[]policy.VerifyField { return &s.VerifyRequires }),
			numberSetting("verify_requests_per_minute", "Verifications per minute, per key", "", noLimit, 1, 1_000_000,
				func(s *policy.Settings) *int { return &s.VerifyRequestsPerMinute }),
		},
	},
	{
		"Revocation and storage", "",
		[]setting{
			choiceSetting(view.Control{
				Kind: view.KindRadios, Name: "revoke_mode", Label: "Revoked keys",
				Choices: []view.Choice{
					{Value: string(policy.Tombstone), Text: "Stay in the list", Note: "and answer `api_key_revoked`"},
					{Value: string(policy.Delete), Text: "Are deleted", Note: "and answer `api_key_invalid`"},
				},
			}, func(s *policy.Settings) *policy.RevokeMode { return &s.RevokeMode }),
			numberSetting("idle_days", "Disable unused keys after, days", "Owners are notified 7 days before.", "never",
				1, 3650, func(s *policy.Settings) *int { return &s.IdleDays }),
			choiceSetting(view.Control{
				Kind: view.KindRadios, Name: "disclosure", Label: "Secrets",
				Choices: []view.Choice{
					{Value: string(policy.Once), Text: "Shown once", Note: "no copy is kept; recommended"},
					{
						Value: string(policy.Recoverable), Text: "Can be copied again",
						Note: "by their owner; stored encrypted; each copy is audited and mailed",
					},
				},
			}, func(s *policy.Settings) *policy.Disclosure { return &s.Disclosure }),
		},
	},
}

const (
	noLimit  = "no limit"
	mostKeys = policy.MaxKeysPerOwner
)

func textSetting(name, label, hint, width string, of func(*policy.Settings) *string) setting {
	return setting{
		Control: view.Control{Name: name, Label: label, Hint: hint, Width: width, Mono: true, Optional: true},
		none:    "none",
		get:     func(s policy.Settings, v url.Values) { v.Set(name, *of(&s)) },
		set: func(s *policy.Settings, v url.Values) string {
			*of(s) = strings.TrimSpace(v.Get(name))
			return ""
		},
	}
}

// numberSetting is a number. none is the word for no value; "" if there must be one.
func numberSetting(name, label, hint, none string, least, most int, of func(*policy.Settings) *int) setting {
	return setting{
		Control: view.Control{
			Kind: view.KindNumber, Name: name, Label: label, Hint: hint, Width: "mini", Min: strconv.Itoa(least),
			Max: strconv.Itoa(most),
		},
		none: none,
		get:  func(s policy.Settings, v url.Values) { v.Set(name, numberOrEmpty(*of(&s))) },
		set: func(s *policy.Settings, v url.Values) string {
			n, err := number(v.Get(name))
			if err != nil {
				return "Use a whole number, or nothing."
			}
			*of(s) = n
			return ""
		},
	}
}

// flagSetting is on or off.
func flagSetting(name, label, text string, of func(*policy.Settings) *bool) setting {
	return setting{
		Control: view.Control{
			Kind: view.KindChecks, Name: name, Label: label, Choices: []view.Choice{{Value: "on", Text: text}},
		},
		none: "no",
		get: func(s policy.Settings, v url.Values) {
			if *of(&s) {
				v.Set(name, "on")
			}
		},
		set: func(s *policy.Settings, v url.Values) string {
			*of(s) = v.Has(name)
			return ""
		},
	}
}

// choiceSetting is one of several.
func choiceSetting[T ~string](c view.Control, of func(*policy.Settings) *T) setting {
	return setting{
		Control: c,
		get:     func(s policy.Settings, v url.Values) { v.Set(c.Name, string(*of(&s))) },
		set: func(s *policy.Settings, v url.Values) string {
			*of(s) = T(v.Get(c.Name))
			return ""
		},
	}
}

// listSetting is any of several.
func listSetting[T ~string](name, label string, choices []view.Choice, of func(*policy.Settings) *[]T) setting {
	return setting{
		Control: view.Control{Kind: view.KindChecks, Name: name, Label: label, Choices: choices},
		none:    "nothing",
		get:     func(s policy.Settings, v url.Values) { v[name] = texts(*of(&s)) },
		set: func(s *policy.Settings, v url.Values) string {
			*of(s) = sameOrder(*of(s), v[name])
			return ""
		},
	}
}

func texts[T ~string](list []T) (names []string) {
	for _, one := range list {
		names = append(names, string(one))
	}
	return names
}

// sameOrder returns the values in the order of the present list if it has the same. The order of a
// list means nothing, and an untouched form changes nothing.
func sameOrder[T ~string](present []T, values []string) (list []T) {
	if slices.Equal(slices.Sorted(slices.Values(texts(present))), slices.Sorted(slices.Values(values))) {
		return present
	}
	for _, value := range values {
		list = append(list, T(value))
	}
	return list
}

// ownersSetting are the types of owners. Where nobody chose them, they follow from the dialect.
func ownersSetting() setting {
	list := listSetting("owners", "Owners that may get new keys", []view.Choice{
		{Value: string(ident.UserParty), Text: "People"},
		{Value: string(ident.ServiceAccountParty), Text: "Service accounts"},
		{Value: string(ident.SubjectParty), Text: "Subjects"},
	}, func(s *policy.Settings) *[]ident.PartyType { return &s.Owners })
	list.get = func(s policy.Settings, v url.Values) { v["owners"] = texts(s.OwnerTypes()) }
	list.set = func(s *policy.Settings, v url.Values) string {
		if len(v["owners"]) == 0 {
			return "Choose at least one."
		}
		types := s.OwnerTypes()
		chosen := sameOrder(types, v["owners"])
		if !slices.Equal(chosen, types) {
			s.Owners = chosen
		}
		return ""
	}
	return list
}

// algorithmSetting is the algorithm that signs JWTs, of which the first stands for no choice.
func algorithmSetting() setting {
	c := view.Control{
		Kind: view.KindSelect, Name: "token_algorithm", Label: "Signature of JWTs", Width: "short",
		Hint: "Common verifiers know RS256.",
	}
	for _, a := range policy.TokenAlgorithms() {
		c.Choices = append(c.Choices, view.Choice{Value: string(a), Text: string(a)})
	}
	initial := policy.TokenAlgorithms()[0]
	one := choiceSetting(c, func(s *policy.Settings) *policy.TokenAlgorithm { return &s.TokenAlgorithm })
	one.get = func(s policy.Settings, v url.Values) { v.Set(c.Name, string(cmp.Or(s.TokenAlgorithm, initial))) }
	one.set = func(s *policy.Settings, v url.Values) string {
		if value := policy.TokenAlgorithm(v.Get(c.Name)); value != cmp.Or(s.TokenAlgorithm, initial) {
			s.TokenAlgorithm = value
		}
		return ""
	}
	return one
}

// accessField says which scopes a key gets for which nobody chose any.
const (
	accessField = "default_access"
	accessNone  = "none"
)

// defaultScopesSetting are the scopes of a key for which nobody chose any. Its choices are those of
// the catalogue.
func defaultScopesSetting() setting {
	const name = "default_scopes"
	return setting{
		Control: view.Control{Kind: view.KindScopes, Name: name, Label: "Default scopes", If: "if-some"},
		none:    "none: chosen for each key",
		get: func(s policy.Settings, v url.Values) {
			switch {
			case len(s.DefaultScopes) == 0:
				v.Set(accessField, accessNone)
			case slices.Contains(s.DefaultScopes, scope.Every):
				v.Set(accessField, accessAll)
			default:
				v.Set(accessField, accessSome)
				v[name] = texts(s.DefaultScopes)
			}
		},
		set: func(s *policy.Settings, v url.Values) string {
			switch v.Get(accessField) {
			case accessNone:
				s.DefaultScopes = nil
			case accessAll:
				s.DefaultScopes = sameOrder(s.DefaultScopes, []string{string(scope.Every)})
			case accessSome:
				s.DefaultScopes = sameOrder(s.DefaultScopes, v[name])
				if len(s.DefaultScopes) == 0 {
					return "Choose at least one scope."
				}
			default:
				return "Choose one."
			}
			return ""
		},
	}
}

// settingsValues returns settings as the fields of the form.
func settingsValues(s policy.Settings) url.Values {
	values := url.Values{}
	for _, p := range settingsParts {
		for _, one := range p.settings {
			one.get(s, values)
		}
	}
	return values
}

// readSettings applies the fields of the form to settings. faults are those that cannot be read.
func readSettings(s *policy.Settings, values url.Values) (faults view.Faults) {
	for _, p := range settingsParts {
		for _, one := range p.settings {
			if message := one.set(s, values); message != "" {
				faults = append(faults, view.Fault{Field: one.Name, Message: message})
			}
		}
	}
	return faults
}

// settingsForm returns the parts of the form, filled in with values. entries is the catalogue.
func settingsForm(values url.Values, entries []scope.Entry) (parts []view.Part) {
	for _, p := range settingsParts {
		part := view.Part{Heading: p.heading, Intro: p.intro}
		for _, one := range p.settings {
			c := one.Control
			c.Value = values.Get(c.Name)
			c.Choices = chosen(c.Choices, values[c.Name]...)
			if c.Kind == view.KindScopes {
				part.Controls = append(part.Controls, accessControl(values.Get(accessField)))
				c.Groups = defaultScopeGroups(entries, values[c.Name])
			}
			part.Controls = append(part.Controls, c)
		}
		parts = append(parts, part)
	}
	return parts
}

// accessControl asks which scopes a key gets for which nobody chose any.
func accessControl(value string) view.Control {
	return view.Control{
		Kind: view.KindRadios, Name: accessField, Label: "A new key has", Choices: chosen([]view.Choice{
			{Value: accessNone, Text: "Nothing by default", Note: "scopes are chosen for each key"},
			{Value: accessAll, Text: "All scopes the role allows", Note: "and all applications"},
			{Value: accessSome, Text: "Only these scopes", ID: "access-some"},
		}, value),
	}
}

// defaultScopeGroups returns the scopes of the catalogue by resource, with those that are chosen
// and have left it.
func defaultScopeGroups(entries []scope.Entry, chosen []string) []view.ScopeGroup {
	entries = slices.Clone(entries)
	for _, name := range chosen {
		known := slices.ContainsFunc(entries, func(e scope.Entry) bool { return string(e.Name) == name })
		if !known {
			entries = append(entries, scope.Entry{Name: scope.Scope(name), Description: "no longer in the catalogue"})
		}
	}
	return scopeGroups(entries, grants{has: func(scope.Entry) bool { return true }}, chosen)
}

// settingWord is a setting with its value in words.
type settingWord struct{ name, label, value string }

// settingWords returns the settings of a part in words.
func (p settingsPart) words(s policy.Settings) (list []settingWord) {
	values := url.Values{}
	for _, one := range p.settings {
		one.get(s, values)
		list = append(list, settingWord{one.Name, one.Label, one.word(values)})
	}
	return list
}

// word returns the value of a setting in words.
func (one setting) word(values url.Values) string {
	if one.Kind == view.KindScopes && values.Get(accessField) == accessAll {
		return "all scopes the role allows, all applications"
	}
	var words []string
	for _, value := range values[one.Name] {
		word := value
		for _, c := range one.Choices {
			switch {
			case c.Value != value:
			case len(one.Choices) == 1:
				word = "yes"
			default:
				word = c.Text
			}
		}
		if word != "" {
			words = append(words, word)
		}
	}
	return cmp.Or(strings.Join(words, ", "), one.none, "none")
}
