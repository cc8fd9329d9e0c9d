package app_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/notice"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/tenancy"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// postbox is a House whose mail becomes files, with a tenant and somebody in it.
type postbox struct {
	*testing.T
	*testkit.House
	tenant tenancy.Tenant
	person principal.Person
	seen   map[string]bool
}

func newPostbox(t *testing.T, e testkit.Engine) *postbox {
	t.Helper()
	return postboxOf(t, testkit.Start(t, e))
}

func postboxOf(t *testing.T, h *testkit.House) *postbox {
	t.Helper()
	p := &postbox{T: t, House: h, seen: map[string]bool{}}
	p.tenant = h.Tenant("Main", nil)
	p.person = h.Member(p.tenant, "Key Owner", scope.Member)
	return p
}

// owner signs the person in, since time moves on.
func (p *postbox) owner() *client.Client {
	p.Helper()
	return p.As(p.person)
}

// must be no error.
func (p *postbox) must(err error) {
	p.Helper()
	succeed(p.T, err)
}

// pass plans and sends once, and gives the subjects of what is new in the directory, sorted.
func (p *postbox) pass() []string {
	p.Helper()
	p.must(p.Notices.Plan(p.Context()))
	p.must(p.Notices.Send(p.Context()))
	subjects := []string{}
	for name, m := range p.mails() {
		if !p.seen[name] {
			p.seen[name] = true
			subjects = append(subjects, header(p.T, m, "Subject"))
		}
	}
	slices.Sort(subjects)
	return subjects
}

// mails gives the files in the directory.
func (p *postbox) mails() map[string]string {
	p.Helper()
	all := map[string]string{}
	dir := p.File("mail")
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return all
	}
	p.must(err)
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".eml") { // and not one that is being written
			content, err := os.ReadFile(filepath.Join(dir, e.Name()))
			p.must(err)
			all[e.Name()] = string(content)
		}
	}
	return all
}

// expect demands that a pass sends just these.
func (p *postbox) expect(when string, want ...string) {
	p.Helper()
	slices.Sort(want)
	if diff := cmp.Diff(append([]string{}, want...), p.pass()); diff != "" {
		p.Errorf("%s (- wanted, + sent):\n%s", when, diff)
	}
}

func (p *postbox) key(name string, expires time.Duration) api.IssuedKey {
	p.Helper()
	n := api.NewKey{Name: name, Scopes: []string{"applications:read"}, AllApplications: true}
	if expires != 0 {
		at := p.Clock.Now().Add(expires)
		n.ExpiresAt = &at
	}
	k, err := p.owner().CreateKey(p.Context(), string(p.tenant.ID), n)
	p.must(err)
	return k
}

func TestTheOwnerIsToldThirtySevenAndOneDayBeforeAKeyExpiresAndWhenItHas(t *testing.T) {
	t.Parallel()
	p := newPostbox(t, testkit.SQLite)
	p.expect("first of all")
	p.key("Build", 80*policy.Day) // the account's policy would end it on day 90
	for _, step := range []struct {
		days float64
		want []string
	}{
		{0, nil},
		{49.9, nil},
		{0.2, []string{`Your API key "Build" expires in 30 days`}},
		{22.8, nil},
		{0.2, []string{`Your API key "Build" expires in 7 days`}},
		{0, nil},
		{5.8, nil},
		{0.2, []string{`Your API key "Build" expires within a day`}},
		{0.8, nil},
		{0.2, []string{`Your API key "Build" has expired`}},
		{400, nil},
	} {
		p.Clock.Move(time.Duration(step.days * float64(policy.Day)))
		p.expect(p.Clock.Now().String(), step.want...)
	}
}

func TestOfSeveralThresholdsThatAPolicyBringsAboutOnlyTheNearestIsTold(t *testing.T) {
	t.Parallel()
	p := newPostbox(t, testkit.SQLite)
	p.key("Old", 0)
	p.expect("made under a policy of 90 days")
	p.Clock.Move(policy.Day)
	p.expect("nothing changed")
	p.limit(5)
	p.expect("under a policy of 5 days", `Your API key "Old" expires in 5 days`)
	p.Clock.Move(10 * policy.Day / 24)
	p.limit(5)
	p.expect("the same policy again")
	p.key("New", 0)
	p.expect("a key whose thresholds but one were past when it was made")
	p.Clock.Move(90 * time.Hour)
	p.expect("the last day", `Your API key "Old" expires within a day`)
	p.Clock.Move(policy.Day)
	p.expect("the end, and the last day of the other", `Your API key "Old" has expired`, `Your API key "New" expires within a day`)
}

