package storetest

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/claviger-dev/claviger/internal/account"
	"github.com/claviger-dev/claviger/internal/application"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/identity"
	"github.com/claviger-dev/claviger/internal/key"
	"github.com/claviger-dev/claviger/internal/machine"
	"github.com/claviger-dev/claviger/internal/notice"
	"github.com/claviger-dev/claviger/internal/picture"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/secondfactor"
	"github.com/claviger-dev/claviger/internal/serverkey"
	"github.com/claviger-dev/claviger/internal/session"
	"github.com/claviger-dev/claviger/internal/store"
	"github.com/claviger-dev/claviger/internal/tenancy"
	"github.com/claviger-dev/claviger/internal/token"
)

// passwordCost is low, so that the tests do not spend their time on hashing.
var passwordCost = identity.Cost{Memory: 8, Time: 1, Threads: 1}

// services are the domain services, built as the app builds them.
type services struct {
	identity        *identity.Service
	sessions        *session.Service
	secondFactors   *secondfactor.Service
	accounts        *account.Service
	tenancy         *tenancy.Service
	applications    *application.Service
	serviceAccounts *machine.ServiceAccounts
	subjects        *machine.Subjects
	plans           *machine.Plans
	managementKeys  *machine.ManagementKeys
	endedOwners     *tenancy.EndedOwners
	keys            *key.Service
	sweeper         *key.Sweeper
	notices         *notice.Service
	serverKeys      *serverkey.Service
	tokens          *token.Service
}

// copyKeyService returns a second key service, which a test may alter.
func (fx *fixture) copyKeyService() *key.Service {
	fx.Helper()
	s := fx.services().keys
	return &key.Service{
		Creates: s.Creates, Changes: s.Changes, Store: s.Store, Keyring: s.Keyring, Now: s.Now, Rand: s.Rand,
	}
}

// buildServices builds the services. Each of their ledgers has the given mode.
func (fx *fixture) buildServices(wrap ledgerMode) {
	fx.Helper()
	root := testRoot
	versions, err := fx.store.AdoptRoot(fx.Context(), root)
	fx.must(err)
	keyring, err := credential.NewKeyring(root, versions, fx.random, fx.clock.Now)
	fx.must(err)
	now := fx.clock.Now
	s := fx.store
	random := fx.random
	people := &identity.Service{
		Ledgers: identity.Ledgers{
			Users:     wrapLedger(wrap, store.NewLedger(s, func(t *store.Tx) identity.UserTx { return t })),
			Passwords: wrapLedger(wrap, store.NewLedger(s, func(t *store.Tx) identity.PasswordTx { return t })),
			Deletions: wrapLedger(wrap, store.NewLedger(s, func(t *store.Tx) identity.DeleteTx { return t })),
			Avatars:   wrapLedger(wrap, store.NewLedger(s, func(t *store.Tx) identity.AvatarTx { return t })),
			Emails:    wrapLedger(wrap, store.NewLedger(s, func(t *store.Tx) identity.EmailTx { return t })),
		},
		Store: s, Now: now, Rand: random,
		Keyring: keyring, Horizon: now, Mails: true,
		Passwords: identity.NewHasher(passwordCost, 4), Pictures: picture.NewMaker(),
	}
	factors := &secondfactor.Service{
		Ledger: wrapLedger(wrap, store.NewLedger(s, func(t *store.Tx) secondfactor.Tx { return t })), Store: s,
		Keyring: keyring, Now: now, Rand: random, Issuer: "Claviger",
	}
	tenants := &tenancy.Service{
		Ledgers: tenancy.Ledgers{
			Tenants:     wrapLedger(wrap, store.NewLedger(s, func(t *store.Tx) tenancy.TenantTx { return t })),
			Members:     wrapLedger(wrap, store.NewLedger(s, func(t *store.Tx) tenancy.MemberTx { return t })),
			Invitations: wrapLedger(wrap, store.NewLedger(s, func(t *store.Tx) tenancy.InvitationTx { return t })),
			Acceptances: wrapLedger(wrap, store.NewLedger(s, func(t *store.Tx) tenancy.AcceptTx { return t })),
			Openings:    wrapLedger(wrap, store.NewLedger(s, func(t *store.Tx) tenancy.OpenTx { return t })),
		},
		Store: s, People: people, Keyring: keyring, Now: now, Rand: random, Horizon: now,
	}
	fx.built = &services{
		identity: people,
		accounts: &account.Service{
			Ledger: wrapLedger(wrap, store.NewLedger(s, func(t *store.Tx) account.Tx { return t })), Store: s, Now: now,
			Rand: random,
		},
		tenancy: tenants,
		applications: &application.Service{
			Ledger: wrapLedger(wrap, store.NewLedger(s, func(t *store.Tx) application.Tx { return t })), Store: s,
			Tenants: tenants, Now: now, Rand: random,
		},
		serviceAccounts: &machine.ServiceAccounts{
			Ledger: wrapLedger(wrap, store.NewLedger(s, func(t *store.Tx) machine.ServiceAccountTx { return t })),
			Store:  s, Tenants: tenants, Now: now, Rand: random,
		},
		subjects: &machine.Subjects{
			Ledger: wrapLedger(wrap, store.NewLedger(s, func(t *store.Tx) machine.SubjectTx { return t })),
			Store:  s, Tenants: tenants, Now: now, Rand: random,
		},
		plans: &machine.Plans{
			Ledger: wrapLedger(wrap, store.NewLedger(s, func(t *store.Tx) machine.PlanTx { return t })),
			Store:  s, Tenants: tenants, Now: now,
		},
		managementKeys: &machine.ManagementKeys{
			Ledger: wrapLedger(wrap, store.NewLedger(s, func(t *store.Tx) machine.ManagementKeyTx { return t })),
			Store:  s, Tenants: tenants, Keyring: keyring, Now: now, Rand: random,
			Doubt: func() error { return nil }, Horizon: now, ExpiredRetention: 90 * policy.Day,
		},
		endedOwners: &tenancy.EndedOwners{
			Ledger: wrapLedger(wrap, store.NewLedger(s, func(t *store.Tx) tenancy.EndedOwnersTx { return t })),
			Store:  s,
		},
		secondFactors: factors,
		sessions: &session.Service{
			Factors: factors, Attempts: people,
			Ledger: wrapLedger(wrap, store.NewLedger(s, func(t *store.Tx) session.Tx { return t })), Store: s, Now: now,
			Rand: random, Keyring: keyring,
			Horizon: now, Doubt: func() error { return nil },
		},
		keys: &key.Service{
			Creates: wrapLedger(wrap, store.NewLedger(s, func(t *store.Tx) key.CreateTx { return t })),
			Changes: wrapLedger(wrap, store.NewLedger(s, func(t *store.Tx) key.ChangeTx { return t })),
			Store:   s, Keyring: keyring, Now: now, Rand: random,
		},
		sweeper: &key.Sweeper{
			Ledger: wrapLedger(wrap, store.NewLedger(s, func(t *store.Tx) key.SweepTx { return t })), Store: s,
			Now: now, Horizon: now, ExpiredRetention: 90 * policy.Day,
		},
		notices: &notice.Service{
			Ledger: wrapLedger(wrap, store.NewLedger(s, func(t *store.Tx) notice.Tx { return t })), Store: s, Now: now,
			Rand:    random,
			Horizon: now, Sender: refusingSender{}, Log: slog.New(slog.DiscardHandler), Holder: "a holder",
			Lease:   time.Minute,
			Keyring: keyring, Mails: true,
		},
		serverKeys: &serverkey.Service{
			Ledger: wrapLedger(wrap, store.NewLedger(s, func(t *store.Tx) serverkey.Tx { return t })), Store: s,
			Keyring: keyring, Now: now, Horizon: now,
		},
		tokens: &token.Service{
			Ledger: wrapLedger(wrap, store.NewLedger(s, func(t *store.Tx) token.Tx { return t })), Store: s,
			Keyring: keyring, Now: now, Horizon: now, Rand: random, Issuer: "https://claviger.example",
		},
	}
}

