// Package sample makes the data of `claviger dev`: an account with people, a tenant of each preset, applications and keys that work.
//
// What it makes is kept in one private file, secrets included, so that a later start can show it again: the one exception to
// "a secret is shown once". What no longer works by then is replaced, and what is missing is made.
package sample

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"slices"
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
	// People are a member and an auditor of every tenant.
	People []Person `json:"people"`
}

// Person who can sign in.
type Person struct {
	Email    string     `json:"email"`
	Password string     `json:"password"`
	Role     scope.Role `json:"role"`
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
	// Header is the whole header line to send; null where keys of the tenant come by none.
	Header *string `json:"header"`
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

// presets has a tenant of each in this order; the verifier's key is in the first.
var presets = []struct {
	preset policy.Preset
	name   string
}{
	{policy.Standard, "Standard"},
	{policy.BlazeMeter, "BlazeMeter"},
	{policy.LoadRunner, "LoadRunner Cloud"},
	{policy.Blazeauth, "Blazeauth"},
	{policy.Blancco, "Blancco"},
}

// Ensure gives the sample kept in the file, mended where something of it no longer works, or makes a new one.
func (h *House) Ensure(ctx context.Context, file, url string) (Sample, error) {
	s, err := load(file)
	if err == nil {
		err = h.belongs(ctx, s)
	} else if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if err == nil {
		err = h.make(ctx, &s)
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

// cast are the people of the sample.
type cast struct {
	owner, verifier principal.Person
	others          map[scope.Role]principal.Person
}

// make makes what is missing of the sample, or no longer works: the passwords first, so that the rest can be looked after by hand if need be.
func (h *House) make(ctx context.Context, s *Sample) error {
	people, err := h.people(ctx, s)
	if err != nil {
		return err
	}
	if s.AccountID == "" {
		if err := h.account(ctx, s, people); err != nil {
			return err
		}
	}
	for i := range presets {
		if i == len(s.Tenants) {
			t, err := h.tenant(ctx, ident.AccountID(s.AccountID), i, people)
			if err != nil {
				return err
			}
			s.Tenants = append(s.Tenants, t)
		}
		t := &s.Tenants[i]
		if t.Key, err = h.workingKey(ctx, t.Key, people.owner, ident.TenantID(t.ID), "Sample key", sampleScopes); err != nil {
			return err
		}
	}
	k, err := h.workingKey(ctx, Key{Value: s.Verifier}, people.verifier, ident.TenantID(s.Tenants[0].ID), "Sample verifier", verifierScopes)
	s.Verifier = k.Value
	return err
}

// people makes everyone whose password is not known to work.
func (h *House) people(ctx context.Context, s *Sample) (c cast, err error) {
	if len(s.People) == 0 {
		s.People = []Person{{Email: "member@claviger.example", Role: scope.Member}, {Email: "auditor@claviger.example", Role: scope.Auditor}}
	}
	s.Email = ownerEmail
	if c.owner, err = h.signIn(ctx, s.Email, "Sample Owner", &s.Password); err != nil {
		return c, err
	}
	c.others = map[scope.Role]principal.Person{}
	for i := range s.People {
		p := &s.People[i]
		name := map[scope.Role]string{scope.Member: "Sample Member", scope.Auditor: "Sample Auditor"}[p.Role]
		if c.others[p.Role], err = h.signIn(ctx, p.Email, name, &p.Password); err != nil {
			return c, err
		}
	}
	c.verifier, err = h.known(ctx, verifierEmail)
	if errors.Is(err, fault.NotFound) {
		unused := ""
		c.verifier, err = h.signIn(ctx, verifierEmail, "Sample Verifier", &unused)
	}
	return c, err
}

// signIn tries the person's password, and where it is none of theirs gives them another.
func (h *House) signIn(ctx context.Context, email, name string, password *string) (principal.Person, error) {
	if *password != "" {
		u, err := h.Identity.SignIn(ctx, principal.Origin{}, email, credential.NewSecret(*password))
		if !errors.Is(err, fault.SignInFailed) {
			return u.Person(), err
		}
	}
	*password = newPassword()
	return h.person(ctx, email, name, *password)
}

func (h *House) account(ctx context.Context, s *Sample, people cast) error {
	account, err := h.Tenancy.CreateAccount(ctx, principal.Operator(), "Sample account", people.owner, true)
	if err != nil {
		return err
	}
	s.AccountID = string(account.ID)
	_, err = h.Tenancy.SetStanding(ctx, principal.Operator(), account.ID, people.verifier.ID, scope.AccountAdmin)
	return err
}

// tenant makes the tenant of a preset with its members and applications; the verifier is a member of the first.
func (h *House) tenant(ctx context.Context, account ident.AccountID, i int, people cast) (Tenant, error) {
	t, err := h.Tenancy.CreateTenant(ctx, principal.Operator(), account, presets[i].name, presets[i].preset, nil)
	if err != nil {
		return Tenant{}, err
	}
	members := []tenancy.Member{
		{User: people.owner, Role: scope.Admin},
		{User: people.others[scope.Member], Role: scope.Member},
		{User: people.others[scope.Auditor], Role: scope.Auditor},
	}
	if i == 0 {
		members = append(members, tenancy.Member{User: people.verifier, Role: scope.Admin})
	}
	for _, m := range members {
		if err := h.Tenancy.AddMember(ctx, principal.Operator(), t, m.User, m.Role); err != nil {
			return Tenant{}, err
		}
	}
	shown := Tenant{ID: string(t.ID), Number: t.Number, Name: t.Name, Preset: string(t.Preset)}
	for _, name := range []string{"Orders API", "Reports API"} {
		app, err := h.Tenancy.CreateApplication(ctx, principal.Operator(), t.ID, name, "A sample application.")
		if err != nil {
			return Tenant{}, err
		}
		shown.ApplicationIDs = append(shown.ApplicationIDs, string(app.ID))
	}
	return shown, nil
}

// workingKey gives the key if it works, else another in its place. Where the owner holds as many as the tenant allows, the dead one is kept: their other keys are
// not ours to revoke.
func (h *House) workingKey(ctx context.Context, k Key, owner principal.Person, tenant ident.TenantID, name string, scopes []scope.Scope) (Key, error) {
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
	t, err := h.Tenancy.Store.Tenant(ctx, tenant)
	if err != nil {
		return Key{}, err
	}
	issued, err := h.Keys.Create(ctx, signedIn(owner, tenant), tenant, key.Spec{Name: name, Scopes: scopes, AllApplications: true})
	if err != nil {
		return Key{}, err
	}
	c := issued.Credential
	return Key{ID: string(issued.Key.ID), PublicID: issued.Key.PublicID, Value: c.Value.Reveal(), Header: header(t.Settings, issued.Key.PublicID, c)}, nil
}

// header gives the line by which the tenant's keys come; nil for none.
func header(s policy.Settings, publicID string, c credential.Minted) *string {
	var line string
	switch {
	case slices.Contains(s.Transports, policy.Bearer):
		line = "Authorization: Bearer " + c.Value.Reveal()
	case slices.Contains(s.Transports, policy.Basic):
		line = "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(publicID+":"+c.Secret.Reveal()))
	case slices.Contains(s.Transports, policy.Header):
		line = s.KeyHeader + ": " + c.Value.Reveal()
	default:
		return nil
	}
	return &line
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
	v, err := h.Engine.Evaluate(ctx, verify.PresentKey(p, policy.Way{}))
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