// limit lets no key of the account live longer than so many days.
func (p *postbox) limit(days int) {
	p.Helper()
	_, err := p.As(p.Owner).EditPolicy(p.Context(), string(p.Account.ID), api.PolicyPatch{MaxLifetimeDays: api.To(days)})
	p.must(err)
}

func TestAnExpiryThatAnEditBringsNearIsToldAtOnce(t *testing.T) {
	t.Parallel()
	p := newPostbox(t, testkit.SQLite)
	k := p.key("Edited", 0)
	p.Clock.Move(policy.Day)
	_, err := p.owner().EditKey(p.Context(), string(p.tenant.ID), k.Key.ID, api.KeyEdit{ExpiresAt: api.To(p.Clock.Now().Add(6 * policy.Day))})
	p.must(err)
	p.expect("an edit", `Your API key "Edited" expires in 6 days`)
}

func TestPeopleAreToldWhatIsDoneToTheirKeysByWhom(t *testing.T) {
	t.Parallel()
	p := newPostbox(t, testkit.SQLite)
	boss := p.Member(p.tenant, "The Boss", scope.Admin)
	admin, tenant := p.As(boss), string(p.tenant.ID)
	own := p.key("Own", 0)
	p.expect("a key of one's own")
	me, err := p.owner().Me(p.Context())
	p.must(err)
	given, err := admin.CreateKey(p.Context(), tenant, api.NewKey{Name: "Given", Scopes: []string{"applications:read"}, AllApplications: true, OwnerID: me.ID})
	p.must(err)
	p.expect("a key by another", `An API key was made for you: "Given"`)
	_, err = p.owner().RefreshKey(p.Context(), tenant, own.Key.ID, api.Refresh{})
	p.must(err)
	p.expect("a refresh", `Your API key "Own" has a new secret`)
	for range 2 { // the second time there is nothing to do
		_, err = admin.RevokeKey(p.Context(), tenant, given.Key.ID, "No longer <needed>\r\nBcc: eve@example.com")
		p.must(err)
	}
	p.expect("a revocation", `Your API key "Given" was revoked`)
	for _, by := range []*client.Client{p.owner(), admin, admin} { // the last time there is nothing to do
		_, err = by.DisableKey(p.Context(), tenant, own.Key.ID)
		p.must(err)
	}
	p.expect("a key that its owner and then an admin disabled", `Your API key "Own" was disabled`)
	p.must(admin.DeleteKey(p.Context(), tenant, given.Key.ID))
	p.expect("a deletion of what was revoked")
	p.must(admin.RemoveMember(p.Context(), tenant, me.ID))
	p.expect("a membership that ends with a key", `You left "Main", and your API keys with you`)
	for _, m := range p.mails() {
		if to := header(p.T, m, "To"); to != "<"+p.person.Email+">" || header(p.T, m, "Bcc") != "" {
			t.Errorf("a notice for %s went to %s", p.person.Email, to)
		}
		for _, secret := range []string{*own.Credential.Secret, *given.Credential.Secret} {
			if strings.Contains(m, secret) {
				t.Error("a notice holds a secret")
			}
		}
	}
}

func TestTheOwnerIsToldOfEachTimeThatASecretIsShownAgainAndFromWhere(t *testing.T) {
	t.Parallel()
	p := newPostbox(t, testkit.SQLite)
	disclose(t, p.House, p.tenant, policy.Recoverable)
	k, other := p.key("Shown", 0), p.As(p.Member(p.tenant, "Tenant Admin", scope.Admin))
	if got := revealed(t, other, p.tenant, k); got != api.Forbidden {
		t.Errorf("to somebody else: %q", got)
	}
	p.expect("refused")
	for range 2 {
		if got := revealed(t, p.owner(), p.tenant, k); got != "" {
			t.Errorf("to its owner: %q", got)
		}
		p.expect("shown", `The secret of your API key "Shown" was shown again`)
		p.Clock.Move(time.Minute)
	}
	for _, m := range p.mails() {
		if !strings.Contains(m, "Address: 127.0.0.1") || strings.Contains(m, *k.Credential.Secret) {
			t.Errorf("it says\n%s", m)
		}
	}
}

