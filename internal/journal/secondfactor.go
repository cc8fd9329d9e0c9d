package journal

import (
	"context"
	"errors"
	"time"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/secondfactor"
)

// FactorTx reads and changes second factors of people.
type FactorTx interface {
	SecondFactor(ctx context.Context, user ident.UserID) (secondfactor.Factor, error)
	RemoveSecondFactor(ctx context.Context, user ident.UserID) error
	// VoidSecondFactor leaves a person with a second factor of which no code is right.
	VoidSecondFactor(ctx context.Context, user ident.UserID, at time.Time) error
	CountRecoveryCodes(ctx context.Context, user ident.UserID) (int, error)
	SetRecoveryCodes(ctx context.Context, user ident.UserID, hashes []secondfactor.RecoveryHash) error
}

// secondFactor removes a second factor that was removed after the backup. In the place of one that
// was set up after it, the person gets one of which no code is right: the journal does not contain
// its secret, and the password alone must not do. The operator removes that one.
func (a applier) secondFactor(ctx context.Context, id ident.UserID, last userState) (taken bool, err error) {
	if last.deleted || last.factor == (changePoint{}) {
		return false, nil
	}
	if _, err := a.tx.People.LockUser(ctx, id); err != nil {
		return false, err
	}
	f, err := a.tx.People.SecondFactor(ctx, id)
	has := err == nil
	switch {
	case err != nil && !errors.Is(err, fault.NotFound):
		return false, err
	case last.hasFactor && has && !a.existedBefore(last.factor, f.SetAt): // it is the one that was set up last
		return false, nil
	case last.hasFactor && !has && !a.existedBefore(last.factor, a.madeAt):
		return false, nil
	case last.hasFactor:
		return true, a.tx.People.VoidSecondFactor(ctx, id, a.now)
	case has && a.existedBefore(last.factor, f.SetAt):
		return true, a.tx.People.RemoveSecondFactor(ctx, id)
	}
	return false, nil
}

// recoveryCodes ends the recovery codes of a person of which one was used after the backup. The
// journal does not say which one. The person makes new ones with the code of their app.
func (a applier) recoveryCodes(ctx context.Context, id ident.UserID, last userState) (taken bool, err error) {
	if last.deleted || !a.existedBefore(last.codes, a.madeAt) || last.codes == (changePoint{}) {
		return false, nil
	}
	if _, err := a.tx.People.LockUser(ctx, id); err != nil {
		return false, err
	}
	n, err := a.tx.People.CountRecoveryCodes(ctx, id)
	if err != nil || n == 0 {
		return false, err
	}
	return true, a.tx.People.SetRecoveryCodes(ctx, id, nil)
}
