package storetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/store"
)

var chainGuarantees = []guarantee{
	{"changes of many writers are numbered without gap or double, and chained", manyWritersMakeOneOrder},
	{"every tenant, every account and the server have a whole chain", everyoneHasAWholeChain},
	{"a record altered in any column no longer follows", anAlteredRecordShows},
	{"a record comes back as it was written, whatever its texts", aRecordComesBackAsWritten},
	{"whatever is done to the trail past the ledger is found, and where", damageIsFound},
	{"a chain of many pages is followed to its end", aLongChainIsFollowed},
}

// follow reads a chain to its end.
func (h *house) follow(chain string) (head audit.Head, err error) {
	h.Helper()
	err = h.store.Chain(h.Context(), chain, func(r audit.Record) error {
		if r.Chain() != chain {
			return fmt.Errorf("a record of chain %s in chain %s", r.Chain(), chain)
		}
		head, err = head.Follow(r)
		return err
	})
	return head, err
}

// whole follows every chain to the head that is on file, and gives their lengths.
func (h *house) whole() map[string]int64 {
	h.Helper()
	heads, err := h.store.Chains(h.Context())
	h.must(err)
	lengths := map[string]int64{}
	for chain, want := range heads {
		got, err := h.follow(chain)
		if err != nil || got != want {
			h.Errorf("chain %s ends at record %d, on file is %d (%v)", chain, got.Seq, want.Seq, err)
		}
		lengths[chain] = want.Seq
	}
	return lengths
}

// numbered fails the test where the change numbers are not 1, 2, 3 and so on, or disagree with the order within a chain.
func (h *house) numbered() {
	h.Helper()
	order := h.rows(`SELECT change_number, chain, seq FROM audit_events ORDER BY change_number`)
	next := map[string]int{}
	for i, got := range order {
		chain := strings.Split(got, "|")[1]
		next[chain]++
		if want := fmt.Sprintf("%d|%s|%d", i+1, chain, next[chain]); got != want {
			h.Errorf("change is numbered %s, want %s", got, want)
		}
	}
	if got := h.changes(); got != int64(len(order)) {
		h.Errorf("%d changes were counted and %d recorded", got, len(order))
	}
}

func manyWritersMakeOneOrder(h *house) {
	const writers, each = 16, 8
	account, _ := h.account()
	one, two := h.tenant(account.ID, nil), h.tenant(account.ID, nil)
	homes := []func(audit.Event) audit.Event{
		func(e audit.Event) audit.Event { return e.In(one.ID, account.ID) },
		func(e audit.Event) audit.Event { return e.In(two.ID, account.ID) },
		func(e audit.Event) audit.Event { return e.Of(account.ID) },
		func(e audit.Event) audit.Event { return e },
	}
	before := h.changes()
	var writing sync.WaitGroup
	for w := range writers {
		writing.Go(func() {
			for n := range each {
				h.writeOrFail(homes[(w+n)%len(homes)](event(audit.ActionNoticeRetry)), n%4 == 3)
			}
		})
	}
	writing.Wait()
	if got, want := h.changes()-before, int64(writers*each*3/4); got != want {
		h.Errorf("%d changes were counted, want %d", got, want)
	}
	h.numbered()
	h.whole()
}

// writeOrFail records the event, or fails after the number was taken.
func (h *house) writeOrFail(e audit.Event, fail bool) {
	err := h.write(func(context.Context, *store.Tx) (audit.Event, error) {
		if fail {
			return e, errInjected
		}
		return e, nil
	})
	if errors.Is(err, errInjected) != fail {
		h.Errorf("Write says %v", err)
	}
}

func everyoneHasAWholeChain(h *house) {
	first, _ := h.account()
	second, owner := h.account()
	in, other := h.tenant(first.ID, nil), h.tenant(second.ID, nil)
	h.join(in, owner, "admin")
	h.key(h.as(owner), in, anyKey())
	h.application(other)
	want := map[string]int64{
		audit.ServerChain: 4, // adopted, two people, signed in
		string(first.ID):  1,
		string(second.ID): 1,
		string(in.ID):     3, // made, joined, key
		string(other.ID):  2,
	}
	if diff := cmp.Diff(want, h.whole()); diff != "" {
		h.Errorf("lengths of the chains:\n%s", diff)
	}
	h.numbered()
}

