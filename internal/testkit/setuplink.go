package testkit

import (
	"context"
	"time"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/tenancy"
)

// SetupLink makes a set-up link and returns its token. The link voids the one before, and the test
// can also make one that an earlier version left beside an account.
func (h *Server) SetupLink() credential.Secret {
	h.t.Helper()
	s := h.Tenancy
	now := s.Now()
	l := tenancy.SetupLink{ID: ident.New[ident.LinkID](now, s.Rand), CreatedAt: now, ExpiresAt: now.Add(24 * time.Hour)}
	token := s.Keyring.DeriveSetupToken(l.ID)
	who := principal.Operator()
	h.check(s.Ledgers.Openings.Write(h.t.Context(), who,
		func(ctx context.Context, tx tenancy.OpenTx) (audit.Event, error) {
			e := audit.By(who, audit.ActionSetupLink, audit.Target{Type: "setup", ID: string(l.ID)})
			return e, tx.InsertSetup(ctx, l, credential.HashToken(token.Reveal()))
		}))
	return token
}
