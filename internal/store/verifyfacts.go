package store

import (
	"context"
	"database/sql"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/route"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/verify"
)

// selectKeyFacts reads everything that a decision about one key needs: a row for each secret and
// grant. 'found' is the secret that was looked up, 's' each secret of its key; the current secret
// has the public id to show. The addresses and the metadata of the key, and the metadata of
// its owner, may be long and are not repeated in every row: selectKeyTexts reads them.
const selectKeyFacts query = `SELECT k.id, k.tenant_id, k.owner_id, o.email, COALESCE(o.name, sa.name, su.name),
	su.external_id, COALESCE(o.disabled_at, sa.disabled_at, su.disabled_at),
	COALESCE(o.deleted_at, sa.deleted_at, su.deleted_at), COALESCE(m.role, sa.role),
	m.disabled_at, am.role, su.plan, k.all_applications,
	k.secret_set_at, k.expires_at, k.disabled_at, k.revoked_at, k.slot, used.last_used_at,
	s.position, s.serial, s.lookup, s.public_id, s.style, s.prefix, s.label, s.domain, s.digest, s.digest_version,
	s.set_at, s.until, ended.ended_at,
	COALESCE(s.set_by, k.created_by) = k.owner_id, g.scope, g.application_id,
	k.allowed_cidrs IS NOT NULL OR k.metadata IS NOT NULL OR su.metadata IS NOT NULL, k.tokens_revoked_until
	FROM key_secrets found JOIN keys k ON k.id = found.key_id JOIN key_secrets s ON s.key_id = k.id
	JOIN tenants t ON t.id = k.tenant_id LEFT JOIN users o ON o.id = k.owner_id
	LEFT JOIN service_accounts sa ON sa.id = k.owner_id LEFT JOIN subjects su ON su.id = k.owner_id
	LEFT JOIN members m ON m.tenant_id = k.tenant_id AND m.user_id = k.owner_id
	LEFT JOIN ended_owners ended ON ended.tenant_id = k.tenant_id AND ended.owner_id = k.owner_id
	LEFT JOIN account_members am ON am.account_id = t.account_id AND am.user_id = k.owner_id
	LEFT JOIN key_uses used ON used.key_id = k.id
	LEFT JOIN key_grants g ON g.key_id = k.id WHERE found.lookup = $1`

// selectKeyTexts reads what selectKeyFacts leaves out. It is run only for keys that have any of it.
const selectKeyTexts query = `SELECT k.allowed_cidrs, k.metadata, su.metadata FROM keys k
	LEFT JOIN subjects su ON su.id = k.owner_id WHERE k.id = $1`

// factRow is one row of selectKeyFacts.
type factRow struct {
	key                          verify.KeyRow
	secret                       verify.SecretRow
	position, lookup             string
	digestVersion                int64
	ownerOff, deleted, memberOff bool
	ended                        bool
	scope                        scope.Scope
	application                  string
	hasTexts                     bool
	tokensRevokedUntil           time.Time
}

// KeyFacts implements verify.Source.
func (s *Store) KeyFacts(ctx context.Context, lookup string) (verify.KeyRow, error) {
	var k verify.KeyRow
	var hasTexts, hasRevokedTokens bool
	err := forEachRow(ctx, s.verifying, selectKeyFacts, func(row *sql.Rows) error {
		r, err := scanFacts(row)
		if err != nil {
			return err
		}
		addFactRow(&k, r, lookup)
		hasTexts = r.hasTexts
		hasRevokedTokens = s.Now().Before(r.tokensRevokedUntil)
		return nil
	}, lookup)
	if err == nil && k.ID == "" {
		err = fault.NotFound
	}
	if err == nil && hasTexts {
		// If the key was changed or deleted since the first read, its facts are stale already.
		row := s.verifying.row(ctx, selectKeyTexts, k.ID)
		err = row.Scan(storedAddresses{&k.Addresses}, storedMetadata{&k.Metadata}, storedMetadata{&k.OwnerMetadata})
	}
	if err == nil && hasRevokedTokens {
		k.RevokedTokens, err = revokedTokens(ctx, s.verifying, k.ID, s.Now())
	}
	if err != nil {
		return verify.KeyRow{}, s.fault(err)
	}
	k.Scopes = scope.NewSet(k.Scopes...)
	return k, nil
}

