package audit_test

import (
	"slices"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/principal"
)

func chain(n int) (records []audit.Record, head audit.Head) {
	for i := range n {
		e := audit.By(principal.Operator(), audit.ActionKeyCreate, audit.Target{Type: "key", ID: "key_1"}).In("ten_1",
			"acc_1").With("n", string(rune('a'+i)))
		e.At = time.UnixMicro(int64(i))
		r := head.Append(e)
		head = audit.Head{Seq: r.Seq, Hash: r.Hash}
		records = append(records, r)
	}
	return records, head
}

func whole(records []audit.Record, end audit.Head) bool {
	var head audit.Head
	for _, r := range records {
		next, err := head.Follow(r)
		if err != nil {
			return false
		}
		head = next
	}
	return head == end
}

func TestEveryTamperingWithAChainShows(t *testing.T) {
	records, end := chain(5)
	if !whole(records, end) {
		t.Fatal("an untouched chain is refused")
	}
	tamper := map[string]func(r []audit.Record) []audit.Record{
		"edited actor":  func(r []audit.Record) []audit.Record { r[2].Actor.Email = "eve@example.com"; return r },
		"edited time":   func(r []audit.Record) []audit.Record { r[2].At = r[2].At.Add(time.Microsecond); return r },
		"edited detail": func(r []audit.Record) []audit.Record { r[2].Details = map[string]string{"n": "z"}; return r },
		"added effect": func(r []audit.Record) []audit.Record {
			r[2].Effects = append(r[2].Effects, audit.Effect{Kind: audit.EffectUserDeleted, User: "usr_1"})
			return r
		},
		"no effects known":  func(r []audit.Record) []audit.Record { r[2].Effects = nil; return r },
		"moved to a tenant": func(r []audit.Record) []audit.Record { r[2].Tenant = "ten_2"; return r },
		"deleted":           func(r []audit.Record) []audit.Record { return slices.Delete(r, 2, 3) },
		"reordered":         func(r []audit.Record) []audit.Record { r[2], r[3] = r[3], r[2]; return r },
		"cut at the end":    func(r []audit.Record) []audit.Record { return r[:4] },
		"cut at the front":  func(r []audit.Record) []audit.Record { return r[1:] },
		"renumbered gap": func(r []audit.Record) []audit.Record {
			r = slices.Delete(r, 2, 3)
			r[2].Seq = 3
			return r
		},
	}
	for name, change := range tamper {
		if whole(change(slices.Clone(records)), end) {
			t.Errorf("%s: the chain still counts as whole", name)
		}
	}
}

func TestAFieldCannotBeMovedIntoItsNeighbour(t *testing.T) {
	a := audit.Head{}.Append(audit.Event{Action: audit.ActionKeyCreate, Target: audit.Target{Type: "key", ID: "1"}})
	b := audit.Head{}.Append(audit.Event{Action: "key.createkey", Target: audit.Target{Type: "", ID: "1"}})
	if a.Hash == b.Hash {
		t.Error("two different events hash alike")
	}
}
