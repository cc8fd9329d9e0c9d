package journal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// journals opens the journals of a test. They are small, so that they are compacted early.
type journals struct {
	*testing.T
	*File
	next int64
}

const early = 4 << 10

func newJournals(t *testing.T) *journals {
	t.Helper()
	j := &journals{T: t}
	j.open(filepath.Join(t.TempDir(), "revocations.journal"))
	t.Cleanup(func() { j.Close() })
	return j
}

func (j *journals) open(path string) {
	j.Helper()
	var err error
	j.File, err = open(path, func() time.Time { return noon }, early)
	if err != nil {
		j.Fatal(err)
	}
}

// note notes the next change.
func (j *journals) note(kind audit.EffectKind, key ident.KeyID) {
	j.Helper()
	j.next++
	c := Change{
		Number: j.next, At: noon.Add(time.Duration(j.next)),
		Effects: []audit.Effect{{Kind: kind, Tenant: "ten_1", Key: key}},
	}
	if err := j.Note(c); err != nil {
		j.Fatal(err)
	}
}

// toggle disables and enables one key until the file has grown by the number of bytes.
func (j *journals) toggle(bytes int64) {
	j.Helper()
	for begin := j.length(); j.length() < begin+bytes; {
		j.note(audit.EffectKeyDisabled, "key_toggled")
		j.note(audit.EffectKeyEnabled, "key_toggled")
	}
}

func (j *journals) compact() {
	j.Helper()
	if err := j.Compact(j.Context()); err != nil {
		j.Fatal(err)
	}
}

// demandRevoked fails the test unless these keys are revoked in the journal of a file. It returns
// the size of the file.
func demandRevoked(t *testing.T, path string, keys ...ident.KeyID) int {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	s, err := Read(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range keys {
		if s.keys[k] == nil || !s.keys[k].revoked {
			t.Errorf("%s is not revoked in a journal of %d bytes", k, len(text))
		}
	}
	if !s.Begin.IsZero() {
		t.Errorf("the journal says that it begins at %s", s.Begin)
	}
	return len(text)
}

func TestWhoTogglesAKeyPushesNobodysRevocationOutOfTheJournal(t *testing.T) {
	j := newJournals(t)
	j.note(audit.EffectKeyRevoked, "key_other")
	for range 5 {
		j.toggle(3 * early)
		j.compact()
		if n := demandRevoked(t, j.path, "key_other"); n > early/4 {
			t.Errorf("the compact journal has %d bytes", n)
		}
	}
	j.note(audit.EffectKeyRevoked, "key_last")
	demandRevoked(t, j.path, "key_other", "key_last")
}

func TestAJournalOfLastWordsAloneGrowsAsItMustAndIsNotWrittenAnewEachTime(t *testing.T) {
	j := newJournals(t)
	rewritten := 0
	j.onStep = func(name string) error {
		if name == "rewritten" {
			rewritten++
		}
		return nil
	}
	var keys []ident.KeyID
	for n := range 400 {
		keys = append(keys, ident.KeyID(fmt.Sprint("key_", n)))
		j.note(audit.EffectKeyRevoked, keys[n])
		j.compact()
	}
	demandRevoked(t, j.path, keys...)
	if rewritten > 5 {
		t.Errorf("it was written anew %d times", rewritten)
	}
}

func TestARevocationIsNotedAndKeptWhileACompactionIsHeldAtAnyStep(t *testing.T) {
	for _, held := range []string{"begun", "rewritten"} {
		t.Run(held, func(t *testing.T) {
			j := newJournals(t)
			j.note(audit.EffectKeyRevoked, "key_before")
			j.toggle(3 * early)
			at := make(chan struct{})
			on := make(chan struct{})
			done := make(chan error)
			j.onStep = func(name string) error {
				if name == held {
					close(at)
					<-on
				}
				return nil
			}
			go func() { done <- j.Compact(t.Context()) }()
			<-at
			j.note(audit.EffectKeyRevoked, "key_meanwhile")
			j.toggle(2 * maxLockedCopy) // so that there is a tail to copy before the lock is taken
			j.note(audit.EffectKeyRevoked, "key_late")
			demandRevoked(t, j.path, "key_before", "key_meanwhile", "key_late")
			close(on)
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			j.onStep = func(string) error { return nil }
			j.note(audit.EffectKeyRevoked, "key_after")
			demandRevoked(t, j.path, "key_before", "key_meanwhile", "key_late", "key_after")
			j.compact()
			if n := demandRevoked(t, j.path, "key_before", "key_meanwhile", "key_late", "key_after"); n > early {
				t.Errorf("the compact journal has %d bytes", n)
			}
		})
	}
}

// A process that is killed leaves the directory as it is at that step.
func TestAProcessThatIsKilledInACompactionLeavesAWholeJournal(t *testing.T) {
	for _, killed := range []string{"begun", "rewritten", "copied", "renamed"} {
		t.Run(killed, func(t *testing.T) {
			j := newJournals(t)
			j.note(audit.EffectKeyRevoked, "key_before")
			j.toggle(3 * early)
			left := t.TempDir()
			j.onStep = func(name string) error {
				if name == "rewritten" {
					j.note(audit.EffectKeyRevoked, "key_meanwhile")
				}
				if name == killed {
					return os.CopyFS(left, os.DirFS(filepath.Dir(j.path)))
				}
				return nil
			}
			j.compact()
			revoked := []ident.KeyID{"key_before"}
			if killed != "begun" {
				revoked = append(revoked, "key_meanwhile")
			}
			next := &journals{T: t, next: j.next}
			next.open(filepath.Join(left, filepath.Base(j.path)))
			defer next.Close()
			next.note(audit.EffectKeyRevoked, "key_next")
			revoked = append(revoked, "key_next")
			demandRevoked(t, next.path, revoked...)
			next.toggle(3 * early)
			next.compact()
			demandRevoked(t, next.path, revoked...)
			if entries, err := os.ReadDir(left); err != nil || len(entries) != 1 {
				t.Errorf("there are %v, %v", entries, err)
			}
		})
	}
}

func TestACompactionThatFailsLeavesTheJournalInUse(t *testing.T) {
	for _, at := range []string{"begun", "rewritten", "copied"} {
		t.Run(at, func(t *testing.T) {
			j := newJournals(t)
			j.note(audit.EffectKeyRevoked, "key_before")
			j.toggle(3 * early)
			j.onStep = func(name string) error {
				if name == at {
					return syscall.ENOSPC
				}
				return nil
			}
			if err := j.Compact(t.Context()); !errors.Is(err, syscall.ENOSPC) {
				t.Fatal(err)
			}
			if _, err := os.Stat(j.newPath()); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("what was written takes room still: %v", err)
			}
			j.note(audit.EffectKeyRevoked, "key_after")
			demandRevoked(t, j.path, "key_before", "key_after")
			j.onStep = func(string) error { return nil }
			j.compact()
			if n := demandRevoked(t, j.path, "key_before", "key_after"); n > early {
				t.Errorf("with room again the compact journal has %d bytes", n)
			}
		})
	}
}

