// Package sample makes the data of `claviger dev`: an account with people, a tenant, applications and keys that work.
//
// What it makes is kept in one private file, secrets included, so that a later start can show it again: the one exception to
// "a secret is shown once". What no longer works by then is replaced.
package sample

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"time"

	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/identity"
	"github.com/claviger-dev/claviger/internal/key"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/tenancy"
	"github.com/claviger-dev/claviger/internal/verify"
)

// Sample is what is printed. The names are fixed.
type Sample struct {
	URL       string `json:"url"`
	Email     string `json:"email"`
	Password  string `json:"password"`
	AccountID string `json:"account_id"`
	// Verifier is the value of a key with keys:verify, owned by a second account admin.
	Verifier string   `json:"verifier"`
	Tenants  []Tenant `json:"tenants"`
}

// Tenant of the sample account.
type Tenant struct {
	ID             string   `json:"id"`
	Number         int64    `json:"number"`
	Name           string   `json:"name"`
	Preset         string   `json:"preset"`
	ApplicationIDs []string `json:"application_ids"`
	Key            Key      `json:"key"`
}

// Key that works.
type Key struct {
	ID       string `json:"id"`
	PublicID string `json:"public_id"`
	Value    string `json:"value"`
	// Header is the whole header line to send.
	Header string `json:"header"`
}

// House is what the sample is made with: the same services that serve requests.
type House struct {
	Identity *identity.Service
	Tenancy  *tenancy.Service
	Keys     *key.Service
	Engine   *verify.Engine
	Users    identity.Store
	Now      func() time.Time
	Log      *slog.Logger
	// WriteFile writes a private file whole or not at all.
	WriteFile func(file string, content []byte) error
}

const (
	ownerEmail    = "owner@claviger.example"
	verifierEmail = "verifier@claviger.example"
)

var (
	sampleScopes   = []scope.Scope{scope.ApplicationsRead, scope.MembersRead, scope.ScopesRead, scope.TenantsRead}
	verifierScopes = []scope.Scope{scope.KeysVerify}
)

// Ensure gives the sample kept in the file, mended where something of it no longer works, or makes a new one.
func (h *House) Ensure(ctx context.Context, file, url string) (Sample, error) {
	s, err := load(file)
	if errors.Is(err, fs.ErrNotExist) {
		s, err = h.make(ctx)
	} else if err == nil {
		err = h.mend(ctx, &s)
	}
	if err != nil {
		return Sample{}, fmt.Errorf("sample data: %w", err)
	}
	s.URL = url
	content, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return Sample{}, err
	}
	return s, h.WriteFile(file, append(content, '\n'))
}

func load(file string) (s Sample, err error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return Sample{}, err
	}
	if err := json.Unmarshal(content, &s); err != nil {
		return Sample{}, fmt.Errorf("%s: %w", file, err)
	}
	return s, nil
}

func (h *House) make(ctx context.Context) (Sample, error) {
	s := Sample{Email: ownerEmail, Password: newPassword()}
	owner, err := h.person(ctx, ownerEmail, "Sample Owner", s.Password)
	if err != nil {
		return Sample{}, err
	}
	verifier, err := h.person(ctx, verifierEmail, "Sample Verifier", newPassword())
	if err != nil {
		return Sample{}, err
	}
	account, err := h.Tenancy.CreateAccount(ctx, principal.Operator(), "Sample account", owner, true)
	if err != nil {
		return Sample{}, err
	}
	s.AccountID = string(account.ID)
	if _, err := h.Tenancy.SetStanding(ctx, principal.Operator(), account.ID, verifier.ID, scope.AccountAdmin); err != nil {
		return Sample{}, err
	}
	t, err := h.Tenancy.CreateTenant(ctx, principal.Operator(), account.ID, "Standard", policy.Standard, nil)
	if err != nil {
		return Sample{}, err
	}
	for _, member := range []principal.Person{owner, verifier} {
		if err := h.Tenancy.AddMember(ctx, principal.Operator(), t, member, scope.Admin); err != nil {
			return Sample{}, err
		}
	}
	shown := Tenant{ID: string(t.ID), Number: t.Number, Name: t.Name, Preset: string(t.Preset)}
	for _, name := range []string{"Orders API", "Reports API"} {
		app, err := h.Tenancy.CreateApplication(ctx, principal.Operator(), t.ID, name, "A sample application.")
		if err != nil {
			return Sample{}, err
		}
		shown.ApplicationIDs = append(shown.ApplicationIDs, string(app.ID))
	}
	if shown.Key, err = h.newKey(ctx, owner, t.ID, "Sample key", sampleScopes); err != nil {
		return Sample{}, err
	}
	verifierKey, err := h.newKey(ctx, verifier, t.ID, "Sample verifier", verifierScopes)
	s.Verifier = verifierKey.Value
	s.Tenants = []Tenant{shown}
	return s, err
}