func anAlteredRecordShows(h *house) {
	account, _ := h.account()
	t := h.tenant(account.ID, func(s *policy.Settings) { s.KeyHeader = "X-Own-Key" })
	chain := string(t.ID)
	h.application(t)
	for column, value := range map[string]string{
		"at": "at + 1", "seq": "7", "prev_hash": "hash", "hash": "prev_hash", "id": "'evt_other'", "actor_type": "'user'", "actor_id": "'usr_other'",
		"actor_email": "'a@b.example'", "action": "'tenant.delete'", "target_type": "'key'", "target_id": "'ten_other'", "target_name": "'other'",
		"ip": "'192.0.2.9'", "request_id": "'other'", "details": `'{"preset":"other"}'`, "effects": `'[{"kind":"tenant_disabled","tenant":"ten_1"}]'`, "account_id": "'acc_other'", "tenant_id": "'ten_other'",
	} {
		h.sql(`CREATE TABLE kept AS SELECT * FROM audit_events`)
		h.sql(`UPDATE audit_events SET `+column+` = `+value+` WHERE seq = 1 AND chain = $1`, chain)
		if _, err := h.follow(chain); err == nil {
			h.Errorf("%s can be altered without a trace", column)
		}
		h.sql(`DELETE FROM audit_events`)
		h.sql(`INSERT INTO audit_events SELECT * FROM kept`)
		h.sql(`DROP TABLE kept`)
	}
	h.whole()
}

// expirySets are effects with every type of member.
var expirySets = rapid.Custom(func(t *rapid.T) audit.Effect {
	f := audit.Effect{Kind: audit.EffectKeyExpirySet, Tenant: "ten_1", Key: ident.KeyID("key_" + rapid.StringMatching(`[a-z0-9]{0,8}`).Draw(t, "key"))}
	if n := rapid.Int64Range(0, 1<<52).Draw(t, "expires"); n > 0 {
		f.Expires = time.UnixMicro(n).UTC()
	}
	return f
})

func aRecordComesBackAsWritten(h *house) {
	text := rapid.String().Filter(func(s string) bool { return !strings.ContainsRune(s, 0) })
	rapid.Check(h, func(t *rapid.T) {
		want := audit.Event{
			Actor: audit.Actor{Type: text.Draw(t, "actor type"), ID: text.Draw(t, "actor id"), Email: text.Draw(t, "e-mail")}, Action: audit.ActionKeyEdit,
			Target: audit.Target{Type: text.Draw(t, "target type"), ID: text.Draw(t, "target id"), Name: text.Draw(t, "target name")},
			IP:     text.Draw(t, "ip"), RequestID: text.Draw(t, "request"), Details: rapid.MapOfN(text, text, 1, 4).Draw(t, "details"),
			Effects: rapid.SliceOfN(expirySets, 0, 3).Draw(t, "effects"),
		}
		if err := h.write(func(context.Context, *store.Tx) (audit.Event, error) { return want, nil }); err != nil {
			t.Fatal(err)
		}
		got := h.last(t)
		want.ID, want.At = got.ID, h.clock.Now()
		if diff := cmp.Diff(want, got.Event); diff != "" {
			t.Fatalf("came back otherwise:\n%s", diff)
		}
	})
	h.whole()
}

