package identity

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"time"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/principal"
)

// Avatar is the picture of a person.
type Avatar struct {
	// Image is a PNG that package picture made.
	Image []byte
	// Version is the same for the same image.
	Version string
}

// Affiliations are the tenants that a person is a member of, with their accounts, and the accounts
// in which they have a role. Those that are disabled are among them.
type Affiliations struct {
	Tenants  map[ident.TenantID]ident.AccountID
	Accounts []ident.AccountID
}

// AvatarTx changes avatars.
type AvatarTx interface {
	LockTx
	// RequireUpgrade fails with fault.Conflict until the upgrade of the database is finished: nodes
	// of the version before do not know the action.
	RequireUpgrade(ctx context.Context) error
	SetAvatar(ctx context.Context, user ident.UserID, a Avatar, at time.Time) error
	// RemoveAvatar fails with fault.NotFound where there is none.
	RemoveAvatar(ctx context.Context, user ident.UserID) error
}

// recentlySignedIn returns the session of the caller, or fault.SignInAgain where the sign-in is
// older than five minutes.
func (s *Service) recentlySignedIn(who principal.Principal) (principal.Session, error) {
	me, err := signedIn(who)
	if err == nil && !me.Recent(s.Now()) {
		err = errOldSignIn
	}
	return me, err
}

// SetAvatar makes the caller's avatar of a file that they sent. It needs a sign-in younger than
// five minutes.
func (s *Service) SetAvatar(ctx context.Context, who principal.Principal, file []byte) error {
	me, err := s.recentlySignedIn(who)
	if err != nil {
		return err
	}
	image, err := s.Pictures.Avatar(ctx, file)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(image)
	a := Avatar{Image: image, Version: hex.EncodeToString(sum[:12])}
	return s.Ledgers.Avatars.Write(ctx, who, func(ctx context.Context, tx AvatarTx) (audit.Event, error) {
		if err := tx.RequireUpgrade(ctx); err != nil {
			return audit.Event{}, err
		}
		u, err := tx.LockUser(ctx, me.User.ID)
		if err != nil {
			return audit.Event{}, err
		}
		return audit.By(who, audit.ActionUserAvatarSet, target(u)), tx.SetAvatar(ctx, u.ID, a, s.Now())
	})
}

// RemoveAvatar removes the caller's avatar, if there is one. It needs a sign-in younger than five
// minutes.
func (s *Service) RemoveAvatar(ctx context.Context, who principal.Principal) error {
	me, err := s.recentlySignedIn(who)
	if err != nil {
		return err
	}
	return s.Ledgers.Avatars.Write(ctx, who, func(ctx context.Context, tx AvatarTx) (audit.Event, error) {
		u, err := tx.LockUser(ctx, me.User.ID)
		if err != nil {
			return audit.Event{}, err
		}
		err = tx.RemoveAvatar(ctx, u.ID)
		if errors.Is(err, fault.NotFound) {
			err = audit.ErrNothing
		}
		return audit.By(who, audit.ActionUserAvatarRemove, target(u)), err
	})
}

// Avatar returns the avatar of a person to that person and to those who belong with them to a
// tenant or an account. To everybody else, and where there is none, it returns fault.NotFound.
func (s *Service) Avatar(ctx context.Context, who principal.Principal, user ident.UserID) (Avatar, error) {
	me, err := signedIn(who)
	if err != nil {
		return Avatar{}, err
	}
	if user != me.User.ID {
		of, err := s.Store.Affiliations(ctx, user)
		if err != nil {
			return Avatar{}, err
		}
		if !of.sharedWith(me) {
			return Avatar{}, fault.NotFound
		}
	}
	return s.Store.Avatar(ctx, user)
}

// AvatarVersion returns the version of the caller's avatar; "" for none.
func (s *Service) AvatarVersion(ctx context.Context, who principal.Principal) (string, error) {
	me, err := signedIn(who)
	if err != nil {
		return "", err
	}
	return s.Store.AvatarVersion(ctx, me.User.ID)
}

// sharedWith reports whether a signed-in person belongs to one of the tenants, or to one of the
// accounts. Two people who are members of different tenants of an account, and have no role in the
// account, do not see each other.
func (a Affiliations) sharedWith(me principal.Session) bool {
	for _, m := range me.Memberships {
		if _, both := a.Tenants[m.Tenant]; both || slices.Contains(a.Accounts, m.Account) {
			return true
		}
	}
	for _, m := range me.AccountMembers {
		if slices.Contains(a.Accounts, m.Account) {
			return true
		}
		for _, account := range a.Tenants {
			if account == m.Account {
				return true
			}
		}
	}
	return false
}
