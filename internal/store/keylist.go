package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"slices"
	"time"

	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/key"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/text"
)

// A filter that no index supports is applied to the keys one by one, newest first. Only the keys of
// the page are then read in full.
const (
	// maxSearched is how many keys one request examines. They are read in batches of searchBatch,
	// so that a page which fills early reads little more than it shows.
	maxSearched = 5_000
	searchBatch = 500

	// Older secrets have no setter on record. Their creator has seen them unless they were
	// delivered by link.
	candidateColumns = `k.id, k.created_at, k.name, s.public_id,
		COALESCE(o.email, su.external_id), o.canonical_email, k.owner_id,
		COALESCE(s.set_by, CASE WHEN k.delivery = 'direct' THEN k.created_by END), CASE WHEN p.key_id IS NOT NULL THEN
		COALESCE(p.set_by, CASE WHEN k.delivery = 'direct' THEN k.created_by END) END`
	candidateTables = ` FROM keys k` + candidateJoins
	candidateJoins  = ` LEFT JOIN key_secrets s ON s.key_id = k.id AND s.position = 'current'
		LEFT JOIN key_secrets p ON p.key_id = k.id AND p.position = 'previous' LEFT JOIN users o ON o.id = k.owner_id
		LEFT JOIN subjects su ON su.id = k.owner_id`
	newestCandidates = ` AND (k.created_at, k.id) < ($2, $3) ORDER BY k.created_at DESC, k.id DESC LIMIT $4`

	listCandidates query = `SELECT ` + candidateColumns + `, ''` + candidateTables + ` WHERE k.tenant_id = $1` +
		newestCandidates
	listCandidatesOf query = `SELECT ` + candidateColumns + `, ''` + candidateTables +
		` WHERE k.tenant_id = $1 AND k.owner_id = $5` + newestCandidates
	listCandidatesBy query = `SELECT ` + candidateColumns + `, ''` + candidateTables +
		` WHERE k.tenant_id = $1 AND k.created_by = $5` + newestCandidates
	// The keys of other owners of which somebody has set a secret, or which they created and of
	// which a secret has no setter on record. Sorted are those keys alone.
	shownCandidates = `SELECT ` + candidateColumns + `, '' FROM (SELECT key_id FROM key_secrets WHERE set_by = $5
		UNION SELECT made.id FROM keys made WHERE made.tenant_id = $1 AND made.created_by = $5
		AND made.delivery = 'direct' AND EXISTS (SELECT 1 FROM key_secrets old WHERE old.key_id = made.id
		AND old.set_by IS NULL)) seen CROSS JOIN keys k` + candidateJoins + `
		WHERE k.id = seen.key_id AND k.tenant_id = $1 AND k.owner_id <> $5`
	listShownCandidates       query = shownCandidates + newestCandidates
	listUsableShownCandidates query = shownCandidates + ` AND k.revoked_at IS NULL AND k.forgotten_at IS NULL` +
		newestCandidates
	// For a person, only keys in tenants where they are an active member are listed.
	listOwnCandidates query = `SELECT ` + candidateColumns + `, CASE WHEN m.user_id IS NOT NULL THEN a.id END` +
		candidateTables + `
		LEFT JOIN members m ON m.tenant_id = k.tenant_id AND m.user_id = k.owner_id AND m.disabled_at IS NULL
		LEFT JOIN tenants t ON t.id = k.tenant_id AND t.disabled_at IS NULL
		LEFT JOIN accounts a ON a.id = t.account_id AND a.disabled_at IS NULL
		WHERE k.owner_id = $1` + newestCandidates
	selectKeys   query = `SELECT ` + keyColumns + keyTables + ` WHERE k.id IN ($1…)`
	stateColumns       = `SELECT k.id, k.owner_id, k.created_at, k.expires_at, k.secret_set_at, k.slot, k.disabled_at,
		k.revoked_at, k.delivery, COALESCE(sa.deleted_at, su.deleted_at, ended.ended_at),
		CASE WHEN o.id IS NOT NULL AND m.user_id IS NULL
		THEN k.created_at ELSE COALESCE(o.disabled_at, sa.disabled_at, su.disabled_at, m.disabled_at) END`
	stateTables = ` FROM keys k LEFT JOIN users o ON o.id = k.owner_id
		LEFT JOIN service_accounts sa ON sa.id = k.owner_id LEFT JOIN subjects su ON su.id = k.owner_id
		LEFT JOIN members m ON m.tenant_id = k.tenant_id AND m.user_id = k.owner_id
		LEFT JOIN ended_owners ended ON ended.tenant_id = k.tenant_id AND ended.owner_id = k.owner_id`
	// A join is a fifth of the cost of a state, and few lists need the last uses.
	keyStates     = stateColumns + stateTables
	keyStatesUsed = stateColumns + `, used.last_used_at` + stateTables +
		` LEFT JOIN key_uses used ON used.key_id = k.id`
	listKeyStates   query = keyStates + ` WHERE k.tenant_id = $1` + newestCandidates
	listTheseStates query = keyStates + ` WHERE k.id IN ($1…)`
	// Few keys are disabled, so that reading the states of the others costs more than their rows.
	listDisabledStates query = keyStates + ` WHERE k.tenant_id = $1 AND k.disabled_at IS NOT NULL` +
		newestCandidates
	listTheseDisabledStates query = keyStates + ` WHERE k.id IN ($1…) AND k.disabled_at IS NOT NULL`
	listUsedStates          query = keyStatesUsed + ` WHERE k.tenant_id = $1` + newestCandidates
	listTheseUsedStates     query = keyStatesUsed + ` WHERE k.id IN ($1…)`
	// listScopeHits are the keys with a scope by name, in the order of their ids.
	listScopeHits query = `SELECT key_id FROM key_grants WHERE tenant_id = $1 AND scope = $2 AND key_id < $3
		ORDER BY key_id DESC LIMIT $4`
	// A key that waits for its secret has no age.
	countHeldKeys query = `SELECT k.owner_id, COUNT(*), MAX(used.last_used_at) FROM keys k
		LEFT JOIN key_uses used ON used.key_id = k.id
		WHERE k.tenant_id = $1 AND k.revoked_at IS NULL AND k.forgotten_at IS NULL
		AND COALESCE(k.secret_set_at, 9223372036854775807) > $2
		AND COALESCE(k.expires_at, 9223372036854775807) > $3 AND k.owner_id IN ($4…) GROUP BY k.owner_id`
)

