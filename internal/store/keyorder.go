package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"math"
	"slices"
	"time"

	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/key"
	"github.com/claviger-dev/claviger/internal/text"
)

// Lists of keys are read in two steps: first the ids, in the order of an index, then the keys. In
// one step PostgreSQL reads whole tables, because it plans for a tenth of the rows where the length
// of a page is a parameter.

const (
	newestIDs          = `SELECT k.id, k.created_at, '' FROM keys k WHERE k.tenant_id = $1`
	listNewest   query = newestIDs + newestCandidates
	listNewestOf query = newestIDs + ` AND k.owner_id = $5` + newestCandidates
	listNewestBy query = newestIDs + ` AND k.created_by = $5` + newestCandidates

	listOldest query = `SELECT k.id, k.created_at, '' FROM keys k WHERE k.tenant_id = $1
		AND (k.created_at, k.id) > ($2, $3) ORDER BY k.created_at, k.id LIMIT $4`
	listByName query = `SELECT k.id, k.created_at, lower(k.name) FROM keys k WHERE k.tenant_id = $1
		AND (lower(k.name), k.id) > ($2, $3) ORDER BY lower(k.name), k.id LIMIT $4`
	listByNameDown query = `SELECT k.id, k.created_at, lower(k.name) FROM keys k WHERE k.tenant_id = $1
		AND (lower(k.name), k.id) < ($2, $3) ORDER BY lower(k.name) DESC, k.id DESC LIMIT $4`
	listByUse query = `SELECT key_id, last_used_at, '' FROM key_uses WHERE tenant_id = $1
		AND (last_used_at, key_id) > ($2, $3) ORDER BY last_used_at, key_id LIMIT $4`
	listByUseDown query = `SELECT key_id, last_used_at, '' FROM key_uses WHERE tenant_id = $1
		AND (last_used_at, key_id) < ($2, $3) ORDER BY last_used_at DESC, key_id DESC LIMIT $4`
	// listKeysUsed and listKeysUsedDown list all keys by their ids, with their last use.
	listKeysUsed query = `SELECT k.id, used.last_used_at, '' FROM keys k LEFT JOIN key_uses used ON used.key_id = k.id
		WHERE k.tenant_id = $1 AND k.id > $2 ORDER BY k.id LIMIT $3`
	listKeysUsedDown query = `SELECT k.id, used.last_used_at, '' FROM keys k
		LEFT JOIN key_uses used ON used.key_id = k.id WHERE k.tenant_id = $1 AND k.id < $2 ORDER BY k.id DESC LIMIT $3`
	// The keys of an owner are listed from the newest to the oldest.
	keysOfOwners = `SELECT k.id, k.created_at, w.word FROM search_words w CROSS JOIN keys k WHERE w.tenant_id = $1
		AND w.kind = 'owner' AND k.tenant_id = w.tenant_id AND k.owner_id = w.object_id`
	listByOwner query = keysOfOwners + ` AND w.word >= $2 AND (w.word > $2 OR (k.created_at, k.id) < ($3, $4))
		ORDER BY w.word, k.created_at DESC, k.id DESC LIMIT $5`
	listByOwnerDown query = keysOfOwners + ` AND w.word <= $2 AND (w.word < $2 OR (k.created_at, k.id) < ($3, $4))
		ORDER BY w.word DESC, k.created_at DESC, k.id DESC LIMIT $5`
	listTheseTimes query = `SELECT k.id, k.created_at, used.last_used_at, lower(k.name), w.word FROM keys k
		LEFT JOIN key_uses used ON used.key_id = k.id LEFT JOIN search_words w ON w.object_id = k.owner_id
		AND w.tenant_id = k.tenant_id AND w.kind = 'owner' WHERE k.id IN ($1…)`
)

const (
	// maxUnusedExamined is how many keys one request examines to find those that were never used.
	maxUnusedExamined = 20_000
	unusedBatch       = 2_000
	// lastText comes after every name.
	lastText = "\U0010ffff"
)

