package identity

import (
	"context"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/principal"
)

// RequireRecentSignIn returns fault.SignInAgain where the caller's sign-in is older than five
// minutes, and fault.SessionRequired for a key.
func (s *Service) RequireRecentSignIn(who principal.Principal) error {
	_, err := s.recentlySignedIn(who)
	return err
}

// OwnEvents returns a part of the events that the caller caused, newest first.
func (s *Service) OwnEvents(ctx context.Context, who principal.Principal,
	page audit.TrailPage,
) (audit.TrailPart, error) {
	me, err := signedIn(who)
	if err != nil {
		return audit.TrailPart{}, err
	}
	return audit.ReadTrail(ctx, s.Store, audit.Trail{Actor: me.User.ID}, audit.TrailFilter{}, page)
}
