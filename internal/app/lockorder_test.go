package app_test

import (
	"testing"
	"time"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// Two transactions that lock the same rows in different orders may wait for each other. On SQLite
// there is one writer at a time.
func TestAnAcceptedInvitationLocksPeopleInTheOrderOfTheirIDs(t *testing.T) {
	url := testkit.MigratedDatabase(t)
	h := testkit.StartOn(t, url)
	tenant := h.Tenant("Main tenant", nil)
	invited := h.Person("Invited")
	h.Clock.Move(time.Second) // so that the ids differ in their times
	inviter := h.Member(tenant, "Tenant Admin", scope.Admin)
	if invited.ID >= inviter.ID {
		t.Fatalf("%s is not below %s", invited.ID, inviter.ID)
	}
	token := testkit.InvitationToken(testkit.Invite(t, h.As(inviter), tenant, invited.Email, "member"))
	err := testkit.WhileWaiting(t, url, "users", string(invited.ID),
		testkit.Accepting(t, h, token, api.AcceptInvitationRequest{Name: invited.Name, Password: testkit.Password}),
		func() {
			if testkit.RowIsLocked(t, url, "users", string(inviter.ID)) {
				t.Error("the inviter, who has the higher id, is locked first")
			}
		})
	testkit.ExpectCode(t, "accept", err, "")
}

func TestSessionsAreLockedInTheOrderOfTheirIDs(t *testing.T) {
	setDisabled := func(t *testing.T, h *testkit.Server, disabled bool) error {
		t.Helper()
		_, err := h.Accounts.SetAccountDisabled(t.Context(), principal.Operator(), h.Account.ID, disabled)
		return err
	}
	for _, c := range []struct {
		name string
		// disabled is set where the account is disabled before.
		disabled bool
		end      func(t *testing.T, h *testkit.Server, tenant string, person principal.Person) error
	}{
		{
			"by a change of the policy", false,
			func(t *testing.T, h *testkit.Server, _ string, _ principal.Person) error {
				t.Helper()
				_, err := h.As(h.Owner).EditPolicy(t.Context(), string(h.Account.ID),
					api.UpdatePolicyRequest{SessionIdleMinutes: api.To(10080)})
				return err
			},
		},
		{
			"by disabling the account", false,
			func(t *testing.T, h *testkit.Server, _ string, _ principal.Person) error {
				t.Helper()
				return setDisabled(t, h, true)
			},
		},
		{
			"by enabling the account", true,
			func(t *testing.T, h *testkit.Server, _ string, _ principal.Person) error {
				t.Helper()
				return setDisabled(t, h, false)
			},
		},
		{
			"by disabling a member", false,
			func(t *testing.T, h *testkit.Server, tenant string, person principal.Person) error {
				t.Helper()
				_, err := h.As(h.Owner).EditMember(t.Context(), tenant, string(person.ID),
					api.UpdateMemberRequest{Status: api.To(api.StatusDisabled)})
				return err
			},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			url := testkit.MigratedDatabase(t)
			h := testkit.StartOn(t, url)
			tenant := h.Tenant("Main tenant", nil)
			h.Join(tenant, h.Owner, scope.Admin)
			person := h.Member(tenant, "Member", scope.Member)
			if c.disabled {
				testkit.NoError(t, setDisabled(t, h, true))
			}
			var ids []string
			for range 2 {
				h.Clock.Move(time.Second) // so that the ids differ in their times
				list := testkit.Must[api.List[api.SessionInfo]](t)(h.As(person).Sessions(t.Context(), client.Page{}))
				ids = append(ids, list.Items[0].ID)
			}
			// The row of the first session comes after that of the second one.
			testkit.Exec(t, h, `UPDATE sessions SET last_seen_at = last_seen_at WHERE id = $1`, ids[0])
			h.Clock.Move(13 * time.Hour)
			err := testkit.WhileWaiting(t, url, "sessions", ids[0],
				func() error { return c.end(t, h, string(tenant.ID), person) },
				func() {
					if testkit.RowIsLocked(t, url, "sessions", ids[1]) {
						t.Error("the session with the higher id is locked first")
					}
				})
			testkit.NoError(t, err)
		})
	}
}
