// Package sample creates the data of `claviger dev`: an account with people, a tenant of each
// preset, applications, and keys that work.
//
// The contract: after [Seeder.Ensure], every password and every key in the sample works. The sample
// is kept in one private file, secrets included, so that a later start can show it again. This is
// the one exception to the rule that a secret is shown once. A later start replaces what no longer
// works and creates what is missing.
//
// The steps of Ensure, and their files: people.go, account.go (the account, tenants and
// applications), key.go. load.go creates many keys for load tests.
package sample

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"time"

	"github.com/claviger-dev/claviger/internal/account"
	"github.com/claviger-dev/claviger/internal/application"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/identity"
	"github.com/claviger-dev/claviger/internal/key"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/tenancy"
	"github.com/claviger-dev/claviger/internal/verify"
)

// Sample is what `claviger dev` prints. The JSON names are fixed.
type Sample struct {
	URL string `json:"url"`
	// GatewayURL is the URL of the gateway; "" if there is none. It is not kept.
	GatewayURL string `json:"gateway_url,omitempty"`
	Email      string `json:"email"`
	Password   string `json:"password"`
	AccountID  string `json:"account_id"`
	// Verifier is the value of a key with the scope keys:verify. Its owner is a second admin of the
	// account.
	Verifier string   `json:"verifier"`
	Tenants  []Tenant `json:"tenants"`
	// People are a member and an auditor of every tenant.
	People []Person `json:"people"`
}

// Person is somebody who can sign in.
type Person struct {
	Email    string     `json:"email"`
	Password string     `json:"password"`
	Role     scope.Role `json:"role"`
}

// Tenant is a tenant of the sample account.
type Tenant struct {
	ID             string   `json:"id"`
	Number         int64    `json:"number"`
	Name           string   `json:"name"`
	Preset         string   `json:"preset"`
	ApplicationIDs []string `json:"application_ids"`
	Key            Key      `json:"key"`
}

// Key is a key that works.
type Key struct {
	ID       string `json:"id"`
	PublicID string `json:"public_id"`
	Value    string `json:"value"`
	// Header is the whole header line to send. It is null where the tenant accepts keys in no
	// header.
	Header *string `json:"header"`
}

// Seeder creates the sample with the services that serve requests.
type Seeder struct {
	Identity     *identity.Service
	Accounts     *account.Service
	Applications *application.Service
	Tenancy      *tenancy.Service
	Keys         *key.Service
	Engine       *verify.Engine
	Users        identity.Store
	Now          func() time.Time
	Log          *slog.Logger
	// WriteFile writes the whole content to a private file, or nothing.
	WriteFile func(file string, content []byte) error
}

// Ensure returns the sample that is kept in the file, after it has replaced what no longer works.
// If there is no such file, it creates a new sample.
func (s *Seeder) Ensure(ctx context.Context, file, url string) (Sample, error) {
	sample, err := load(file)
	if err == nil {
		err = s.checkDatabase(ctx, sample)
	} else if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if err == nil {
		err = s.complete(ctx, &sample)
	}
	if err != nil {
		return Sample{}, fmt.Errorf("sample data: %w", err)
	}
	sample.URL = url
	content, err := json.MarshalIndent(sample, "", "  ")
	if err != nil {
		return Sample{}, err
	}
	return sample, s.WriteFile(file, append(content, '\n'))
}

func load(file string) (sample Sample, err error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return Sample{}, err
	}
	if err := json.Unmarshal(content, &sample); err != nil {
		return Sample{}, fmt.Errorf("%s: %w", file, err)
	}
	return sample, nil
}

// checkDatabase returns an error if the sample is of another database. It changes nothing.
func (s *Seeder) checkDatabase(ctx context.Context, sample Sample) error {
	for _, t := range sample.Tenants {
		_, err := s.Tenancy.Store.Tenant(ctx, ident.TenantID(t.ID))
		if errors.Is(err, fault.NotFound) {
			return errors.New("dev.json is of another database: remove it to get new sample data")
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// complete creates what is missing and replaces what no longer works. It begins with the passwords,
// so that somebody can sign in and look if a later step fails.
func (s *Seeder) complete(ctx context.Context, sample *Sample) error {
	p, err := s.ensurePeople(ctx, sample)
	if err != nil {
		return err
	}
	if sample.AccountID == "" {
		if err := s.createAccount(ctx, sample, p); err != nil {
			return err
		}
	}
	for i := range presets {
		if i == len(sample.Tenants) {
			t, err := s.createTenant(ctx, ident.AccountID(sample.AccountID), i, p)
			if err != nil {
				return err
			}
			sample.Tenants = append(sample.Tenants, t)
		}
		t := &sample.Tenants[i]
		t.Key, err = s.ensureKey(ctx, t.Key, p.owner, ident.TenantID(t.ID), "Sample key", sampleScopes)
		if err != nil {
			return err
		}
	}
	k, err := s.ensureKey(ctx, Key{Value: sample.Verifier}, p.verifier, ident.TenantID(sample.Tenants[0].ID),
		"Sample verifier", verifierScopes)
	sample.Verifier = k.Value
	return err
}
