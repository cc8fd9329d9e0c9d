package store

import (
	"context"
	"errors"
	"time"

	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/machine"
	"github.com/claviger-dev/claviger/internal/paging"
	"github.com/claviger-dev/claviger/internal/text"
)

const (
	subjectRowColumns = `id, number, tenant_id, external_id, name, plan, metadata, disabled_at, disabled_by_admin,
		created_at, updated_at FROM subjects`

	countSubjects query = `SELECT COUNT(*) FROM (SELECT 1 FROM subjects WHERE tenant_id = $1 AND external_id IS NOT NULL
		LIMIT $2) counted`
	insertSubject query = `INSERT INTO subjects (id, number, tenant_id, external_id, name, plan, metadata, created_at,
		updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`
	lockLiveSubject  query = `SELECT 1 FROM subjects WHERE tenant_id = $1 AND id = $2 AND deleted_at IS NULL`
	lockExternalID   query = `SELECT 1 FROM subjects WHERE tenant_id = $1 AND external_id = $2`
	selectSubjectRow query = `SELECT ` + subjectRowColumns + `
		WHERE tenant_id = $1 AND id = $2 AND deleted_at IS NULL`
	selectSubjectExternal query = `SELECT ` + subjectRowColumns + ` WHERE tenant_id = $1 AND external_id = $2`
	selectSubjects        query = `SELECT ` + subjectRowColumns + ` WHERE id IN ($1…) AND deleted_at IS NULL`
	updateSubject         query = `UPDATE subjects SET name = $3, plan = $4, metadata = $5, disabled_at = $6,
		disabled_by_admin = $7, updated_at = $8 WHERE tenant_id = $1 AND id = $2`
	deleteSubject query = `UPDATE subjects SET deleted_at = $3, external_id = NULL, name = '', plan = NULL,
		metadata = NULL, updated_at = $3 WHERE tenant_id = $1 AND id = $2`

	// The rows of deleted subjects, which have no external id, are skipped one by one.
	listSubjects query = `SELECT id, external_id, name, created_at, plan FROM subjects
		WHERE tenant_id = $1 AND (created_at, id) < ($2, $3) ORDER BY created_at DESC, id DESC LIMIT $4`
	listSubjectsWithout query = `SELECT id, external_id, name, created_at, plan FROM subjects
		WHERE tenant_id = $1 AND plan IS NULL AND (created_at, id) < ($2, $3)
		ORDER BY created_at DESC, id DESC LIMIT $4`
	listSubjectsOn query = `SELECT id, external_id, name, created_at, plan FROM subjects
		WHERE tenant_id = $1 AND plan = $5 AND (created_at, id) < ($2, $3) ORDER BY created_at DESC, id DESC LIMIT $4`
)

// CountSubjects implements machine.NewSubjectTx.
func (t *Tx) CountSubjects(ctx context.Context, tenant ident.TenantID, most int) (int, error) {
	return t.countUpTo(ctx, countSubjects, tenant, most)
}

// CountSubjects implements machine.SubjectStore.
func (s *Store) CountSubjects(ctx context.Context, tenant ident.TenantID, most int) (n int, err error) {
	err = s.reading.row(ctx, countSubjects, tenant, most).Scan(&n)
	return n, s.fault(err)
}

// InsertSubject implements machine.NewSubjectTx. If another transaction took the external id
// meanwhile, the change runs again.
func (t *Tx) InsertSubject(ctx context.Context, s machine.Subject) (int64, error) {
	number, err := t.nextNumber(ctx, "subject")
	if err != nil {
		return 0, err
	}
	err = t.exec(ctx, insertSubject, s.ID, number, s.Tenant, s.ExternalID, s.Name, nullIfEmpty(s.Plan),
		nullIfEmpty(s.Metadata.Text()), micros(s.CreatedAt), micros(s.UpdatedAt))
	if t.store.backend.Classify(err) == Duplicate {
		err = errors.Join(errContention, err)
	}
	if err != nil {
		return 0, err
	}
	return number, t.indexSubject(ctx, s)
}

