package storetest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/secondfactor"
	"github.com/claviger-dev/claviger/internal/session"
	"github.com/claviger-dev/claviger/internal/store"
)

var secondFactorCases = []testCase{
	{"a second factor comes back as it was set, with the codes that are left", aFactorComesBack},
	{"the accepted step of a second factor grows, and nothing else", theStepGrows},
	{"a recovery code is used once, by its own person", aRecoveryCodeIsUsedOnce},
	{"a half-session comes back until it expires or its person is disabled", aHalfSessionComesBack},
	{"the oldest half-sessions of a person end, and nobody else's", theOldestHalfSessionsEnd},
}

// setFactor sets a factor of a person with two recovery codes.
func (fx *fixture) setFactor(user ident.UserID) (f secondfactor.Factor, codes []secondfactor.RecoveryHash) {
	fx.Helper()
	f = secondfactor.Factor{
		User: user, Secret: credential.Sealed{Version: 3, Bytes: []byte("sealed")}, LastStep: 7, SetAt: fx.clock.Now(),
	}
	codes = []secondfactor.RecoveryHash{sha256.Sum256([]byte(user + "1")), sha256.Sum256([]byte(user + "2"))}
	fx.mustWrite(func(ctx context.Context, tx *store.Tx) error {
		return errors.Join(tx.SetSecondFactor(ctx, f), tx.SetRecoveryCodes(ctx, user, codes))
	})
	return f, codes
}

func aFactorComesBack(fx *fixture) {
	p, other := fx.person(), fx.person()
	fx.setFactor(p.ID)
	fx.clock.move(time.Hour)
	want, _ := fx.setFactor(p.ID) // replaces the first
	fx.setFactor(other.ID)
	var got secondfactor.Factor
	fx.mustWrite(func(ctx context.Context, tx *store.Tx) (err error) {
		got, err = tx.SecondFactor(ctx, p.ID)
		return err
	})
	if !bytes.Equal(got.Secret.Bytes, want.Secret.Bytes) || got.Secret.Version != 3 || got.LastStep != 7 ||
		!got.SetAt.Equal(want.SetAt) {
		fx.Errorf("%+v, want %+v", got, want)
	}
	state, err := fx.store.SecondFactor(fx.Context(), p.ID)
	fx.must(err)
	if !state.SetAt.Equal(want.SetAt) || state.CodesLeft != 2 {
		fx.Errorf("%+v", state)
	}
	fx.mustWrite(func(ctx context.Context, tx *store.Tx) error { return tx.RemoveSecondFactor(ctx, p.ID) })
	state, err = fx.store.SecondFactor(fx.Context(), p.ID)
	fx.must(err)
	if state.Enabled() || state.CodesLeft != 0 {
		fx.Errorf("after it was removed: %+v", state)
	}
	fx.mustWrite(func(ctx context.Context, tx *store.Tx) error {
		if err := tx.RemoveSecondFactor(ctx, p.ID); !errors.Is(err, fault.NotFound) {
			fx.Errorf("removed twice: %v", err)
		}
		has, err := tx.HasSecondFactor(ctx, other.ID)
		if !has {
			fx.Errorf("another person's factor is gone")
		}
		return err
	})
}

func theStepGrows(fx *fixture) {
	p := fx.person()
	fx.setFactor(p.ID)
	fx.mustWrite(func(ctx context.Context, tx *store.Tx) error {
		for step, want := range map[int64]error{6: fault.NotFound, 7: fault.NotFound, 8: nil} {
			if err := tx.AcceptStep(ctx, p.ID, step); !errors.Is(err, want) {
				fx.Errorf("step %d after 7: %v", step, err)
			}
		}
		return nil
	})
}

func aRecoveryCodeIsUsedOnce(fx *fixture) {
	p, other := fx.person(), fx.person()
	_, codes := fx.setFactor(p.ID)
	fx.setFactor(other.ID)
	fx.mustWrite(func(ctx context.Context, tx *store.Tx) error {
		if err := tx.UseRecoveryCode(ctx, other.ID, codes[0]); !errors.Is(err, fault.NotFound) {
			fx.Errorf("by another person: %v", err)
		}
		if err := tx.UseRecoveryCode(ctx, p.ID, codes[0]); err != nil {
			fx.Errorf("the first time: %v", err)
		}
		if err := tx.UseRecoveryCode(ctx, p.ID, codes[0]); !errors.Is(err, fault.NotFound) {
			fx.Errorf("the second time: %v", err)
		}
		left, err := tx.CountRecoveryCodes(ctx, p.ID)
		if left != 1 {
			fx.Errorf("%d codes are left", left)
		}
		return err
	})
}

// insertHalf inserts a half-session of a person, which expires after a minute.
func (fx *fixture) insertHalf(user ident.UserID) (session.HalfSession, credential.TokenHash) {
	fx.Helper()
	u, err := fx.store.User(fx.Context(), user)
	fx.must(err)
	h := session.HalfSession{
		ID: ident.New[ident.HalfSessionID](fx.clock.Now(), fx.random), User: u.Person(), Step: session.AwaitsCode,
		PasswordSetAt: fx.clock.Now(), Tries: 2, CreatedAt: fx.clock.Now(), ExpiresAt: fx.after(time.Minute),
	}
	token := credential.TokenHash(sha256.Sum256([]byte(h.ID)))
	fx.mustWrite(func(ctx context.Context, tx *store.Tx) error { return tx.InsertHalfSession(ctx, h, token) })
	return h, token
}

func aHalfSessionComesBack(fx *fixture) {
	p := fx.person()
	want, token := fx.insertHalf(p.ID)
	got, err := fx.store.HalfSession(fx.Context(), token, fx.clock.Now())
	fx.must(err)
	if diff := cmp.Diff(want, got); diff != "" {
		fx.Error(diff)
	}
	if _, err := fx.store.HalfSession(fx.Context(), token, want.ExpiresAt); !errors.Is(err, fault.NotFound) {
		fx.Errorf("expired: %v", err)
	}
	fx.mustWrite(func(ctx context.Context, tx *store.Tx) error {
		return tx.SetUserDisabled(ctx, p.ID, true, fx.clock.Now())
	})
	if _, err := fx.store.HalfSession(fx.Context(), token, fx.clock.Now()); !errors.Is(err, fault.NotFound) {
		fx.Errorf("of a disabled person: %v", err)
	}
	fx.mustWrite(func(ctx context.Context, tx *store.Tx) error {
		n, err := tx.DeleteExpiredHalfSessions(ctx, want.ExpiresAt)
		if n != 1 {
			fx.Errorf("%d expired", n)
		}
		return err
	})
}

func theOldestHalfSessionsEnd(fx *fixture) {
	p, other := fx.person(), fx.person()
	var tokens []credential.TokenHash
	for range 3 {
		_, token := fx.insertHalf(p.ID)
		tokens = append(tokens, token)
		fx.clock.move(time.Second)
	}
	_, theirs := fx.insertHalf(other.ID)
	fx.mustWrite(func(ctx context.Context, tx *store.Tx) error { return tx.EndOldestHalfSessions(ctx, p.ID, 1) })
	for i, token := range append(tokens, theirs) {
		_, err := fx.store.HalfSession(fx.Context(), token, fx.clock.Now())
		if ended := errors.Is(err, fault.NotFound); ended != (i < 2) {
			fx.Errorf("half-session %d: %v", i, err)
		}
	}
}
