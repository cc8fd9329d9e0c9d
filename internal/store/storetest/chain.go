package storetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/store"
)

var chainGuarantees = []guarantee{
	{"changes of many writers are numbered without gap or double, and chained", manyWritersMakeOneOrder},
	{"every tenant, every account and the server have a whole chain", everyoneHasAWholeChain},
	{"a record altered in any column no longer follows", anAlteredRecordShows},
	{"a record comes back as it was written, whatever its texts", aRecordComesBackAsWritten},
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
				h.writeOrFail(homes[(w+n)%len(homes)](event("test.change")), n%4 == 3)
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
		"ip": "'192.0.2.9'", "request_id": "'other'", "details": `'{"preset":"other"}'`, "account_id": "'acc_other'", "tenant_id": "'ten_other'",
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

func aRecordComesBackAsWritten(h *house) {
	text := rapid.String().Filter(func(s string) bool { return !strings.ContainsRune(s, 0) })
	rapid.Check(h, func(t *rapid.T) {
		want := audit.Event{
			Actor: audit.Actor{Type: text.Draw(t, "actor type"), ID: text.Draw(t, "actor id"), Email: text.Draw(t, "e-mail")}, Action: "test." + text.Draw(t, "action"),
			Target: audit.Target{Type: text.Draw(t, "target type"), ID: text.Draw(t, "target id"), Name: text.Draw(t, "target name")},
			IP:     text.Draw(t, "ip"), RequestID: text.Draw(t, "request"), Details: rapid.MapOfN(text, text, 1, 4).Draw(t, "details"),
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
