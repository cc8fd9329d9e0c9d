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

var errNotRecoverable = fault.New(fault.NotRecoverable,
	"No copy of this secret is stored. Refresh the key to get a new secret.")

// Reveal shows the current secret of a key to its owner again, who must have signed in within the
// last minutes. It works in tenants that store copies, for a secret of which a copy was stored.
func (s *Service) Reveal(ctx context.Context, who principal.Principal, tenant ident.TenantID,
	id ident.KeyID,
) (Issued, error) {
	caller, _ := who.Session()
	var shown Issued
	v, err := s.change(ctx, who, tenant, id, "",
		func(ctx context.Context, tx ChangeTx, c *keyTx) (audit.Action, error) {
			switch {
			case !c.Owner.Is(caller.User.ID):
				return "", fault.New(fault.Forbidden, "Only the owner of this key may see its secret again.")
			case !caller.Recent(c.now):
				return "", fault.New(fault.SignInAgain,
					"You signed in more than five minutes ago. Sign in again to see the secret.")
			case !c.tenant.Active:
				return "", errTenantDisabled
			case c.tenant.Settings.Disclosure != policy.Recoverable, c.revoked():
				return "", errNotRecoverable
			}
			secret, err := s.openCopy(ctx, tx, c.Key)
			if err != nil {
				return "", err
			}
			shown.Credential, shown.Settings = secret, c.tenant.Settings
			return audit.ActionKeyReveal, c.notifyRevealed(ctx, tx, who.Origin().IP)
		})
	if err != nil {
		return Issued{}, err
	}
	shown.View = v
	return shown, nil
}

// openCopy opens the copy of a key's current secret. It returns fault.Unavailable if the copy does
// not open, because it may belong to another key.
func (s *Service) openCopy(ctx context.Context, tx SecretTx, k Key) (credential.Issued, error) {
	sealed, err := tx.SecretCopy(ctx, k.ID)
	if errors.Is(err, fault.NotFound) {
		err = errNotRecoverable
	}
	if err != nil {
		return credential.Issued{}, err
	}
	secret, err := s.Keyring.OpenCopy(sealed, k.Tenant, credential.Row{Key: k.ID, Serial: k.Serial})
	if err != nil {
		return credential.Issued{}, fault.Wrap(fault.Unavailable, err,
			"The stored copy of the secret cannot be opened. Refresh the key, and tell the operator of this server.")
	}
	return credential.Assemble(k.Shape, k.PublicID, secret), nil
}
