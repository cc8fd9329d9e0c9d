package manageapi_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// repeating returns a client whose requests carry an Idempotency-Key.
func repeating(c *client.Client, key string) *client.Client {
	return c.WithHeader("Idempotency-Key", key)
}

func TestARepeatedRequestMakesNothingMoreAndShowsNoSecret(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	ctx, tenant := t.Context(), h.Tenant("Orders", nil)
	admin := h.Member(tenant, "Admin", scope.Admin)
	c := repeating(h.As(admin), "one")
	first, err := c.CreateApplication(ctx, string(tenant.ID), api.CreateApplicationRequest{Name: "Orders API"})
	if err != nil {
		t.Fatal(err)
	}
	h.Clock.Move(23 * time.Hour)
	c = repeating(h.As(admin), "one") // another session, the same person
	again, err := c.CreateApplication(ctx, string(tenant.ID), api.CreateApplicationRequest{Name: "Orders API"})
	if diff := cmp.Diff(first, again); diff != "" || err != nil {
		t.Errorf("repeated: %v\n%s", err, diff)
	}
	if _, err := c.CreateApplication(ctx, string(tenant.ID),
		api.CreateApplicationRequest{Name: "Another API"}); testkit.Code(t,
		err) != api.Conflict {
		t.Errorf("another body: %v", err)
	}
	i, err := c.Invite(ctx, string(tenant.ID),
		api.CreateInvitationRequest{Email: "eve@claviger.example", Role: "member"})
	if err != nil || i.URL == nil {
		t.Fatalf("the key of another path counts here: %+v %v", i, err)
	}
	repeated, err := c.Invite(ctx, string(tenant.ID),
		api.CreateInvitationRequest{Email: "eve@claviger.example", Role: "member"})
	i.URL = nil
	if err != nil || cmp.Diff(i, repeated) != "" {
		t.Errorf("repeated invitation: %+v %v", repeated, err)
	}
	h.Clock.Move(2 * time.Hour)
	other, err := c.CreateApplication(ctx, string(tenant.ID), api.CreateApplicationRequest{Name: "Orders API"})
	if err != nil || other.ID == first.ID {
		t.Errorf("after 24 hours: %+v %v", other, err)
	}
	another := h.As(h.Member(tenant, "Another", scope.Admin))
	theirs, err := repeating(another, "one").CreateApplication(ctx, string(tenant.ID),
		api.CreateApplicationRequest{Name: "Orders API"})
	if err != nil || theirs.ID == other.ID {
		t.Errorf("the key of another person counts: %+v %v", theirs, err)
	}
}

func TestARepeatedCreationOfAKeyShowsItWithoutItsSecret(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	ctx, tenant := t.Context(), h.Tenant("Orders", nil)
	owner, other := h.Member(tenant, "Admin", scope.Admin), h.Member(tenant, "Other", scope.Member)
	c := repeating(h.As(owner), "one")
	for name, n := range map[string]api.CreateKeyRequest{
		"direct": {Name: "Test key", Scopes: []string{"applications:read"}, AllApplications: true},
		"by link": {
			Name: "Test key", Scopes: []string{"applications:read"}, AllApplications: true,
			OwnerID: string(other.ID), Delivery: "link",
		},
	} {
		c := repeating(h.As(owner), strings.ReplaceAll(name, " ", "-"))
		first, err := c.CreateKey(ctx, string(tenant.ID), n)
		if err != nil {
			t.Fatal(err)
		}
		if first.Credential != nil {
			first.Credential.Secret = ""
			first.Credential.Value = ""
			first.Credential.Example = ""
		} else {
			first.Link.URL = nil
		}
		again, err := c.CreateKey(ctx, string(tenant.ID), n)
		if diff := cmp.Diff(first, again); diff != "" || err != nil {
			t.Errorf("%s: %v\n%s", name, err, diff)
		}
		list, err := h.As(owner).Keys(ctx, string(tenant.ID), client.KeyFilter{Owner: first.Key.Owner.ID},
			client.Page{})
		if err != nil || len(list.Items) != 1 {
			t.Errorf("%s: %d keys, %v", name, len(list.Items), err)
		}
	}
	k := h.Key(h.As(owner), tenant, "applications:read")
	first, err := c.RefreshKey(ctx, string(tenant.ID), k.Key.ID, api.RefreshKeyRequest{})
	if err != nil {
		t.Fatal(err)
	}
	again, err := c.RefreshKey(ctx, string(tenant.ID), k.Key.ID, api.RefreshKeyRequest{})
	if err != nil || again.Credential == nil || again.Credential.Secret != "" || again.Key.Last4 != first.Key.Last4 {
		t.Errorf("repeated refresh: %+v %v", again, err)
	}
	if _, err := h.With(first).Whoami(ctx); err != nil {
		t.Errorf("a repeated refresh replaced the secret: %v", err)
	}
}

