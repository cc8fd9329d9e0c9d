package serverkey_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/serverkey"
	"github.com/claviger-dev/claviger/internal/tenancy"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// rewrap wraps everything anew, and has it put on record.
func rewrap(t *testing.T, h *testkit.Server) {
	t.Helper()
	h.Clock.Move(time.Minute)
	if err := h.ServerKeys.RunOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// left returns what is left under the live versions, as "digest 1: 3", without those that have
// nothing.
func left(t *testing.T, h *testkit.Server) string {
	t.Helper()
	states, err := h.ServerKeys.Status(t.Context(), principal.Operator())
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, s := range states {
		if s.Remaining > 0 {
			lines = append(lines, fmt.Sprintf("%s %d: %d", s.Purpose, s.Number, s.Remaining))
		}
	}
	return strings.Join(lines, ", ")
}

// onServerChain returns the actions on the server's own audit chain that are about its keys.
func onServerChain(t *testing.T, h *testkit.Server) (actions []string) {
	t.Helper()
	for _, r := range testkit.ChainRecords(t, h, audit.ServerChain, "rootkey.") {
		actions = append(actions, strings.TrimPrefix(string(r.Action), "rootkey."))
	}
	return actions
}

// belongings are what somebody has that depends on the server's keys.
type belongings struct {
	t      *testing.T
	h      *testkit.Server
	person principal.Person
	owner  *client.Client
	tenant tenancy.Tenant
	// keys that are good; the last two are secrets of one key.
	keys   []api.IssuedKey
	cursor *string
	// token of a key that waits for its owner.
	token string
	admin *client.Client
}

func settleDown(t *testing.T, h *testkit.Server, p policy.Preset) *belongings {
	t.Helper()
	b := &belongings{t: t, h: h, tenant: testkit.RecoverableTenant(t, h, p)}
	b.person = h.Member(b.tenant, "Key Owner", scope.Member)
	b.owner, b.admin = h.As(b.person), h.As(h.Member(b.tenant, "Tenant Admin", scope.Admin))
	k := h.Key(b.owner, b.tenant, "applications:read")
	old := h.Key(b.owner, b.tenant, "applications:read")
	b.keys = []api.IssuedKey{
		k, old,
		testkit.RefreshKey(t, b.owner, b.tenant, old, api.RefreshKeyRequest{OverlapSeconds: 604800}),
	}
	_, b.token = testkit.KeyByLink(t, b.admin, b.tenant, b.person, nil)
	b.turnPage(nil)
	return b
}

// turnPage reads the page that the cursor gives, and keeps the cursor of the next one.
func (b *belongings) turnPage(cursor *string) {
	b.t.Helper()
	page := client.Page{Limit: 1}
	if cursor != nil {
		page.Cursor = *cursor
	}
	list, err := b.owner.Keys(b.t.Context(), string(b.tenant.ID), client.KeyFilter{}, page)
	if err != nil || len(list.Items) != 1 {
		b.t.Errorf("a page has %d items, %v", len(list.Items), err)
	}
	b.cursor = list.NextCursor
}

// work demands that all of it is as good as it was.
func (b *belongings) work(when string, code func(api.IssuedKey) api.Code) {
	b.t.Helper()
	for i, k := range b.keys {
		if got := code(k); got != api.OK {
			b.t.Errorf("%s: key %d is %s", when, i, got)
		}
	}
	if got := testkit.RevealCode(b.t, b.owner, b.tenant, b.keys[2]); got != "" && got != api.SignInAgain {
		b.t.Errorf("%s: reveal is %s", when, got)
	}
	if got := testkit.RevealCode(b.t, b.h.As(b.person), b.tenant, b.keys[0]); got != "" {
		b.t.Errorf("%s: reveal after a new sign-in is %s", when, got)
	}
}

func TestWhatWasIssuedWorksThroughRotationsOfTheServerKeys(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	code := testkit.VerifyCode(t, h)
	var all []*belongings
	for _, p := range testkit.Presets {
		all = append(all, settleDown(t, h, p))
	}
	work := func(when string) {
		t.Helper()
		for _, b := range all {
			b.work(when, code)
		}
	}
	work("before")
	for _, set := range []serverkey.Set{serverkey.Seals, serverkey.Tags} {
		if _, err := h.ServerKeys.Rotate(t.Context(), principal.Operator(), set); err != nil {
			t.Fatal(err)
		}
	}
	work("on record")
	h.Clock.Move(2 * time.Minute)
	work("in use")
	for _, b := range all { // under the new version: another id, another secret of an old id
		fresh := testkit.RefreshKey(t, b.owner, b.tenant, b.keys[0], api.RefreshKeyRequest{KeepID: new(false)})
		if got := code(b.keys[0]); got != api.APIKeyInvalid {
			t.Errorf("a refreshed secret is %s", got)
		}
		b.keys[0] = fresh
		b.keys = append(b.keys, h.Key(b.owner, b.tenant, "applications:read"))
		b.turnPage(b.cursor)
	}
	rewrap(t, h)
	work("wrapped anew")
	for _, purpose := range []string{"digest", "copy"} {
		if n := testkit.QueryInt(t, h, `SELECT COUNT(*) FROM key_secrets WHERE `+purpose+`_version < 2`); n != 0 {
			t.Errorf("%d rows have a %s under the old version", n, purpose)
		}
	}
	h.Restart() // with nothing in memory
	for _, b := range all {
		b.owner = h.As(b.person)
	}
	code = testkit.VerifyCode(t, h)
	work("restarted")
	for _, b := range all {
		b.turnPage(b.cursor)
		claimed, err := b.owner.ClaimKey(t.Context(), b.token)
		if err != nil {
			t.Fatal(err)
		}
		b.keys = append(b.keys, claimed)
	}
	work("claimed")
	if got := strings.Join(onServerChain(t, h), " "); got != "rotate rotate rewrap" {
		t.Errorf("on record are %s", got)
	}
}

func TestAVersionOfServerKeysRetiresOnceNothingIsLeftUnderIt(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := testkit.RecoverableTenant(t, h, policy.Blancco)
	person := h.Member(tenant, "Key Owner", scope.Member)
	owner := h.As(person)
	k, other := h.Key(owner, tenant), h.Key(owner, tenant)
	refused := func(set serverkey.Set, number int, want ...string) {
		t.Helper()
		err := h.ServerKeys.Retire(t.Context(), principal.Operator(), set, number)
		for _, text := range want {
			if err == nil || !strings.Contains(err.Error(), text) {
				t.Errorf("retiring %s %d: %v, want %q", set, number, err, text)
			}
		}
	}
	retired := func(set serverkey.Set, number int) {
		t.Helper()
		if err := h.ServerKeys.Retire(t.Context(), principal.Operator(), set, number); err != nil {
			t.Error(err)
		}
	}
	refused(serverkey.Seals, 1, "newest")
	refused(serverkey.Seals, 7, "There is no version")
	testkit.RotateServerKey(t, h, serverkey.Seals)
	refused(serverkey.Seals, 1, "may be in use until")
	testkit.RotateServerKey(t, h, serverkey.Tags)
	h.Clock.Move(time.Minute)
	if got, want := left(t, h), "copy 1: 2, digest 1: 2, session 1: 1, tag 1: 2"; got != want {
		t.Errorf("left are %s, want %s", got, want)
	}
	refused(serverkey.Seals, 1, "2 digests", "2 copies of secrets", "1 sign-ins and links", "access tokens until")
	refused(serverkey.Tags, 1, "2 ids")
	rewrap(t, h)
	refused(serverkey.Seals, 1, "still needed by 1 sign-ins")
	h.Clock.Move(8 * policy.Day)
	retired(serverkey.Seals, 1)
	refused(serverkey.Seals, 1, "There is no version")
	owner = h.As(person)
	if got := testkit.RevealCode(t, owner, tenant, k); got != "" {
		t.Errorf("reveal: %q", got)
	}

	k = testkit.RefreshKey(t, owner, tenant, k, api.RefreshKeyRequest{OverlapSeconds: 60}) // a uuid is another id
	refused(serverkey.Tags, 1, "2 ids")
	h.Clock.Move(time.Minute + 30*policy.Day)
	refused(serverkey.Tags, 1, "1 ids") // the one before is forgotten
	if err := h.As(person).DeleteKey(t.Context(), string(tenant.ID), other.Key.ID); err != nil {
		t.Fatal(err)
	}
	retired(serverkey.Tags, 1)
	if got := left(t, h); got != "copy 2: 1, digest 2: 2, session 2: 2, tag 2: 1" &&
		got != "copy 2: 1, digest 2: 2, session 2: 1, tag 2: 1" {
		t.Errorf("left are %s", got)
	}
	h.Restart()
	if got := testkit.VerifyCode(t, h)(k); got != api.OK {
		t.Errorf("after a restart the key is %s", got)
	}
	if got := strings.Join(onServerChain(t, h), " "); got != "rotate rotate rewrap retire retire" {
		t.Errorf("on record are %s", got)
	}
}

func TestACursorUnderARetiredVersionIsRefusedCleanly(t *testing.T) {
	h := testkit.Start(t, testkit.SQLite)
	b := settleDown(t, h, policy.Standard)
	testkit.RotateServerKey(t, h, serverkey.Seals)
	rewrap(t, h)
	h.Clock.Move(8 * policy.Day)
	if err := h.ServerKeys.Retire(t.Context(), principal.Operator(), serverkey.Seals, 1); err != nil {
		t.Fatal(err)
	}
	_, err := h.As(b.person).Keys(t.Context(), string(b.tenant.ID), client.KeyFilter{},
		client.Page{Limit: 1, Cursor: *b.cursor})
	if got := testkit.FieldErrors(t, err); got != "cursor invalid" {
		t.Errorf("%s", got)
	}
}

func TestOnlyTheOperatorRotatesServerKeysOneRotationAtATime(t *testing.T) {
	h := testkit.Start(t, testkit.Postgres)
	for _, who := range []principal.Principal{
		{},
		principal.System(),
		principal.OfSession(&principal.Session{User: h.Owner}),
	} {
		_, rotating := h.ServerKeys.Rotate(t.Context(), who, serverkey.Seals)
		_, asking := h.ServerKeys.Status(t.Context(), who)
		for _, err := range []error{rotating, asking, h.ServerKeys.Retire(t.Context(), who, serverkey.Seals, 1)} {
			if err == nil || !strings.Contains(err.Error(), "operator") {
				t.Errorf("%s: %v", who.Kind(), err)
			}
		}
	}
	v, err := h.ServerKeys.Rotate(t.Context(), principal.Operator(), serverkey.Seals)
	if err != nil || v.Number != 2 || v.From.Sub(h.Clock.Now()) < time.Minute {
		t.Errorf("rotated to %+v, %v", v, err)
	}
	if _, err := h.ServerKeys.Rotate(t.Context(), principal.Operator(), serverkey.Seals); err == nil ||
		!strings.Contains(err.Error(), "is not in use before") {
		t.Errorf("before that one is used: %v", err)
	}
}

// stopping is a store in which so many batches are re-encrypted, and then the process is gone.
type stopping struct {
	serverkey.Store
	batches int
}

var errGone = errors.New("gone")

func (s *stopping) Reencrypt(ctx context.Context, purpose credential.Purpose, batch []serverkey.Reencrypted) error {
	if s.batches == 0 {
		return errGone
	}
	s.batches--
	return s.Store.Reencrypt(ctx, purpose, batch)
}

func TestWrappingAnewGoesOnWhereItStopped(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := testkit.RecoverableTenant(t, h, policy.Standard)
	owner := h.As(h.Member(tenant, "Key Owner", scope.Member))
	var keys []api.IssuedKey
	for range 120 {
		keys = append(keys, h.Key(owner, tenant, "applications:read"))
	}
	testkit.RotateServerKey(t, h, serverkey.Seals)
	own := h.ServerKeys
	cut := &serverkey.Service{Ledger: own.Ledger, Store: &stopping{own.Store, 1}, Keyring: own.Keyring, Now: own.Now}
	if err := cut.RunOnce(t.Context()); !errors.Is(err, errGone) {
		t.Fatal(err)
	}
	if got := left(t, h); !strings.HasPrefix(got, "copy 1: 120, digest 1: 20, digest 2: 100") {
		t.Errorf("left are %s", got)
	}
	h.Restart()
	rewrap(t, h)
	if got := left(t, h); !strings.HasPrefix(got, "copy 2: 120, digest 2: 120") {
		t.Errorf("left are %s", got)
	}
	code := testkit.VerifyCode(t, h)
	for _, k := range keys {
		if got := code(k); got != api.OK {
			t.Fatalf("a key is %s", got)
		}
	}
}

// A text that does not open, as one that was moved, stays where it is: it is reported once, and the
// version cannot be retired.
func TestATextThatDoesNotOpenKeepsItsVersionAlive(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := testkit.RecoverableTenant(t, h, policy.Standard)
	owner := h.As(h.Member(tenant, "Key Owner", scope.Member))
	k, other := h.Key(owner, tenant, "applications:read"), h.Key(owner, tenant, "applications:read")
	testkit.Exec(t, h,
		`UPDATE key_secrets SET digest = (SELECT digest FROM key_secrets WHERE key_id = $1) WHERE key_id = $2`,
		other.Key.ID, k.Key.ID)
	testkit.RotateServerKey(t, h, serverkey.Seals)
	h.Clock.Move(time.Minute)
	if err := h.ServerKeys.RunOnce(t.Context()); err == nil || !strings.Contains(err.Error(), "1 encrypted texts") {
		t.Errorf("the first pass: %v", err)
	}
	if err := h.ServerKeys.RunOnce(t.Context()); err != nil {
		t.Errorf("the next: %v", err)
	}
	if got := left(t, h); !strings.HasPrefix(got, "copy 2: 2, digest 1: 1, digest 2: 1") {
		t.Errorf("left are %s", got)
	}
	if got := testkit.VerifyCode(t, h)(other); got != api.OK {
		t.Errorf("the other key is %s", got)
	}
}

// While keys are verified, made, refreshed and revoked, versions come and texts are re-encrypted:
// every decision is right all the time.
func TestEveryDecisionIsRightWhileServerKeysRotate(t *testing.T) {
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		h := testkit.Start(t, e)
		tenant := testkit.RecoverableTenant(t, h, policy.Blancco)
		person := h.Member(tenant, "Key Owner", scope.Member)
		stop := make(chan struct{})
		var busy sync.WaitGroup
		keep := func(turn func() error) {
			busy.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					if err := turn(); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		works := func(k api.IssuedKey) error {
			_, err := h.Anyone().WithHeader("X-BLANCCO-API-KEY", k.Credential.Value).Whoami(t.Context())
			return err
		}
		warm, owner := h.Key(h.As(person), tenant), h.As(person)
		keep(func() error { return works(warm) })
		for range 2 {
			kept := h.Key(owner, tenant)
			keep(func() error {
				k, err := owner.CreateKey(t.Context(), string(tenant.ID), api.CreateKeyRequest{Name: "Test key"})
				if err == nil {
					err = works(k)
				}
				if err == nil {
					err = owner.DeleteKey(t.Context(), string(tenant.ID), k.Key.ID)
				}
				if err == nil && testkit.Code(t, works(k)) != api.APIKeyInvalid {
					err = errors.New("a deleted key works")
				}
				return err
			})
			keep(func() error {
				old := kept
				var err error
				kept, err = owner.RefreshKey(t.Context(), string(tenant.ID), old.Key.ID, api.RefreshKeyRequest{})
				if err != nil {
					return err
				}
				if testkit.Code(t, works(old)) != api.APIKeyInvalid {
					return errors.New("a refreshed secret works")
				}
				return works(kept)
			})
		}
		const rounds = 4
		for range rounds {
			testkit.RotateServerKey(t, h, serverkey.Seals)
			testkit.RotateServerKey(t, h, serverkey.Tags)
			rewrap(t, h)
		}
		close(stop)
		busy.Wait()
		h.Clock.Move(time.Hour)
		rewrap(t, h) // what was sealed before a rotation and written after it, while the clock leapt
		if n := testkit.QueryInt(t, h,
			`SELECT COUNT(*) FROM key_secrets WHERE digest_version < $1 OR copy_version < $1`,
			rounds+1); n != 0 {
			t.Errorf("%d rows are under old versions", n)
		}
	})
}

