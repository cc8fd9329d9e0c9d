package storetest

import (
	"fmt"
	"time"

	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/tenancy"
	"github.com/claviger-dev/claviger/internal/token"
)

// tokensAreIssuedAndRevoked issues JWTs for a key, which creates the first signing key, and revokes
// them.
func (sc *scenario) tokensAreIssuedAndRevoked(who principal.Principal, t tenancy.Tenant) {
	k := sc.create(who, t, anyKey())
	grant := token.Grant{
		Key: principal.Key{
			ID: k.ID, Tenant: t.ID, Account: t.Account, Owner: k.Owner, PublicID: k.PublicID, Serial: k.Serial,
			Scopes: k.Scopes,
		},
		Lookup: k.Lookups[0],
		// Of the algorithms, only EdDSA has keys and signatures that repeat with the randomness.
		Settings: policy.Settings{TokenFormat: policy.JWT, TokenAlgorithm: policy.EdDSA, TokenSeconds: 60},
	}
	for range 2 {
		issued, err := sc.tokens.Issue(sc.Context(), grant, nil)
		record(sc, "issue a token", issued.Expires, err)
		read, err := sc.tokens.ReadToken(sc.Context(), issued.Value.Reveal())
		record(sc, "read a token", read, err)
		for range 2 { // the second time there is nothing to do
			record(sc, "revoke a token", "", sc.tokens.Revoke(sc.Context(), who, grant.Key, read))
		}
	}
	record(sc, "keep revocations of tokens that are valid", "", sc.tokens.Sweep(sc.Context()))
	issued, err := sc.tokens.Issue(sc.Context(), grant, nil)
	record(sc, "issue a token that expires", issued.Expires, err)
	read, err := sc.tokens.ReadToken(sc.Context(), issued.Value.Reveal())
	record(sc, "read a token that expires", read, err)
	sc.clock.move(time.Minute)
	record(sc, "revoke a token that has expired", "", sc.tokens.Revoke(sc.Context(), who, grant.Key, read))
	record(sc, "sweep revocations", "", sc.tokens.Sweep(sc.Context()))
}

// signingKeysRotate publishes the next signing key, and deletes the one before it.
func (sc *scenario) signingKeysRotate() {
	sc.clock.move(90 * policy.Day)
	for range 4 { // the first time the next key is published, then it signs, then the old one is deleted
		record(sc, "rotate signing keys", "", sc.tokens.RotateSigningKeys(sc.Context()))
		keys, err := sc.store.SigningKeys(sc.Context())
		record(sc, "signing keys", fmt.Sprint(len(keys)), err)
		sc.clock.move(2 * policy.Day)
	}
}
