package blazemeter_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

func decodeNumbers(t *testing.T, body string) (v map[string]any) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(body))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	return v
}

// shape returns the value with the name of its JSON type in the place of each text, number, boolean
// and null.
func shape(v any) any {
	switch v := v.(type) {
	case map[string]any:
		members := map[string]any{}
		for name, member := range v {
			members[name] = shape(member)
		}
		return members
	case []any:
		items := []any{}
		for _, item := range v {
			items = append(items, shape(item))
		}
		return items
	case json.Number:
		if _, err := v.Int64(); err != nil {
			return "number"
		}
		return "integer"
	case string:
		return "string"
	case bool:
		return "boolean"
	}
	return fmt.Sprintf("%v", v)
}

// userShape has the members that clients of BlazeMeter read of a user.
var userShape = map[string]any{
	"id": "integer", "access": "integer", "login": "integer", "created": "integer", "updated": "integer",
	"timezone": "integer", "defaultProjectId": "integer", "email": "string", "displayName": "string",
	"firstName": "string", "lastName": "string", "enabled": "boolean",
	"defaultProject": map[string]any{
		"id": "integer", "name": "string", "workspaceId": "integer", "accountId": "integer",
	},
}

// keyOf creates a key that belongs to the owner.
func (w *world) keyOf(kind api.PartyType, id string) http.Header {
	w.t.Helper()
	return basic(testkit.Must[api.IssuedKey](w.t)(w.admin.CreateKey(w.t.Context(), string(w.tenant.ID),
		api.CreateKeyRequest{
			Name: "Key", Owner: &api.KeyOwner{Type: kind, ID: id}, Scopes: []string{"*"}, AllApplications: true,
		})))
}

func (w *world) subject(externalID, name string) api.Subject {
	w.t.Helper()
	return testkit.Must[api.Subject](w.t)(w.admin.CreateSubject(w.t.Context(), string(w.tenant.ID),
		api.CreateSubjectRequest{ExternalID: externalID, Name: name}))
}

func TestNoMemberOfAUserIsEverMissingOrNull(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	member := w.Member(w.tenant, "Ada King Lovelace", scope.Member)
	single := w.Member(w.tenant, "Plato", scope.Member)
	robot := testkit.ServiceAccount(t, w.admin, w.tenant, "Nightly build", api.RoleMember)
	customer, unnamed := w.subject("customer-1", "The Customer"), w.subject("customer-2", "")
	w.Clock.Move(time.Hour)
	session := testkit.SessionHeader(t, w.Server, member)
	signedIn := w.Clock.Now().Unix()
	callers := map[string]http.Header{
		"a key of a user": basic(w.Key(w.As(member), w.tenant, "*")), "a session": session,
		"a key of a user with one name":   basic(w.Key(w.As(single), w.tenant, "*")),
		"a key of a service account":      w.keyOf(api.PartyServiceAccount, robot.ID),
		"a key of a subject":              w.keyOf(api.PartySubject, customer.ID),
		"a key of a subject without name": w.keyOf(api.PartySubject, unnamed.ID),
	}
	w.Clock.Move(time.Minute)
	for name, want := range map[string]struct {
		first, last, display, email string
		created                     time.Time
	}{
		"a key of a user":               {"Ada", "King Lovelace", "Ada King Lovelace", member.Email, time.Time{}},
		"a session":                     {"Ada", "King Lovelace", "Ada King Lovelace", member.Email, time.Time{}},
		"a key of a user with one name": {"Plato", "", "Plato", single.Email, time.Time{}},
		"a key of a service account": {
			"Nightly", "build", "Nightly build", robot.ID + "@claviger.invalid", robot.CreatedAt,
		},
		"a key of a subject": {
			"The", "Customer", "The Customer", customer.ID + "@claviger.invalid", customer.CreatedAt,
		},
		"a key of a subject without name": {
			"customer-2", "", "customer-2", unnamed.ID + "@claviger.invalid", unnamed.CreatedAt,
		},
	} {
		for _, projects := range []string{"without projects", "with one"} {
			if projects == "with one" && name == "a session" {
				w.Application(w.tenant, "Films")
			}
			got := w.result(callers[name], "/user")
			if diff := cmp.Diff(any(userShape), shape(got)); diff != "" {
				t.Errorf("%s %s:\n%s", name, projects, diff)
			}
			names := [...]any{got["firstName"], got["lastName"], got["displayName"], got["email"], got["enabled"]}
			if names != [...]any{want.first, want.last, want.display, want.email, true} {
				t.Errorf("%s %s: %v, want %+v", name, projects, names, want)
			}
			if now := json.Number(fmt.Sprint(w.Clock.Now().Unix())); got["access"] != now {
				t.Errorf("%s: access is %v, want the time of the request, %s", name, got["access"], now)
			}
			if at := json.Number(fmt.Sprint(want.created.Unix())); !want.created.IsZero() &&
				(got["created"] != at || got["updated"] != at || got["login"] != at) {
				t.Errorf("%s: %v, %v, %v, want %s", name, got["created"], got["updated"], got["login"], at)
			}
			if at := json.Number(fmt.Sprint(signedIn)); name == "a session" && got["login"] != at {
				t.Errorf("%s: login is %v, want when the person signed in, %s", name, got["login"], at)
			}
		}
	}
}