// refusingSender is a sender whose recipients refuse everything.
type refusingSender struct{}

// Send implements notice.Sender.
func (refusingSender) Send(context.Context, notice.Message, func(context.Context) error) error {
	return &notice.Failure{Disposition: notice.Never, Reason: "Return to sender."}
}

func (fx *fixture) services() *services {
	fx.Helper()
	if fx.built == nil {
		fx.buildServices(normalLedger)
	}
	return fx.built
}

// user returns the next new user.
func (fx *fixture) user() identity.User {
	fx.people++
	email, now := fmt.Sprintf("Person%d@Claviger.Example", fx.people), fx.clock.Now()
	return identity.User{
		ID: ident.New[ident.UserID](now, fx.random), Email: email, Canonical: identity.CanonicalEmail(email),
		Name: fmt.Sprintf("Person %d", fx.people), PasswordSetAt: now, CreatedAt: now, UpdatedAt: now,
	}
}

// person inserts a user without a password.
func (fx *fixture) person() principal.Person {
	fx.Helper()
	u := fx.user()
	fx.mustWrite(func(ctx context.Context, tx *store.Tx) error {
		_, err := tx.InsertUser(ctx, u, "")
		return err
	})
	return u.Person()
}

// account creates an account without automatic expiry, and its owner.
func (fx *fixture) account() (account.Account, principal.Person) {
	fx.Helper()
	owner := fx.person()
	a, err := fx.services().accounts.CreateAccount(fx.Context(), principal.Operator(), "An account", owner, false)
	fx.must(err)
	return a, owner
}

// tenant creates a standard tenant in the account, altered by change.
func (fx *fixture) tenant(account ident.AccountID, change func(*policy.Settings)) tenancy.Tenant {
	fx.Helper()
	t, err := fx.services().tenancy.CreateTenant(fx.Context(), principal.Operator(), account, "A tenant",
		policy.Standard,
		change)
	fx.must(err)
	return t
}

