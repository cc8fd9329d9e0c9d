package session

import (
	"context"
	"slices"

	"github.com/claviger-dev/claviger/internal/notice"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
)

// clients returns the names of the address and the device that signed in.
func (s Session) clients() []string {
	address, device := principal.Origin{IP: s.IP, UserAgent: s.Agent}.ClientNames()
	return []string{address, device}
}

// notifyNewClient remembers the clients of a sign-in, and plans a notice where the address or the
// device is not known. It plans none for a person's first sign-in.
func (s Session) notifyNewClient(ctx context.Context, tx Tx) error {
	clients := s.clients()
	known, err := tx.RememberClients(ctx, s.User.ID, clients, s.CreatedAt, s.CreatedAt.Add(-policy.KnownClientPeriod))
	if err != nil || len(known) == 0 {
		return err
	}
	if !slices.ContainsFunc(clients, func(client string) bool { return !slices.Contains(known, client) }) {
		return nil
	}
	f := notice.Facts{Address: s.IP, Agent: s.Agent}
	return tx.PlanNotice(ctx, notice.New(notice.NewSignIn, s.User.ID, s.CreatedAt, f, string(s.ID)))
}