// listedKey is a key that a list examines.
type listedKey struct {
	id                    ident.KeyID
	createdAt             time.Time
	name, publicID        string
	email, canonicalEmail string
	// account of the key in a list over all tenants of a person; nil if the key is not listed.
	account *ident.AccountID
	// owner of the key, and the setters of its current and previous secret; "" for none.
	owner, setBy, previousSetBy ident.PartyID
	// at is where the key stands in an order that is not by creation, newest first.
	at key.Position
}

// position returns where the key stands in the list.
func (c listedKey) position() key.Position {
	if c.at.Key != "" {
		return c.at
	}
	return key.Position{At: c.createdAt, Key: c.id}
}

func scanListedKey(row scanner) (c listedKey, err error) {
	err = row.Scan(&c.id, nullTime{&c.createdAt}, &c.name, nullString(&c.publicID), nullString(&c.email),
		nullString(&c.canonicalEmail),
		&c.owner, nullString(&c.setBy), nullString(&c.previousSetBy), &c.account)
	return c, err
}

// isVisible reports whether the key belongs to a membership that counts, in an account where the
// session has not ended.
func (c listedKey) isVisible(ended []ident.AccountID) bool {
	return c.account != nil && !slices.Contains(ended, *c.account)
}

// shownTo reports whether a person saw a secret of a key that somebody else owns. For person "" it
// is always true.
func (c listedKey) shownTo(person ident.UserID) bool {
	who := ident.PartyID(person)
	return who == "" || c.owner != who && (c.setBy == who || c.previousSetBy == who)
}

// ownedBy reports whether the key belongs to an owner whom the filter allows.
func (c listedKey) ownedBy(f key.Filter) bool {
	return (f.Owner == "" || f.Owner == c.owner) && (len(f.Owners) == 0 || slices.Contains(f.Owners, c.owner))
}

// Held implements key.ListStore.
func (s *Store) Held(ctx context.Context, tenant ident.TenantID, owners []ident.PartyID,
	expiredSetBy, now time.Time,
) (map[ident.PartyID]key.Holding, error) {
	held := map[ident.PartyID]key.Holding{}
	q, args := expand(countHeldKeys, 4, owners, tenant, expiredSetBy.UnixMicro(), now.UnixMicro())
	err := forEachRow(ctx, s.reading, q, func(row *sql.Rows) error {
		var owner ident.PartyID
		var h key.Holding
		if err := row.Scan(&owner, &h.Keys, nullTime{&h.LastUsedAt}); err != nil {
			return err
		}
		held[owner] = h
		return nil
	}, args...)
	return held, s.fault(err)
}

