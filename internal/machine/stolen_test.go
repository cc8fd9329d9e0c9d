package machine_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/key"
	"github.com/claviger-dev/claviger/internal/machine"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// attempts is how many requests the thief makes.
const attempts = 10_000

// thief has a management key that is not theirs, and tries at random whatever it might allow.
type thief struct {
	*program
	t    *testing.T
	rand *rand.Rand
	who  principal.Principal
	// rights are those of the management key.
	rights policy.ManagementRights
	// targets are the keys of the tenant, and owners those for whom keys can be created.
	targets []ident.KeyID
	owners  []ident.PartyID
	// learned are the keys whose secrets the thief was shown.
	learned map[ident.KeyID]bool
	allowed int
}

// A management key that is stolen allows nothing beyond its ceilings, whatever is tried with it.
func TestAStolenManagementKeyStaysWithinItsCeilings(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	n := api.CreateManagementKeyRequest{
		Name: "Stolen", Permissions: everything,
		Owners: []api.PartyType{api.PartyServiceAccount, api.PartyUser},
		Ceilings: api.ManagementCeilingsRequest{
			Scopes: []string{"applications:read", "scopes:read"}, MaxLifetimeDays: new(30), CreatesPerHour: 100_000,
			AllowedCIDRs: []string{"192.0.2.0/24"},
		},
	}
	p := newProgram(t, h, "Builds", n)
	app := h.Application(p.tenant, "Allowed")
	other := h.Application(p.tenant, "Forbidden")
	n.Ceilings.ApplicationIDs = []string{string(app.ID)}
	p.issue(t, n)
	th := newThief(t, p, []string{string(app.ID), string(other.ID)})
	for range attempts {
		th.attempt()
		if t.Failed() {
			return
		}
	}
	if th.allowed < attempts/20 || len(th.learned) < 10 {
		t.Errorf("%d of %d attempts were allowed, and %d secrets shown: the test proves little", th.allowed, attempts,
			len(th.learned))
	}
	list, err := h.ManagementKeys.Store.ManagementKeysOf(t.Context(), p.tenant.ID, ident.ServiceAccountID(p.account.ID),
		machine.ManagementKeyPage{Limit: 10})
	if err != nil || len(list) != 2 {
		t.Errorf("there are %d management keys, %v", len(list), err)
	}
}