// walk returns positions in an order of which up to limit are read at once. stopped is set if so
// many keys were examined that the rest is left to another request.
type walk func(after key.Position, limit int) (places []key.Position, stopped *key.Position, err error)

// walkOf returns the walk through the keys of a tenant in an order.
func (s *Store) walkOf(ctx context.Context, tenant ident.TenantID, o key.Order) (walk, error) {
	if o.By == key.ByUse || o.By == key.ByOwner {
		ready, err := s.searchReady(ctx)
		if err == nil && !ready {
			err = key.ErrNotYet
		}
		if err != nil {
			return nil, err
		}
	}
	read := func(q query, args ...any) ([]key.Position, *key.Position, error) {
		places, err := collect(ctx, s.reading, q, scanPosition, append([]any{tenant}, args...)...)
		return places, nil, err
	}
	switch o.By {
	case key.ByName:
		q, first := listByName, key.Position{}
		if !o.Up {
			q, first = listByNameDown, key.Position{Text: lastText, Key: lastID}
		}
		return func(after key.Position, limit int) ([]key.Position, *key.Position, error) {
			at := cmp.Or(after, first)
			return read(q, at.Text, string(at.Key), limit)
		}, nil
	case key.ByOwner:
		q, first := listByOwner, key.Position{}
		if !o.Up {
			q, first = listByOwnerDown, key.Position{Text: lastText}
		}
		return func(after key.Position, limit int) ([]key.Position, *key.Position, error) {
			at := cmp.Or(after, first)
			return read(q, at.Text, at.At.UnixMicro(), string(at.Key), limit)
		}, nil
	case key.ByUse:
		return s.walkByUse(ctx, tenant, o.Up), nil
	}
	return func(after key.Position, limit int) ([]key.Position, *key.Position, error) {
		return read(listOldest, microsOr(after.At, math.MinInt64), string(after.Key), limit)
	}, nil
}

// microsOr returns a time as the database has it, or another value for none.
func microsOr(t time.Time, none int64) int64 {
	if t.IsZero() {
		return none
	}
	return t.UnixMicro()
}

func scanPosition(row scanner) (p key.Position, err error) {
	err = row.Scan(&p.Key, nullTime{&p.At}, &p.Text)
	return p, err
}

// walkByUse walks through the keys by their last use: those that were never used come after all
// others, or before them if up is set.
func (s *Store) walkByUse(ctx context.Context, tenant ident.TenantID, up bool) walk {
	used := func(after key.Position, limit int) ([]key.Position, error) {
		if up {
			return collect(ctx, s.reading, listByUse, scanPosition, tenant, microsOr(after.At, math.MinInt64),
				string(after.Key), limit)
		}
		return collect(ctx, s.reading, listByUseDown, scanPosition, tenant, microsOr(after.At, math.MaxInt64),
			string(after.Key), limit)
	}
	return func(after key.Position, limit int) (places []key.Position, stopped *key.Position, err error) {
		inUsed := !after.At.IsZero() || after.Key == "" && !up
		if inUsed {
			places, err = used(after, limit)
			if up || err != nil || len(places) == limit {
				return places, nil, err
			}
			after = key.Position{}
		}
		unused, stopped, err := s.unused(ctx, tenant, up, after.Key, limit-len(places))
		places = append(places, unused...)
		if !up || err != nil || stopped != nil || len(places) == limit {
			return places, stopped, err
		}
		more, err := used(key.Position{}, limit-len(places))
		return append(places, more...), nil, err
	}
}

// unused returns the positions of keys that were never used, in the order of their ids.
func (s *Store) unused(ctx context.Context, tenant ident.TenantID, up bool, after ident.KeyID, limit int) (
	places []key.Position, stopped *key.Position, err error,
) {
	q := listKeysUsed
	if !up {
		q = listKeysUsedDown
		after = cmp.Or(after, lastID)
	}
	batch := min(2*limit, unusedBatch)
	for examined := 0; examined < maxUnusedExamined; examined += batch {
		part, err := collect(ctx, s.reading, q, scanPosition, tenant, string(after), batch)
		if err != nil {
			return nil, nil, err
		}
		for _, p := range part {
			after = p.Key
			if p.At.IsZero() {
				places = append(places, p)
			}
			if len(places) == limit {
				return places, nil, nil
			}
		}
		if len(part) < batch {
			return places, nil, nil
		}
		batch = unusedBatch
	}
	return places, &key.Position{Key: after}, nil
}

