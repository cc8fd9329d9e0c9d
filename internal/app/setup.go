package app

import (
	"context"
	"time"

	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/principal"
)

// SetupLink returns the link by which the first account is created, and when it expires. The link
// is zero if an account exists already. Every start and every node returns the same link until it
// expires.
func (a *App) SetupLink(ctx context.Context) (link credential.Secret, expires time.Time, err error) {
	setup, token, err := a.Tenancy.FirstSetupLink(ctx, principal.Operator())
	if err != nil || token.IsZero() {
		return credential.Secret{}, time.Time{}, err
	}
	return credential.NewSecret(a.URL + "/setup/" + token.Reveal()), setup.ExpiresAt, nil
}
