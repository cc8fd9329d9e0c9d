package notice_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/notice"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// recipients returns the addresses of all messages with the subject, sorted.
func recipients(p *testkit.Mailbox, subject string) (all []string) {
	for _, m := range p.Files() {
		if testkit.MailHeader(p.T, m, "Subject") == subject {
			address := testkit.MailHeader(p.T, m, "To")
			if _, inner, ok := strings.Cut(address, "<"); ok {
				address = strings.TrimSuffix(inner, ">")
			}
			all = append(all, address)
		}
	}
	slices.Sort(all)
	return all
}

func TestStewardsAreToldOfTheKeysOfAServiceAccount(t *testing.T) {
	t.Parallel()
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		p := testkit.NewMailbox(t, e)
		testkit.SetPolicy(t, p.Server, testkit.AutoExpiry(0))
		in := string(p.MainTenant.ID)
		second := p.Member(p.MainTenant, "Second Steward", scope.Member)
		admin := p.Member(p.MainTenant, "Tenant Admin", scope.Admin)
		of := testkit.ServiceAccount(t, p.As(admin), p.MainTenant, "Build", api.RoleMember, p.Recipient, second)
		expires := p.Clock.Now().Add(10 * policy.Day)
		testkit.Must[api.IssuedKey](t)(p.As(admin).CreateKey(p.Context(), in, api.CreateKeyRequest{
			Name: "Deploy", Owner: &api.KeyOwner{Type: api.PartyServiceAccount, ID: of.ID},
			Scopes: []string{"applications:read"}, AllApplications: true, ExpiresAt: &expires,
		}))
		const created = `An API key was created for the service account "Build": "Deploy"`
		p.ExpectSent("a new key", created, created)
		both := []string{p.Recipient.Email, second.Email}
		slices.Sort(both)
		if got := recipients(p, created); !slices.Equal(got, both) {
			t.Errorf("of a new key are told %v, want %v", got, both)
		}

		const soon = `The API key "Deploy" of the service account "Build" expires in 7 days`
		p.Elapse(3*policy.Day, soon, soon)
		p.ExpectSent("once more")

		// The stewards at the time when the notice is sent get it.
		testkit.NoError(t, p.As(admin).RemoveMember(p.Context(), in, string(second.ID)))
		p.Clock.Move(6 * policy.Day)
		const now = `The API key "Deploy" of the service account "Build" expires within a day`
		p.ExpectSent("with one steward left", now)
		if got := recipients(p, now); !slices.Equal(got, []string{p.Recipient.Email}) {
			t.Errorf("with one steward left are told %v", got)
		}
		testkit.Must[api.ServiceAccount](t)(p.As(admin).EditServiceAccount(p.Context(), in, of.ID,
			api.UpdateServiceAccountRequest{Stewards: api.Cleared[[]string]()}))
		p.Clock.Move(policy.Day)
		const expired = `The API key "Deploy" of the service account "Build" has expired`
		p.ExpectSent("with no steward left", expired)
		if got := recipients(p, expired); !slices.Equal(got, []string{admin.Email}) {
			t.Errorf("with no steward left are told %v", got)
		}
	})
}

func TestAKeyOfAServiceAccountIsDisabledForIdlenessSevenDaysAfterItsStewardsAreTold(t *testing.T) {
	t.Parallel()
	p := newIdlePostbox(t, testkit.SQLite, 30)
	admin := p.Member(p.MainTenant, "Tenant Admin", scope.Admin)
	of := testkit.ServiceAccount(t, p.As(admin), p.MainTenant, "Build", api.RoleMember, p.Recipient)
	k := testkit.KeyOfServiceAccount(t, p.As(admin), p.MainTenant, of, "applications:read")
	p.ExpectSent("a new key", `An API key was created for the service account "Build": "Key of a service account"`)
	const key = `The API key "Key of a service account" of the service account "Build" `
	p.Elapse(23 * policy.Day)
	p.Elapse(policy.IdleMargin, key+"will be disabled: nobody uses it")
	p.Elapse(policy.IdleNotice - time.Second)
	p.Elapse(time.Second, key+"was disabled")
	shown := testkit.Must[api.Key](t)(p.As(admin).Key(p.Context(), string(p.MainTenant.ID), k.Key.ID))
	if shown.Status != api.KeyDisabled {
		t.Errorf("the idle key is %s", shown.Status)
	}
}

func TestANoticeForStewardsIsKeptWithWhatBecameOfIt(t *testing.T) {
	t.Parallel()
	p := testkit.NewMailbox(t, testkit.SQLite)
	admin := p.Member(p.MainTenant, "Tenant Admin", scope.Admin)
	of := testkit.ServiceAccount(t, p.As(admin), p.MainTenant, "Build", api.RoleMember, p.Recipient)
	testkit.KeyOfServiceAccount(t, p.As(admin), p.MainTenant, of, "applications:read")
	p.NoError(p.Notices.SendDue(p.Context()))
	list, err := p.Notices.List(p.Context(), notice.Skipped, 10)
	if err != nil || len(list) != 1 || !strings.Contains(list[0].Reason, "steward") {
		t.Errorf("skipped are %+v, %v", list, err)
	}
	list, err = p.Notices.List(p.Context(), notice.Sent, 10)
	if err != nil || len(list) != 1 || list[0].User != p.Recipient.ID {
		t.Errorf("sent are %+v, %v", list, err)
	}
}