func TestARepeatedAnswerHasTheFirstStatusAndSaysThatItIsOne(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Orders", nil)
	h.Join(tenant, h.Owner, scope.Admin)
	k := h.Key(h.As(h.Owner), tenant, "applications:create")
	for i, want := range []string{"", "true"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost,
			h.URL+"/api/v1/tenants/"+string(tenant.ID)+"/applications", strings.NewReader(`{"name":"Orders API"}`))
		if err != nil {
			t.Fatal(err)
		}
		req.Header = http.Header{
			"Content-Type":  {"application/json"},
			"Authorization": {"Bearer " + k.Credential.Value}, "Idempotency-Key": {"k"},
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if got := resp.Header.Get("Idempotent-Replayed"); resp.StatusCode != http.StatusCreated || got != want ||
			resp.Header.Get("Location") == "" {
			t.Errorf("request %d: status %d, replayed %q, location %q", i+1, resp.StatusCode, got,
				resp.Header.Get("Location"))
		}
	}
}

func TestARefusalIsNotRemembered(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	ctx, tenant := t.Context(), h.Tenant("Orders", nil)
	member := h.Member(tenant, "Member", scope.Member)
	c := repeating(h.As(member), "one")
	if _, err := c.CreateApplication(ctx, string(tenant.ID),
		api.CreateApplicationRequest{Name: "Orders API"}); testkit.Code(t,
		err) != api.Forbidden {
		t.Fatalf("a member creates an application: %v", err)
	}
	_, err := h.As(h.Owner).EditMember(ctx, string(tenant.ID), string(member.ID),
		api.UpdateMemberRequest{Role: api.To(api.RoleAdmin)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.CreateApplication(ctx, string(tenant.ID),
		api.CreateApplicationRequest{Name: "Orders API"}); err != nil {
		t.Errorf("repeated as an admin: %v", err)
	}
	for _, bad := range []string{"", "with space", "ümlaut", strings.Repeat("k", 256)} {
		_, err := repeating(h.As(member), bad).CreateApplication(ctx, string(tenant.ID),
			api.CreateApplicationRequest{Name: "Orders API"})
		if testkit.Code(t, err) != api.ValidationFailed {
			t.Errorf("key %q: %v", bad, err)
		}
	}
}

func TestOneOfManyAtOnceIsMade(t *testing.T) {
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		h := testkit.Start(t, e)
		ctx, tenant := t.Context(), h.Tenant("Orders", nil)
		c := repeating(h.As(h.Owner), "one")
		ids := make([]string, 16)
		var all sync.WaitGroup
		for i := range ids {
			all.Go(func() {
				app, err := c.CreateApplication(ctx, string(tenant.ID),
					api.CreateApplicationRequest{Name: "Orders API"})
				ids[i] = app.ID
				if err != nil {
					ids[i] = string(testkit.Code(t, err))
				}
			})
		}
		all.Wait()
		list, err := h.As(h.Owner).Applications(ctx, string(tenant.ID), client.Page{})
		if err != nil || len(list.Items) != 1 {
			t.Fatalf("%d applications, %v", len(list.Items), err)
		}
		for _, id := range ids {
			if id != list.Items[0].ID && id != string(api.Conflict) {
				t.Errorf("an answer is %s", fmt.Sprint(id))
			}
		}
	})
}