// After that a power cut could bring back a file without the noted changes.
func TestAJournalThatMayNotBeOnDiskTakesNoMoreRevocations(t *testing.T) {
	j := newJournals(t)
	j.toggle(3 * early)
	j.onStep = func(name string) error {
		if name == "renamed" {
			return syscall.EIO
		}
		return nil
	}
	if err := j.Compact(t.Context()); !errors.Is(err, syscall.EIO) || !errors.Is(j.Ready(t.Context()), syscall.EIO) {
		t.Errorf("the compaction says %v, readiness %v", err, j.Ready(t.Context()))
	}
	if err := j.Note(Change{
		Number:  j.next + 1,
		Effects: []audit.Effect{{Kind: audit.EffectUserDeleted, User: "usr_1"}},
	}); !errors.Is(err, syscall.EIO) {
		t.Errorf("%v", err)
	}
}

func TestACompactionEndsWithItsContext(t *testing.T) {
	j := newJournals(t)
	j.toggle(8 * early)
	ctx, end := context.WithCancel(t.Context())
	end()
	if err := j.Compact(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// drawLine draws a line about one of a few subjects. Changes also come late and twice.
func drawLine(t *rapid.T) Line {
	id := func(prefix string) string { return prefix + rapid.SampledFrom([]string{"1", "2"}).Draw(t, prefix) }
	change := rapid.Int64Range(1, 30).Draw(t, "change")
	at := noon.Add(time.Duration(change+rapid.SampledFrom([]int64{0, 0, 100}).Draw(t, "ahead")) * time.Minute)
	switch rapid.IntRange(0, 21).Draw(t, "line") {
	case 0:
		return StartMarker(at, change)
	case 1:
		return RestoreMarker(change)
	case 2, 3:
		return Line{Marker: checkpointMarker, Change: change, ID: ident.EventID(id("evt_"))}
	case 20:
		return Line{Marker: nodeMarker, Nodes: []Node{{ID: id("node_")}}}
	case 21:
		return Line{Marker: nodesMarker, Nodes: []Node{{ID: id("node_")}, {ID: "node_3", Name: id("host_")}}}
	}
	kinds := slices.DeleteFunc(audit.EffectKinds(),
		func(k audit.EffectKind) bool { return k == audit.EffectDatabaseRestored })
	l := Line{Change: change, At: at}
	for range rapid.IntRange(1, 2).Draw(t, "effects") {
		kind := rapid.SampledFrom(kinds).Draw(t, "kind")
		key, user := ident.KeyID(id("key_")), ident.UserID(id("usr_"))
		serial, reason := rapid.IntRange(1, 3).Draw(t, "serial"),
			rapid.SampledFrom([]policy.Reason{policy.ByAutoExpiry, policy.ByMaxLifetime}).Draw(t, "reason")
		candidates := []audit.Effect{
			{Tenant: "ten_1", Key: key},
			{Tenant: "ten_1", Key: key, Serial: serial},
			{Tenant: "ten_1", User: user},
			{User: user},
			{Tenant: "ten_1"},
			{Account: "acc_1"},
			{Account: "acc_1", User: user},
			{Account: "acc_1", Reason: reason, Days: serial},
			{Tenant: "ten_1", Application: ident.ApplicationID(id("app_"))},
			{Entry: id("entry-")},
			{Entry: id("entry-"), Otherwise: string(key)},
			{Tenant: "ten_1", Key: key, Scopes: []string{string(key)}},
			{Tenant: "ten_1", User: user, Role: string(key)},
			{Account: "acc_1", User: user, Role: string(key)},
			{User: user, Since: at},
			{Tenant: "ten_1", Owner: ident.PartyID(id("sub_"))},
			{Tenant: "ten_1", Owner: ident.PartyID(id("sva_")), Role: string(key)},
			{Tenant: "ten_1", Plan: id("plan-")},
			{Tenant: "ten_1", ManagementKey: ident.ManagementKeyID(id("mgk_"))},
			{Tenant: "ten_1", ManagementKey: ident.ManagementKeyID(id("mgk_")), Serial: serial},
			{
				Tenant: "ten_1", ManagementKey: ident.ManagementKeyID(id("mgk_")), Expires: at,
				Rights: &policy.ManagementRights{Permissions: []policy.Permission{policy.MayReadKeys}},
			},
			{Tenant: "ten_1", Settings: &policy.Settings{KeysPerUser: serial}},
			{Account: "acc_1", IdleMinutes: serial, AbsoluteHours: serial},
			{Account: "acc_1", Require: policy.FactorRules()[serial-1]},
			{},
		}
		found := slices.IndexFunc(candidates, func(f audit.Effect) bool { f.Kind = kind; return f.Check() == nil })
		f := candidates[found]
		f.Kind = kind
		switch kind {
		case audit.EffectKeyExpirySet:
			f.Expires = noon.Add(time.Duration(serial) * time.Hour)
		case audit.EffectRoutesSet:
			f.Routes = string(key)
		case audit.EffectKeyApplicationsSet:
			f.Applications = []string{string(user)}
		case audit.EffectSubjectPlanSet:
			f.Plan = string(key)
		case audit.EffectPlanSet:
			f.Scopes = []string{string(key)}
		case audit.EffectKeyAddressesSet:
			if serial > 1 { // otherwise every address
				f.Addresses, _ = policy.ParseAddresses("allowed_cidrs", []string{fmt.Sprintf("10.%d.0.0/16", serial)})
			}
		case audit.EffectCatalogueSet:
			f.Catalogue = map[string][]string{string(user): {"admin"}}
		}
		l.Effects = append(l.Effects, f)
	}
	return l
}

func TestACompactJournalSaysWhatItSaidAlsoWithWhatComesAfterIt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var before, after []byte
		var end progress
		for _, l := range rapid.SliceOfN(rapid.Custom(drawLine), 0, 40).Draw(t, "before") {
			before = append(before, l.Encode()...)
			end.apply(l)
		}
		for _, l := range rapid.SliceOfN(rapid.Custom(drawLine), 0, 10).Draw(t, "after") {
			after = append(after, l.Encode()...)
		}
		var written bytes.Buffer
		if err := compact(context.Background(), bytes.NewReader(before), &written); err != nil {
			t.Fatal(err)
		}
		want, err := Read(bytes.NewReader(append(before, after...)))
		if err != nil {
			t.Fatal(err)
		}
		got, err := Read(bytes.NewReader(append(written.Bytes(), after...)))
		if err != nil {
			t.Fatal(err)
		}
		want.Lines, got.Lines = 0, 0
		if end.started { // after a power cut between a start and its checkpoint the latest time may be lost
			want.Latest, got.Latest = time.Time{}, time.Time{}
		}
		if diff := cmp.Diff(want, got, cmp.Exporter(func(reflect.Type) bool { return true })); diff != "" {
			t.Fatalf("compact:\n%s%s", written.Bytes(), diff)
		}
	})
}

