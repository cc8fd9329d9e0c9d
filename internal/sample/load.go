package sample

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
)

// CreateLoadKeys creates n keys for load tests in a new tenant without a cap, and writes their
// values to the file, one a line.
func (s *Seeder) CreateLoadKeys(ctx context.Context, sample Sample, n int, file string) error {
	if err := s.WriteFile(file, nil); err != nil { // fail before anything is created
		return err
	}
	owner, err := s.findPerson(ctx, ownerEmail)
	if err != nil {
		return err
	}
	name := "Load " + s.Now().Format(time.DateTime)
	noCap := func(s *policy.Settings) { s.KeysPerUser = 0 }
	t, err := s.Tenancy.CreateTenant(ctx, principal.Operator(), ident.AccountID(sample.AccountID), name,
		policy.Standard, noCap)
	if err != nil {
		return err
	}
	if err := s.Tenancy.AddMember(ctx, principal.Operator(), t, owner, scope.Admin); err != nil {
		return err
	}
	var values bytes.Buffer
	for i := range n {
		k, err := s.createKey(ctx, owner, t.ID, fmt.Sprintf("Load %d", i+1), []scope.Scope{scope.ApplicationsRead})
		if err != nil {
			return err
		}
		fmt.Fprintln(&values, k.Value)
	}
	return s.WriteFile(file, values.Bytes())
}