// LockSubject implements machine.SubjectTx.
func (t *Tx) LockSubject(ctx context.Context, tenant ident.TenantID, id ident.SubjectID) (machine.Subject, error) {
	if err := t.lockRow(ctx, lockLiveSubject, tenant, id); err != nil {
		return machine.Subject{}, err
	}
	s, err := scanSubject(t.row(ctx, selectSubjectRow, tenant, id))
	return s, t.store.fault(err)
}

// SubjectByExternalID implements machine.NewSubjectTx.
func (t *Tx) SubjectByExternalID(ctx context.Context, tenant ident.TenantID,
	externalID string,
) (machine.Subject, error) {
	if err := t.lockRow(ctx, lockExternalID, tenant, externalID); err != nil {
		return machine.Subject{}, err
	}
	s, err := scanSubject(t.row(ctx, selectSubjectExternal, tenant, externalID))
	return s, t.store.fault(err)
}

// UpdateSubject implements machine.SubjectTx.
func (t *Tx) UpdateSubject(ctx context.Context, s machine.Subject) error {
	err := t.runOne(ctx, updateSubject, s.Tenant, s.ID, s.Name, nullIfEmpty(s.Plan), nullIfEmpty(s.Metadata.Text()),
		timeIf(s.Disabled, s.UpdatedAt), s.DisabledByAdmin, micros(s.UpdatedAt))
	if err != nil {
		return err
	}
	return t.reindexSubject(ctx, s)
}

// DeleteSubject implements machine.SubjectTx.
func (t *Tx) DeleteSubject(ctx context.Context, tenant ident.TenantID, id ident.SubjectID, at time.Time) error {
	if err := t.forgetOwner(ctx, string(id)); err != nil {
		return err
	}
	return t.runOne(ctx, deleteSubject, tenant, id, micros(at))
}

// Subject implements machine.SubjectStore.
func (s *Store) Subject(ctx context.Context, tenant ident.TenantID, id ident.SubjectID) (machine.Subject, error) {
	found, err := scanSubject(s.reading.row(ctx, selectSubjectRow, tenant, id))
	return found, s.fault(err)
}

// SubjectID implements key.ListStore.
func (s *Store) SubjectID(ctx context.Context, tenant ident.TenantID, externalID string) (ident.SubjectID, error) {
	found, err := collect(ctx, s.reading, selectSubjectExternal, scanSubject, tenant, externalID)
	if err != nil || len(found) == 0 {
		return "", s.fault(err)
	}
	return found[0].ID, nil
}

// SubjectsOf implements machine.SubjectStore.
func (s *Store) SubjectsOf(ctx context.Context, tenant ident.TenantID, f machine.SubjectFilter,
	page paging.Page,
) (l machine.SubjectPage, err error) {
	if f.ExternalID != "" {
		l.Subjects, err = s.subjectsNamed(ctx, tenant, f, page)
		return l, s.fault(err)
	}
	limit := min(max(page.Limit, 1), maxPage-1)
	ids, next, err := s.subjectIDs(ctx, tenant, f, page, limit)
	if err == nil && len(ids) > 0 {
		l.Subjects, err = s.subjectsByID(ctx, ids)
	}
	l.Next = next
	return l, s.fault(err)
}

// subjectsNamed returns the subject with the external id of the filter, if it passes the rest of
// it.
func (s *Store) subjectsNamed(ctx context.Context, tenant ident.TenantID, f machine.SubjectFilter,
	page paging.Page,
) ([]machine.Subject, error) {
	list, err := collect(ctx, s.reading, selectSubjectExternal, scanSubject, tenant, f.ExternalID)
	wanted := text.NewWordQuery(f.Query)
	if err != nil || len(list) == 0 || page.BeforeID != "" || !f.AllowsPlan(list[0].Plan) ||
		!wanted.Empty() && !wanted.Found(list[0].Name, list[0].ExternalID) {
		return nil, err
	}
	return list, nil
}

// listedSubject is a subject that a list examines. A deleted one has no external id.
type listedSubject struct {
	id               ident.SubjectID
	externalID, name string
	plan             string
	createdAt        time.Time
}

func scanListedSubject(row scanner) (c listedSubject, err error) {
	err = row.Scan(&c.id, nullString(&c.externalID), &c.name, nullTime{&c.createdAt}, nullString(&c.plan))
	return c, err
}