// tenantWithCap creates a standard tenant with a cap, in an account of its own.
func (fx *fixture) tenantWithCap(keysPerUser int) tenancy.Tenant {
	fx.Helper()
	a, _ := fx.account()
	return fx.tenant(a.ID, func(s *policy.Settings) { s.KeysPerUser = keysPerUser })
}

// member creates a person who is a member of the tenant.
func (fx *fixture) member(t tenancy.Tenant, role scope.Role) principal.Person {
	fx.Helper()
	p := fx.person()
	fx.join(t, p, role)
	return p
}

func (fx *fixture) join(t tenancy.Tenant, p principal.Person, role scope.Role) {
	fx.Helper()
	fx.must(fx.services().tenancy.AddMember(fx.Context(), principal.Operator(), t, p, role))
}

// setAccountRole assigns a person a role in an account.
func (fx *fixture) setAccountRole(account ident.AccountID, p principal.Person, role scope.AccountRole) {
	fx.Helper()
	_, err := fx.services().accounts.SetAccountMember(fx.Context(), principal.Operator(), account, p.ID, role, "")
	fx.must(err)
}

func (fx *fixture) application(t tenancy.Tenant) application.Application {
	fx.Helper()
	a, err := fx.services().applications.CreateApplication(fx.Context(), principal.Operator(), t.ID, "An application",
		"Of the tests")
	fx.must(err)
	return a
}

// signIn begins a session of a person and returns the principal of that session.
func (fx *fixture) signIn(p principal.Person) principal.Principal {
	fx.Helper()
	u, err := fx.store.User(fx.Context(), p.ID)
	fx.must(err)
	_, token, err := fx.services().sessions.Begin(fx.Context(), session.SignIn{
		User: p, PasswordSetAt: u.PasswordSetAt,
		From: principal.Origin{IP: "192.0.2.1", RequestID: "req", UserAgent: "a browser"},
	})
	fx.must(err)
	who, err := fx.services().sessions.Resume(fx.Context(), credential.SessionToken, token.Reveal())
	fx.must(err)
	return who
}

// anyKey returns the spec of an ordinary key.
func anyKey() key.Spec {
	return key.Spec{Name: "A key", Scopes: []scope.Scope{scope.TenantsRead}, AllApplications: true}
}

// createKey creates a key as the principal.
func (fx *fixture) createKey(who principal.Principal, t tenancy.Tenant, spec key.Spec) key.Key {
	fx.Helper()
	issued, err := fx.services().keys.Create(fx.Context(), who, t.ID, spec)
	fx.must(err)
	return issued.Key
}

// newKey returns a person's key for tests of what the store keeps.
func (fx *fixture) newKey(t tenancy.Tenant, owner principal.Person, slot int64) (key.Key, key.Secret) {
	return fx.newKeyOf(t, owner.Party(), slot)
}

// newKeyOf returns a key for tests of what the store keeps. Tests alter it before they insert it.
func (fx *fixture) newKeyOf(t tenancy.Tenant, owner principal.Party, slot int64) (key.Key, key.Secret) {
	id := ident.New[ident.KeyID](fx.clock.Now(), fx.random)
	now := fx.clock.Now()
	k := key.Key{
		ID: id, Tenant: t.ID, Name: "Stored key", Owner: owner, CreatedBy: owner, Delivery: key.Direct, Slot: slot,
		Shape:    credential.Shape{Style: credential.Token, Prefix: "clv", Label: "ak"},
		PublicID: "ak_" + string(id), Last4: "wxyz", Serial: 1, Scopes: scope.NewSet(scope.TenantsRead),
		Applications: scope.Applications{All: true},
		CreatedAt:    now, UpdatedAt: now, SecretSetAt: now, SetBy: owner.ID, Lookups: []string{string(id)},
	}
	return k, key.Secret{
		Serial: 1, Shape: k.Shape, Lookup: string(id), PublicID: k.PublicID, Last4: k.Last4,
		Digest: credential.Sealed{Version: 1, Bytes: []byte("sealed " + id)},
		SetAt:  now, SetBy: owner.ID,
	}
}

func (fx *fixture) insertKey(k key.Key, s key.Secret) {
	fx.Helper()
	fx.mustWrite(func(ctx context.Context, tx *store.Tx) error { return tx.InsertKey(ctx, k, s) })
}

// after returns the time that is d after now.
func (fx *fixture) after(d time.Duration) time.Time { return fx.clock.Now().Add(d) }

// A ledgerMode says how the services write.
type ledgerMode int

const (
	// normalLedger leaves the ledger unchanged.
	normalLedger ledgerMode = iota
	// twiceLedger runs every change twice: see runTwice.
	twiceLedger
)

func wrapLedger[Tx any](w ledgerMode, l audit.Ledger[Tx]) audit.Ledger[Tx] {
	if w == twiceLedger {
		return runTwice[Tx]{l}
	}
	return l
}