// growing is an audit trail to which a change is committed between the two reads of CatchUp.
type growing struct{ changes []Change }

func (g *growing) LastChange(context.Context) (int64, error) { return int64(len(g.changes)), nil }

func (g *growing) EffectsAfter(_ context.Context, change int64, limit int) ([]Change, error) {
	n := int64(len(g.changes)) + 1
	g.changes = append(g.changes, Change{Number: n, ID: ident.EventID(fmt.Sprintf("evt_%d", n)), At: time.Unix(n, 0)})
	return g.changes[change:min(n, change+int64(limit))], nil
}

func TestAChangeThatIsCommittedDuringACatchUpDoesNotMakeTheJournalBeginAnew(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	j, err := Open(path, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	trail := &growing{changes: []Change{{Number: 1, ID: "evt_1", At: time.Unix(1, 0)}}}
	for range 3 {
		if err := j.CatchUp(t.Context(), trail); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), string(startMarker)) || !strings.Contains(string(text),
		string(checkpointMarker)) {
		t.Errorf("the journal begins anew, or never says how far it has come:\n%s", text)
	}
}

func TestAChangeThatCouldNotBeNotedIsWrittenByTheNextCatchUp(t *testing.T) {
	j := newJournals(t)
	c := Change{
		Number: 1, ID: "evt_1", At: noon,
		Effects: []audit.Effect{{Kind: audit.EffectKeyRevoked, Tenant: "ten_1", Key: "key_1"}},
	}
	writable := j.file
	readOnly, err := os.Open(j.path) // every write to it fails, as on a full disk
	if err != nil {
		t.Fatal(err)
	}
	defer readOnly.Close()
	j.file = readOnly
	if err := j.Note(c); err == nil {
		t.Fatal("noted in a file that cannot be written to")
	}
	j.file, j.failed = writable, nil // there is space again
	if err := j.CatchUp(t.Context(), &growing{[]Change{c}}); err != nil {
		t.Fatal(err)
	}
	demandRevoked(t, j.path, "key_1")
}