// last gives the newest record of the server's chain.
func (h *house) last(t *rapid.T) (last audit.Record) {
	err := h.store.Chain(h.Context(), audit.ServerChain, func(r audit.Record) error {
		last = r
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return last
}

// damages are what somebody with the database in hand may do to the trail, and what is found of it. CHAIN has four records, OTHER has some.
var damages = []struct {
	name, found string
	after       int64
	statements  []string
}{
	{"a text is edited", "chain CHAIN: record 2 was altered", 1, []string{`UPDATE audit_events SET actor_email = 'eve@claviger.example' WHERE chain = 'CHAIN' AND seq = 2`}},
	{"the details are no JSON", "chain CHAIN: record 3 was altered", 2, []string{`UPDATE audit_events SET details = '{' WHERE chain = 'CHAIN' AND seq = 3`}},
	{"the first is deleted", "chain CHAIN: record 2 follows 0", 0, []string{`DELETE FROM audit_events WHERE chain = 'CHAIN' AND seq = 1`}},
	{"one between is deleted", "chain CHAIN: record 3 follows 1", 1, []string{`DELETE FROM audit_events WHERE chain = 'CHAIN' AND seq = 2`}},
	{"one between is deleted and the rest renumbered", "chain CHAIN: record 2 does not continue record 1", 1, []string{
		`DELETE FROM audit_events WHERE chain = 'CHAIN' AND seq = 2`, `UPDATE audit_events SET seq = 2 WHERE chain = 'CHAIN' AND seq = 3`,
		`UPDATE audit_events SET seq = 3 WHERE chain = 'CHAIN' AND seq = 4`,
	}},
	{"two change places", "chain CHAIN: record 2 does not continue record 1", 1, []string{
		`UPDATE audit_events SET seq = 9 WHERE chain = 'CHAIN' AND seq = 2`, `UPDATE audit_events SET seq = 2 WHERE chain = 'CHAIN' AND seq = 3`,
		`UPDATE audit_events SET seq = 3 WHERE chain = 'CHAIN' AND seq = 9`,
	}},
	{"two change their places among all changes", "chain CHAIN: the change of record 3 came before that of record 2", 2, []string{
		`UPDATE audit_events SET change_number = -1 WHERE chain = 'CHAIN' AND seq = 2`,
		`UPDATE audit_events SET change_number = change_number - 1 WHERE chain = 'CHAIN' AND seq = 3`,
		`UPDATE audit_events SET change_number = (SELECT b.change_number + 1 FROM audit_events b WHERE b.chain = 'CHAIN' AND b.seq = 3) WHERE chain = 'CHAIN' AND seq = 2`,
	}},
	{"the last is cut off", "chain CHAIN: it ends at record 3, and its head is record 4", 3, []string{`DELETE FROM audit_events WHERE chain = 'CHAIN' AND seq = 4`}},
	{"the last is cut off and the head moved to match", "CHANGES changes were made and LESS are recorded", 0, []string{
		`DELETE FROM audit_events WHERE chain = 'CHAIN' AND seq = 4`,
		`UPDATE audit_heads SET seq = 3, hash = (SELECT e.hash FROM audit_events e WHERE e.chain = 'CHAIN' AND e.seq = 3) WHERE chain = 'CHAIN'`,
	}},
	{"the last is moved to a later change", "CHANGES changes were made, and the last record is of change 999", 0, []string{
		`UPDATE audit_events SET change_number = 999 WHERE chain = 'CHAIN' AND seq = 4`,
	}},
	{"the records are gone", "chain CHAIN: it ends at record 0, and its head is record 4", 0, []string{`DELETE FROM audit_events WHERE chain = 'CHAIN'`}},
	{"the head is gone", "chain CHAIN: its head is missing", 4, []string{`DELETE FROM audit_heads WHERE chain = 'CHAIN'`}},
	{"the head is another", "chain CHAIN: it ends at record 4, and its head is record 4", 4, []string{`UPDATE audit_heads SET hash = (SELECT e.hash FROM audit_events e WHERE e.chain = 'OTHER' AND e.seq = 1) WHERE chain = 'CHAIN'`}},
	{"one is moved to another chain", "chain OTHER: record 9 is of chain CHAIN", 1, []string{`UPDATE audit_events SET chain = 'OTHER', seq = 9 WHERE chain = 'CHAIN' AND seq = 4`}},
}

func damageIsFound(h *house) {
	account, _ := h.account()
	t := h.tenant(account.ID, nil)
	for range 3 {
		h.application(t)
	}
	name := strings.NewReplacer("CHAIN", string(t.ID), "OTHER", string(account.ID), "CHANGES", fmt.Sprint(h.changes()), "LESS", fmt.Sprint(h.changes()-1))
	if f := h.verify(); f.Damage != nil || f.Chains != 3 || f.Records != h.changes() {
		h.Fatalf("nothing was done yet: %+v, %v", f, f.Damage)
	}
	for _, d := range damages {
		for _, table := range []string{"audit_events", "audit_heads"} {
			h.sql(`CREATE TABLE kept_` + table + ` AS SELECT * FROM ` + table)
		}
		for _, s := range d.statements {
			h.sql(name.Replace(s))
		}
		if f, want := h.verify(), name.Replace(d.found); f.Damage == nil || f.Damage.What != want || f.Damage.After != d.after {
			h.Errorf("%s: found %+v, want %q after %d", d.name, f.Damage, want, d.after)
		}
		for _, table := range []string{"audit_events", "audit_heads"} {
			h.sql(`DELETE FROM ` + table)
			h.sql(`INSERT INTO ` + table + ` SELECT * FROM kept_` + table)
			h.sql(`DROP TABLE kept_` + table)
		}
	}
}

func (h *house) verify() audit.Finding {
	h.Helper()
	f, err := audit.Verify(h.Context(), h.store)
	h.must(err)
	return f
}

func aLongChainIsFollowed(h *house) {
	const records = 2100 // a page holds 1000
	var head audit.Head
	h.sql(`DELETE FROM audit_heads`)
	for n := range records {
		e := event(audit.ActionNoticeRetry)
		e.ID, e.At = ident.EventID(fmt.Sprint("evt_", n)), h.clock.Now()
		r := head.Append(e)
		head = audit.Head{Seq: r.Seq, Hash: r.Hash}
		h.sql(`INSERT INTO audit_events (chain, seq, prev_hash, hash, id, change_number, stale, at, actor_type, actor_id, actor_email, action, target_type, target_id, target_name, ip, request_id, details, effects)
			VALUES ('server', $1, $2, $3, $4, $1, '{}', $5, 'operator', '', '', 'notice.retry', 'test', '', '', '', '', 'null', '[]')`, r.Seq, r.PrevHash[:], r.Hash[:], string(e.ID), e.At.UnixMicro())
	}
	h.sql(`INSERT INTO audit_heads (chain, seq, hash) VALUES ('server', $1, $2)`, head.Seq, head.Hash[:])
	h.sql(`UPDATE counters SET value = $1 WHERE name = 'change'`, head.Seq)
	if f := h.verify(); f.Damage != nil || f.Records != records {
		h.Errorf("%+v, %v", f, f.Damage)
	}
}
