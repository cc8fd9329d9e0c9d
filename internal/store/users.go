package store

import (
	"context"
	"database/sql"
	"time"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/identity"
)

// userColumns are scanned by scanUser, in this order.
const userColumns = `id, number, email, canonical_email, name, disabled_at, password_set_at, created_at, updated_at`

const (
	selectUserByEmail query = `SELECT ` + userColumns + `, password FROM users WHERE canonical_email = $1`
	selectUser        query = `SELECT ` + userColumns + ` FROM users WHERE id = $1 AND deleted_at IS NULL`
	insertUser        query = `INSERT INTO users (id, number, email, canonical_email, name, password, password_set_at, created_at, updated_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $7, $7)`
	updatePassword query = `UPDATE users SET password = $2, password_set_at = $3, updated_at = $3 WHERE id = $1`
)

// UserByEmail implements identity.Store.
func (s *Store) UserByEmail(ctx context.Context, canonical string) (identity.User, string, error) {
	var password sql.NullString
	u, err := scanUser(s.reading.row(ctx, selectUserByEmail, canonical), &password)
	return u, password.String, s.fault(err)
}

// LockUser implements identity.Tx.
func (t *Tx) LockUser(ctx context.Context, user ident.UserID) (identity.User, error) {
	if err := t.one(ctx, lockPerson, user); err != nil {
		return identity.User{}, err
	}
	u, err := scanUser(t.row(ctx, selectUser, user))
	return u, t.store.fault(err)
}

// scanUser scans userColumns and what stands behind them.
func scanUser(row scanner, more ...any) (u identity.User, err error) {
	err = row.Scan(append([]any{
		&u.ID, &u.Number, nullable(&u.Email), nullable(&u.Canonical), nullable(&u.Name),
		set{&u.Disabled},
		when{&u.PasswordSetAt},
		when{&u.CreatedAt},
		when{&u.UpdatedAt},
	}, more...)...)
	return u, err
}

// InsertUser implements identity.Tx.
func (t *Tx) InsertUser(ctx context.Context, u identity.User, password string) (int64, error) {
	number, err := t.number(ctx, "user")
	if err != nil {
		return 0, err
	}
	err = t.exec(ctx, insertUser, u.ID, number, u.Email, u.Canonical, u.Name, password, micros(u.CreatedAt))
	if t.store.backend.Classify(err) == Duplicate {
		return 0, fault.New(fault.Conflict, "This e-mail address is in use.")
	}
	return number, err
}

// SetPassword implements identity.Tx.
func (t *Tx) SetPassword(ctx context.Context, user ident.UserID, password string, at time.Time) error {
	return t.one(ctx, updatePassword, user, password, micros(at))
}