func scanFacts(row scanner) (r factRow, err error) {
	k, shape := &r.key, &r.secret.Shape
	err = row.Scan(&k.ID, &k.Tenant, &k.Owner.ID, nullString(&k.Owner.Email), nullString(&k.Owner.Name),
		nullString(&k.Owner.ExternalID), isSet{&r.ownerOff}, isSet{&r.deleted},
		nullString(&k.Role), isSet{&r.memberOff}, nullString(&k.AccountRole), nullString(&k.Plan), &k.Applications.All,
		nullTime{&k.SecretSetAt}, nullTime{&k.ExpiresAt}, nullTime{&k.DisabledAt}, nullTime{&k.RevokedAt},
		nullInt{&k.Slot},
		nullTime{&k.LastUsedAt},
		&r.position, &r.secret.Serial, &r.lookup, &r.secret.PublicID, &shape.Style, &shape.Prefix, &shape.Label,
		&shape.Domain,
		&r.secret.Digest.Bytes, nullInt{&r.digestVersion}, nullTime{&r.secret.SetAt}, nullTime{&r.secret.Until},
		isSet{&r.ended},
		&r.secret.ByOwner, nullString(&r.scope), nullString(&r.application), &r.hasTexts,
		nullTime{&r.tokensRevokedUntil})
	if err != nil {
		return r, err
	}
	k.OwnerLive = !r.ownerOff && !r.deleted
	k.MemberLive = k.Role != "" && !r.memberOff
	k.OwnerEnded = r.ended
	if k.Owner.Type() != ident.UserParty {
		k.OwnerEnded = r.ended || r.deleted
		k.MemberLive = true
	}
	r.secret.Previous = r.position == "previous"
	r.secret.Digest.Version = int(r.digestVersion)
	return r, nil
}

// addFactRow adds a row to the key. Every secret is repeated with every grant, so duplicates are
// skipped.
func addFactRow(k *verify.KeyRow, r factRow, lookup string) {
	if k.ID == "" {
		*k = r.key
	}
	if !r.secret.Previous {
		k.PublicID, k.SecretByOwner = r.secret.PublicID, r.secret.ByOwner
	}
	if r.lookup == lookup && len(r.secret.Digest.Bytes) > 0 && !hasSecret(k, r.secret.Serial) {
		k.Secrets = append(k.Secrets, r.secret)
	}
	switch {
	case r.scope != "":
		k.Scopes = append(k.Scopes, r.scope) // the set removes duplicates
	case r.application != "" && !k.Applications.Includes(r.application):
		k.Applications.IDs = append(k.Applications.IDs, r.application)
	}
}

func hasSecret(k *verify.KeyRow, serial int) bool {
	for _, s := range k.Secrets {
		if s.Serial == serial {
			return true
		}
	}
	return false
}

// TenantFacts implements verify.Source.
func (s *Store) TenantFacts(ctx context.Context, id ident.TenantID) (verify.TenantRow, error) {
	rules, err := tenantRules(ctx, s.verifying, id)
	if err != nil {
		return verify.TenantRow{}, s.fault(err)
	}
	t := verify.TenantRow{Tenant: rules, Applications: map[string]bool{}}
	routes := map[int64][]route.Rule{}
	err = forEachRow(ctx, s.verifying, selectApplicationStates, func(row *sql.Rows) error {
		var app, stored string
		var number int64
		var disabled bool
		if err := row.Scan(&app, &number, isSet{&disabled}, nullString(&stored)); err != nil {
			return err
		}
		t.Applications[app] = !disabled
		rules, err := route.Decode(stored, "application "+app)
		routes[number] = route.About(app, rules)
		t.RoutesFault = errors.Join(t.RoutesFault, err)
		return nil
	}, id)
	for _, number := range slices.Sorted(maps.Keys(routes)) {
		t.Routes = append(t.Routes, routes[number]...)
	}
	return t, s.fault(err)
}

// Plans implements verify.Source.
func (s *Store) Plans(ctx context.Context, id ident.TenantID) (map[string]*policy.Plan, error) {
	plans, err := readPlans(ctx, s.verifying, id)
	return plans, s.fault(err)
}