// keysInOrder lists keys of a tenant in another order than by creation, newest first.
func (s *Store) keysInOrder(ctx context.Context, tenant ident.TenantID, filter key.Filter, page key.Page) (
	keys []key.Key, stopped *key.Position, err error,
) {
	next, err := s.walkOf(ctx, tenant, page.Order)
	if err != nil {
		return nil, nil, s.orderFault(err)
	}
	places := map[ident.KeyID]key.Position{}
	switch {
	case filter.Query == "" && filter.ShownTo == "" && filter.Owner == "" && len(filter.Owners) == 0:
		keys, stopped, err = s.keysOfWalk(ctx, next, page, places)
	default:
		if filter.Query != "" {
			next, err = s.hitsInOrder(ctx, tenant, filter.Query, page.Order, next)
		}
		if err != nil {
			return nil, nil, s.fault(err)
		}
		keys, stopped, err = s.searchKeys(ctx, s.candidatesOf(ctx, next, places), filter, page)
	}
	for i := range keys {
		keys[i].Position = places[keys[i].ID]
	}
	return keys, stopped, s.fault(err)
}

// orderFault is fault for an error that may be [key.ErrNotYet].
func (s *Store) orderFault(err error) error {
	if errors.Is(err, key.ErrNotYet) {
		return err
	}
	return s.fault(err)
}

// keysOfWalk returns the next keys of a walk, and notes their positions.
func (s *Store) keysOfWalk(ctx context.Context, next walk, page key.Page, places map[ident.KeyID]key.Position) (
	[]key.Key, *key.Position, error,
) {
	limit := pageLimit(page.Limit)
	part, stopped, err := next(page.After(), limit)
	if err != nil {
		return nil, nil, err
	}
	for _, p := range part {
		places[p.Key] = p
	}
	if len(part) == limit {
		stopped = &part[limit-1] // in case that one of them was deleted meanwhile
	}
	return s.keysAt(ctx, part, page.Limit, stopped)
}

// candidatesOf returns a function that reads the next keys of a walk, and notes their positions.
func (s *Store) candidatesOf(ctx context.Context, walk walk, places map[ident.KeyID]key.Position) readCandidates {
	return func(after key.Position, limit int) (part []listedKey, next *key.Position, err error) {
		at, next, err := walk(after, limit)
		if err != nil || len(at) == 0 {
			return nil, next, err
		}
		if len(at) == limit {
			next = &at[limit-1]
		}
		ids, order := idsOf(at)
		q, args := expand(listTheseCandidates, 1, ids)
		part, err = collect(ctx, s.reading, q, scanListedKey, args...)
		for i, c := range part {
			part[i].at = at[order[c.id]]
			places[c.id] = part[i].at
		}
		slices.SortFunc(part, func(a, b listedKey) int { return cmp.Compare(order[a.id], order[b.id]) })
		return part, next, err
	}
}

// idsOf returns the ids of the keys at positions, and the index of each.
func idsOf(places []key.Position) (ids []ident.KeyID, index map[ident.KeyID]int) {
	ids = make([]ident.KeyID, len(places))
	index = make(map[ident.KeyID]int, len(places))
	for i, p := range places {
		ids[i] = p.Key
		index[p.Key] = i
	}
	return ids, index
}

