package cli_test

import (
	"flag"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/sample"
	"github.com/claviger-dev/claviger/internal/store"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// soak multiplies the number of kills: `make soak` uses it for a long run.
var soak = flag.Int("soak", 1, "how many times as often processes are killed")

const (
	killings = 8
	// between two checks of the audit trail
	trailEvery = 4
	// olderChecked is the number of keys of earlier cycles that each cycle checks.
	olderChecked = 20
)

func TestKillMinusNineLosesNoAcknowledgedWriteAndLeavesEveryAuditChainWhole(t *testing.T) {
	t.Parallel()
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		r, last := newKillRun(t, e), killings**soak
		for cycle := 1; cycle <= last && !t.Failed(); cycle++ {
			r.cycle(cycle)
			if cycle%trailEvery == 0 {
				r.lookAtTrail(cycle == last)
			}
		}
		t.Logf("%d keys were made; of the writes that were not answered %d were kept and %d undone",
			len(r.records.keys),
			r.records.kept, r.records.undone)
		// One user makes one write at a time, so few kills happen between a COMMIT and its answer.
		// A long run must have some.
		if !t.Failed() && (r.records.undone == 0 || *soak >= 10 && r.records.kept == 0) {
			t.Error("the killings did not come in the middle of writes")
		}
	})
}

// killRun is one installation whose process is killed repeatedly.
type killRun struct {
	t            *testing.T
	installation *installation
	first        sample.Sample // output of the first start
	tenant       string        // without a key limit
	records      *keyRecords

	// clients of the running process
	process          *process
	verifier, person *client.Client
}

// newKillRun starts the process for the first time, with a tenant without a key limit. The test
// finds the tenant by its one key.
func newKillRun(t *testing.T, e testkit.Engine) *killRun {
	r := &killRun{t: t, installation: newSample(t, e), records: newKeyRecords()}
	file := filepath.Join(t.TempDir(), "keys")
	p := r.installation.dev(t, "--sample-keys", "1", "--sample-file", file)
	r.first = p.ready()
	content, err := os.ReadFile(file)
	must(t, err)
	value := strings.TrimSpace(string(content))
	d, err := testkit.Client(t, r.first.URL).WithKey(r.first.Verifier).Verify(t.Context(),
		api.VerifyRequest{Credential: value})
	must(t, err)
	r.tenant = d.TenantID
	person, _, err := testkit.Client(t, r.first.URL).SignIn(t.Context(), r.first.Email, r.first.Password)
	must(t, err)
	loaded, err := person.Key(t.Context(), r.tenant, d.KeyID)
	must(t, err)
	r.records.add(&keyRecord{id: d.KeyID, value: value, state: stateOf(loaded)})
	p.term()
	return r
}

// start starts the process on the data of the last one, and requires that it prints the same keys
// as the first start: a key that did not work would have been replaced.
func (r *killRun) start() {
	r.t.Helper()
	r.process = r.installation.dev(r.t)
	s := r.process.ready()
	url := s.URL
	s.URL = r.first.URL
	if diff := cmp.Diff(r.first, s); diff != "" {
		r.t.Errorf("the sample changed:\n%s", diff)
	}
	bare := testkit.Client(r.t, url).WithRetry(client.Retry{}) // do not repeat requests after the kill
	r.verifier = bare.WithKey(s.Verifier)
	var err error
	r.person, _, err = bare.SignIn(r.t.Context(), s.Email, s.Password)
	must(r.t, err)
}

// cycle starts the process, checks what the last one acknowledged, and kills it during a load.
func (r *killRun) cycle(n int) {
	r.t.Helper()
	r.start()
	r.check(false)
	enough := r.records.open(n, 30+rand.IntN(90))
	l := &load{tenant: r.tenant, person: r.person, records: r.records}
	l.begin(r.t, 4+rand.IntN(5))
	l.killAfter(r.t, enough, r.process)
}

// lookAtTrail checks what was acknowledged, stops the process and checks the audit trail in the
// store.
func (r *killRun) lookAtTrail(all bool) {
	r.t.Helper()
	r.start()
	r.check(all)
	r.process.term()
	r.installation.withStore(r.t, r.checkTrail)
}

// check compares the keys in the process with the answers that the writers got.
func (r *killRun) check(all bool) {
	r.t.Helper()
	for _, value := range []string{r.first.Verifier, r.first.Tenants[0].Key.Value} {
		if d := r.decision(value); !d.Active {
			r.t.Errorf("a key of dev.json is %s", d.Code)
		}
	}
	for _, k := range r.records.due(all, olderChecked) {
		now := r.observe(k)
		switch {
		case k.pending != nil && (now == k.state || k.pending.became(k.state, now)):
			r.records.resolve(k, now)
		case now != k.state:
			r.t.Errorf("%s, written last in cycle %d, is %+v; acknowledged was %+v, under way %+v", k.id, k.cycle, now,
				k.state, k.pending)
		}
		r.checkDecision(k)
	}
	r.checkList(all)
}