// KeyStates implements key.ListStore.
func (s *Store) KeyStates(ctx context.Context, tenant ident.TenantID, order key.Order, after key.Position,
	most int, which key.States,
) (states []key.Key, stopped *key.Position, err error) {
	if order != (key.Order{}) {
		return s.statesInOrder(ctx, tenant, order, after, most, which)
	}
	args := append([]any{tenant}, pageArgs(after.At, string(after.Key), 0)...)
	args[3] = most
	q, scan := listKeyStates, scanKeyState
	switch {
	case which.Uses:
		q, scan = listUsedStates, scanUsedState
	case which.Disabled:
		q = listDisabledStates
	}
	states, err = collect(ctx, s.reading, q, scan, args...)
	return states, nil, s.fault(err)
}

func scanKeyState(row scanner) (k key.Key, err error) {
	err = row.Scan(stateOf(&k)...)
	return k, err
}

// scanUsedState scans a state with the last use.
func scanUsedState(row scanner) (k key.Key, err error) {
	err = row.Scan(append(stateOf(&k), nullTime{&k.LastUsedAt})...)
	return k, err
}

// stateOf returns where the columns of a state go.
func stateOf(k *key.Key) []any {
	return []any{
		&k.ID, &k.Owner.ID,
		nullTime{&k.CreatedAt},
		nullTime{&k.ExpiresAt},
		nullTime{&k.SecretSetAt},
		nullInt{&k.Slot},
		nullTime{&k.DisabledAt},
		nullTime{&k.RevokedAt},
		&k.Delivery,
		nullTime{&k.OwnerDeletedAt},
		isSet{&k.OwnerDisabled},
	}
}

// TheseKeys implements key.ListStore.
func (s *Store) TheseKeys(ctx context.Context, tenant ident.TenantID, these []ident.KeyID) ([]key.Key, error) {
	keys, _, err := s.keysByID(ctx, these, len(these), nil)
	return slices.DeleteFunc(keys, func(k key.Key) bool { return k.Tenant != tenant }), err
}

// StewardedBy implements key.Store.
func (s *Store) StewardedBy(ctx context.Context, tenant ident.TenantID,
	person ident.UserID,
) (all []ident.PartyID, err error) {
	err = forEachRow(ctx, s.reading, listStewardships, func(row *sql.Rows) error {
		var id ident.PartyID
		if err := row.Scan(&id); err != nil {
			return err
		}
		all = append(all, id)
		return nil
	}, tenant, person)
	return all, s.fault(err)
}

// Keys implements key.Store.
func (s *Store) Keys(
	ctx context.Context, tenant ident.TenantID, filter key.Filter, page key.Page,
) ([]key.Key, *key.Position, error) {
	if page.Order != (key.Order{}) {
		return s.keysInOrder(ctx, tenant, filter, page)
	}
	if filter.IsByScope() {
		ready, err := s.searchReady(ctx)
		if err != nil {
			return nil, nil, s.fault(err)
		}
		if ready {
			return s.keysWithScope(ctx, tenant, filter.Scope, page)
		}
	}
	if filter.Query != "" && filter.ShownTo == "" {
		wanted := text.NewWordQuery(filter.Query)
		word, ok, err := s.rarestWord(ctx, tenant, wanted, countKeysOfWord)
		if err != nil {
			return nil, nil, s.fault(err)
		}
		if ok {
			return s.searchKeys(ctx, s.wordCandidates(ctx, tenant, word), filter, page)
		}
	}
	q, owner := listCandidates, []any(nil)
	switch {
	case filter.ShownTo != "" && filter.Usable:
		q, owner = listUsableShownCandidates, []any{filter.ShownTo}
	case filter.ShownTo != "":
		q, owner = listShownCandidates, []any{filter.ShownTo}
	case filter.Owner != "":
		q, owner = listCandidatesOf, []any{filter.Owner}
	case filter.CreatedBy != "":
		q, owner = listCandidatesBy, []any{filter.CreatedBy}
	}
	if filter.Query != "" || filter.ShownTo != "" || len(filter.Owners) > 0 {
		return s.searchKeys(ctx, s.candidates(ctx, q, tenant, owner...), filter, page)
	}
	q = listNewest
	switch {
	case filter.Owner != "":
		q = listNewestOf
	case filter.CreatedBy != "":
		q = listNewestBy
	}
	next := func(after key.Position, limit int) ([]key.Position, *key.Position, error) {
		args := append([]any{tenant}, pageArgs(after.At, string(after.Key), limit)...)
		places, err := collect(ctx, s.reading, q, scanPosition, append(args, owner...)...)
		return places, nil, err
	}
	keys, stopped, err := s.keysOfWalk(ctx, next, page, map[ident.KeyID]key.Position{})
	return keys, stopped, s.fault(err)
}

