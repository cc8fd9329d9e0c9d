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
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/key"
	"github.com/claviger-dev/claviger/internal/machine"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// attempts is how many requests the thief makes: each is one call of a service.
const attempts = 10_000

// thief has a management key that is not theirs, and tries at random whatever it might allow. It
// calls the services, as the routes do.
type thief struct {
	*program
	t    *testing.T
	rand *rand.Rand
	who  principal.Principal
	// rights are those of the management key.
	rights policy.ManagementRights
	// owners are those for whom keys can be created.
	owners []ident.PartyID
	// targets are the keys of the tenant, and subjects its subjects. known and customers are what
	// they were after the last attempt.
	targets   []ident.KeyID
	known     map[ident.KeyID]key.Key
	subjects  []ident.SubjectID
	customers map[ident.SubjectID]machine.Subject
	// learned are the keys whose secrets the thief was shown.
	learned map[ident.KeyID]bool
	// tried counts the requests, and allowed those that were not refused.
	tried, allowed int
}

// A management key that is stolen allows nothing beyond its ceilings, whatever is tried with it.
func TestAStolenManagementKeyStaysWithinItsCeilings(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	n := backEnd()
	n.Name = "Stolen"
	n.Owners = []api.PartyType{api.PartyServiceAccount, api.PartySubject, api.PartyUser}
	n.Ceilings = api.ManagementCeilingsRequest{
		Scopes: []string{"applications:read", "films:read"}, MaxLifetimeDays: new(30), CreatesPerHour: 100_000,
		AllowedCIDRs: []string{"192.0.2.0/24"}, Plans: []*string{nil, new("free")},
	}
	first := n
	first.Ceilings = api.ManagementCeilingsRequest{}
	p := newBackEnd(t, h, "Builds", first)
	app := h.Application(p.tenant, "Allowed")
	other := h.Application(p.tenant, "Forbidden")
	n.Ceilings.ApplicationIDs = []string{string(app.ID)}
	p.issue(t, n)
	th := newThief(t, p, []string{string(app.ID), string(other.ID)})
	for th.tried < attempts {
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

// newThief prepares subjects, keys of a person, and strong and weak keys of subjects and service
// accounts.
func newThief(t *testing.T, p *program, apps []string) *thief {
	th := &thief{
		program: p, t: t, rand: rand.New(rand.NewPCG(1, 2)), learned: map[ident.KeyID]bool{},
		known: map[ident.KeyID]key.Key{}, customers: map[ident.SubjectID]machine.Subject{},
		owners: []ident.PartyID{ident.PartyID(p.account.ID), "sva_01m8k6w12grm4a1x", ""},
		who:    principalOf(t, p.h, *p.key.Value),
	}
	m, _ := th.who.ManagementKey()
	th.rights = m.Rights
	tenant := string(p.tenant.ID)
	strong := testkit.Must[api.ServiceAccount](t)(p.admin.CreateServiceAccount(t.Context(), tenant,
		api.CreateServiceAccountRequest{Name: "Strong", Role: api.RoleAuditor}))
	person := p.h.Member(p.tenant, "Victim", scope.Member)
	th.owners = append(th.owners, ident.PartyID(strong.ID), ident.PartyID(person.ID))
	for _, plan := range []string{"", "free", "gold"} {
		for _, disabled := range []bool{false, true} {
			s := p.subject(t, fmt.Sprintf("cus-%s-%v", plan, disabled), plan)
			if disabled {
				testkit.Must[api.Subject](t)(p.admin.DisableSubject(t.Context(), tenant, s.ID))
			} else {
				th.addKeys(api.KeyOwner{Type: api.PartySubject, ID: s.ID}, "films:read", "films:write", apps)
				th.owners = append(th.owners, ident.PartyID(s.ID))
			}
			th.addSubject(ident.SubjectID(s.ID))
		}
	}
	th.addKeys(api.KeyOwner{Type: api.PartyServiceAccount, ID: strong.ID}, "applications:read", "members:read", apps)
	for range 2 {
		k := p.h.Key(p.h.As(person), p.tenant, "applications:read")
		th.addKey(ident.KeyID(k.Key.ID))
	}
	return th
}

// addKeys creates keys that an admin wants an owner to have: one within the ceilings of the
// management key, and others that are beyond them in one field each.
func (th *thief) addKeys(owner api.KeyOwner, within, beyond string, apps []string) {
	th.t.Helper()
	for _, n := range []api.CreateKeyRequest{
		{Scopes: []string{within}, ApplicationIDs: apps[:1], AllowedCIDRs: []string{"192.0.2.0/25"}},
		{Scopes: []string{"*"}, AllApplications: true},
		{Scopes: []string{within}, ApplicationIDs: apps},
		{Scopes: []string{beyond}, ApplicationIDs: apps[:1], AllowedCIDRs: []string{"192.0.2.0/25"}},
	} {
		n.Name, n.Owner = "Target", &owner
		n.ExpiresAt = new(th.h.Clock.Now().Add(20 * 24 * time.Hour))
		k := testkit.Must[api.IssuedKey](th.t)(th.admin.CreateKey(th.t.Context(), string(th.program.tenant.ID), n))
		th.addKey(ident.KeyID(k.Key.ID))
	}
}

// addKey makes a key a target.
func (th *thief) addKey(id ident.KeyID) {
	th.targets = append(th.targets, id)
	th.known[id], _ = th.h.Store.Key(th.t.Context(), th.program.tenant.ID, id)
}

// addSubject makes a subject a target.
func (th *thief) addSubject(id ident.SubjectID) {
	th.subjects = append(th.subjects, id)
	th.customers[id], _ = th.h.Store.Subject(th.t.Context(), th.program.tenant.ID, id)
}

// pick returns one of the values.
func pick[T any](th *thief, values ...T) T { return values[th.rand.IntN(len(values))] }

// changes returns how many changes the server has committed. The target of an attempt is read again
// only after a change: most attempts are refused, and reading costs as much as the attempt.
func (th *thief) changes() uint64 { return th.h.Store.WriteMetrics().Events.Load() }

// attempt tries something and checks what came of it.
func (th *thief) attempt() {
	var err error
	th.tried++
	switch ctx := th.t.Context(); th.rand.IntN(20) {
	case 0, 1, 2, 3:
		err = th.create(ctx)
	case 4, 5:
		err = th.createSubject(ctx)
	case 6, 7, 8, 9, 10:
		err = th.changeSubject(ctx)
	case 11:
		err = th.beyondKeys(ctx)
	default:
		err = th.changeKey(ctx)
	}
	if err == nil {
		th.allowed++
	}
}

// changeKey tries to change one of the targets and compares it with what it was before.
func (th *thief) changeKey(ctx context.Context) (err error) {
	keys, tenant := th.h.Keys, th.program.tenant.ID
	id := pick(th, th.targets...)
	before := th.known[id]
	committed := th.changes()
	switch th.rand.IntN(7) {
	case 0, 1:
		_, err = keys.Edit(ctx, th.who, tenant, id, th.edit())
	case 2, 3:
		var issued key.Issued
		issued, err = keys.Refresh(ctx, th.who, tenant, id, key.RefreshParams{
			KeepID: th.rand.IntN(2) == 0, ExpiresAt: th.expiry(), Overlap: pick(th, 0, 60),
		})
		if err == nil {
			th.shown(issued, before)
		}
	case 4:
		_, err = keys.Disable(ctx, th.who, tenant, id)
	case 5:
		_, err = keys.Enable(ctx, th.who, tenant, id)
		if err == nil && !before.DisabledAt.IsZero() && before.DisabledBy.Type() != ident.ManagementKeyParty {
			th.t.Errorf("a key was enabled that %s had disabled", before.DisabledBy)
		}
	case 6:
		_, err = keys.Reveal(ctx, th.who, tenant, id)
		if !errors.Is(err, fault.SessionRequired) {
			th.t.Errorf("reveal is %v", err)
		}
		_, err = keys.Claim(ctx, th.who, "clv_claim_x")
		if !errors.Is(err, fault.SessionRequired) {
			th.t.Errorf("claim is %v", err)
		}
	}
	if th.changes() != committed {
		th.checkTarget(ctx, id, before)
	}
	return err
}

// checkTarget compares a key with what it was before the attempt.
func (th *thief) checkTarget(ctx context.Context, id ident.KeyID, before key.Key) {
	after, err := th.h.Store.Key(ctx, th.program.tenant.ID, id)
	if err != nil {
		return // deleted with its subject
	}
	th.known[id] = after
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

// create tries to create a key with anything, also for a subject by its external id.
func (th *thief) create(ctx context.Context) error {
	apps, tenant := th.rights.Ceilings.Applications.IDs, th.program.tenant.ID
	n := key.Spec{
		Name: "Loot", Owner: pick(th, th.owners...), Scopes: th.scopes(),
		AllApplications: th.rand.IntN(4) == 0, ApplicationIDs: apps,
		Delivery: pick(th, "", key.Direct, key.ByLink), Addresses: th.addresses(),
	}
	if th.rand.IntN(3) == 0 {
		n.Owner = ""
		n.Subject = &machine.NewSubject{ExternalID: th.externalID(), Plan: th.plan()}
	}
	if n.AllApplications {
		n.ApplicationIDs = nil
	}
	if at := th.expiry(); at.Given {
		n.ExpiresAt = at.At
	}
	issued, err := th.h.Keys.Create(ctx, th.who, tenant, n)
	if err != nil {
		return err
	}
	stored, err := th.h.Store.Key(ctx, tenant, issued.Key.ID)
	if err != nil || stored.CreatedBy.Type() != ident.ManagementKeyParty || stored.SetBy != stored.CreatedBy.ID {
		th.t.Errorf("the new key was created by %s and shown to %s, %v", stored.CreatedBy.ID, stored.SetBy, err)
	}
	th.checkWithin("created", stored)
	th.shown(issued, key.Key{})
	if id := ident.SubjectID(stored.Owner.ID); stored.Owner.Type() == ident.SubjectParty && th.customers[id].ID == "" {
		th.newSubject(ctx, id)
	}
	if len(th.targets) < 60 {
		th.addKey(issued.Key.ID)
		return nil
	}
	th.tried++
	return th.h.Keys.Delete(ctx, th.who, tenant, issued.Key.ID) // thousands of keys would only be slower
}

// createSubject tries to create a subject.
func (th *thief) createSubject(ctx context.Context) error {
	s, err := th.h.Subjects.Create(ctx, th.who, th.program.tenant.ID,
		machine.NewSubject{ExternalID: th.externalID(), Plan: th.plan()})
	if err == nil {
		th.newSubject(ctx, s.ID)
	}
	return err
}

// newSubject checks a subject that was created.
func (th *thief) newSubject(ctx context.Context, id ident.SubjectID) {
	s, err := th.h.Store.Subject(ctx, th.program.tenant.ID, id)
	if err != nil {
		th.t.Error(err)
	}
	th.checkPlan("created", s)
	if len(th.subjects) < 40 {
		th.addSubject(id)
		return
	}
	th.tried++
	if err := th.h.Subjects.Delete(ctx, th.who, th.program.tenant.ID, id); err != nil {
		th.t.Errorf("delete the new subject: %v", err)
	}
}

// changeSubject tries to change a subject and compares it with what it was before.
func (th *thief) changeSubject(ctx context.Context) (err error) {
	subjects, tenant := th.h.Subjects, th.program.tenant.ID
	id := pick(th, th.subjects...)
	before := th.customers[id]
	committed := th.changes()
	switch th.rand.IntN(12) {
	case 0, 1, 2, 3:
		_, err = subjects.Edit(ctx, th.who, tenant, id, machine.SubjectChange{Plan: new(th.plan())})
	case 4, 5:
		_, err = subjects.Edit(ctx, th.who, tenant, id, machine.SubjectChange{Name: new(pick(th, "", "Mine", "Ours"))})
	case 6, 7:
		_, err = subjects.Disable(ctx, th.who, tenant, id)
	case 8, 9, 10:
		_, err = subjects.Enable(ctx, th.who, tenant, id)
		if err == nil && before.DisabledByAdmin {
			th.t.Errorf("the subject %s was enabled that an admin had disabled", before.ExternalID)
		}
	case 11:
		err = subjects.Delete(ctx, th.who, tenant, id)
	}
	if th.changes() == committed {
		return err
	}
	after, gone := th.h.Store.Subject(ctx, tenant, id)
	if gone != nil || after != before {
		th.checkPlan("before", before)
	}
	if gone != nil {
		th.subjects = slices.DeleteFunc(th.subjects, func(s ident.SubjectID) bool { return s == id })
		return err
	}
	th.checkPlan("after", after, before)
	th.customers[id] = after
	return err
}

// checkPlan reports a subject with a plan that the management key does not assign, unless it is
// what it was before.
func (th *thief) checkPlan(when string, s machine.Subject, before ...machine.Subject) {
	excess := th.rights.Ceilings.AssignsPlan(s.Plan)
	if excess != (policy.Excess{}) && (len(before) == 0 || before[0] != s) {
		th.t.Errorf("%s: the plan %s of %s is beyond the ceiling %s", when, s.Plan, s.ExternalID, excess.Limit)
	}
}

func (th *thief) plan() string { return pick(th, "", "free", "gold", "silver") }

func (th *thief) externalID() string { return fmt.Sprintf("loot-%d", th.rand.IntN(200)) }

func (th *thief) scopes() []scope.Scope {
	return pick(th, nil, []scope.Scope{scope.Every}, []scope.Scope{scope.ApplicationsRead},
		[]scope.Scope{"films:read"}, []scope.Scope{scope.ApplicationsRead, "films:read"}, []scope.Scope{"films:write"},
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

// beyondKeys tries something that no management key may do.
func (th *thief) beyondKeys(ctx context.Context) (err error) {
	tenant, account := th.program.tenant.ID, ident.ServiceAccountID(th.account.ID)
	id := ident.ManagementKeyID(th.program.key.ID)
	keys, plans := th.h.ManagementKeys, th.h.Plans
	what := pick(th, "create a management key", "refresh", "edit", "revoke", "disable the service account",
		"replace the scopes", "create a plan", "edit a plan", "delete a plan")
	switch what {
	case "create a management key":
		_, err = keys.Create(ctx, th.who, tenant, account, machine.ManagementKeySpec{Name: "Another"})
	case "refresh":
		_, err = keys.Refresh(ctx, th.who, tenant, account, id, machine.ManagementRefresh{})
	case "edit":
		_, err = keys.Edit(ctx, th.who, tenant, account, id, machine.ManagementKeyEdit{Name: new("Mine")})
	case "revoke":
		_, err = keys.Revoke(ctx, th.who, tenant, account, id, "")
	case "disable the service account":
		_, err = th.h.ServiceAccounts.SetDisabled(ctx, th.who, tenant, account, true)
	case "replace the scopes":
		_, err = th.h.Tenancy.ReplaceScopes(ctx, th.who, tenant, nil, "")
	case "create a plan":
		_, err = plans.Create(ctx, th.who, tenant,
			machine.NewPlan{Name: "mine", Scopes: []scope.Scope{scope.Every}, AllApplications: true})
	case "edit a plan":
		_, err = plans.Edit(ctx, th.who, tenant, "free", machine.PlanChange{AllApplications: new(true)})
	case "delete a plan":
		err = plans.Delete(ctx, th.who, tenant, "free")
	}
	if err == nil {
		th.t.Errorf("%s was allowed", what)
	}
	return err
}
