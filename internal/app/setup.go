package app

import (
	"context"
	"time"

	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/principal"
)

// SetupLink gives the address at which the first account is made, once, and when it ends; a zero address when there is an account already. Each call voids
// the link before it.
func (a *App) SetupLink(ctx context.Context) (address credential.Secret, until time.Time, err error) {
	link, ticket, err := a.Tenancy.FirstSetupLink(ctx, principal.Operator())
	if err != nil || ticket.IsZero() {
		return credential.Secret{}, time.Time{}, err
	}
	return credential.NewSecret(a.URL + "/setup/" + ticket.Reveal()), link.ExpiresAt, nil
}
