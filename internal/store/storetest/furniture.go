package storetest

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/identity"
	"github.com/claviger-dev/claviger/internal/key"
	"github.com/claviger-dev/claviger/internal/notice"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/serverkey"
	"github.com/claviger-dev/claviger/internal/session"
	"github.com/claviger-dev/claviger/internal/store"
	"github.com/claviger-dev/claviger/internal/tenancy"
)

// passwordCost keeps the tests from hashing most of their time.
var passwordCost = identity.Cost{Memory: 8, Time: 1, Threads: 1}

// domain is the services, as app builds them.
type domain struct {
	identity *identity.Service
	sessions *session.Service
	tenancy  *tenancy.Service
	keys     *key.Service
	notices  *notice.Service

	serverKeys *serverkey.Service
}

// furnish builds the services; each ledger of theirs goes through wrap.
func (h *house) furnish(wrap wrapping) {
	h.Helper()
	root := credential.NewRoot(h.random)
	versions, err := h.store.AdoptRoot(h.Context(), root)
	h.must(err)
	keyring, err := credential.NewKeyring(root, versions, h.random, h.clock.Now)
	h.must(err)
	now, s, random := h.clock.Now, h.store, h.random
	people := &identity.Service{
		Ledger: wrapped(wrap, store.NewLedger(s, func(t *store.Tx) identity.Tx { return t })), Store: s, Now: now, Rand: random,
		Passwords: identity.NewHasher(passwordCost, 4),
	}
	h.domain = &domain{
		identity: people,
		tenancy: &tenancy.Service{
			Ledger: wrapped(wrap, store.NewLedger(s, func(t *store.Tx) tenancy.Tx { return t })), Store: s, People: people, Keyring: keyring, Now: now, Rand: random,
		},
		sessions: &session.Service{
			Ledger: wrapped(wrap, store.NewLedger(s, func(t *store.Tx) session.Tx { return t })), Store: s, Now: now, Rand: random, Keyring: keyring,
			Horizon: now, Doubt: func() error { return nil },
		},
		keys: &key.Service{
			Ledger: wrapped(wrap, store.NewLedger(s, func(t *store.Tx) key.Tx { return t })), Store: s, Keyring: keyring, Now: now, Rand: random, Horizon: now, KeepExpired: 90 * policy.Day,
		},
		notices: &notice.Service{
			Ledger: wrapped(wrap, store.NewLedger(s, func(t *store.Tx) notice.Tx { return t })), Store: s, Now: now, Rand: random,
			Horizon: now, Carrier: refusing{}, Log: slog.New(slog.DiscardHandler), Holder: "a holder", Lease: time.Minute,
		},
		serverKeys: &serverkey.Service{
			Ledger: wrapped(wrap, store.NewLedger(s, func(t *store.Tx) serverkey.Tx { return t })), Store: s, Keyring: keyring, Now: now, Horizon: now,
		},
	}
}

// refusing is a carrier that nobody wants anything of.
type refusing struct{}

// Carry implements notice.Carrier.
func (refusing) Carry(context.Context, notice.Letter, func(context.Context) error) error {
	return &notice.Failure{Verdict: notice.Never, Reason: "Return to sender."}
}

func (h *house) services() *domain {
	h.Helper()
	if h.domain == nil {
		h.furnish(once)
	}
	return h.domain
}

// user gives the next user, whom nobody has met yet.
func (h *house) user() identity.User {
	h.people++
	email, now := fmt.Sprintf("Person%d@Claviger.Example", h.people), h.clock.Now()
	return identity.User{
		ID: ident.New[ident.UserID](now, h.random), Email: email, Canonical: identity.CanonicalEmail(email),
		Name: fmt.Sprintf("Person %d", h.people), PasswordSetAt: now, CreatedAt: now, UpdatedAt: now,
	}
}

// person makes a user without a password.
func (h *house) person() principal.Person {
	h.Helper()
	u := h.user()
	h.in(func(ctx context.Context, tx *store.Tx) error {
		_, err := tx.InsertUser(ctx, u, "")
		return err
	})
	return u.Person()
}

// account makes an account without automatic expiry, and its owner.
func (h *house) account() (tenancy.Account, principal.Person) {
	h.Helper()
	owner := h.person()
	a, err := h.services().tenancy.CreateAccount(h.Context(), principal.Operator(), "An account", owner, false)
	h.must(err)
	return a, owner
}