func TestTimesOfBeforeARepairCountAsThatOfTheRepair(t *testing.T) {
	ahead := noon.AddDate(2, 0, 0)
	left := audit.Effect{Kind: audit.EffectMemberRemoved, Tenant: "ten_1", User: "usr_1"}
	repair := audit.Effect{Kind: audit.EffectTimeRepaired}
	var text []byte
	for _, l := range []Line{
		StartMarker(ahead, 1),
		{Change: 2, At: ahead, Effects: []audit.Effect{left}},
		{Change: 4, At: noon, Effects: []audit.Effect{repair}},
		// written late
		{
			Change: 3, At: ahead,
			Effects: []audit.Effect{{Kind: audit.EffectAccountRoleRemoved, Account: "acc_1", User: "usr_1"}},
		},
	} {
		text = append(text, l.Encode()...)
	}
	s, err := Read(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if !s.Begin.Equal(noon) || !s.Latest.Equal(noon) || s.Repaired != 4 || s.After != 1 {
		t.Errorf("begin %s, after %d, latest %s, repaired %d", s.Begin, s.After, s.Latest, s.Repaired)
	}
	if at := s.members[membership{"ten_1", "usr_1"}].left.time; !at.Equal(noon) {
		t.Errorf("the member left at %s", at)
	}
	if at := s.accountRoles[accountMembership{"acc_1", "usr_1"}].left.time; !at.Equal(noon) {
		t.Errorf("the role ended at %s", at)
	}
}