// A client that keeps things by the id of the user never takes one owner for another.
func TestNoTwoOwnersHaveTheSameID(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ids := map[json.Number]string{}
	robot := testkit.ServiceAccount(t, w.admin, w.tenant, "Robot", api.RoleMember)
	drone := testkit.ServiceAccount(t, w.admin, w.tenant, "Drone", api.RoleMember)
	for name, header := range map[string]http.Header{
		"a user":           basic(w.Key(w.admin, w.tenant, "*")),
		"a second user":    basic(w.Key(w.As(w.Member(w.tenant, "Second", scope.Member)), w.tenant, "*")),
		"a program":        w.keyOf(api.PartyServiceAccount, robot.ID),
		"a second program": w.keyOf(api.PartyServiceAccount, drone.ID),
		"a subject":        w.keyOf(api.PartySubject, w.subject("a", "").ID),
		"a second one":     w.keyOf(api.PartySubject, w.subject("b", "").ID),
	} {
		id := w.result(header, "/user")["id"].(json.Number)
		if n, err := id.Int64(); err != nil || n < 1 || n > 1<<31-1 {
			t.Errorf("the id of %s is %s", name, id)
		}
		if other, taken := ids[id]; taken {
			t.Errorf("%s and %s have the id %s", name, other, id)
		}
		ids[id] = name
	}
}

func TestKeysOfAPersonAndTheirSessionsAreOneUser(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	u := testkit.Must[api.Me](t)(w.admin.Me(t.Context()))
	want := json.Number(fmt.Sprint(u.Number))
	for name, header := range map[string]http.Header{
		"a key": basic(w.Key(w.admin, w.tenant, "*")), "another": basic(w.Key(w.admin, w.tenant, "tenants:read")),
		"a session": testkit.SessionHeader(t, w.Server, w.Owner),
	} {
		if got := w.result(header, "/user"); got["id"] != want || got["email"] != w.Owner.Email {
			t.Errorf("%s is of %v, %v, want %s", name, got["id"], got["email"], want)
		}
	}
}

func TestTheDefaultProjectIsTheOldestThatTheKeyMayUse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key := basic(w.Key(w.admin, w.tenant, "*"))
	expect := func(header http.Header, number int64, name string) {
		t.Helper()
		got := w.result(header, "/user")
		want := map[string]any{
			"id": json.Number(fmt.Sprint(number)), "name": name,
			"workspaceId": json.Number(fmt.Sprint(w.tenant.Number)),
			"accountId":   json.Number(fmt.Sprint(w.Account.Number)),
		}
		if diff := cmp.Diff(any(want), got["defaultProject"]); diff != "" || got["defaultProjectId"] != want["id"] {
			t.Errorf("the default project is %v:\n%s", got["defaultProjectId"], diff)
		}
	}
	expect(key, 0, "")
	first := w.Application(w.tenant, "First")
	w.Clock.Move(time.Second)
	second := w.Application(w.tenant, "Second")
	expect(key, first.Number, "First")
	expect(w.restricted(second), second.Number, "Second")
	_, err := w.admin.EditApplication(t.Context(), string(w.tenant.ID), string(first.ID),
		api.UpdateApplicationRequest{Status: api.To(api.StatusDisabled)})
	testkit.NoError(t, err)
	expect(key, second.Number, "Second")
	expect(w.restricted(first), 0, "")
}
