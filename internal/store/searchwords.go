package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"slices"
	"time"

	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/identity"
	"github.com/claviger-dev/claviger/internal/key"
	"github.com/claviger-dev/claviger/internal/machine"
	"github.com/claviger-dev/claviger/internal/tenancy"
	"github.com/claviger-dev/claviger/internal/text"
)

// The table search_words has the words by which keys and people are found: those of names and
// public ids of keys, of owners, and of names of people, service accounts and subjects. Owners have
// their own rows, so that a change of their address writes few. Words are written in the
// transaction that writes the text.
//
// Each owner also has one row of kind "owner" in every tenant where they may have keys. Its word is
// their whole name, and lists of keys are sorted by it. It stays when the owner is deleted.
//
// FillSearch writes the words of what older versions wrote. Until it is done, searches compare
// texts, as they do for words that too many keys have.

const (
	insertWords query = `INSERT INTO search_words (tenant_id, kind, word, object_id) VALUES ($1, $2, $3, $4)…
		ON CONFLICT (tenant_id, kind, word, object_id) DO NOTHING`
	deleteWords        query = `DELETE FROM search_words WHERE object_id = $1`
	deleteTheseWords   query = `DELETE FROM search_words WHERE object_id IN ($1…)`
	deleteWordsOfOwner query = `DELETE FROM search_words WHERE object_id IN (SELECT id FROM keys WHERE tenant_id = $1
		AND owner_id = $2 AND revoked_at IS NULL)`
	selectWordTenants query = `SELECT DISTINCT tenant_id FROM search_words WHERE object_id = $1`
	selectPersonTexts query = `SELECT id, COALESCE(email, ''), COALESCE(canonical_email, ''), COALESCE(name, '')
		FROM users WHERE id IN ($1…)`

	// keysOfWord are the keys of tenant $1 with a word from $2 up to $3, by their own words and by
	// those of their owners.
	ownKeysOfWord = `SELECT object_id AS id FROM search_words WHERE tenant_id = $1 AND kind = 'key' AND word >= $2
		AND word < $3`
	ownedKeysOfWord = `SELECT k.id FROM search_words w CROSS JOIN keys k WHERE w.tenant_id = $1
		AND w.kind IN ('address', 'external') AND w.word >= $2 AND w.word < $3 AND k.tenant_id = w.tenant_id
		AND k.owner_id = w.object_id`
	// countKeysOfWord stops at a limit, which bounds its cost.
	countKeysOfWord query = `SELECT (SELECT COUNT(*) FROM (` + ownKeysOfWord + ` LIMIT $4) own)
		+ (SELECT COUNT(*) FROM (` + ownedKeysOfWord + ` LIMIT $4) owned)`
	listWordHits query = `SELECT k.id FROM (` + ownKeysOfWord + ` UNION ` + ownedKeysOfWord + `) hit CROSS JOIN keys k
		WHERE k.id = hit.id AND k.tenant_id = $1 AND (k.created_at, k.id) < ($4, $5)
		ORDER BY k.created_at DESC, k.id DESC LIMIT $6`
	listTheseCandidates query = `SELECT ` + candidateColumns + `, ''` + candidateTables + ` WHERE k.id IN ($1…)`
	listFoundMembers    query = `SELECT ` + memberColumns + ` WHERE m.tenant_id = $1 AND m.user_id IN (SELECT object_id
		FROM search_words WHERE tenant_id = $1 AND kind IN ('address', 'name') AND word >= $2 AND word < $3 LIMIT $4)`
	// subjectsOfWord are the subjects of tenant $1 with a word from $2 up to $3.
	subjectsOfWord = `SELECT object_id AS id FROM search_words WHERE tenant_id = $1 AND kind = 'external'
		AND word >= $2 AND word < $3`
	subjectsOfName = `SELECT object_id AS id FROM search_words WHERE tenant_id = $1 AND kind = 'subject'
		AND word >= $2 AND word < $3`
	countSubjectsOfWord query = `SELECT (SELECT COUNT(*) FROM (` + subjectsOfWord + ` LIMIT $4) external)
		+ (SELECT COUNT(*) FROM (` + subjectsOfName + ` LIMIT $4) named)`
	listSubjectHits query = `SELECT su.id, su.external_id, su.name, su.created_at, su.plan FROM (` + subjectsOfWord +
		` UNION ` + subjectsOfName + `) hit CROSS JOIN subjects su WHERE su.id = hit.id AND su.tenant_id = $1
		AND (su.created_at, su.id) < ($4, $5) ORDER BY su.created_at DESC, su.id DESC LIMIT $6`
	listFoundAccounts query = `SELECT ` + serviceAccountColumns + ` WHERE sa.tenant_id = $1 AND sa.deleted_at IS NULL
		AND sa.id IN (SELECT object_id FROM search_words WHERE tenant_id = $1 AND kind = 'account' AND word >= $2
		AND word < $3 LIMIT $4)`
	listKeysOfID query = `SELECT ` + keyColumns + keyTables + ` WHERE k.tenant_id = $1 AND k.id >= $2 AND k.id < $3
		ORDER BY k.id DESC LIMIT $4`
	countFills query = `SELECT COUNT(*) FROM search_fills WHERE complete`
	selectFill query = `SELECT after_id, complete FROM search_fills WHERE part = $1`
	upsertFill query = `INSERT INTO search_fills (part, after_id, complete) VALUES ($1, $2, $3)
		ON CONFLICT (part) DO UPDATE SET after_id = excluded.after_id, complete = excluded.complete`
	keysToIndex     query = `SELECT id FROM keys WHERE id > $1 ORDER BY id LIMIT $2`
	peopleToIndex   query = `SELECT id FROM users WHERE id > $1 ORDER BY id LIMIT $2`
	subjectsToIndex query = `SELECT id FROM subjects WHERE id > $1 ORDER BY id LIMIT $2`
	wordsToCheck    query = `SELECT DISTINCT object_id FROM search_words WHERE object_id > $1
		ORDER BY object_id LIMIT $2`
	selectKeyWords query = `SELECT k.tenant_id, k.id, k.name, COALESCE(s.public_id, '') FROM keys k
		LEFT JOIN key_secrets s ON s.key_id = k.id AND s.position = 'current' WHERE k.id IN ($1…)`
	selectSubjectTexts query = `SELECT tenant_id, id, COALESCE(external_id, ''), name FROM subjects WHERE id IN ($1…)`
	selectAccountTexts query = `SELECT tenant_id, id, name FROM service_accounts WHERE id IN ($1…)`
	accountsToIndex    query = `SELECT id FROM service_accounts WHERE id > $1 ORDER BY id LIMIT $2`
	fillGrantTenants   query = `UPDATE key_grants SET tenant_id = (SELECT k.tenant_id FROM keys k
		WHERE k.id = key_grants.key_id) WHERE key_id IN ($1…)`
	fillUseTenants query = `UPDATE key_uses SET tenant_id = (SELECT k.tenant_id FROM keys k
		WHERE k.id = key_uses.key_id) WHERE key_id IN ($1…)`
	selectTenantsOfPeople query = `SELECT tenant_id, user_id FROM members WHERE user_id IN ($1…)
		UNION SELECT tenant_id, owner_id FROM keys WHERE owner_id IN ($1…)`
	deleteLostWords query = `DELETE FROM search_words WHERE object_id IN ($1…) AND kind = 'key'
		AND NOT EXISTS (SELECT 1 FROM keys k WHERE k.id = search_words.object_id)`
)

