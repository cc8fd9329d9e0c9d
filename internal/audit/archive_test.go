package audit_test

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// archived is an archive of a trail of three chains.
type archived struct {
	*testkit.Server
	text  string
	chain string // of the tenant
	// before is the state of the trail when there were fewer records.
	before audit.State
}

func newArchived(t *testing.T, e testkit.Engine) *archived {
	t.Helper()
	h := testkit.Start(t, e)
	tenant := h.Tenant("Main <tenant> \u00e9", nil)
	owner := h.As(h.Member(tenant, "Key Owner", scope.Admin))
	before := testkit.Must[audit.State](t)(h.Store.AuditState(t.Context()))
	for range 3 {
		k := h.Key(owner, tenant, "applications:read")
		testkit.Must[*api.Key](t)(owner.RevokeKey(t.Context(), string(tenant.ID), k.Key.ID, "lost"))
	}
	a := &archived{Server: h, chain: string(tenant.ID), before: before}
	a.text = a.write(t, "")
	return a
}

// write writes an archive as an operator does.
func (a *archived) write(t *testing.T, query string) string {
	t.Helper()
	body, err := a.Operator().Stream(t.Context(), "/operator/v1/audit/archive"+query)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	return string(testkit.Must[[]byte](t)(io.ReadAll(body)))
}

// verify returns what is wrong with an archive, "" for nothing.
func (a *archived) verify(t *testing.T, text string, key *audit.Key, since audit.State) string {
	t.Helper()
	f, err := audit.VerifyArchive(strings.NewReader(text), key, since)
	switch {
	case err != nil:
		return "error: " + err.Error()
	case f.Damage != nil:
		return f.Damage.What
	}
	return ""
}

func TestAnArchiveOfTheAuditTrailIsVerifiedByItself(t *testing.T) {
	t.Parallel()
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		a := newArchived(t, e)
		state := testkit.Must[audit.State](t)(a.Store.AuditState(t.Context()))
		for _, key := range []*audit.Key{nil, a.Store.AuditKey()} {
			for _, since := range []audit.State{{}, a.before, state} {
				f, err := audit.VerifyArchive(strings.NewReader(a.text), key, since)
				if err != nil || f.Damage != nil || f.State != state || f.Chains != 3 || f.Records != state.Change ||
					f.Proven != (key != nil) {
					t.Errorf("%+v, %v", f, err)
				}
			}
		}
		one := a.write(t, "?chain="+a.chain)
		f, err := audit.VerifyArchive(strings.NewReader(one), a.Store.AuditKey(), audit.State{})
		if err != nil || f.Damage != nil || f.Chains != 1 || f.State != (audit.State{}) || f.Header.Chain != a.chain {
			t.Errorf("of one chain: %+v, %v", f, err)
		}
		err = testkit.ErrorOf(a.Operator().Stream(t.Context(), "/operator/v1/audit/archive?chain=ten_nobody"))
		testkit.ExpectCode(t, "no chain", err, api.NotFound)
	})
}

// lines of an archive, with their ends.
func linesOf(text string) []string { return slices.Collect(strings.Lines(text)) }