func TestASignInFromAnAddressOrADeviceThatIsNotKnownIsTold(t *testing.T) {
	t.Parallel()
	p := newPostbox(t, testkit.SQLite)
	signIn := func(agent string) {
		p.Helper()
		_, _, err := p.Anyone().WithHeader("User-Agent", agent).SignIn(p.Context(), p.person.Email, testkit.Password)
		p.must(err)
	}
	p.owner()
	p.expect("the first of all")
	for _, step := range []struct {
		agent string
		pause time.Duration
		want  []string
	}{
		{"Browser/1.0 (X11)", 0, []string{"New sign-in to Claviger"}},
		{"Browser/1.0 (X11)", 20 * policy.Day, nil},
		{"Browser/22.4.1 (X11)", 20 * policy.Day, nil},
		{"Other/1.0 (Phone)", 20 * policy.Day, []string{"New sign-in to Claviger"}},
		{"Browser/23.0 (X11)", 80 * policy.Day, []string{"New sign-in to Claviger"}},
		{"Other/1.0 (Phone)", 5 * policy.Day, nil},
	} {
		p.Clock.Move(step.pause)
		signIn(step.agent)
		p.expect(step.agent, step.want...)
	}
	p.Clock.Move(91 * policy.Day)
	signIn("Browser/1.0 (X11)")
	p.expect("the first of all that are remembered")
}

func TestAChangeThatIsRefusedTellsNobody(t *testing.T) {
	t.Parallel()
	p := newPostbox(t, testkit.SQLite)
	k, other := p.key("Kept", 0), p.As(p.Member(p.tenant, "Somebody else", scope.Member))
	_, err := other.RevokeKey(p.Context(), string(p.tenant.ID), k.Key.ID, "")
	if code := testkit.Code(t, err); code != api.Forbidden {
		t.Errorf("somebody else revokes a key: %s", code)
	}
	list, err := p.Notices.List(p.Context(), "", 10)
	if err != nil || len(list) != 0 {
		t.Errorf("planned nevertheless: %v, %v", list, err)
	}
}

func TestWhoeverDoesNotWantANoticeGetsNoneButThoseOfExpiriesTheyGet(t *testing.T) {
	t.Parallel()
	p := newPostbox(t, testkit.SQLite)
	me, err := p.owner().Me(p.Context())
	p.must(err)
	all := api.Notices{KeyExpiring: true, KeyExpired: true, KeyIdle: true, KeyCreated: true, KeyRefreshed: true, KeyRevealed: true, KeyDisabled: true, KeyRevoked: true, NewSignIn: true}
	if me.Notices != all {
		t.Errorf("by default people get %+v", me.Notices)
	}
	change := func(n api.NoticesPatch) (api.Notices, error) {
		me, err := p.owner().ChangeMe(p.Context(), api.MeChange{Notices: &n})
		return me.Notices, err
	}
	for name, n := range map[string]api.NoticesPatch{
		"notices.key_expiring": {KeyExpiring: api.To(false), KeyRevoked: api.To(false)}, "notices.key_expired": {KeyExpired: api.To(false)},
		"notices.key_idle":     {KeyIdle: api.To(false)},
		"notices.key_revealed": {KeyRevealed: api.To(false)},
	} {
		_, err := change(n)
		problem, ok := errors.AsType[*api.Problem](err)
		if !ok || problem.Code != api.ValidationFailed || len(problem.Errors) != 1 || problem.Errors[0].Field != name || problem.Errors[0].Code != "always_on" {
			t.Errorf("%s off: %v", name, err)
		}
	}
	less := all
	less.KeyRevoked, less.NewSignIn = false, false
	if got, err := change(api.NoticesPatch{KeyRevoked: api.To(false), NewSignIn: api.To(false), KeyExpired: api.To(true)}); err != nil || got != less {
		t.Errorf("without two it is %+v, %v", got, err)
	}
	k := p.key("Quiet", 0)
	_, err = p.owner().RevokeKey(p.Context(), string(p.tenant.ID), k.Key.ID, "")
	p.must(err)
	p.expect("a notice that is not wanted")
	less.NewSignIn = true
	if got, err := change(api.NoticesPatch{NewSignIn: api.Cleared[bool]()}); err != nil || got != less {
		t.Errorf("with the default again it is %+v, %v", got, err)
	}
}

// newIdlePostbox is one whose tenant disables keys that are unused for so many days.
func newIdlePostbox(t *testing.T, e testkit.Engine, days int) *postbox {
	t.Helper()
	p := newPostbox(t, e)
	setPolicy(t, p.House, autoExpiry(0))
	_, err := p.As(p.Owner).EditTenant(p.Context(), string(p.tenant.ID), api.TenantPatch{Settings: &api.SettingsPatch{KeysPerUser: api.Cleared[int](), IdleDays: api.To(days)}})
	p.must(err)
	return p
}

