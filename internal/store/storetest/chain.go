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

var chainCases = []testCase{
	{"changes of many writers are numbered without gap or double, and chained", manyWritersMakeOneOrder},
	{"every tenant, every account and the server have a whole chain", everyoneHasAWholeChain},
	{"a record altered in any column no longer follows", anAlteredRecordShows},
	{"a record comes back as it was written, whatever its texts", aRecordComesBackAsWritten},
	{"whatever is done to the trail past the ledger is found, and where", damageIsFound},
	{"a chain of many pages is followed to its end", aLongChainIsFollowed},
	{"a chain that somebody wrote anew is not signed when it grows", anAlteredChainIsNotSigned},
	{"the trail must have begun with a state that was noted", theTrailMustHaveBegunAsItWas},
	{"heads of an earlier version are signed once", chainsAreSignedOnce},
}

// followChain reads a chain to its end.
func (fx *fixture) followChain(chain string) (head audit.Head, err error) {
	fx.Helper()
	err = fx.store.Chain(fx.Context(), chain, func(r audit.Record) error {
		if r.Chain() != chain {
			return fmt.Errorf("a record of chain %s in chain %s", r.Chain(), chain)
		}
		head, err = head.Follow(r)
		return err
	})
	return head, err
}

// verifyChains follows every chain to its stored head, and returns the lengths.
func (fx *fixture) verifyChains() map[string]int64 {
	fx.Helper()
	heads, err := fx.store.Chains(fx.Context())
	fx.must(err)
	lengths := map[string]int64{}
	for chain, want := range heads {
		got, err := fx.followChain(chain)
		if err != nil || !got.SameRecord(want) {
			fx.Errorf("chain %s ends at record %d, on file is %d (%v)", chain, got.Seq, want.Seq, err)
		}
		lengths[chain] = want.Seq
	}
	return lengths
}

// changesAreNumbered fails the test unless the changes are numbered 1, 2, 3 and so on, in the order
// of each chain.
func (fx *fixture) changesAreNumbered() {
	fx.Helper()
	order := fx.queryRows(`SELECT change_number, chain, seq FROM audit_events ORDER BY change_number`)
	next := map[string]int{}
	for i, got := range order {
		chain := strings.Split(got, "|")[1]
		next[chain]++
		if want := fmt.Sprintf("%d|%s|%d", i+1, chain, next[chain]); got != want {
			fx.Errorf("change is numbered %s, want %s", got, want)
		}
	}
	if got := fx.changes(); got != int64(len(order)) {
		fx.Errorf("%d changes were counted and %d recorded", got, len(order))
	}
}

func manyWritersMakeOneOrder(fx *fixture) {
	const writers, each = 16, 8
	account, _ := fx.account()
	one, two := fx.tenant(account.ID, nil), fx.tenant(account.ID, nil)
	homes := []func(audit.Event) audit.Event{
		func(e audit.Event) audit.Event { return e.In(one.ID, account.ID) },
		func(e audit.Event) audit.Event { return e.In(two.ID, account.ID) },
		func(e audit.Event) audit.Event { return e.Of(account.ID) },
		func(e audit.Event) audit.Event { return e },
	}
	before := fx.changes()
	var writing sync.WaitGroup
	for w := range writers {
		writing.Go(func() {
			for n := range each {
				fx.writeOrFail(homes[(w+n)%len(homes)](event(audit.ActionNoticeRetry)), n%4 == 3)
			}
		})
	}
	writing.Wait()
	if got, want := fx.changes()-before, int64(writers*each*3/4); got != want {
		fx.Errorf("%d changes were counted, want %d", got, want)
	}
	fx.changesAreNumbered()
	fx.verifyChains()
}

// writeOrFail records the event, or fails after the number was assigned.
func (fx *fixture) writeOrFail(e audit.Event, fail bool) {
	err := fx.write(func(context.Context, *store.Tx) (audit.Event, error) {
		if fail {
			return e, errInjected
		}
		return e, nil
	})
	if errors.Is(err, errInjected) != fail {
		fx.Errorf("Write says %v", err)
	}
}

