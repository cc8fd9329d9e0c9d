package store

import (
	"context"
	"time"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/secondfactor"
	"github.com/claviger-dev/claviger/internal/session"
)

const (
	selectFactorState query = `SELECT f.set_at, (SELECT COUNT(*) FROM recovery_codes c WHERE c.user_id = f.user_id)
		FROM second_factors f WHERE f.user_id = $1`
	selectFactor query = `SELECT secret, secret_version, last_step, set_at FROM second_factors WHERE user_id = $1`
	upsertFactor query = `INSERT INTO second_factors (user_id, secret, secret_version, last_step, set_at)
		VALUES ($1, $2, $3, $4, $5) ON CONFLICT (user_id) DO UPDATE SET secret = excluded.secret,
		secret_version = excluded.secret_version, last_step = excluded.last_step, set_at = excluded.set_at`
	deleteFactor query = `DELETE FROM second_factors WHERE user_id = $1`
	hasFactor    query = `SELECT EXISTS (SELECT 1 FROM second_factors WHERE user_id = $1)`
	acceptStep   query = `UPDATE second_factors SET last_step = $2 WHERE user_id = $1 AND last_step < $2`
	raiseSteps   query = `UPDATE second_factors SET last_step = $1 WHERE last_step < $1`
	countCodes   query = `SELECT COUNT(*) FROM recovery_codes WHERE user_id = $1`
	insertCode   query = `INSERT INTO recovery_codes (user_id, hash) VALUES ($1, $2)`
	deleteCode   query = `DELETE FROM recovery_codes WHERE user_id = $1 AND hash = $2`
	deleteCodes  query = `DELETE FROM recovery_codes WHERE user_id = $1`

	selectPersonName    query = `SELECT name FROM users WHERE id = $1 AND deleted_at IS NULL`
	selectShortPassword query = `SELECT short_password_at IS NOT NULL FROM users WHERE id = $1`
	markShortPassword   query = `UPDATE users SET short_password_at = $2 WHERE id = $1`

	insertHalfSession query = `INSERT INTO half_sessions (id, user_id, token_hash, step, password_set_at, tries,
		created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`
	selectHalfSession query = `SELECT h.id, h.step, h.password_set_at, h.tries, h.created_at, h.expires_at, u.id,
		u.email, u.name FROM half_sessions h JOIN users u ON u.id = h.user_id
		WHERE h.token_hash = $1 AND h.expires_at > $2 AND u.disabled_at IS NULL AND u.deleted_at IS NULL`
	endOldestHalfSessions query = `DELETE FROM half_sessions WHERE user_id = $1
		AND (created_at, id) <= (SELECT created_at, id FROM half_sessions
		WHERE user_id = $1 ORDER BY created_at DESC, id DESC LIMIT 1 OFFSET $2)`
	deleteHalfSession         query = `DELETE FROM half_sessions WHERE id = $1`
	endHalfSessions           query = `DELETE FROM half_sessions WHERE user_id = $1`
	deleteExpiredHalfSessions query = `DELETE FROM half_sessions WHERE expires_at <= $1`
	endOtherSessions          query = `DELETE FROM sessions WHERE user_id = $1 AND id <> $2`
)

// SecondFactor implements secondfactor.Store.
func (s *Store) SecondFactor(ctx context.Context, user ident.UserID) (f secondfactor.State, err error) {
	found, err := collect(ctx, s.reading, selectFactorState, func(row scanner) (f secondfactor.State, err error) {
		err = row.Scan(nullTime{&f.SetAt}, &f.CodesLeft)
		return f, err
	}, user)
	for _, f := range found {
		return f, nil
	}
	return f, s.fault(err)
}

// HasSecondFactor implements identity.Store.
func (s *Store) HasSecondFactor(ctx context.Context, user ident.UserID) (has bool, err error) {
	err = s.reading.row(ctx, hasFactor, user).Scan(&has)
	return has, s.fault(err)
}

// SecondFactor implements secondfactor.ProveTx.
func (t *Tx) SecondFactor(ctx context.Context, user ident.UserID) (secondfactor.Factor, error) {
	f := secondfactor.Factor{User: user}
	var version int64
	err := t.row(ctx, selectFactor, user).Scan(&f.Secret.Bytes, nullInt{&version}, &f.LastStep, nullTime{&f.SetAt})
	if err != nil {
		return secondfactor.Factor{}, t.store.fault(err)
	}
	f.Secret.Version = int(version)
	return f, nil
}

// HasSecondFactor implements identity.PasswordTx.
func (t *Tx) HasSecondFactor(ctx context.Context, user ident.UserID) (has bool, err error) {
	err = t.row(ctx, hasFactor, user).Scan(&has)
	return has, err
}

// AcceptStep implements secondfactor.ProveTx.
func (t *Tx) AcceptStep(ctx context.Context, user ident.UserID, step int64) error {
	return t.runOne(ctx, acceptStep, user, step)
}

