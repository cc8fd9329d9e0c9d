package notice

import (
	"context"
	"strings"
	"time"

	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/principal"
)

// OfOwnersKey returns a notice about a key to its owner: to the person or, for the key of a service
// account, to its stewards. With the kind and the key, more identifies the thing.
func OfOwnersKey(kind Kind, owner principal.Party, key ident.KeyID, at time.Time, facts Facts, more ...any) Notice {
	if owner.Type() == ident.ServiceAccountParty {
		facts.ServiceAccount = ident.ServiceAccountID(owner.ID)
		facts.ServiceAccountName = owner.Name
	}
	return OfKey(kind, owner.User(), key, at, facts, more...)
}

// Reaches reports whether owners of the type get notices: subjects do not.
func Reaches(owner ident.PartyType) bool {
	return owner == ident.UserParty || owner == ident.ServiceAccountParty
}

// forStewards reports whether the notice is for the stewards of a service account, and not yet for
// one of them.
func (n Notice) forStewards() bool { return n.User == "" && n.Facts.ServiceAccount != "" }

// forSteward returns the notice for one steward.
func (n Notice) forSteward(user ident.UserID) Notice {
	one := New(n.Kind, user, n.At, n.Facts, n.Dedupe, string(user))
	one.Key = n.Key
	one.Dedupe = n.Dedupe + "/" + string(user)
	return one
}

// thing returns what the notices to all recipients of the same thing have in common.
func (n Notice) thing() string {
	if n.Facts.ServiceAccount == "" {
		return n.Dedupe
	}
	return strings.TrimSuffix(n.Dedupe, "/"+string(n.User))
}

const (
	reasonToStewards = "Each steward of the service account gets a notice of their own."
	reasonNobody     = "The service account has no steward, and the tenant has no admin."
)

// planForStewards plans a notice for each steward of the service account or, if it has none left,
// for each admin of the tenant. It returns why the notice itself is not sent.
func (s *Service) planForStewards(ctx context.Context, n Notice) (reason string, err error) {
	recipients, err := s.Store.Stewards(ctx, n.Facts.ServiceAccount)
	if err == nil && len(recipients) == 0 {
		recipients, err = s.Store.AdminsOf(ctx, n.Facts.Tenant)
	}
	if err != nil || len(recipients) == 0 {
		return reasonNobody, err
	}
	all := make([]Notice, len(recipients))
	for i, user := range recipients {
		all[i] = n.forSteward(user)
	}
	return reasonToStewards, s.Store.PlanNotices(ctx, all)
}