// newThief prepares keys of a person, strong and weak, and of service accounts.
func newThief(t *testing.T, p *program, apps []string) *thief {
	th := &thief{
		program: p, t: t, rand: rand.New(rand.NewPCG(1, 2)), learned: map[ident.KeyID]bool{},
		owners: []ident.PartyID{ident.PartyID(p.account.ID), "sva_01m8k6w12grm4a1x", ""},
	}
	tenant := string(p.tenant.ID)
	strong, err := p.admin.CreateServiceAccount(t.Context(), tenant,
		api.CreateServiceAccountRequest{Name: "Strong", Role: api.RoleAuditor})
	if err != nil {
		t.Fatal(err)
	}
	person := p.h.Member(p.tenant, "Victim", scope.Member)
	th.owners = append(th.owners, ident.PartyID(strong.ID), ident.PartyID(person.ID))
	for _, owner := range []string{p.account.ID, strong.ID} {
		for _, n := range []api.CreateKeyRequest{
			{Scopes: []string{"applications:read"}, ApplicationIDs: apps[:1], AllowedCIDRs: []string{"192.0.2.0/25"}},
			{Scopes: []string{"*"}, AllApplications: true},
			{Scopes: []string{"applications:read"}, ApplicationIDs: apps},
			{Scopes: []string{"members:read"}, ApplicationIDs: apps[:1], AllowedCIDRs: []string{"192.0.2.0/25"}},
		} {
			n.Name, n.Owner = "Target", &api.KeyOwner{Type: api.PartyServiceAccount, ID: owner}
			if n.ExpiresAt == nil {
				n.ExpiresAt = new(p.h.Clock.Now().Add(20 * 24 * time.Hour))
			}
			k, err := p.admin.CreateKey(t.Context(), tenant, n)
			if err != nil {
				t.Fatal(err)
			}
			th.targets = append(th.targets, ident.KeyID(k.Key.ID))
		}
	}
	for range 2 {
		k := p.h.Key(p.h.As(person), p.tenant, "applications:read")
		th.targets = append(th.targets, ident.KeyID(k.Key.ID))
	}
	parsed, _ := credential.ParseManagementKey(*p.key.Value)
	th.who, err = p.h.ManagementKeys.Authenticate(t.Context(), parsed, principal.Origin{IP: "127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	m, _ := th.who.ManagementKey()
	th.rights = m.Rights
	return th
}

// pick returns one of the values.
func pick[T any](th *thief, values ...T) T { return values[th.rand.IntN(len(values))] }

// attempt tries something and checks what came of it.
func (th *thief) attempt() {
	ctx, keys := th.t.Context(), th.h.Keys
	tenant := th.program.tenant.ID
	id := pick(th, th.targets...)
	what := th.rand.IntN(10)
	if what < 3 {
		if th.create(ctx) == nil {
			th.allowed++
		}
		return
	}
	before, errBefore := th.h.Store.Key(ctx, tenant, id)
	var err error
	switch what {
	case 3:
		_, err = keys.Edit(ctx, th.who, tenant, id, th.edit())
	case 4, 5:
		var issued key.Issued
		issued, err = keys.Refresh(ctx, th.who, tenant, id, key.RefreshParams{
			KeepID: th.rand.IntN(2) == 0, ExpiresAt: th.expiry(), Overlap: pick(th, 0, 60),
		})
		if err == nil {
			th.shown(issued, before)
		}
	case 6:
		_, err = keys.Disable(ctx, th.who, tenant, id)
	case 7:
		_, err = keys.Enable(ctx, th.who, tenant, id)
		if err == nil && errBefore == nil && !before.DisabledAt.IsZero() &&
			before.DisabledBy.Type() != ident.ManagementKeyParty {
			th.t.Errorf("a key was enabled that %s had disabled", before.DisabledBy)
		}
	case 8:
		_, err = keys.Reveal(ctx, th.who, tenant, id)
		if !errors.Is(err, fault.SessionRequired) {
			th.t.Errorf("reveal is %v", err)
		}
		_, err = keys.Claim(ctx, th.who, "clv_claim_x")
		if !errors.Is(err, fault.SessionRequired) {
			th.t.Errorf("claim is %v", err)
		}
	case 9:
		err = th.beyondKeys(ctx)
	}
	if err == nil {
		th.allowed++
	}
	th.checkTarget(ctx, id, before, errBefore)
}

// checkTarget compares a key with what it was before the attempt.
func (th *thief) checkTarget(ctx context.Context, id ident.KeyID, before key.Key, errBefore error) {
	after, err := th.h.Store.Key(ctx, th.program.tenant.ID, id)
	if err != nil || errBefore != nil {
		return
	}
	same := after.Serial == before.Serial && after.Name == before.Name && slices.Equal(after.Scopes, before.Scopes) &&
		after.ExpiresAt.Equal(before.ExpiresAt) && after.Addresses.Equal(before.Addresses) &&
		slices.Equal(after.Applications.IDs, before.Applications.IDs) &&
		after.Applications.All == before.Applications.All
	if same {
		return
	}
	if before.Owner.User() != "" {
		th.t.Errorf("the key %s of a person was changed", id)
	}
	th.checkWithin("before", before)
	th.checkWithin("after", after)
}

// checkWithin reports a key that is beyond the ceilings.
func (th *thief) checkWithin(when string, k key.Key) {
	grant := policy.KeyGrant{Scopes: k.Scopes, Applications: k.Applications, Addresses: k.Addresses}
	if !k.ExpiresAt.IsZero() {
		grant.Lifetime = k.ExpiresAt.Sub(k.SecretSetAt)
	}
	if excess := grant.Within(th.rights.Ceilings); excess != (policy.Excess{}) {
		th.t.Errorf("%s: %s of the key %s is beyond the ceiling %s", when, excess.Field, k.ID, excess.Limit)
	}
}

// shown checks the key whose secret was shown, and what it was before.
func (th *thief) shown(issued key.Issued, before key.Key) {
	th.checkWithin("shown", issued.Key)
	if before.ID != "" {
		th.checkWithin("before it was shown", before)
	}
	if issued.Key.Owner.User() != "" {
		th.t.Errorf("a secret of a person's key was shown")
	}
	th.learned[issued.Key.ID] = true
}

// create tries to create a key with anything.
func (th *thief) create(ctx context.Context) error {
	apps := th.rights.Ceilings.Applications.IDs
	n := key.Spec{
		Name: "Loot", Owner: pick(th, th.owners...), Scopes: th.scopes(),
		AllApplications: th.rand.IntN(4) == 0, ApplicationIDs: apps,
		Delivery: pick(th, "", key.Direct, key.ByLink), Addresses: th.addresses(),
	}
	if n.AllApplications {
		n.ApplicationIDs = nil
	}
	if at := th.expiry(); at.Given {
		n.ExpiresAt = at.At
	}
	issued, err := th.h.Keys.Create(ctx, th.who, th.program.tenant.ID, n)
	if err != nil {
		return err
	}
	stored, err := th.h.Store.Key(ctx, th.program.tenant.ID, issued.Key.ID)
	if err != nil || stored.CreatedBy.Type() != ident.ManagementKeyParty || stored.SetBy != stored.CreatedBy.ID {
		th.t.Errorf("the new key was created by %s and shown to %s, %v", stored.CreatedBy.ID, stored.SetBy, err)
	}
	th.checkWithin("created", stored)
	th.shown(issued, key.Key{})
	if len(th.targets) < 60 {
		th.targets = append(th.targets, issued.Key.ID)
	} else { // a tenant with thousands of keys would only be slower
		err = th.h.Keys.Delete(ctx, th.who, th.program.tenant.ID, issued.Key.ID)
	}
	return err
}

func (th *thief) scopes() []scope.Scope {
	return pick(th, nil, []scope.Scope{scope.Every}, []scope.Scope{scope.ApplicationsRead},
		[]scope.Scope{scope.ScopesRead}, []scope.Scope{scope.ApplicationsRead, scope.ScopesRead},
		[]scope.Scope{scope.MembersRead}, []scope.Scope{scope.ApplicationsRead, scope.AuditRead})
}

func (th *thief) addresses() []string {
	return pick(th, nil, []string{"192.0.2.0/24"}, []string{"192.0.2.128/25"}, []string{"192.0.0.0/16"},
		[]string{"192.0.2.0/25", "2001:db8::/32"}, []string{"0.0.0.0/0"})
}

func (th *thief) expiry() key.ExpiryPatch {
	now := th.h.Clock.Now()
	return pick(th, key.ExpiryPatch{}, key.ExpiryPatch{Given: true},
		key.ExpiryPatch{Given: true, At: new(now.Add(time.Hour))},
		key.ExpiryPatch{Given: true, At: new(now.Add(29 * 24 * time.Hour))},
		key.ExpiryPatch{Given: true, At: new(now.Add(31 * 24 * time.Hour))})
}

func (th *thief) edit() key.Edit {
	var e key.Edit
	switch th.rand.IntN(4) {
	case 0:
		e.Scopes = th.scopes()
	case 1:
		all := th.rand.IntN(2) == 0
		e.AllApplications = &all
		if !all {
			e.ApplicationIDs = th.rights.Ceilings.Applications.IDs
		}
	case 2:
		e.ExpiresAt = th.expiry()
	case 3:
		e.Addresses = key.AddressPatch{Given: true, Networks: th.addresses()}
	}
	return e
}

// beyondKeys tries what no management key may do.
func (th *thief) beyondKeys(ctx context.Context) error {
	tenant, account := th.program.tenant.ID, ident.ServiceAccountID(th.account.ID)
	id := ident.ManagementKeyID(th.program.key.ID)
	keys := th.h.ManagementKeys
	_, created := keys.Create(ctx, th.who, tenant, account, machine.ManagementKeySpec{Name: "Another"})
	_, refreshed := keys.Refresh(ctx, th.who, tenant, account, id, machine.ManagementRefresh{})
	_, edited := keys.Edit(ctx, th.who, tenant, account, id, machine.ManagementKeyEdit{Name: new("Mine")})
	_, revoked := keys.Revoke(ctx, th.who, tenant, account, id, "")
	_, person := th.h.ServiceAccounts.SetDisabled(ctx, th.who, tenant, account, true)
	_, invited := th.h.Tenancy.ReplaceScopes(ctx, th.who, tenant, nil)
	for name, err := range map[string]error{
		"create a management key": created, "refresh": refreshed, "edit": edited, "revoke": revoked,
		"disable the service account": person, "replace the scopes": invited,
	} {
		if err == nil {
			th.t.Errorf("%s was allowed", name)
		}
	}
	return fmt.Errorf("refused")
}