// observe returns the state of a key.
func (r *killRun) observe(k *keyRecord) state {
	r.t.Helper()
	shown, err := r.person.Key(r.t.Context(), r.tenant, k.id)
	if testkit.Code(r.t, err) == api.NotFound {
		return deleted
	}
	must(r.t, err)
	return stateOf(shown)
}

// checkDecision requires that the verification of a key with a known value agrees with what its
// owner sees.
func (r *killRun) checkDecision(k *keyRecord) {
	r.t.Helper()
	if k.value == "" {
		return
	}
	d := r.decision(k.value)
	if want := codes[k.state.status]; d.Code != want {
		r.t.Errorf("%s is decided as %s, want %s", k.id, d.Code, want)
	}
	if d.Code != api.APIKeyInvalid && (d.KeyID != k.id || d.TenantID != r.tenant) {
		r.t.Errorf("%s is decided as key %s of tenant %s", k.id, d.KeyID, d.TenantID)
	}
}

func (r *killRun) decision(value string) api.Decision {
	r.t.Helper()
	d, err := r.verifier.Verify(r.t.Context(), api.VerifyRequest{Credential: value})
	must(r.t, err)
	return d
}

// checkList compares the tenant's list, or its newest page, with the records. A key whose creation
// was not answered exists completely or not at all. Any other unknown key is an error.
func (r *killRun) checkList(all bool) {
	r.t.Helper()
	listed := map[string]bool{}
	page := client.Page{Limit: 200} // more than the keys of one cycle
	for more := true; more; {
		l, err := r.person.Keys(r.t.Context(), r.tenant, client.KeyFilter{}, page)
		must(r.t, err)
		for _, k := range l.Items {
			listed[k.ID] = true
			r.checkListed(k)
		}
		more = all && l.NextCursor != nil
		if more {
			page.Cursor = *l.NextCursor
		}
	}
	for range r.records.unanswered {
		r.records.count(false)
	}
	clear(r.records.unanswered)
	for id, k := range r.records.keys {
		if all && !listed[id] && k.state != deleted {
			r.t.Errorf("%s is not in the list", id)
		}
	}
}

func (r *killRun) checkListed(k api.Key) {
	r.t.Helper()
	known := r.records.keys[k.ID]
	switch {
	case known != nil:
		if stateOf(k) != known.state {
			r.t.Errorf("%s is listed as %+v; known is %+v", k.ID, stateOf(k), known.state)
		}
	case !r.records.unanswered[k.Name]:
		r.t.Errorf("%q is listed, and nobody was told of it", k.Name)
	case k.Status != "active" || k.PublicID == "" || len(k.Last4) != 4 || len(k.Scopes) != 1 || !k.AllApplications:
		r.t.Errorf("%q, not answered, is there by halves: %+v", k.Name, k)
	default:
		delete(r.records.unanswered, k.Name)
		r.records.count(true)
		r.records.add(&keyRecord{id: k.ID, state: stateOf(k)})
	}
}

// checkTrail verifies every chain, and requires exactly one event for each acknowledged write.
func (r *killRun) checkTrail(s *store.Store) {
	trails := map[string][]string{}
	followChains(r.t, s, func(rec audit.Record) {
		if rec.Chain() == r.tenant && rec.Target.Type == "key" {
			trails[rec.Target.ID] = append(trails[rec.Target.ID], string(rec.Action))
		}
	})
	if diff := cmp.Diff(r.records.actionsByKey(), trails); diff != "" {
		r.t.Errorf("the audit trail is not what was acknowledged (- acknowledged, + recorded):\n%s", diff)
	}
}

// followChains verifies every audit chain of a store from its first record to its head.
func followChains(t testing.TB, s *store.Store, take func(audit.Record)) {
	t.Helper()
	heads, err := s.Chains(t.Context())
	must(t, err)
	if len(heads) == 0 {
		t.Error("there is no audit chain")
	}
	for chain, want := range heads {
		var head audit.Head
		err := s.Chain(t.Context(), chain, func(rec audit.Record) (err error) {
			take(rec)
			head, err = head.Follow(rec)
			return err
		})
		if err != nil || !head.SameRecord(want) {
			t.Errorf("chain %s is broken: %v; it ends at %d, its head says %d", chain, err, head.Seq, want.Seq)
		}
	}
}