// mend makes the printed password and keys work again: the password first, so that the rest can be looked after by hand if need be.
func (h *House) mend(ctx context.Context, s *Sample) error {
	if err := h.belongs(ctx, *s); err != nil {
		return err
	}
	if err := h.mendPassword(ctx, s); err != nil {
		return err
	}
	owner, err := h.known(ctx, ownerEmail)
	if err != nil {
		return err
	}
	for i := range s.Tenants {
		t := &s.Tenants[i]
		if t.Key, err = h.mendKey(ctx, t.Key, owner, ident.TenantID(t.ID), "Sample key", sampleScopes); err != nil {
			return err
		}
	}
	verifier, err := h.known(ctx, verifierEmail)
	if err != nil {
		return err
	}
	k, err := h.mendKey(ctx, Key{Value: s.Verifier}, verifier, ident.TenantID(s.Tenants[0].ID), "Sample verifier", verifierScopes)
	s.Verifier = k.Value
	return err
}

// mendKey gives the key if it works, else another in its place. Where the owner holds as many as the tenant allows, the dead one is kept: their other keys are
// not ours to revoke.
func (h *House) mendKey(ctx context.Context, k Key, owner principal.Person, tenant ident.TenantID, name string, scopes []scope.Scope) (Key, error) {
	if good, err := h.works(ctx, k.Value); good || err != nil {
		return k, err
	}
	fresh, err := h.newKey(ctx, owner, tenant, name, scopes)
	if errors.Is(err, fault.KeyLimitReached) {
		h.Log.Warn("a sample key no longer works and cannot be replaced: its owner holds as many keys as the tenant allows", "tenant", string(tenant))
		return k, nil
	}
	return fresh, err
}

// belongs makes sure that the sample is of this database, before anything is changed in it.
func (h *House) belongs(ctx context.Context, s Sample) error {
	for _, t := range s.Tenants {
		_, err := h.Tenancy.Store.Tenant(ctx, ident.TenantID(t.ID))
		if errors.Is(err, fault.NotFound) {
			return errors.New("dev.json is of another database: remove it for new sample data")
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (h *House) mendPassword(ctx context.Context, s *Sample) error {
	_, err := h.Identity.SignIn(ctx, s.Email, credential.NewSecret(s.Password))
	if !errors.Is(err, fault.SignInFailed) {
		return err
	}
	s.Password = newPassword()
	_, err = h.person(ctx, s.Email, "Sample Owner", s.Password)
	return err
}

// person makes a user, or gives an existing one the password.
func (h *House) person(ctx context.Context, email, name, password string) (principal.Person, error) {
	u, _, err := h.Users.UserByEmail(ctx, identity.CanonicalEmail(email))
	switch {
	case errors.Is(err, fault.NotFound):
		u, err = h.Identity.Create(ctx, principal.Operator(), identity.NewUser{Email: email, Name: name, Password: credential.NewSecret(password)})
	case err == nil:
		err = h.Identity.SetPassword(ctx, principal.Operator(), u, credential.NewSecret(password))
	}
	return u.Person(), err
}

func (h *House) known(ctx context.Context, email string) (principal.Person, error) {
	u, _, err := h.Users.UserByEmail(ctx, identity.CanonicalEmail(email))
	return u.Person(), err
}

// newKey creates a key as its owner would, signed in.
func (h *House) newKey(ctx context.Context, owner principal.Person, tenant ident.TenantID, name string, scopes []scope.Scope) (Key, error) {
	issued, err := h.Keys.Create(ctx, signedIn(owner, tenant), tenant, key.Spec{Name: name, Scopes: scopes, AllApplications: true})
	if err != nil {
		return Key{}, err
	}
	value := issued.Credential.Value.Reveal()
	return Key{ID: string(issued.Key.ID), PublicID: issued.Key.PublicID, Value: value, Header: "Authorization: Bearer " + value}, nil
}

func signedIn(p principal.Person, tenant ident.TenantID) principal.Principal {
	return principal.OfSession(&principal.Session{User: p, Memberships: []principal.Membership{{Tenant: tenant, Role: scope.Admin}}})
}

// works looks at a key without using it.
func (h *House) works(ctx context.Context, value string) (bool, error) {
	p, ok := credential.Parse(value)
	if !ok {
		return false, nil
	}
	v, err := h.Engine.Examine(ctx, p, policy.Way{})
	return v.Code == "", err
}

func newPassword() string { return rand.Text() } // 26 characters, 130 bits

// Many makes n more keys in a new tenant without a cap, for load tests, and writes their values to the file, one a line.
func (h *House) Many(ctx context.Context, s Sample, n int, file string) error {
	if err := h.WriteFile(file, nil); err != nil { // before anything is made
		return err
	}
	owner, err := h.known(ctx, ownerEmail)
	if err != nil {
		return err
	}
	name := "Load " + h.Now().Format(time.DateTime)
	t, err := h.Tenancy.CreateTenant(ctx, principal.Operator(), ident.AccountID(s.AccountID), name, policy.Standard, func(s *policy.Settings) { s.KeysPerUser = 0 })
	if err != nil {
		return err
	}
	if err := h.Tenancy.AddMember(ctx, principal.Operator(), t, owner, scope.Admin); err != nil {
		return err
	}
	var values bytes.Buffer
	for i := range n {
		k, err := h.newKey(ctx, owner, t.ID, fmt.Sprintf("Load %d", i+1), []scope.Scope{scope.ApplicationsRead})
		if err != nil {
			return err
		}
		fmt.Fprintln(&values, k.Value)
	}
	return h.WriteFile(file, values.Bytes())
}
