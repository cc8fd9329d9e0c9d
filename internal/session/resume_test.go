package session_test

import (
	"errors"
	"testing"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

func TestASavedSessionGoesOnUntilItIsSignedOut(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	c := h.As(h.Owner)
	resumed, err := h.Anyone().WithSession(c.SaveSession())
	if err != nil {
		t.Fatal(err)
	}
	if me, err := resumed.Me(t.Context()); err != nil || me.ID != string(h.Owner.ID) {
		t.Errorf("the session does not go on: %+v %v", me, err)
	}
	if err := c.SignOut(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := resumed.Me(t.Context()); !errors.Is(err, api.SessionEnded) {
		t.Errorf("a session that was signed out goes on: %v", err)
	}
}

func TestAClientThatRepeatsMakesOneKeyWithItsSecret(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Orders", nil)
	h.Join(tenant, h.Owner, scope.Admin)
	c := h.As(h.Owner).WithRetry(client.Retry{Attempts: 2})
	k, err := c.CreateKey(t.Context(), string(tenant.ID),
		api.CreateKeyRequest{Name: "Test key", Scopes: []string{"applications:read"}, AllApplications: true})
	if err != nil || k.Credential == nil || k.Credential.Secret == "" {
		t.Fatalf("%+v %v", k, err)
	}
	if _, err := h.With(k).Whoami(t.Context()); err != nil {
		t.Error(err)
	}
	for range 2 {
		i, err := c.Invite(t.Context(), string(tenant.ID),
			api.CreateInvitationRequest{Email: "eve@claviger.example", Role: "member"})
		if err != nil || i.URL == nil {
			t.Errorf("the second invitation counts as the first one repeated: %+v %v", i, err)
		}
	}
}