// UseRecoveryCode implements secondfactor.ProveTx.
func (t *Tx) UseRecoveryCode(ctx context.Context, user ident.UserID, hash secondfactor.RecoveryHash) error {
	return t.runOne(ctx, deleteCode, user, hash[:])
}

// CountRecoveryCodes implements secondfactor.ProveTx.
func (t *Tx) CountRecoveryCodes(ctx context.Context, user ident.UserID) (n int, err error) {
	err = t.row(ctx, countCodes, user).Scan(&n)
	return n, err
}

// SetSecondFactor implements secondfactor.StoreTx.
func (t *Tx) SetSecondFactor(ctx context.Context, f secondfactor.Factor) error {
	var secret any
	if len(f.Secret.Bytes) > 0 {
		secret = f.Secret.Bytes
	}
	return t.exec(ctx, upsertFactor, f.User, secret, nullIfZero(int64(f.Secret.Version)), f.LastStep, micros(f.SetAt))
}

// SetRecoveryCodes implements secondfactor.StoreTx.
func (t *Tx) SetRecoveryCodes(ctx context.Context, user ident.UserID, hashes []secondfactor.RecoveryHash) error {
	if err := t.exec(ctx, deleteCodes, user); err != nil {
		return err
	}
	for _, hash := range hashes {
		if err := t.exec(ctx, insertCode, user, hash[:]); err != nil {
			return err
		}
	}
	return nil
}

// RemoveSecondFactor implements secondfactor.RemoveTx.
func (t *Tx) RemoveSecondFactor(ctx context.Context, user ident.UserID) error {
	if err := t.exec(ctx, deleteCodes, user); err != nil {
		return err
	}
	return t.runOne(ctx, deleteFactor, user)
}

// PersonTarget implements secondfactor.Tx.
func (t *Tx) PersonTarget(ctx context.Context, user ident.UserID) (audit.Target, error) {
	if err := t.lockRow(ctx, lockPerson, user); err != nil {
		return audit.Target{}, err
	}
	target := audit.Target{Type: "user", ID: string(user)}
	err := t.row(ctx, selectPersonName, user).Scan(nullString(&target.Name))
	return target, t.store.fault(err)
}

// HasShortPassword implements session.Tx.
func (t *Tx) HasShortPassword(ctx context.Context, user ident.UserID) (short bool, err error) {
	err = t.row(ctx, selectShortPassword, user).Scan(&short)
	return short, t.store.fault(err)
}

// MarkShortPassword implements identity.PasswordTx.
func (t *Tx) MarkShortPassword(ctx context.Context, user ident.UserID, at time.Time) error {
	return t.runOne(ctx, markShortPassword, user, micros(at))
}

// HalfSession implements session.Store.
func (s *Store) HalfSession(ctx context.Context, token credential.TokenHash,
	now time.Time,
) (h session.HalfSession, err error) {
	if err := s.Obsolete(); err != nil {
		return h, err
	}
	err = s.reading.row(ctx, selectHalfSession, token[:], micros(now)).Scan(&h.ID, &h.Step,
		nullTime{&h.PasswordSetAt}, &h.Tries, nullTime{&h.CreatedAt}, nullTime{&h.ExpiresAt}, &h.User.ID,
		nullString(&h.User.Email), nullString(&h.User.Name))
	return h, s.fault(err)
}

// InsertHalfSession implements session.HalfTx.
func (t *Tx) InsertHalfSession(ctx context.Context, h session.HalfSession, token credential.TokenHash) error {
	return t.exec(ctx, insertHalfSession, h.ID, h.User.ID, token[:], string(h.Step), micros(h.PasswordSetAt), h.Tries,
		micros(h.CreatedAt), micros(h.ExpiresAt))
}

// EndOldestHalfSessions implements session.HalfTx.
func (t *Tx) EndOldestHalfSessions(ctx context.Context, user ident.UserID, stay int) error {
	return t.exec(ctx, endOldestHalfSessions, user, stay)
}

// DeleteHalfSession implements session.HalfTx.
func (t *Tx) DeleteHalfSession(ctx context.Context, id ident.HalfSessionID) error {
	return t.runOne(ctx, deleteHalfSession, id)
}

// DeleteExpiredHalfSessions implements session.HalfTx.
func (t *Tx) DeleteExpiredHalfSessions(ctx context.Context, now time.Time) (int64, error) {
	return t.count(ctx, deleteExpiredHalfSessions, micros(now))
}

// EndOtherSessions implements session.Tx.
func (t *Tx) EndOtherSessions(ctx context.Context, user ident.UserID, except ident.SessionID) error {
	if err := t.exec(ctx, endHalfSessions, user); err != nil {
		return err
	}
	return t.exec(ctx, endOtherSessions, user, except)
}

// VoidSecondFactor implements journal.FactorTx: the factor stays, and no code is right.
func (t *Tx) VoidSecondFactor(ctx context.Context, user ident.UserID, at time.Time) error {
	if err := t.exec(ctx, deleteCodes, user); err != nil {
		return err
	}
	return t.SetSecondFactor(ctx, secondfactor.Factor{User: user, SetAt: at})
}