const (
	// maxWordHits is how many keys with a word are sorted. A search for words that more keys have
	// compares the newest keys, of which many match.
	maxWordHits = 2_000
	// maxWordsCounted is how many words of a search are counted to find the rarest.
	maxWordsCounted = 8
	// maxMembersCompared is how many members a search for people compares.
	maxMembersCompared = 2_000
	// fillBatch is how many objects one transaction of FillSearch indexes, and fillTime how long
	// it goes on.
	fillBatch = 200
	fillTime  = time.Second
)

// wordKind says what the words of a row are part of.
type wordKind string

const (
	wordsOfKey      wordKind = "key"
	wordsOfAddress  wordKind = "address"
	wordsOfName     wordKind = "name"
	wordsOfExternal wordKind = "external"
	wordsOfAccount  wordKind = "account"
	wordsOfSubject  wordKind = "subject"
	orderOfOwner    wordKind = "owner"
)

// addWords writes words of an object. It repeats the last row up to a power of two, so that there
// are few different statements.
func (t *Tx) addWords(ctx context.Context, tenant ident.TenantID, kind wordKind, object string,
	words []string,
) error {
	for len(words) > 0 {
		part := words[:min(len(words), usesPerStatement)]
		words = words[len(part):]
		size := 1
		for size < len(part) {
			size *= 2
		}
		args := make([]any, 0, 4*size)
		for i := range size {
			args = append(args, string(tenant), string(kind), part[min(i, len(part)-1)], object)
		}
		if err := t.exec(ctx, expandRows(insertWords, 4, size), args...); err != nil {
			return err
		}
	}
	return nil
}

