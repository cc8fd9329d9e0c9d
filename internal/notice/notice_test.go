package notice_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/notice"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

func TestTheOwnerIsToldThirtySevenAndOneDayBeforeAKeyExpiresAndWhenItHas(t *testing.T) {
	t.Parallel()
	p := testkit.NewMailbox(t, testkit.SQLite)
	p.ExpectSent("first of all")
	p.NewKey("Build", 80*policy.Day) // the account's policy would end it on day 90
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
		p.ExpectSent(p.Clock.Now().String(), step.want...)
	}
}

func TestOfSeveralThresholdsThatAPolicyBringsAboutOnlyTheNearestIsTold(t *testing.T) {
	t.Parallel()
	p := testkit.NewMailbox(t, testkit.SQLite)
	p.NewKey("Old", 0)
	p.ExpectSent("made under a policy of 90 days")
	p.Clock.Move(policy.Day)
	p.ExpectSent("nothing changed")
	p.LimitLifetime(5)
	p.ExpectSent("under a policy of 5 days", `Your API key "Old" expires in 5 days`)
	p.Clock.Move(10 * policy.Day / 24)
	p.LimitLifetime(5)
	p.ExpectSent("the same policy again")
	p.NewKey("New", 0)
	p.ExpectSent("a key whose thresholds but one were past when it was made")
	p.Clock.Move(90 * time.Hour)
	p.ExpectSent("the last day", `Your API key "Old" expires within a day`)
	p.Clock.Move(policy.Day)
	p.ExpectSent("the end, and the last day of the other", `Your API key "Old" has expired`,
		`Your API key "New" expires within a day`)
}

func TestAnExpiryThatAnEditBringsNearIsToldAtOnce(t *testing.T) {
	t.Parallel()
	p := testkit.NewMailbox(t, testkit.SQLite)
	k := p.NewKey("Edited", 0)
	p.Clock.Move(policy.Day)
	_, err := p.AsRecipient().EditKey(p.Context(), string(p.MainTenant.ID), k.Key.ID,
		api.UpdateKeyRequest{ExpiresAt: api.To(p.Clock.Now().Add(6 * policy.Day))})
	p.NoError(err)
	p.ExpectSent("an edit", `Your API key "Edited" expires in 6 days`)
}

func TestPeopleAreToldWhatIsDoneToTheirKeysByWhom(t *testing.T) {
	t.Parallel()
	p := testkit.NewMailbox(t, testkit.SQLite)
	boss := p.Member(p.MainTenant, "The Boss", scope.Admin)
	admin, tenant := p.As(boss), string(p.MainTenant.ID)
	own := p.NewKey("Own", 0)
	p.ExpectSent("a key of one's own")
	me, err := p.AsRecipient().Me(p.Context())
	p.NoError(err)
	given, err := admin.CreateKey(p.Context(), tenant,
		api.CreateKeyRequest{
			Name: "Given", Scopes: []string{"applications:read"}, AllApplications: true,
			OwnerID: me.ID,
		})
	p.NoError(err)
	p.ExpectSent("a key by another", `An API key was created for you: "Given"`)
	_, err = p.AsRecipient().RefreshKey(p.Context(), tenant, own.Key.ID, api.RefreshKeyRequest{})
	p.NoError(err)
	p.ExpectSent("a refresh", `Your API key "Own" has a new secret`)
	for range 2 { // the second time there is nothing to do
		_, err = admin.RevokeKey(p.Context(), tenant, given.Key.ID, "No longer <needed>\r\nBcc: eve@example.com")
		p.NoError(err)
	}
	p.ExpectSent("a revocation", `Your API key "Given" was revoked`)
	for _, by := range []*client.Client{p.AsRecipient(), admin, admin} { // the last time there is nothing to do
		_, err = by.DisableKey(p.Context(), tenant, own.Key.ID)
		p.NoError(err)
	}
	p.ExpectSent("a key that its owner and then an admin disabled", `Your API key "Own" was disabled`)
	p.NoError(admin.DeleteKey(p.Context(), tenant, given.Key.ID))
	p.ExpectSent("a deletion of what was revoked")
	p.NoError(admin.RemoveMember(p.Context(), tenant, me.ID))
	p.ExpectSent("a membership that ends with a key",
		`Your membership in "Main" has ended, and your API keys were revoked`)
	for _, m := range p.Files() {
		if to := testkit.MailHeader(p.T, m, "To"); to != "<"+p.Recipient.Email+">" || testkit.MailHeader(p.T, m,
			"Bcc") != "" {
			t.Errorf("a notice for %s went to %s", p.Recipient.Email, to)
		}
		for _, secret := range []string{own.Credential.Secret, given.Credential.Secret} {
			if strings.Contains(m, secret) {
				t.Error("a notice holds a secret")
			}
		}
	}
}