// keysWithScope lists the keys of a tenant that have a scope by name.
func (s *Store) keysWithScope(ctx context.Context, tenant ident.TenantID, name scope.Scope, page key.Page) (
	[]key.Key, *key.Position, error,
) {
	limit := pageLimit(page.Limit)
	hits, err := ids[ident.KeyID](ctx, s.reading, listScopeHits, tenant, name, string(cmp.Or(page.BeforeID, lastID)),
		limit)
	if err != nil {
		return nil, nil, s.fault(err)
	}
	var stopped *key.Position
	if len(hits) == limit {
		stopped = &key.Position{Key: hits[limit-1]}
	}
	return s.keysByID(ctx, hits, page.Limit, stopped)
}

// OwnKeys implements key.Store.
func (s *Store) OwnKeys(ctx context.Context, filter key.Filter, page key.Page) ([]key.Key, *key.Position, error) {
	return s.searchKeys(ctx, s.candidates(ctx, listOwnCandidates, filter.Owner), filter, page)
}

// candidates returns a function that reads the next keys of a query.
func (s *Store) candidates(ctx context.Context, q query, of any, more ...any) readCandidates {
	return func(after key.Position, limit int) ([]listedKey, *key.Position, error) {
		args := append([]any{of}, pageArgs(after.At, string(after.Key), 0)...)
		args[3] = limit
		part, err := collect(ctx, s.reading, q, scanListedKey, append(args, more...)...)
		return part, lastOf(part, limit), err
	}
}

// readCandidates reads up to limit keys that follow a position. next is the position to go on from;
// nil at the end.
type readCandidates = func(after key.Position, limit int) (part []listedKey, next *key.Position, err error)

// lastOf returns the position of the last of limit keys; nil if there are fewer.
func lastOf(part []listedKey, limit int) *key.Position {
	if len(part) < limit {
		return nil
	}
	last := part[limit-1].position()
	return &last
}

// searchKeys examines the keys that read returns and keeps those that match the filter. It stops
// when the page is full, when no keys are left, or after maxSearched keys. In the last case it also
// returns the position of the last examined key.
func (s *Store) searchKeys(
	ctx context.Context, read readCandidates, filter key.Filter, page key.Page,
) ([]key.Key, *key.Position, error) {
	wanted := text.NewWordQuery(filter.Query)
	var found []key.Position
	after := page.After()
	batch := min(searchBatch, 2*pageLimit(page.Limit)) // most searches match more than half of it
	for looked := 0; looked < maxSearched; looked += batch {
		part, next, err := read(after, batch)
		if err != nil {
			return nil, nil, s.fault(err)
		}
		for _, c := range part {
			if c.isVisible(filter.ExceptAccounts) && c.shownTo(filter.ShownTo) && c.ownedBy(filter) &&
				(wanted.Empty() || wanted.Found(c.name, c.publicID, c.email, c.canonicalEmail)) {
				found = append(found, c.position())
			}
			if len(found) == pageLimit(page.Limit) {
				return s.keysAt(ctx, found, page.Limit, &found[len(found)-1])
			}
		}
		if next == nil {
			return s.keysAt(ctx, found, page.Limit, nil)
		}
		after = *next
		batch = searchBatch
	}
	return s.keysAt(ctx, found, page.Limit, &after)
}

// keysAt returns keys in the order of positions. It returns stopped as keysByID does.
func (s *Store) keysAt(ctx context.Context, places []key.Position, limit int, stopped *key.Position) (
	[]key.Key, *key.Position, error,
) {
	ids := make([]ident.KeyID, len(places))
	for i, p := range places {
		ids[i] = p.Key
	}
	return s.keysByID(ctx, ids, limit, stopped)
}

// keysByID returns keys in the order of ids. It returns stopped unless the page is full. A key that
// was deleted meanwhile is missing from the page.
func (s *Store) keysByID(
	ctx context.Context, ids []ident.KeyID, limit int, stopped *key.Position,
) ([]key.Key, *key.Position, error) {
	if len(ids) == 0 {
		return nil, stopped, nil
	}
	q, args := expand(selectKeys, 1, ids)
	read, err := s.readKeys(ctx, s.reading, q, args...)
	if err != nil {
		return nil, nil, s.fault(err)
	}
	byID := make(map[ident.KeyID]key.Key, len(read))
	for _, k := range read {
		byID[k.ID] = k
	}
	keys := make([]key.Key, 0, len(read))
	for _, id := range ids {
		if k, there := byID[id]; there {
			keys = append(keys, k)
		}
	}
	if len(keys) == pageLimit(limit) {
		stopped = nil
	}
	return keys, stopped, nil
}

// lastPosition returns the position of the last key of a batch; nil if the query returns no row.
func (s *Store) lastPosition(ctx context.Context, q query, args ...any) (*key.Position, error) {
	var last key.Position
	err := s.reading.row(ctx, q, args...).Scan(nullTime{&last.At}, &last.Key)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return &last, s.fault(err)
}