func TestAnArchiveThatWasTamperedWithIsDamaged(t *testing.T) {
	t.Parallel()
	a := newArchived(t, testkit.SQLite)
	all := linesOf(a.text)
	// at is the place of the n-th record of the tenant's chain.
	at := func(n int) int {
		return slices.IndexFunc(all,
			func(l string) bool { return strings.HasPrefix(l, fmt.Sprintf(`{"chain":%q,"seq":%d,`, a.chain, n)) })
	}
	last := len(all) - 1
	head := slices.IndexFunc(all, func(l string) bool { return strings.HasPrefix(l, `{"head":{"chain":"`+a.chain) })
	edit := func(i int, from, to string) func([]string) []string {
		return func(l []string) []string {
			if !strings.Contains(l[i], from) {
				t.Fatalf("line %d has no %s: %s", i, from, l[i])
			}
			l[i] = strings.Replace(l[i], from, to, 1)
			return l
		}
	}
	remove := func(from, to int) func([]string) []string {
		return func(l []string) []string { return slices.Delete(l, from, to) }
	}
	for what, tamper := range map[string]func([]string) []string{
		"a record was edited":          edit(at(4), `"Test key"`, `"Best key"`),
		"an actor was edited":          edit(at(4), `"type":"user"`, `"type":"key"`),
		"an effect was removed":        edit(at(4), `"effects":[{`, `"effects":[],"x":[{`),
		"a time was edited":            edit(at(4), `"at":"2`, `"at":"3`),
		"a member was added":           edit(at(4), `"ip":`, `"ipp":"","ip":`),
		"a change number was edited":   edit(at(4), `"change":`, `"change":1`),
		"a record was removed":         remove(at(3), at(3)+1),
		"the first record was removed": remove(at(1), at(1)+1),
		"the last record was removed":  remove(head-1, head),
		"two records were swapped":     func(l []string) []string { l[at(2)], l[at(3)] = l[at(3)], l[at(2)]; return l },
		"a record is there twice":      func(l []string) []string { return slices.Insert(l, at(2), l[at(2)]) },
		"a head was removed":           remove(head, head+1),
		"a head was edited":            edit(head, `"seq":`, `"seq":1`),
		"a chain was removed":          remove(at(1), head+1),
		"the end was cut off":          remove(last, last+1),
		"much was cut off":             remove(at(3), last+1),
		"it is cut within a line":      func(l []string) []string { l[last] = l[last][:len(l[last])-1]; return l },
		"something follows":            func(l []string) []string { return append(l, l[1]) },
		"the header was edited":        edit(0, `"change":`, `"change":1`),
		"a line is none of ours":       func(l []string) []string { return slices.Insert(l, 3, "{}\n") },
	} {
		text := strings.Join(tamper(slices.Clone(all)), "")
		for name, key := range map[string]*audit.Key{"with the root secret": a.Store.AuditKey(), "without": nil} {
			if a.verify(t, text, key, audit.State{}) == "" {
				t.Errorf("%s: not seen %s", what, name)
			}
		}
	}
	for _, text := range []string{"", "no archive\n", "{}\n", `{"claviger_backup":1}` + "\n"} {
		if _, err := audit.VerifyArchive(strings.NewReader(text), nil, audit.State{}); !errors.Is(err,
			audit.ErrNoArchive) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// Without the root secret, somebody can make an archive that is consistent in itself, but not one
// that matches a signature or a head that was kept.
func TestAnArchiveThatWasWrittenAnewIsToldByTheRootSecretOrAHeadThatWasKept(t *testing.T) {
	t.Parallel()
	a := newArchived(t, testkit.SQLite)
	state := testkit.Must[audit.State](t)(a.Store.AuditState(t.Context()))
	forgery := forged(t, a.text, a.chain)
	if got := a.verify(t, forgery, nil, audit.State{}); got != "" {
		t.Errorf("a forgery does not agree with itself: %s", got)
	}
	for what, got := range map[string]string{
		"with the root secret":      a.verify(t, forgery, a.Store.AuditKey(), audit.State{}),
		"with a head that was kept": a.verify(t, forgery, nil, state),
	} {
		if got == "" || strings.HasPrefix(got, "error") {
			t.Errorf("%s a forgery is not seen: %q", what, got)
		}
	}
	// The signatures of the chains alone do not tell that a whole chain is missing; that of the
	// archive does.
	all := linesOf(a.text)
	without := slices.DeleteFunc(slices.Clone(all),
		func(l string) bool { return strings.Contains(l[:min(len(l), 60)], a.chain) })
	last := regexp.MustCompile(`"chains":\d+`).ReplaceAllString(without[len(without)-1], `"chains":2`)
	without[len(without)-1] = last
	if got := a.verify(t, strings.Join(without, ""), a.Store.AuditKey(), audit.State{}); got == "" {
		t.Error("a chain that was removed is not seen")
	}
	if got := a.verify(t, a.text, audit.NewKey(func(int) []byte { return []byte("another") }),
		audit.State{}); !strings.Contains(got, "not signed under this root secret") {
		t.Errorf("with another root secret: %q", got)
	}
}

// forged writes an archive anew in which the last key that was revoked has another name.
func forged(t *testing.T, text, chain string) string {
	t.Helper()
	all := linesOf(text)
	first := slices.IndexFunc(all, func(l string) bool { return strings.HasPrefix(l, `{"head":{"chain":"`+chain) })
	record := all[first-1]
	rewritten := strings.Replace(record, `"Test key"`, `"Best key"`, 1)
	if rewritten == record {
		t.Fatalf("the last record is %s", record)
	}
	hash := hashOf(t, rewritten)
	old := regexp.MustCompile(`"hash":"([0-9a-f]{64})"`).FindStringSubmatch(record)[1]
	all[first-1] = strings.Replace(rewritten, old, hash, 1)
	all[first] = strings.Replace(all[first], old, hash, 1)
	body := strings.Join(all[:len(all)-1], "")
	sum := sha256.Sum256([]byte(body))
	end := regexp.MustCompile(`"sha256":"[0-9a-f]{64}"`).ReplaceAllString(all[len(all)-1],
		`"sha256":"`+hex.EncodeToString(sum[:])+`"`)
	return body + end
}

// hashOf returns the hash of an archived record, by asking the chain for the record that follows
// the one before it.
func hashOf(t *testing.T, line string) string {
	t.Helper()
	r := testkit.Must[audit.Record](t)(audit.ParseRecord([]byte(line)))
	next := audit.Head{Seq: r.Seq - 1, Hash: r.PrevHash}.Append(r.Event)
	return hex.EncodeToString(next.Hash[:])
}