// hitsInOrder returns a walk through the keys with the rarest word of a query, or all if too many
// keys have each of the words.
func (s *Store) hitsInOrder(ctx context.Context, tenant ident.TenantID, typed string, o key.Order,
	all walk,
) (walk, error) {
	word, ok, err := s.rarestWord(ctx, tenant, text.NewWordQuery(typed), countKeysOfWord)
	if err != nil || !ok {
		return all, err
	}
	hits, err := ids[ident.KeyID](ctx, s.reading, listWordHits, tenant, word, text.AfterPrefix(word),
		int64(math.MaxInt64), "", maxWordHits)
	if err != nil {
		return nil, err
	}
	var places []key.Position
	for part := range slices.Chunk(hits, searchBatch) {
		q, args := expand(listTheseTimes, 1, part)
		read, err := collect(ctx, s.reading, q,
			func(row scanner) (key.Position, error) { return scanPlace(row, o.By) }, args...)
		if err != nil {
			return nil, err
		}
		places = append(places, read...)
	}
	slices.SortFunc(places, func(a, b key.Position) int { return comparePlaces(o, a, b) })
	return func(after key.Position, limit int) ([]key.Position, *key.Position, error) {
		rest := places
		if after.Key != "" {
			i, found := slices.BinarySearchFunc(places, after, func(a, b key.Position) int {
				return comparePlaces(o, a, b)
			})
			if found {
				i++
			}
			rest = places[i:]
		}
		return rest[:min(len(rest), limit)], nil, nil
	}, nil
}

// scanPlace scans a row of listTheseTimes as the position of a key in an order.
func scanPlace(row scanner, by key.Sort) (p key.Position, err error) {
	var created, used time.Time
	var name string
	var owner sql.NullString
	if err := row.Scan(&p.Key, nullTime{&created}, nullTime{&used}, &name, &owner); err != nil {
		return p, err
	}
	p.At = created
	switch by {
	case key.ByUse:
		p.At = used
	case key.ByName:
		p.Text = name
	case key.ByOwner:
		p.Text = owner.String
	}
	return p, nil
}

// comparePlaces compares two positions as the index of an order does.
func comparePlaces(o key.Order, a, b key.Position) int {
	sign := -1
	if o.Up {
		sign = 1
	}
	switch o.By {
	case key.ByName:
		return sign * cmp.Or(cmp.Compare(a.Text, b.Text), cmp.Compare(a.Key, b.Key))
	case key.ByOwner:
		return cmp.Or(sign*cmp.Compare(a.Text, b.Text), b.At.Compare(a.At), cmp.Compare(b.Key, a.Key))
	}
	return sign * cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Key, b.Key))
}

// statesInOrder is KeyStates for another order than by creation, newest first.
func (s *Store) statesInOrder(ctx context.Context, tenant ident.TenantID, o key.Order, after key.Position,
	most int, which key.States,
) ([]key.Key, *key.Position, error) {
	next, err := s.walkOf(ctx, tenant, o)
	if err != nil {
		return nil, nil, s.orderFault(err)
	}
	places, stopped, err := next(after, most)
	if err != nil || len(places) == 0 {
		return nil, stopped, s.fault(err)
	}
	ids, order := idsOf(places)
	named, scan := listTheseStates, scanKeyState
	switch {
	case which.Uses:
		named, scan = listTheseUsedStates, scanUsedState
	case which.Disabled:
		named = listTheseDisabledStates
	}
	q, args := expand(named, 1, ids)
	states, err := collect(ctx, s.reading, q, scan, args...)
	if which.Disabled {
		states = withoutStates(states, ids)
	}
	for i, k := range states {
		states[i].Position = places[order[k.ID]]
	}
	slices.SortFunc(states, func(a, b key.Key) int { return cmp.Compare(order[a.ID], order[b.ID]) })
	if len(states) < len(places) && len(places) == most {
		stopped = &places[most-1] // a key was deleted meanwhile
	}
	return states, stopped, s.fault(err)
}

// withoutStates adds the keys of ids whose states were not read, because they are not disabled. The
// caller goes on after the last of them.
func withoutStates(states []key.Key, ids []ident.KeyID) []key.Key {
	read := map[ident.KeyID]bool{}
	for _, k := range states {
		read[k.ID] = true
	}
	for _, id := range ids {
		if !read[id] {
			states = append(states, key.Key{ID: id})
		}
	}
	return states
}