func everyoneHasAWholeChain(fx *fixture) {
	first, _ := fx.account()
	second, owner := fx.account()
	in, other := fx.tenant(first.ID, nil), fx.tenant(second.ID, nil)
	fx.join(in, owner, "admin")
	fx.createKey(fx.signIn(owner), in, anyKey())
	fx.application(other)
	want := map[string]int64{
		audit.ServerChain: 4, // adopted, two people, signed in
		string(first.ID):  1,
		string(second.ID): 1,
		string(in.ID):     3, // created, joined, key
		string(other.ID):  2,
	}
	if diff := cmp.Diff(want, fx.verifyChains()); diff != "" {
		fx.Errorf("lengths of the chains:\n%s", diff)
	}
	fx.changesAreNumbered()
}

func anAlteredRecordShows(fx *fixture) {
	account, _ := fx.account()
	t := fx.tenant(account.ID, func(s *policy.Settings) { s.KeyHeader = "X-Own-Key" })
	chain := string(t.ID)
	fx.application(t)
	for column, value := range map[string]string{
		"at": "at + 1", "seq": "7", "prev_hash": "hash", "hash": "prev_hash", "id": "'evt_other'",
		"actor_type": "'user'", "actor_id": "'usr_other'",
		"actor_email": "'a@b.example'", "action": "'tenant.delete'", "target_type": "'key'", "target_id": "'ten_other'",
		"target_name": "'other'",
		"ip":          "'192.0.2.9'", "request_id": "'other'", "details": `'{"preset":"other"}'`,
		"effects": `'[{"kind":"tenant_disabled","tenant":"ten_1"}]'`, "account_id": "'acc_other'",
		"tenant_id": "'ten_other'",
	} {
		fx.exec(`CREATE TABLE kept AS SELECT * FROM audit_events`)
		fx.exec(`UPDATE audit_events SET `+column+` = `+value+` WHERE seq = 1 AND chain = $1`, chain)
		if _, err := fx.followChain(chain); err == nil {
			fx.Errorf("%s can be altered without a trace", column)
		}
		fx.exec(`DELETE FROM audit_events`)
		fx.exec(`INSERT INTO audit_events SELECT * FROM kept`)
		fx.exec(`DROP TABLE kept`)
	}
	fx.verifyChains()
}

// expirySets draws effects with every type of member.
var expirySets = rapid.Custom(func(t *rapid.T) audit.Effect {
	f := audit.Effect{
		Kind: audit.EffectKeyExpirySet, Tenant: "ten_1",
		Key: ident.KeyID("key_" + rapid.StringMatching(`[a-z0-9]{0,8}`).Draw(t, "key")),
	}
	if n := rapid.Int64Range(0, 1<<52).Draw(t, "expires"); n > 0 {
		f.Expires = time.UnixMicro(n).UTC()
	}
	return f
})

func aRecordComesBackAsWritten(fx *fixture) {
	text := rapid.String().Filter(func(s string) bool { return !strings.ContainsRune(s, 0) })
	rapid.Check(fx, func(t *rapid.T) {
		want := audit.Event{
			Actor: audit.Actor{
				Type: text.Draw(t, "actor type"), ID: text.Draw(t, "actor id"),
				Email: text.Draw(t, "e-mail"),
			}, Action: audit.ActionKeyEdit,
			Target: audit.Target{
				Type: text.Draw(t, "target type"), ID: text.Draw(t, "target id"),
				Name: text.Draw(t, "target name"),
			},
			IP: text.Draw(t, "ip"), RequestID: text.Draw(t, "request"),
			Details: rapid.MapOfN(text, text, 1, 4).Draw(t, "details"),
			Effects: rapid.SliceOfN(expirySets, 0, 3).Draw(t, "effects"),
		}
		if err := fx.write(func(context.Context, *store.Tx) (audit.Event, error) { return want, nil }); err != nil {
			t.Fatal(err)
		}
		got := fx.lastRecord(t)
		want.ID, want.At = got.ID, fx.clock.Now()
		if diff := cmp.Diff(want, got.Event); diff != "" {
			t.Fatalf("came back otherwise:\n%s", diff)
		}
	})
	fx.verifyChains()
}