// after lets the time pass, tends keys as the jobs do, and demands that just these are sent.
func (p *postbox) after(d time.Duration, want ...string) {
	p.Helper()
	p.Clock.Move(d)
	disableIdle(p.T, p.House)
	p.expect("after "+d.String(), want...)
}

// use lets a key ask who it is.
func (p *postbox) use(k api.IssuedKey) {
	p.Helper()
	_, err := p.With(k).Whoami(p.Context())
	p.must(err)
}

const (
	idleSubject     = `Your API key "Idle" will be disabled: nobody uses it`
	disabledSubject = `Your API key "Idle" was disabled`
)

func TestTheOwnerIsToldSevenDaysBeforeAKeyIsDisabledForIdlenessAndWhenItIs(t *testing.T) {
	t.Parallel()
	p := newIdlePostbox(t, testkit.SQLite, 30)
	k, used := p.key("Idle", 0), p.key("Used", 0)
	p.after(23 * policy.Day)
	p.use(used)
	p.after(policy.IdleMargin, idleSubject)
	p.after(policy.Day)
	p.use(k)
	p.after(22*policy.Day, `Your API key "Used" will be disabled: nobody uses it`)
	p.use(used)
	p.after(policy.Day)
	p.after(policy.IdleMargin, idleSubject)
	p.after(policy.IdleNotice - time.Second)
	p.after(time.Second, disabledSubject)
	p.after(policy.Day)
	shown := must[api.Key](t)(p.owner().Key(p.Context(), string(p.tenant.ID), used.Key.ID))
	if shown.Status != "active" {
		t.Errorf("the used key is %s", shown.Status)
	}
}

func TestWhoeverIsToldLateThatAKeyIsIdleHasSevenDaysNevertheless(t *testing.T) {
	t.Parallel()
	p := newIdlePostbox(t, testkit.SQLite, 30)
	k := p.key("Idle", 0)
	p.Clock.Move(200 * policy.Day) // in which nothing runs
	p.must(p.Keys.DisableIdle(p.Context()))
	p.after(0, idleSubject)
	for _, m := range p.mails() {
		if until := p.Clock.Now().Add(policy.IdleNotice).Format("2 January 2006, 15:04 UTC"); !strings.Contains(m, "Disabled after: "+until) {
			t.Errorf("it should be until %s:\n%s", until, m)
		}
	}
	p.after(policy.IdleNotice - time.Second)
	p.use(k)
	p.after(time.Second)
	shown := must[api.Key](t)(p.owner().Key(p.Context(), string(p.tenant.ID), k.Key.ID))
	if shown.Status != "active" {
		t.Errorf("a key that was used in time is %s", shown.Status)
	}
}

func TestAKeyThatIsUsedDailyIsIdleToNobodyHoweverFewDaysATenantAllows(t *testing.T) {
	t.Parallel()
	p := newIdlePostbox(t, testkit.SQLite, 1)
	k := p.key("Idle", 0)
	for range 3 {
		p.after(policy.Day)
		p.use(k)
	}
	p.after(policy.Day+policy.IdleMargin, idleSubject)
	p.after(policy.IdleNotice, disabledSubject)
}

func TestAKeyThatIsUsedBeforeTheNoticeGoesOutIsNotCalledIdle(t *testing.T) {
	t.Parallel()
	p := newIdlePostbox(t, testkit.SQLite, 30)
	k := p.key("Idle", 0)
	p.Clock.Move(24 * policy.Day)
	p.must(p.Notices.Plan(p.Context()))
	p.use(k)
	p.after(0)
	list, err := p.Notices.List(p.Context(), notice.Skipped, 10)
	if err != nil || len(list) != 1 || list[0].Kind != notice.KeyIdle || list[0].Reason == "" {
		t.Errorf("skipped are %+v, %v", list, err)
	}
}

func TestADisabledOwnerIsToldNothingAndTheReasonIsKept(t *testing.T) {
	t.Parallel()
	p := newPostbox(t, testkit.SQLite)
	p.key("Resting", 40*policy.Day)
	me, err := p.owner().Me(p.Context())
	p.must(err)
	_, err = p.Identity.SetDisabled(p.Context(), principal.Operator(), ident.UserID(me.ID), true)
	p.must(err)
	p.Clock.Move(11 * policy.Day)
	p.expect("a threshold of a disabled owner's key")
	list, err := p.Notices.List(p.Context(), notice.Skipped, 10)
	if err != nil || len(list) != 1 || list[0].Kind != notice.KeyExpiring || list[0].Reason == "" {
		t.Errorf("skipped are %+v, %v", list, err)
	}
}
