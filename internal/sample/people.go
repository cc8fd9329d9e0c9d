package sample

import (
	"context"
	"crypto/rand"
	"errors"

	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/identity"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
)

const (
	ownerEmail    = "owner@claviger.example"
	verifierEmail = "verifier@claviger.example"
)

// people are the users of the sample.
type people struct {
	// owner is the owner of the account, verifier that of the key with keys:verify.
	owner, verifier principal.Person
	// others are the people of Sample.People, by their role.
	others map[scope.Role]principal.Person
}

// ensurePeople makes sure that everyone in the sample can sign in with the password in the sample.
func (s *Seeder) ensurePeople(ctx context.Context, sample *Sample) (p people, err error) {
	if len(sample.People) == 0 {
		sample.People = []Person{
			{Email: "member@claviger.example", Role: scope.Member},
			{Email: "auditor@claviger.example", Role: scope.Auditor},
		}
	}
	sample.Email = ownerEmail
	p.owner, err = s.ensurePassword(ctx, sample.Email, "Sample Owner", &sample.Password)
	if err != nil {
		return p, err
	}
	p.others = map[scope.Role]principal.Person{}
	for i := range sample.People {
		other := &sample.People[i]
		name := map[scope.Role]string{scope.Member: "Sample Member", scope.Auditor: "Sample Auditor"}[other.Role]
		p.others[other.Role], err = s.ensurePassword(ctx, other.Email, name, &other.Password)
		if err != nil {
			return p, err
		}
	}
	p.verifier, err = s.findPerson(ctx, verifierEmail)
	if errors.Is(err, fault.NotFound) {
		unused := ""
		p.verifier, err = s.ensurePassword(ctx, verifierEmail, "Sample Verifier", &unused)
	}
	return p, err
}

// ensurePassword signs the person in with the password. If that fails, it gives them a new one, and
// creates them if need be.
func (s *Seeder) ensurePassword(ctx context.Context, email, name string, password *string) (principal.Person, error) {
	if *password != "" {
		u, err := s.Identity.SignIn(ctx, principal.Origin{}, email, credential.NewSecret(*password))
		if !errors.Is(err, fault.SignInFailed) {
			return u.Person(), err
		}
	}
	*password = rand.Text() // 26 characters, 130 bits
	return s.setPassword(ctx, email, name, *password)
}

// setPassword sets the user's password, or creates a user with it.
func (s *Seeder) setPassword(ctx context.Context, email, name, password string) (principal.Person, error) {
	u, _, err := s.Users.UserByEmail(ctx, identity.CanonicalEmail(email))
	switch {
	case errors.Is(err, fault.NotFound):
		u, err = s.Identity.Create(ctx, principal.Operator(),
			identity.NewUser{Email: email, Name: name, Password: credential.NewSecret(password)})
	case err == nil:
		err = s.Identity.SetPassword(ctx, principal.Operator(), u, credential.NewSecret(password))
	}
	return u.Person(), err
}

// findPerson returns the user with the address, or fault.NotFound.
func (s *Seeder) findPerson(ctx context.Context, email string) (principal.Person, error) {
	u, _, err := s.Users.UserByEmail(ctx, identity.CanonicalEmail(email))
	return u.Person(), err
}