// lastRecord returns the newest record of the server's chain.
func (fx *fixture) lastRecord(t *rapid.T) (last audit.Record) {
	err := fx.store.Chain(fx.Context(), audit.ServerChain, func(r audit.Record) error {
		last = r
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return last
}

// damages are manipulations of the trail by someone with access to the database, and the damage
// that is found. CHAIN has four records, OTHER has some.
var damages = []struct {
	name, found string
	after       int64
	statements  []string
}{
	{
		"a text is edited", "chain CHAIN: record 2 was altered", 1,
		[]string{`UPDATE audit_events SET actor_email = 'eve@claviger.example' WHERE chain = 'CHAIN' AND seq = 2`},
	},
	{
		"the details are no JSON", "chain CHAIN: record 3 was altered", 2,
		[]string{`UPDATE audit_events SET details = '{' WHERE chain = 'CHAIN' AND seq = 3`},
	},
	{
		"the first is deleted", "chain CHAIN: record 2 follows 0", 0,
		[]string{`DELETE FROM audit_events WHERE chain = 'CHAIN' AND seq = 1`},
	},
	{
		"one between is deleted", "chain CHAIN: record 3 follows 1", 1,
		[]string{`DELETE FROM audit_events WHERE chain = 'CHAIN' AND seq = 2`},
	},
	{"one between is deleted and the rest renumbered", "chain CHAIN: record 2 does not continue record 1", 1, []string{
		`DELETE FROM audit_events WHERE chain = 'CHAIN' AND seq = 2`,
		`UPDATE audit_events SET seq = 2 WHERE chain = 'CHAIN' AND seq = 3`,
		`UPDATE audit_events SET seq = 3 WHERE chain = 'CHAIN' AND seq = 4`,
	}},
	{"two change places", "chain CHAIN: record 2 does not continue record 1", 1, []string{
		`UPDATE audit_events SET seq = 9 WHERE chain = 'CHAIN' AND seq = 2`,
		`UPDATE audit_events SET seq = 2 WHERE chain = 'CHAIN' AND seq = 3`,
		`UPDATE audit_events SET seq = 3 WHERE chain = 'CHAIN' AND seq = 9`,
	}},
	{
		"two change their places among all changes", "chain CHAIN: the change of record 3 came before that of record 2",
		2,
		[]string{
			`UPDATE audit_events SET change_number = -1 WHERE chain = 'CHAIN' AND seq = 2`,
			`UPDATE audit_events SET change_number = change_number - 1 WHERE chain = 'CHAIN' AND seq = 3`,
			`UPDATE audit_events SET change_number = (SELECT b.change_number + 1 FROM audit_events b
				WHERE b.chain = 'CHAIN' AND b.seq = 3) WHERE chain = 'CHAIN' AND seq = 2`,
		},
	},
	{
		"the last is cut off", "chain CHAIN: it ends at record 3, and its head is record 4", 3,
		[]string{`DELETE FROM audit_events WHERE chain = 'CHAIN' AND seq = 4`},
	},
	{
		"the last is cut off and the head moved to match",
		"chain CHAIN: its head, record 3, is not signed under this root secret: any record up to it may have " +
			"been altered", 0,
		[]string{
			`DELETE FROM audit_events WHERE chain = 'CHAIN' AND seq = 4`,
			`UPDATE audit_heads SET seq = 3, hash = (SELECT e.hash FROM audit_events e WHERE e.chain = 'CHAIN'
				AND e.seq = 3),
			change_number = (SELECT e.change_number FROM audit_events e WHERE e.chain = 'CHAIN' AND e.seq = 3)
			WHERE chain = 'CHAIN'`,
			`UPDATE counters SET value = value - 1 WHERE name = 'change'`,
		},
	},
	{
		"the signature is gone",
		"chain CHAIN: its head, record 4, is not signed under this root secret: any record up to it may have " +
			"been altered", 0,
		[]string{
			`UPDATE audit_heads SET mac = NULL, mac_version = NULL WHERE chain = 'CHAIN'`,
		},
	},
	{
		"the signature is that of another chain",
		"chain CHAIN: its head, record 4, is not signed under this root secret: any record up to it may have " +
			"been altered", 0,
		[]string{
			`UPDATE audit_heads SET mac = (SELECT o.mac FROM audit_heads o WHERE o.chain = 'OTHER')
				WHERE chain = 'CHAIN'`,
		},
	},
	{
		"the version of the signature is unknown",
		"chain CHAIN: its head, record 4, is not signed under this root secret: any record up to it may have " +
			"been altered", 0,
		[]string{
			`UPDATE audit_heads SET mac_version = 2 WHERE chain = 'CHAIN'`,
		},
	},
	{"the last is moved to a later change", "chain CHAIN: it ends at record 4, and its head is record 4", 4, []string{
		`UPDATE audit_events SET change_number = 999 WHERE chain = 'CHAIN' AND seq = 4`,
	}},
	{
		"a whole chain is gone and the rest renumbered",
		"chain server: its head, record 3, is not signed under this root secret: any record up to it may have " +
			"been altered", 0,
		[]string{
			`DELETE FROM audit_events WHERE chain <> 'server'`, `DELETE FROM audit_heads WHERE chain <> 'server'`,
			`UPDATE audit_events SET change_number = -seq`, `UPDATE audit_events SET change_number = seq`,
			`UPDATE audit_heads SET change_number = seq`,
			`UPDATE counters SET value = (SELECT seq FROM audit_heads) WHERE name = 'change'`,
		},
	},
	{
		"the records are gone", "chain CHAIN: it ends at record 0, and its head is record 4", 0,
		[]string{`DELETE FROM audit_events WHERE chain = 'CHAIN'`},
	},
	{
		"the head is gone", "chain CHAIN: its head is missing", 4,
		[]string{`DELETE FROM audit_heads WHERE chain = 'CHAIN'`},
	},
	{
		"the head is another", "chain CHAIN: it ends at record 4, and its head is record 4", 4,
		[]string{`UPDATE audit_heads SET hash = (SELECT e.hash FROM audit_events e WHERE e.chain = 'OTHER'
			AND e.seq = 1) WHERE chain = 'CHAIN'`},
	},
	{
		"one is moved to another chain", "chain OTHER: record 9 is of chain CHAIN", 1,
		[]string{`UPDATE audit_events SET chain = 'OTHER', seq = 9 WHERE chain = 'CHAIN' AND seq = 4`},
	},
}

func damageIsFound(fx *fixture) {
	account, _ := fx.account()
	t := fx.tenant(account.ID, nil)
	for range 3 {
		fx.application(t)
	}
	fx.must(fx.write(func(context.Context, *store.Tx) (audit.Event, error) {
		return event(audit.ActionNoticeRetry), nil
	}))
	name := strings.NewReplacer("CHAIN", string(t.ID), "OTHER", string(account.ID), "CHANGES", fmt.Sprint(fx.changes()),
		"LESS", fmt.Sprint(fx.changes()-1))
	if f := fx.verifyTrail(); f.Damage != nil || f.Chains != 3 || f.Records != fx.changes() {
		fx.Fatalf("nothing was done yet: %+v, %v", f, f.Damage)
	}
	for _, d := range damages {
		for _, table := range []string{"audit_events", "audit_heads"} {
			fx.exec(`CREATE TABLE kept_` + table + ` AS SELECT * FROM ` + table)
		}
		for _, s := range d.statements {
			fx.exec(name.Replace(s))
		}
		if f, want := fx.verifyTrail(), name.Replace(d.found); f.Damage == nil || f.Damage.What != want ||
			f.Damage.After != d.after {
			fx.Errorf("%s: found %+v, want %q after %d", d.name, f.Damage, want, d.after)
		}
		for _, table := range []string{"audit_events", "audit_heads"} {
			fx.exec(`DELETE FROM ` + table)
			fx.exec(`INSERT INTO ` + table + ` SELECT * FROM kept_` + table)
			fx.exec(`DROP TABLE kept_` + table)
		}
	}
}

// If someone rewrote a chain in the database, including its hashes, the ledger must not sign it
// when it grows.
func anAlteredChainIsNotSigned(fx *fixture) {
	account, _ := fx.account()
	fx.tenant(account.ID, nil)
	fx.exec(`UPDATE audit_heads SET hash = (SELECT e.hash FROM audit_events e WHERE e.chain <> audit_heads.chain
		LIMIT 1) WHERE chain = '` + string(account.ID) + `'`)
	fx.exec(`UPDATE audit_events SET hash = (SELECT o.hash FROM audit_heads o WHERE o.chain = audit_events.chain)
		WHERE chain = '` + string(account.ID) +
		`' AND seq = (SELECT o.seq FROM audit_heads o WHERE o.chain = audit_events.chain)`)
	for range 2 {
		fx.must(fx.write(func(context.Context, *store.Tx) (audit.Event, error) {
			e := event(audit.ActionPolicyEdit)
			e.Account = account.ID
			return e, nil
		}))
	}
	heads, err := fx.store.Chains(fx.Context())
	fx.must(err)
	head := heads[string(account.ID)]
	if head.Unproven != head.Seq-1 || !fx.store.AuditKey().Signed(string(account.ID), head) {
		fx.Errorf("the head is %+v: it must say that the record before it was added to a head that was not signed",
			head)
	}
}

func theTrailMustHaveBegunAsItWas(fx *fixture) {
	account, _ := fx.account()
	before, err := fx.store.AuditState(fx.Context())
	fx.must(err)
	t := fx.tenant(account.ID, nil)
	fx.application(t)
	now := fx.verifyTrail().State
	if state, err := fx.store.AuditState(fx.Context()); err != nil || state != now || now == before {
		fx.Errorf("the heads are %s, and the records are %s: %v", state, now, err)
	}
	wrong := before
	wrong.Sum[0]++
	later := now
	later.Change++
	for what, since := range map[string]struct {
		audit.State
		whole bool
	}{
		"the state before": {before, true}, "the state now": {now, true}, "another state": {wrong, false},
		"a state to come": {later, false},
	} {
		read, err := audit.ParseState(since.String())
		fx.must(err)
		f, err := audit.Verify(fx.Context(), fx.store, read)
		fx.must(err)
		if (f.Damage == nil) != since.whole {
			fx.Errorf("since %s: %v", what, f.Damage)
		}
	}
}

// A database from before schema 11 has no signatures. They are made once, for the heads that exist.
func chainsAreSignedOnce(fx *fixture) {
	_, err := fx.store.AdoptRoot(fx.Context(), testRoot)
	fx.must(err)
	account, _ := fx.account()
	unsign := func() {
		fx.exec(`UPDATE audit_heads SET mac = NULL, mac_version = NULL, change_number = NULL, unproven = NULL`)
	}
	unsign()
	fx.exec(`DELETE FROM server_settings WHERE name = 'audit_signed'`)
	changes := fx.changes()
	for range 2 {
		_, err := fx.store.AdoptRoot(fx.Context(), testRoot)
		fx.must(err)
	}
	if f := fx.verifyTrail(); f.Damage != nil || fx.changes() != changes+1 {
		fx.Errorf("%v, after %d changes more", f.Damage, fx.changes()-changes)
	}
	unsign()
	_, err = fx.store.AdoptRoot(fx.Context(), testRoot)
	fx.must(err)
	if f := fx.verifyTrail(); f.Damage == nil {
		fx.Errorf("signatures that somebody removed were made anew, also that of %s", account.ID)
	}
}

func (fx *fixture) verifyTrail() audit.Finding {
	fx.Helper()
	f, err := audit.Verify(fx.Context(), fx.store, audit.State{})
	fx.must(err)
	return f
}

func aLongChainIsFollowed(fx *fixture) {
	const records = 2100 // a page holds 1000
	var head audit.Head
	fx.exec(`DELETE FROM audit_heads`)
	for n := range records {
		e := event(audit.ActionNoticeRetry)
		e.ID, e.At = ident.EventID(fmt.Sprint("evt_", n)), fx.clock.Now()
		r := head.Append(e)
		r.Change = r.Seq
		head = fx.store.AuditKey().NextHead(head, r)
		fx.exec(`INSERT INTO audit_events (chain, seq, prev_hash, hash, id, change_number, stale, at, actor_type,
			actor_id, actor_email, action, target_type, target_id, target_name, ip, request_id, details, effects)
			VALUES ('server', $1, $2, $3, $4, $1, '{}', $5, 'operator', '', '', 'notice.retry', 'test', '', '', '', '',
			'null', '[]')`, r.Seq, r.PrevHash[:], r.Hash[:], string(e.ID), e.At.UnixMicro())
	}
	fx.exec(`INSERT INTO audit_heads (chain, seq, hash, change_number, unproven, mac, mac_version)
		VALUES ('server', $1, $2, $1, 0, $3, $4)`,
		head.Seq, head.Hash[:], head.MAC.Sum[:], head.MAC.Version)
	fx.exec(`UPDATE counters SET value = $1 WHERE name = 'change'`, head.Seq)
	if f := fx.verifyTrail(); f.Damage != nil || f.Records != records {
		fx.Errorf("%+v, %v", f, f.Damage)
	}
}
