package identity

import (
	"context"
	"time"

	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/principal"
)

// SignInFacts are how a person signs in, and when they were last here.
type SignInFacts struct {
	// SecondFactor is set where they have a second factor; otherwise the password alone signs in.
	SecondFactor bool
	// LastSeenAt is when they last used a session, anywhere on the server; zero for never.
	LastSeenAt time.Time
}

// SignInFacts returns what is known about the caller.
func (s *Service) SignInFacts(ctx context.Context, who principal.Principal) (SignInFacts, error) {
	me, err := signedIn(who)
	if err != nil {
		return SignInFacts{}, err
	}
	found, err := s.Store.SignInFacts(ctx, []ident.UserID{me.User.ID})
	return found[me.User.ID], err
}