func TestTheOwnerIsToldOfEachTimeThatASecretIsShownAgainAndFromWhere(t *testing.T) {
	t.Parallel()
	p := testkit.NewMailbox(t, testkit.SQLite)
	testkit.SetDisclosure(t, p.Server, p.MainTenant, policy.Recoverable)
	k, other := p.NewKey("Shown", 0), p.As(p.Member(p.MainTenant, "Tenant Admin", scope.Admin))
	if got := testkit.RevealCode(t, other, p.MainTenant, k); got != api.Forbidden {
		t.Errorf("to somebody else: %q", got)
	}
	p.ExpectSent("refused")
	for range 2 {
		if got := testkit.RevealCode(t, p.AsRecipient(), p.MainTenant, k); got != "" {
			t.Errorf("to its owner: %q", got)
		}
		p.ExpectSent("shown", `The secret of your API key "Shown" was shown again`)
		p.Clock.Move(time.Minute)
	}
	for _, m := range p.Files() {
		if !strings.Contains(m, "Address: 127.0.0.1") || strings.Contains(m, k.Credential.Secret) {
			t.Errorf("it says\n%s", m)
		}
	}
}

func TestASignInFromAnAddressOrADeviceThatIsNotKnownIsTold(t *testing.T) {
	t.Parallel()
	p := testkit.NewMailbox(t, testkit.SQLite)
	signIn := func(agent string) {
		p.Helper()
		_, _, err := p.Anyone().WithHeader("User-Agent", agent).SignIn(p.Context(), p.Recipient.Email, testkit.Password)
		p.NoError(err)
	}
	p.AsRecipient()
	p.ExpectSent("the first of all")
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
		p.ExpectSent(step.agent, step.want...)
	}
	p.Clock.Move(91 * policy.Day)
	signIn("Browser/1.0 (X11)")
	p.ExpectSent("the first of all that are remembered")
}

func TestAChangeThatIsRefusedTellsNobody(t *testing.T) {
	t.Parallel()
	p := testkit.NewMailbox(t, testkit.SQLite)
	k, other := p.NewKey("Kept", 0), p.As(p.Member(p.MainTenant, "Somebody else", scope.Member))
	_, err := other.RevokeKey(p.Context(), string(p.MainTenant.ID), k.Key.ID, "")
	if code := testkit.Code(t, err); code != api.Forbidden {
		t.Errorf("somebody else revokes a key: %s", code)
	}
	list, err := p.Notices.List(p.Context(), "", 10)
	if err != nil || len(list) != 0 {
		t.Errorf("planned nevertheless: %v, %v", list, err)
	}
}

func TestNoticesCanBeTurnedOffExceptThoseThatAreAlwaysOn(t *testing.T) {
	t.Parallel()
	p := testkit.NewMailbox(t, testkit.SQLite)
	me, err := p.AsRecipient().Me(p.Context())
	p.NoError(err)
	all := api.Notices{
		KeyExpiring: true, KeyExpired: true, KeyIdle: true, KeyCreated: true, KeyRefreshed: true,
		KeyRevealed: true, KeyDisabled: true, KeyRevoked: true, NewSignIn: true,
	}
	if me.Notices != all {
		t.Errorf("by default people get %+v", me.Notices)
	}
	change := func(n api.NoticesPatch) (api.Notices, error) {
		me, err := p.AsRecipient().ChangeMe(p.Context(), api.UpdateMeRequest{Notices: &n})
		return me.Notices, err
	}
	for name, n := range map[string]api.NoticesPatch{
		"notices.key_expiring": {KeyExpiring: api.To(false), KeyRevoked: api.To(false)},
		"notices.key_expired":  {KeyExpired: api.To(false)},
		"notices.key_idle":     {KeyIdle: api.To(false)},
		"notices.key_revealed": {KeyRevealed: api.To(false)},
	} {
		_, err := change(n)
		problem, ok := errors.AsType[*api.Problem](err)
		if !ok || problem.Code != api.ValidationFailed || len(problem.Errors) != 1 || problem.Errors[0].Field != name ||
			problem.Errors[0].Code != "always_on" {
			t.Errorf("%s off: %v", name, err)
		}
	}
	less := all
	less.KeyRevoked, less.NewSignIn = false, false
	if got, err := change(api.NoticesPatch{
		KeyRevoked: api.To(false), NewSignIn: api.To(false),
		KeyExpired: api.To(true),
	}); err != nil || got != less {
		t.Errorf("without two it is %+v, %v", got, err)
	}
	k := p.NewKey("Quiet", 0)
	_, err = p.AsRecipient().RevokeKey(p.Context(), string(p.MainTenant.ID), k.Key.ID, "")
	p.NoError(err)
	p.ExpectSent("a notice that is not wanted")
	less.NewSignIn = true
	if got, err := change(api.NoticesPatch{NewSignIn: api.Cleared[bool]()}); err != nil || got != less {
		t.Errorf("with the default again it is %+v, %v", got, err)
	}
}