func (c listedSubject) position(limit int) *paging.Page {
	return &paging.Page{BeforeTime: c.createdAt, BeforeID: string(c.id), Limit: limit}
}

// readSubjects reads up to limit subjects after a position.
type readSubjects = func(position []any, limit int) ([]listedSubject, error)

// subjectReader returns a function that reads the subjects which can match: those with the rarest
// word of a search, or the newest, also of one plan or of none.
func (s *Store) subjectReader(ctx context.Context, tenant ident.TenantID, f machine.SubjectFilter,
	wanted text.WordQuery,
) (readSubjects, error) {
	if !wanted.Empty() {
		word, ok, err := s.rarestWord(ctx, tenant, wanted, countSubjectsOfWord)
		if err != nil {
			return nil, err
		}
		if ok {
			return func(position []any, limit int) ([]listedSubject, error) {
				return collect(ctx, s.reading, listSubjectHits, scanListedSubject, tenant, word,
					text.AfterPrefix(word), position[0], position[1], limit)
			}, nil
		}
	}
	return func(position []any, limit int) ([]listedSubject, error) {
		args := []any{tenant, position[0], position[1], limit}
		switch {
		case f.WithoutPlan:
			return collect(ctx, s.reading, listSubjectsWithout, scanListedSubject, args...)
		case f.Plan != "":
			return collect(ctx, s.reading, listSubjectsOn, scanListedSubject, append(args, f.Plan)...)
		}
		return collect(ctx, s.reading, listSubjects, scanListedSubject, args...)
	}, nil
}

// subjectIDs examines subjects from the newest to the oldest and returns the ids of up to limit
// that match. It stops when it has one more, at the end, or after maxSearched subjects. next is the
// position after which the list goes on; nil at the end.
func (s *Store) subjectIDs(ctx context.Context, tenant ident.TenantID, f machine.SubjectFilter, page paging.Page,
	limit int,
) (ids []ident.SubjectID, next *paging.Page, err error) {
	wanted := text.NewWordQuery(f.Query)
	read, err := s.subjectReader(ctx, tenant, f, wanted)
	if err != nil {
		return nil, nil, err
	}
	batch := limit + 1
	if !wanted.Empty() {
		batch = searchBatch
	}
	var last listedSubject
	for looked := 0; looked < maxSearched; looked += batch {
		part, err := read(pageArgs(page.BeforeTime, page.BeforeID, 1), batch)
		if err != nil {
			return nil, nil, err
		}
		for _, c := range part {
			matches := c.externalID != "" && f.AllowsPlan(c.plan) &&
				(wanted.Empty() || wanted.Found(c.name, c.externalID))
			if matches && len(ids) == limit {
				return ids, next, nil
			}
			if matches {
				ids = append(ids, c.id)
			}
			last = c
			next = last.position(page.Limit)
		}
		if len(part) < batch {
			return ids, nil, nil
		}
		page.BeforeTime, page.BeforeID = last.createdAt, string(last.id)
	}
	return ids, next, nil
}

// subjectsByID returns subjects in the order of ids. One that was deleted meanwhile is missing.
func (s *Store) subjectsByID(ctx context.Context, ids []ident.SubjectID) ([]machine.Subject, error) {
	q, args := expand(selectSubjects, 1, ids)
	read, err := collect(ctx, s.reading, q, scanSubject, args...)
	if err != nil {
		return nil, err
	}
	byID := make(map[ident.SubjectID]machine.Subject, len(read))
	for _, found := range read {
		byID[found.ID] = found
	}
	list := make([]machine.Subject, 0, len(read))
	for _, id := range ids {
		if found, there := byID[id]; there {
			list = append(list, found)
		}
	}
	return list, nil
}

func scanSubject(row scanner) (s machine.Subject, err error) {
	err = row.Scan(&s.ID, &s.Number, &s.Tenant, nullString(&s.ExternalID), &s.Name, nullString(&s.Plan),
		storedMetadata{&s.Metadata}, isSet{&s.Disabled}, &s.DisabledByAdmin, nullTime{&s.CreatedAt},
		nullTime{&s.UpdatedAt})
	return s, err
}