// indexKey writes the words of a key.
func (t *Tx) indexKey(ctx context.Context, tenant ident.TenantID, id ident.KeyID, name, publicID string) error {
	return t.addWords(ctx, tenant, wordsOfKey, string(id), text.Words(name, publicID))
}

// reindexKey replaces the words of a key.
func (t *Tx) reindexKey(ctx context.Context, tenant ident.TenantID, id ident.KeyID, name, publicID string) error {
	if err := t.exec(ctx, deleteWords, id); err != nil {
		return err
	}
	return t.indexKey(ctx, tenant, id, name, publicID)
}

// indexOwner writes where lists sort the keys of an owner. The id makes the order one of owners.
func (t *Tx) indexOwner(ctx context.Context, tenant ident.TenantID, owner, name string) error {
	return t.addWords(ctx, tenant, orderOfOwner, owner, []string{text.SortKey(name) + "\x01" + owner})
}

// forgetOwner deletes the words of an owner who is deleted. Their keys are still sorted.
func (t *Tx) forgetOwner(ctx context.Context, owner string) error {
	tenants, err := ids[ident.TenantID](ctx, t, selectWordTenants, owner)
	if err != nil {
		return err
	}
	if err := t.exec(ctx, deleteWords, owner); err != nil {
		return err
	}
	for _, tenant := range tenants {
		if err := t.indexOwner(ctx, tenant, owner, ""); err != nil {
			return err
		}
	}
	return nil
}

// indexSubject writes the words of a subject. A deleted one has no external id.
func (t *Tx) indexSubject(ctx context.Context, s machine.Subject) error {
	id := string(s.ID)
	err := t.addWords(ctx, s.Tenant, wordsOfExternal, id, text.Words(s.ExternalID))
	if err == nil {
		err = t.addWords(ctx, s.Tenant, wordsOfSubject, id, text.Words(s.Name))
	}
	if err == nil {
		err = t.indexOwner(ctx, s.Tenant, id, cmp.Or(s.Name, s.ExternalID))
	}
	return err
}

// reindexSubject replaces the words of a subject.
func (t *Tx) reindexSubject(ctx context.Context, s machine.Subject) error {
	if err := t.exec(ctx, deleteWords, s.ID); err != nil {
		return err
	}
	return t.indexSubject(ctx, s)
}

// indexServiceAccount replaces the words of a service account.
func (t *Tx) indexServiceAccount(ctx context.Context, tenant ident.TenantID, id ident.ServiceAccountID,
	name string,
) error {
	err := t.exec(ctx, deleteWords, id)
	if err == nil {
		err = t.addWords(ctx, tenant, wordsOfAccount, string(id), text.Words(name))
	}
	if err == nil {
		err = t.indexOwner(ctx, tenant, string(id), name)
	}
	return err
}

// personTexts are the texts by which a person is found.
type personTexts struct{ email, canonical, name string }

