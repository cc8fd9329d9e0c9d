package testkit

import (
	"github.com/claviger-dev/claviger/api"
)

// PresetSettings are the settings of each preset, as the product defines them.
var PresetSettings = map[string]api.Settings{
	"standard": {
		Style: "token", Prefix: new("clv"), Label: new("ak"), KeyHeader: new("X-API-Key"),
		Transports: []api.Transport{"bearer", "basic", "header", "oauth"}, SessionTransport: true,
		KeysPerUser: new(2), Creators: []api.Creator{"self", "admin"}, Visibility: "all", DefaultScopes: []string{},
		Owners: []api.PartyType{"user", "service_account", "subject"}, RevokeMode: "tombstone", Disclosure: "once",
		Dialect: "problem+json", TokenSeconds: 3600, TokenFormat: "opaque",
		TokenAlgorithm: "RS256", VerifyRequires: []api.VerifyMember{},
	},
	"blazemeter": {
		Owners: []api.PartyType{"user"},
		Style:  "pair", Transports: []api.Transport{"basic"}, SessionTransport: true, Creators: []api.Creator{"self"},
		Visibility: "own", DefaultScopes: []string{"*"},
		RevokeMode: "tombstone", Disclosure: "once", Dialect: "blazemeter", TokenSeconds: 3600, TokenFormat: "opaque",
		TokenAlgorithm: "RS256", VerifyRequires: []api.VerifyMember{},
	},
	"loadrunner": {
		Owners: []api.PartyType{"user"},
		Style:  "client", ClientDomain: new("microfocus.com"), Transports: []api.Transport{"oauth"},
		KeysPerUser: new(2),
		Creators:    []api.Creator{"admin"}, Visibility: "own",
		DefaultScopes: []string{"*"}, RevokeMode: "delete", Disclosure: "once", Dialect: "loadrunner",
		TokenSeconds: 3600, TokenFormat: "opaque",
		TokenAlgorithm: "RS256", VerifyRequires: []api.VerifyMember{},
	},
	"blazeauth": {
		Owners: []api.PartyType{"user"},
		Style:  "token", Prefix: new("blz_mgmt"), Label: new("bak"), Transports: []api.Transport{"bearer"},
		SessionTransport: true, Creators: []api.Creator{"self"}, Visibility: "own",
		DefaultScopes: []string{}, RevokeMode: "tombstone", Disclosure: "once", Dialect: "blazeauth",
		TokenSeconds: 3600, TokenFormat: "opaque",
		TokenAlgorithm: "RS256", VerifyRequires: []api.VerifyMember{},
	},
	"blancco": {
		Owners: []api.PartyType{"user"},
		Style:  "uuid", KeyHeader: new("X-BLANCCO-API-KEY"), Transports: []api.Transport{"header"},
		Creators:   []api.Creator{"self"},
		Visibility: "all", DefaultScopes: []string{"*"},
		RevokeMode: "delete", Disclosure: "recoverable", Dialect: "blancco", TokenSeconds: 3600, TokenFormat: "opaque",
		TokenAlgorithm: "RS256", VerifyRequires: []api.VerifyMember{},
	},
}