// tenant makes a standard tenant in the account, altered by change.
func (h *house) tenant(account ident.AccountID, change func(*policy.Settings)) tenancy.Tenant {
	h.Helper()
	t, err := h.services().tenancy.CreateTenant(h.Context(), principal.Operator(), account, "A tenant", policy.Standard, change)
	h.must(err)
	return t
}

// aTenant makes a standard tenant with a cap, in an account of its own.
func (h *house) aTenant(keysPerUser int) tenancy.Tenant {
	h.Helper()
	a, _ := h.account()
	return h.tenant(a.ID, func(s *policy.Settings) { s.KeysPerUser = keysPerUser })
}

// member makes a person who is a member of the tenant.
func (h *house) member(t tenancy.Tenant, role scope.Role) principal.Person {
	h.Helper()
	p := h.person()
	h.join(t, p, role)
	return p
}

func (h *house) join(t tenancy.Tenant, p principal.Person, role scope.Role) {
	h.Helper()
	h.must(h.services().tenancy.AddMember(h.Context(), principal.Operator(), t, p, role))
}

// stand gives a person a role in an account.
func (h *house) stand(account ident.AccountID, p principal.Person, role scope.AccountRole) {
	h.Helper()
	_, err := h.services().tenancy.SetStanding(h.Context(), principal.Operator(), account, p.ID, role)
	h.must(err)
}

func (h *house) application(t tenancy.Tenant) tenancy.Application {
	h.Helper()
	a, err := h.services().tenancy.CreateApplication(h.Context(), principal.Operator(), t.ID, "An application", "Of the tests")
	h.must(err)
	return a
}

// as signs a person in and gives them as the store knows them.
func (h *house) as(p principal.Person) principal.Principal {
	h.Helper()
	u, err := h.store.User(h.Context(), p.ID)
	h.must(err)
	_, token, err := h.services().sessions.Begin(h.Context(), p, u.PasswordSetAt, principal.Origin{IP: "192.0.2.1", RequestID: "req"}, "a browser")
	h.must(err)
	who, err := h.services().sessions.Resume(h.Context(), token.Reveal())
	h.must(err)
	return who
}

// anyKey asks for nothing in particular.
func anyKey() key.Spec {
	return key.Spec{Name: "A key", Scopes: []scope.Scope{scope.TenantsRead}, AllApplications: true}
}

// key makes a key for the one who asks.
func (h *house) key(who principal.Principal, t tenancy.Tenant, spec key.Spec) key.Key {
	h.Helper()
	issued, err := h.services().keys.Create(h.Context(), who, t.ID, spec)
	h.must(err)
	return issued.Key
}

// stored is a key that was never minted, for tests of what is kept of one. Tests alter it before they insert it.
func (h *house) stored(t tenancy.Tenant, owner principal.Person, slot int64) (key.Key, key.Secret) {
	id := ident.New[ident.KeyID](h.clock.Now(), h.random)
	now := h.clock.Now()
	k := key.Key{
		ID: id, Tenant: t.ID, Name: "Stored key", Owner: owner, CreatedBy: owner, Delivery: key.Direct, Slot: slot,
		Shape:    credential.Shape{Style: credential.Token, Prefix: "clv", Label: "ak"},
		PublicID: "ak_" + string(id), Last4: "wxyz", Serial: 1, Scopes: scope.NewSet(scope.TenantsRead), Applications: scope.Applications{All: true},
		CreatedAt: now, UpdatedAt: now, SecretSetAt: now, Lookups: []string{string(id)},
	}
	return k, key.Secret{
		Serial: 1, Shape: k.Shape, Lookup: string(id), PublicID: k.PublicID, Last4: k.Last4, Digest: credential.Sealed{Version: 1, Bytes: []byte("sealed " + id)}, SetAt: now,
	}
}

func (h *house) insert(k key.Key, s key.Secret) {
	h.Helper()
	h.in(func(ctx context.Context, tx *store.Tx) error { return tx.InsertKey(ctx, k, s) })
}

// later gives a time so much after now.
func (h *house) later(d time.Duration) time.Time { return h.clock.Now().Add(d) }

// A wrapping alters how the services write.
type wrapping int

const (
	// once leaves the ledger as it is.
	once wrapping = iota
	// twice rehearses every change: see rehearsal.
	twice
)

func wrapped[Tx any](w wrapping, l audit.Ledger[Tx]) audit.Ledger[Tx] {
	if w == twice {
		return rehearsal[Tx]{l}
	}
	return l
}