// indexPerson writes the words of a person for some tenants.
func (t *Tx) indexPerson(ctx context.Context, person ident.UserID, of personTexts, tenants ...ident.TenantID) error {
	for _, tenant := range tenants {
		err := t.addWords(ctx, tenant, wordsOfAddress, string(person), text.Words(of.email, of.canonical))
		if err == nil {
			err = t.addWords(ctx, tenant, wordsOfName, string(person), text.Words(of.name))
		}
		if err == nil {
			err = t.indexOwner(ctx, tenant, string(person), cmp.Or(of.name, of.email))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// indexMember writes the words of a person for a tenant which they join.
func (t *Tx) indexMember(ctx context.Context, tenant ident.TenantID, person ident.UserID) error {
	of, err := t.personTexts(ctx, person)
	if err != nil {
		return err
	}
	return t.indexPerson(ctx, person, of[person], tenant)
}

// reindexPerson replaces the words of a person in every tenant where they have any.
func (t *Tx) reindexPerson(ctx context.Context, person ident.UserID) error {
	tenants, err := ids[ident.TenantID](ctx, t, selectWordTenants, person)
	if err != nil {
		return err
	}
	of, err := t.personTexts(ctx, person)
	if err != nil {
		return err
	}
	if err := t.exec(ctx, deleteWords, person); err != nil {
		return err
	}
	return t.indexPerson(ctx, person, of[person], tenants...)
}

func (t *Tx) personTexts(ctx context.Context, people ...ident.UserID) (map[ident.UserID]personTexts, error) {
	found := map[ident.UserID]personTexts{}
	q, args := expand(selectPersonTexts, 1, people)
	err := forEachRow(ctx, t, q, func(row *sql.Rows) error {
		var id ident.UserID
		var of personTexts
		if err := row.Scan(&id, &of.email, &of.canonical, &of.name); err != nil {
			return err
		}
		found[id] = of
		return nil
	}, args...)
	return found, err
}

// searchReady reports whether search_words has the words of everything. "Yes" never changes.
func (s *Store) searchReady(ctx context.Context) (bool, error) {
	if s.searchable.Load() {
		return true, nil
	}
	var complete int
	if err := s.reading.row(ctx, countFills).Scan(&complete); err != nil {
		return false, err
	}
	if complete < len(fills) {
		return false, nil
	}
	s.searchable.Store(true)
	return true, nil
}

// FoundMembers implements tenancy.Store. Until all words are written it compares the newest
// members.
func (s *Store) FoundMembers(ctx context.Context, tenant ident.TenantID, wanted text.WordQuery,
	most int,
) (found []tenancy.Member, err error) {
	ready, err := s.searchReady(ctx)
	if err != nil || wanted.Empty() {
		return nil, s.fault(err)
	}
	longest := slices.MaxFunc(wanted.Words(), func(a, b string) int { return cmp.Compare(len(a), len(b)) })
	read := func() ([]tenancy.Member, error) {
		return collect(ctx, s.reading, listFoundMembers, scanMember, tenant, longest, text.AfterPrefix(longest),
			maxMembersCompared)
	}
	if !ready {
		read = func() ([]tenancy.Member, error) {
			args := append(pageArgs(time.Time{}, "", 0), tenant)
			args[2] = maxMembersCompared
			return collect(ctx, s.reading, listMembers, scanMember, args...)
		}
	}
	members, err := read()
	for _, m := range members {
		canonical := identity.CanonicalEmail(m.User.Email)
		if len(found) < most && wanted.Found(m.User.Name, m.User.Email, canonical) {
			found = append(found, m)
		}
	}
	return found, s.fault(err)
}

// FoundServiceAccounts implements machine.ServiceAccountStore. Until all words are written it
// compares the newest ones.
func (s *Store) FoundServiceAccounts(ctx context.Context, tenant ident.TenantID, wanted text.WordQuery,
	most int,
) (found []machine.ServiceAccount, err error) {
	ready, err := s.searchReady(ctx)
	if err != nil || wanted.Empty() {
		return nil, s.fault(err)
	}
	longest := slices.MaxFunc(wanted.Words(), func(a, b string) int { return cmp.Compare(len(a), len(b)) })
	q, args := listFoundAccounts, []any{tenant, longest, text.AfterPrefix(longest), maxMembersCompared}
	if !ready {
		q, args = listServiceAccounts, append([]any{tenant}, pageArgs(time.Time{}, "", maxPage)...)
	}
	accounts, err := collect(ctx, s.reading, q, scanServiceAccount, args...)
	for _, a := range accounts {
		if len(found) < most && wanted.Found(a.Name) {
			found = append(found, a)
		}
	}
	if err == nil {
		err = addStewardPeople(ctx, s.reading, found)
	}
	return found, s.fault(err)
}

// KeysOfID implements key.ListStore.
func (s *Store) KeysOfID(ctx context.Context, tenant ident.TenantID, beginning string, most int) ([]key.Key, error) {
	keys, err := s.readKeys(ctx, s.reading, listKeysOfID, tenant, beginning, text.AfterPrefix(beginning), most)
	return keys, s.fault(err)
}

// rarestWord returns the word of a query that the fewest keys of the tenant have, or whatever else
// count counts. ok is false where too many have each of the words, or where not all words are
// written yet.
func (s *Store) rarestWord(ctx context.Context, tenant ident.TenantID, q text.WordQuery, count query) (
	word string, ok bool, err error,
) {
	ready, err := s.searchReady(ctx)
	if err != nil || !ready {
		return "", false, err
	}
	fewest := maxWordHits + 1
	words := q.Words()
	for _, w := range words[:min(len(words), maxWordsCounted)] {
		var n int
		err := s.reading.row(ctx, count, tenant, w, text.AfterPrefix(w), fewest).Scan(&n)
		if err != nil {
			return "", false, err
		}
		if n < fewest {
			fewest, word = n, w
			ok = true
		}
	}
	return word, ok, nil
}

// wordCandidates returns a function that reads the next keys with a word.
func (s *Store) wordCandidates(ctx context.Context, tenant ident.TenantID, word string) readCandidates {
	return func(after key.Position, limit int) (part []listedKey, next *key.Position, err error) {
		args := pageArgs(after.At, string(after.Key), 0)
		hits, err := ids[ident.KeyID](ctx, s.reading, listWordHits, tenant, word, text.AfterPrefix(word), args[0],
			args[1], limit)
		if err != nil || len(hits) == 0 {
			return nil, nil, err
		}
		q, these := expand(listTheseCandidates, 1, hits)
		part, err = collect(ctx, s.reading, q, scanListedKey, these...)
		slices.SortFunc(part, func(a, b listedKey) int {
			return cmp.Or(b.createdAt.Compare(a.createdAt), cmp.Compare(b.id, a.id))
		})
		if len(hits) == limit && len(part) > 0 {
			next = lastOf(part, len(part))
		}
		return part, next, err
	}
}

// fill is a part of what FillSearch does: it takes the next ids and writes their words.
type fill struct {
	part  string
	next  query
	index func(t *Tx, ctx context.Context, ids []string) error
}

// fills are the parts of FillSearch, in their order.
var fills = []fill{
	{"people", peopleToIndex, (*Tx).fillPeople},
	{"subjects", subjectsToIndex, (*Tx).fillSubjects},
	{"keys", keysToIndex, (*Tx).fillKeys},
	// A node of an older version deleted a key, and left its words.
	{"deleted keys", wordsToCheck, (*Tx).dropLostWords},
	// What version 26 of the schema did not have.
	{"names of people", peopleToIndex, (*Tx).fillPeople},
	{"names of subjects", subjectsToIndex, (*Tx).fillSubjects},
	{"service accounts", accountsToIndex, (*Tx).fillServiceAccounts},
	{"rights and uses", keysToIndex, (*Tx).fillTenants},
}

// FillSearch writes the words of what older versions wrote, past the ledger, and goes on with it
// when it is called again. It begins when the upgrade is finished, because nodes of the version
// before write no words.
func (s *Store) FillSearch(ctx context.Context) error {
	ready, err := s.searchReady(ctx)
	if err != nil || ready {
		return s.fault(err)
	}
	upgraded, err := s.isUpgraded(ctx, s.control)
	if err != nil || !upgraded {
		return s.fault(err)
	}
	end := time.Now().Add(fillTime)
	for _, f := range fills {
		for done := false; !done && ctx.Err() == nil && time.Now().Before(end); {
			err := s.unauditedTx(ctx, func(ctx context.Context, tx *sql.Tx) (err error) {
				done, err = (&Tx{store: s, tx: tx, statements: s.writing}).fill(ctx, f)
				return err
			})
			if err != nil {
				return err
			}
		}
	}
	return ctx.Err()
}

// fill indexes the next objects of a part. done is set after the last.
func (t *Tx) fill(ctx context.Context, f fill) (done bool, err error) {
	var after string
	err = t.row(ctx, selectFill, f.part).Scan(&after, &done)
	if err != nil && !errors.Is(err, sql.ErrNoRows) || done {
		return done, err
	}
	next := f.next
	if next != wordsToCheck { // PostgreSQL locks no rows of a SELECT DISTINCT
		next = withRowLock(next, t.store.backend.RowLock)
	}
	var found []string
	err = forEachRow(ctx, t, next, func(row *sql.Rows) error {
		var id string
		if err := row.Scan(&id); err != nil {
			return err
		}
		found = append(found, id)
		return nil
	}, after, fillBatch)
	if err != nil {
		return false, err
	}
	if len(found) > 0 {
		after = found[len(found)-1]
		if err := f.index(t, ctx, found); err != nil {
			return false, err
		}
	}
	done = len(found) < fillBatch
	return done, t.exec(ctx, upsertFill, f.part, after, done)
}

func (t *Tx) fillKeys(ctx context.Context, keys []string) error {
	type texts struct {
		tenant         ident.TenantID
		id             ident.KeyID
		name, publicID string
	}
	q, args := expand(selectKeyWords, 1, keys)
	found, err := collect(ctx, t, q, func(row scanner) (k texts, err error) {
		return k, row.Scan(&k.tenant, &k.id, &k.name, &k.publicID)
	}, args...)
	for _, k := range found {
		if err := t.reindexKey(ctx, k.tenant, k.id, k.name, k.publicID); err != nil {
			return err
		}
	}
	return err
}

func (t *Tx) fillSubjects(ctx context.Context, subjects []string) error {
	q, args := expand(selectSubjectTexts, 1, subjects)
	found, err := collect(ctx, t, q, func(row scanner) (s machine.Subject, err error) {
		return s, row.Scan(&s.Tenant, &s.ID, &s.ExternalID, &s.Name)
	}, args...)
	for _, s := range found {
		if err := t.reindexSubject(ctx, s); err != nil {
			return err
		}
	}
	return err
}

func (t *Tx) fillServiceAccounts(ctx context.Context, accounts []string) error {
	q, args := expand(selectAccountTexts, 1, accounts)
	found, err := collect(ctx, t, q, func(row scanner) (a machine.ServiceAccount, err error) {
		return a, row.Scan(&a.Tenant, &a.ID, &a.Name)
	}, args...)
	for _, a := range found {
		if err := t.indexServiceAccount(ctx, a.Tenant, a.ID, a.Name); err != nil {
			return err
		}
	}
	return err
}

// fillTenants writes the tenants of keys beside their rights and their last uses.
func (t *Tx) fillTenants(ctx context.Context, keys []string) error {
	for _, update := range []query{fillGrantTenants, fillUseTenants} {
		q, args := expand(update, 1, keys)
		if err := t.exec(ctx, q, args...); err != nil {
			return err
		}
	}
	return nil
}

func (t *Tx) fillPeople(ctx context.Context, people []string) error {
	all := make([]ident.UserID, len(people))
	for i, id := range people {
		all[i] = ident.UserID(id)
	}
	of, err := t.personTexts(ctx, all...)
	if err != nil {
		return err
	}
	type membership struct {
		tenant ident.TenantID
		person ident.UserID
	}
	q, args := expand(selectTenantsOfPeople, 1, all)
	found, err := collect(ctx, t, q, func(row scanner) (m membership, err error) {
		return m, row.Scan(&m.tenant, &m.person)
	}, args...)
	for _, m := range found {
		if err := t.indexPerson(ctx, m.person, of[m.person], m.tenant); err != nil {
			return err
		}
	}
	return err
}

func (t *Tx) dropLostWords(ctx context.Context, objects []string) error {
	q, args := expand(deleteLostWords, 1, objects)
	return t.exec(ctx, q, args...)
}