// newIdlePostbox is one whose tenant disables keys that are unused for so many days.
func newIdlePostbox(t *testing.T, e testkit.Engine, days int) *testkit.Mailbox {
	t.Helper()
	p := testkit.NewMailbox(t, e)
	testkit.SetPolicy(t, p.Server, testkit.AutoExpiry(0))
	_, err := p.As(p.Owner).EditTenant(p.Context(), string(p.MainTenant.ID),
		api.UpdateTenantRequest{Settings: &api.SettingsPatch{KeysPerUser: api.Cleared[int](), IdleDays: api.To(days)}})
	p.NoError(err)
	return p
}

const (
	idleSubject     = `Your API key "Idle" will be disabled: nobody uses it`
	disabledSubject = `Your API key "Idle" was disabled`
)

func TestTheOwnerIsToldSevenDaysBeforeAKeyIsDisabledForIdlenessAndWhenItIs(t *testing.T) {
	t.Parallel()
	p := newIdlePostbox(t, testkit.SQLite, 30)
	k, used := p.NewKey("Idle", 0), p.NewKey("Used", 0)
	p.Elapse(23 * policy.Day)
	p.UseKey(used)
	p.Elapse(policy.IdleMargin, idleSubject)
	p.Elapse(policy.Day)
	p.UseKey(k)
	p.Elapse(22*policy.Day, `Your API key "Used" will be disabled: nobody uses it`)
	p.UseKey(used)
	p.Elapse(policy.Day)
	p.Elapse(policy.IdleMargin, idleSubject)
	p.Elapse(policy.IdleNotice - time.Second)
	p.Elapse(time.Second, disabledSubject)
	p.Elapse(policy.Day)
	shown := testkit.Must[api.Key](t)(p.AsRecipient().Key(p.Context(), string(p.MainTenant.ID), used.Key.ID))
	if shown.Status != "active" {
		t.Errorf("the used key is %s", shown.Status)
	}
}

func TestAPersonWhoIsToldLateThatAKeyIsIdleStillHasSevenDays(t *testing.T) {
	t.Parallel()
	p := newIdlePostbox(t, testkit.SQLite, 30)
	k := p.NewKey("Idle", 0)
	p.Clock.Move(200 * policy.Day) // in which nothing runs
	p.NoError(p.KeySweeper.DisableIdle(p.Context()))
	p.Elapse(0, idleSubject)
	for _, m := range p.Files() {
		if until := p.Clock.Now().Add(policy.IdleNotice).Format("2 January 2006, 15:04 UTC"); !strings.Contains(m,
			"Disabled after: "+until) {
			t.Errorf("it should be until %s:\n%s", until, m)
		}
	}
	p.Elapse(policy.IdleNotice - time.Second)
	p.UseKey(k)
	p.Elapse(time.Second)
	shown := testkit.Must[api.Key](t)(p.AsRecipient().Key(p.Context(), string(p.MainTenant.ID), k.Key.ID))
	if shown.Status != "active" {
		t.Errorf("a key that was used in time is %s", shown.Status)
	}
}

func TestAKeyThatIsUsedDailyIsIdleToNobodyHoweverFewDaysATenantAllows(t *testing.T) {
	t.Parallel()
	p := newIdlePostbox(t, testkit.SQLite, 1)
	k := p.NewKey("Idle", 0)
	for range 3 {
		p.Elapse(policy.Day)
		p.UseKey(k)
	}
	p.Elapse(policy.Day+policy.IdleMargin, idleSubject)
	p.Elapse(policy.IdleNotice, disabledSubject)
}

func TestAKeyThatIsUsedBeforeTheNoticeGoesOutIsNotCalledIdle(t *testing.T) {
	t.Parallel()
	p := newIdlePostbox(t, testkit.SQLite, 30)
	k := p.NewKey("Idle", 0)
	p.Clock.Move(24 * policy.Day)
	p.NoError(p.Notices.Plan(p.Context()))
	p.UseKey(k)
	p.Elapse(0)
	list, err := p.Notices.List(p.Context(), notice.Skipped, 10)
	if err != nil || len(list) != 1 || list[0].Kind != notice.KeyIdle || list[0].Reason == "" {
		t.Errorf("skipped are %+v, %v", list, err)
	}
}

func TestADisabledOwnerIsToldNothingAndTheReasonIsKept(t *testing.T) {
	t.Parallel()
	p := testkit.NewMailbox(t, testkit.SQLite)
	p.NewKey("Resting", 40*policy.Day)
	me, err := p.AsRecipient().Me(p.Context())
	p.NoError(err)
	_, err = p.Identity.SetDisabled(p.Context(), principal.Operator(), ident.UserID(me.ID), true)
	p.NoError(err)
	p.Clock.Move(11 * policy.Day)
	p.ExpectSent("a threshold of a disabled owner's key")
	list, err := p.Notices.List(p.Context(), notice.Skipped, 10)
	if err != nil || len(list) != 1 || list[0].Kind != notice.KeyExpiring || list[0].Reason == "" {
		t.Errorf("skipped are %+v, %v", list, err)
	}
}
