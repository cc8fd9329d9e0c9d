package main_test

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

// soak multiplies how often processes are killed: `make soak` runs the long campaign.
var soak = flag.Int("soak", 1, "how many times as often processes are killed")

const (
	killings = 8
	// between two looks at the audit trail
	trailEvery = 4
	// olderChecked is how many keys of earlier cycles are looked at in each one.
	olderChecked = 20
)

func TestKillMinusNineLosesNoAcknowledgedWriteAndLeavesEveryAuditChainWhole(t *testing.T) {
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		r, last := newKillRun(t, e), killings**soak
		for cycle := 1; cycle <= last && !t.Failed(); cycle++ {
			r.cycle(cycle)
			if cycle%trailEvery == 0 {
				r.lookAtTrail(cycle == last)
			}
		}
		t.Logf("%d keys were made; of the writes that were not answered %d were kept and %d undone", len(r.book.keys), r.book.kept, r.book.undone)
		// One write of a person is under way at a time, so few kills come between a COMMIT and its answer: a long campaign must have some.
		if !t.Failed() && (r.book.undone == 0 || *soak >= 10 && r.book.kept == 0) {
			t.Error("the killings did not come in the middle of writes")
		}
	})
}

// killRun is one site through all its killings.
type killRun struct {
	t      *testing.T
	site   *site
	first  sample.Sample // what the first start printed
	tenant string        // without a cap
	book   *book

	// of the running process
	process          *process
	verifier, person *client.Client
}

// newKillRun makes the first start, with a tenant whose keys have no cap. It is known by its one key.
func newKillRun(t *testing.T, e testkit.Engine) *killRun {
	r := &killRun{t: t, site: newSite(t, e), book: newBook()}
	file := filepath.Join(t.TempDir(), "keys")
	p := r.site.dev(t, "--sample-keys", "1", "--sample-file", file)
	r.first = p.ready()
	content, err := os.ReadFile(file)
	must(t, err)
	value := strings.TrimSpace(string(content))
	d, err := client.New(r.first.URL).WithKey(r.first.Verifier).Verify(t.Context(), api.VerifyRequest{Credential: value})
	must(t, err)
	r.tenant = d.TenantID
	person, _, err := client.New(r.first.URL).SignIn(t.Context(), r.first.Email, r.first.Password)
	must(t, err)
	loaded, err := person.Key(t.Context(), r.tenant, d.KeyID)
	must(t, err)
	r.book.enter(&entry{id: d.KeyID, value: value, face: faceOf(loaded)})
	p.term()
	return r
}

// start starts the process on what the last one left, and demands that the printed keys are still the first ones: a key that did
// not work would have been replaced.
func (r *killRun) start() {
	r.t.Helper()
	r.process = r.site.dev(r.t)
	s := r.process.ready()
	url := s.URL
	s.URL = r.first.URL
	if diff := cmp.Diff(r.first, s); diff != "" {
		r.t.Errorf("the sample changed:\n%s", diff)
	}
	bare := client.New(url).WithRetry(client.Retry{}) // what the kill cut off stays cut off
	r.verifier = bare.WithKey(s.Verifier)
	var err error
	r.person, _, err = bare.SignIn(r.t.Context(), s.Email, s.Password)
	must(r.t, err)
}

// cycle starts the process, checks what the last one acknowledged, and kills it in the middle of a load.
func (r *killRun) cycle(n int) {
	r.t.Helper()
	r.start()
	r.check(false)
	enough := r.book.open(n, 30+rand.IntN(90))
	l := &load{tenant: r.tenant, person: r.person, book: r.book}
	l.begin(r.t, 4+rand.IntN(5))
	l.killAfter(r.t, enough, r.process)
}

// lookAtTrail checks what was acknowledged, stops the process and reads the audit trail from the store.
func (r *killRun) lookAtTrail(all bool) {
	r.t.Helper()
	r.start()
	r.check(all)
	r.process.term()
	r.site.withStore(r.t, r.checkTrail)
}

// check compares what the process says of the keys with what the writers were told.
func (r *killRun) check(all bool) {
	r.t.Helper()
	for _, value := range []string{r.first.Verifier, r.first.Tenants[0].Key.Value} {
		if d := r.decision(value); !d.Active {
			r.t.Errorf("a key of dev.json is %s", d.Code)
		}
	}
	for _, k := range r.book.due(all, olderChecked) {
		now := r.observe(k)
		switch {
		case k.doubt != nil && (now == k.face || k.doubt.became(k.face, now)):
			r.book.resolve(k, now)
		case now != k.face:
			r.t.Errorf("%s, written last in cycle %d, is %+v; acknowledged was %+v, under way %+v", k.id, k.cycle, now, k.face, k.doubt)
		}
		r.checkDecision(k)
	}
	r.checkList(all)
}

// observe gives the face of a key.
func (r *killRun) observe(k *entry) face {
	r.t.Helper()
	shown, err := r.person.Key(r.t.Context(), r.tenant, k.id)
	if testkit.Code(r.t, err) == api.NotFound {
		return deleted
	}
	must(r.t, err)
	return faceOf(shown)
}

// checkDecision demands that a verification of a key, where its value is known, says what its owner sees.
func (r *killRun) checkDecision(k *entry) {
	r.t.Helper()
	if k.value == "" {
		return
	}
	d := r.decision(k.value)
	if want := codes[k.face.status]; d.Code != want {
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

// checkList compares the tenant's list, or its newest page, with the book. A key whose creation was not answered is there as a whole or not
// at all; any other key of which nobody was told is one too many.
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
		if more = all && l.NextCursor != nil; more {
			page.Cursor = *l.NextCursor
		}
	}
	for range r.book.unanswered {
		r.book.count(false)
	}
	clear(r.book.unanswered)
	for id, k := range r.book.keys {
		if all && !listed[id] && k.face != deleted {
			r.t.Errorf("%s is not in the list", id)
		}
	}
}

func (r *killRun) checkListed(k api.Key) {
	r.t.Helper()
	known := r.book.keys[k.ID]
	switch {
	case known != nil:
		if faceOf(k) != known.face {
			r.t.Errorf("%s is listed as %+v; known is %+v", k.ID, faceOf(k), known.face)
		}
	case !r.book.unanswered[k.Name]:
		r.t.Errorf("%q is listed, and nobody was told of it", k.Name)
	case k.Status != "active" || k.PublicID == "" || len(k.Last4) != 4 || len(k.Scopes) != 1 || !k.AllApplications:
		r.t.Errorf("%q, not answered, is there by halves: %+v", k.Name, k)
	default:
		delete(r.book.unanswered, k.Name)
		r.book.count(true)
		r.book.enter(&entry{id: k.ID, face: faceOf(k)})
	}
}

// checkTrail follows every chain, and demands for each acknowledged write exactly one event.
func (r *killRun) checkTrail(s *store.Store) {
	trails := map[string][]string{}
	followChains(r.t, s, func(rec audit.Record) {
		if rec.Chain() == r.tenant && rec.Target.Type == "key" {
			trails[rec.Target.ID] = append(trails[rec.Target.ID], string(rec.Action))
		}
	})
	if diff := cmp.Diff(r.book.trails(), trails); diff != "" {
		r.t.Errorf("the audit trail is not what was acknowledged (- acknowledged, + recorded):\n%s", diff)
	}
}

// followChains follows every audit chain of a store from its first record to its head.
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
		if err != nil || head != want {
			t.Errorf("chain %s is broken: %v; it ends at %d, its head says %d", chain, err, head.Seq, want.Seq)
		}
	}
}
