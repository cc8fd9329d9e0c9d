package key

import (
	"context"
	"errors"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
)

// under is the secret as a tenant of these settings keeps it.
func (s Secret) under(settings policy.Settings) Secret {
	if settings.Disclosure != policy.Recoverable {
		s.Copy = credential.Sealed{}
	}
	return s
}

var errNotKept = fault.New(fault.NotRecoverable, "No copy of the secret is kept. Refresh the key to get another one.")

// Reveal shows a key's current secret to its owner again, who signed in a moment ago: in tenants that keep copies, of a secret of which one was kept.
func (s *Service) Reveal(ctx context.Context, who principal.Principal, tenant ident.TenantID, id ident.KeyID) (Issued, error) {
	caller, _ := who.Session()
	var shown Issued
	v, err := s.change(ctx, who, tenant, id, func(ctx context.Context, tx Tx, c *changing) (audit.Action, error) {
		switch {
		case c.Owner.ID != caller.User.ID:
			return "", fault.New(fault.Forbidden, "Only the key's owner may see its secret again.")
		case !caller.Recent(c.now):
			return "", fault.New(fault.SignInAgain, "Sign in again: showing a secret needs a sign-in younger than five minutes.")
		case !c.tenant.Open:
			return "", errTenantDisabled
		case c.tenant.Settings.Disclosure != policy.Recoverable, !c.RevokedAt.IsZero():
			return "", errNotKept
		}
		secret, err := s.copyOf(ctx, tx, c.Key)
		if err != nil {
			return "", err
		}
		shown.Credential, shown.Settings = secret, c.tenant.Settings
		return audit.ActionKeyReveal, c.tellRevealed(ctx, tx, who.Origin().IP)
	})
	if err != nil {
		return Issued{}, err
	}
	shown.View = v
	return shown, nil
}

// copyOf opens the copy of a key's current secret. One that does not open is doubt, and nothing is shown.
func (s *Service) copyOf(ctx context.Context, tx Tx, k Key) (credential.Minted, error) {
	sealed, err := tx.SecretCopy(ctx, k.ID)
	if errors.Is(err, fault.NotFound) {
		err = errNotKept
	}
	if err != nil {
		return credential.Minted{}, err
	}
	secret, err := s.Keyring.OpenCopy(sealed, k.Tenant, credential.Row{Key: k.ID, Serial: k.Serial})
	if err != nil {
		return credential.Minted{}, fault.Wrap(fault.Unavailable, err, "The copy of the secret cannot be read.")
	}
	return credential.Whole(k.Shape, k.PublicID, secret), nil
}