func TestTheOperatorRotatesServerKeysByTheSocket(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	operator := h.Operator()
	const path = "/operator/v1/rootkey"
	ask := func(method, path string, body, answer any) error {
		return operator.Do(t.Context(), method, path, body, answer)
	}
	status := func() (lines []string) {
		t.Helper()
		var all api.List[api.ServerKey]
		testkit.ExpectCode(t, "status", ask(http.MethodGet, path, nil, &all), "")
		for _, k := range all.Items {
			lines = append(lines, fmt.Sprintf("%s %d %t %t", k.Key, k.Version, k.Current, k.RewrappedAt != nil))
		}
		return lines
	}
	for _, tag := range []bool{false, true} {
		var made api.RotateKeysResponse
		testkit.ExpectCode(t, "rotate", ask(http.MethodPost, path+"/rotate", api.RotateKeysRequest{Tag: tag}, &made),
			"")
		if made.Version != 2 || made.UsedFrom.Before(h.Clock.Now().Add(-time.Minute)) {
			t.Errorf("made %+v", made)
		}
	}
	h.Clock.Move(2 * time.Minute)
	rewrap(t, h)
	want := []string{
		"copy 1 false true", "copy 2 true false", "cursor 1 false false", "cursor 2 true false", "digest 1 false true",
		"digest 2 true false", "management_digest 1 false true", "management_digest 2 true false",
		"management_tag 1 false false", "management_tag 2 true false",
		"session 1 false false", "session 2 true false", "tag 1 false false", "tag 2 true false",
	}
	if got := status(); !slices.Equal(got, want) {
		t.Errorf("the keys are %q", got)
	}
	h.As(h.Owner)
	testkit.ExpectCode(t, "the newest", ask(http.MethodPost, path+"/retire", api.RetireKeysRequest{Version: 2}, nil),
		api.Conflict)
	testkit.ExpectCode(t, "none", ask(http.MethodPost, path+"/retire", api.RetireKeysRequest{}, nil), api.NotFound)
	testkit.ExpectCode(t, "too early", ask(http.MethodPost, path+"/retire", api.RetireKeysRequest{Version: 1}, nil),
		api.Conflict)
	h.Clock.Move(24*time.Hour + time.Minute)
	for _, tag := range []bool{false, true} {
		testkit.ExpectCode(t, "retire",
			ask(http.MethodPost, path+"/retire", api.RetireKeysRequest{Version: 1, Tag: tag}, nil), "")
	}
	if got := status(); !slices.Equal(got,
		slices.DeleteFunc(want, func(line string) bool { return strings.Contains(line, " 1 false ") })) {
		t.Errorf("the keys that are left are %q", got)
	}
}
