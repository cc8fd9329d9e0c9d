package manageapi_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// downloaded returns a person's own data, and its text.
func downloaded(t *testing.T, c *client.Client) (data api.PersonalData, text string) {
	t.Helper()
	file := testkit.Must[io.ReadCloser](t)(c.MyData(t.Context()))
	defer file.Close()
	all := testkit.Must[[]byte](t)(io.ReadAll(file))
	testkit.NoError(t, json.Unmarshal(all, &data))
	return data, string(all)
}

func TestAPersonDownloadsEverythingThatIsStoredAboutThem(t *testing.T) {
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		h := testkit.Start(t, e)
		tenant := h.Tenant("Main", testkit.UnlimitedKeys)
		ann, ben := h.Member(tenant, "Ann Example", scope.Member), h.Member(tenant, "Ben Example", scope.Admin)
		c := h.As(ann)
		const keys = 3
		var secrets []string
		for n := range keys {
			secrets = append(secrets, testkit.NamedKey(t, c, tenant, fmt.Sprintf("Key %d", n), nil).Credential.Secret)
		}
		others := testkit.NamedKey(t, h.As(ben), tenant, "Not Anns", nil)
		_, err := c.RevokeKey(t.Context(), string(tenant.ID), testkit.NamedKey(t, c, tenant, "Ended", nil).Key.ID, "")
		testkit.NoError(t, err)
		data, text := downloaded(t, c)
		if !data.Complete || data.Error != nil || data.User.ID != string(ann.ID) || data.User.Email != ann.Email ||
			data.Avatar || len(data.Memberships) != 1 || data.Memberships[0].Role != api.RoleMember ||
			len(data.Keys) != keys+1 || len(data.Sessions) != 1 || !data.Sessions[0].Current {
			t.Errorf("%s", text)
		}
		if !strings.HasSuffix(text, `"complete":true}`+"\n") {
			t.Errorf("it ends with %s", text[max(0, len(text)-80):])
		}
		actions := map[string]int{}
		for _, event := range data.Events {
			actions[event.Action]++
			if event.Actor.ID == nil || *event.Actor.ID != string(ann.ID) {
				t.Errorf("an event of somebody else: %+v", event)
			}
		}
		if actions["key.create"] != keys+1 || actions["key.revoke"] != 1 || actions["session.begin"] != 1 {
			t.Errorf("%v", actions)
		}
		for _, secret := range append(secrets, others.Key.ID, "Not Anns", testkit.Password) {
			if strings.Contains(text, secret) {
				t.Errorf("it contains %q", secret)
			}
		}
	})
}

// Lists are read in pages of 200. None is lost or sent twice.
func TestADownloadHasEveryEventAndSessionOnce(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main", testkit.UnlimitedKeys)
	ann := h.Member(tenant, "Ann Example", scope.Member)
	c := h.As(ann)
	k := testkit.NamedKey(t, c, tenant, "Key", nil)
	now := h.Clock.Now().UnixMicro()
	testkit.InsertMany(t, h, 230, fmt.Sprintf(`INSERT INTO sessions (id, user_id, token_hash, created_at, signed_in_at,
		last_seen_at, expires_at, ip, agent) SELECT 'ses_' || i, '%s', CAST('t' || i AS BLOB), %d - i / 2, %[2]d, %[2]d,
		%[2]d + 3600000000, '', '' FROM n`, ann.ID, now))
	for n := range 230 {
		_, err := c.EditKey(t.Context(), string(tenant.ID), k.Key.ID, api.UpdateKeyRequest{
			Name: api.Optional[string]{Set: true, Value: fmt.Sprintf("Key %d", n)},
		})
		if testkit.Code(t, err) == api.LimitOfChanges {
			t.Fatal("the limit of changes is in the way")
		}
		testkit.NoError(t, err)
	}
	data, _ := downloaded(t, c)
	seen, edits := map[string]bool{}, 0
	for _, event := range data.Events {
		if seen[event.ID] {
			t.Errorf("%s is there twice", event.ID)
		}
		seen[event.ID] = true
		if event.Action == "key.edit" {
			edits++
		}
	}
	sessions := map[string]bool{}
	for _, s := range data.Sessions {
		sessions[s.ID] = true
	}
	if edits != 230 || len(sessions) != 231 || len(data.Sessions) != 231 || !data.Complete {
		t.Errorf("%d edits, %d sessions, complete %t", edits, len(data.Sessions), data.Complete)
	}
}

func TestWhoDownloadsTheirData(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Main", nil)
	ann := h.Member(tenant, "Ann Example", scope.Member)
	c := h.As(ann)
	header := testkit.SessionHeader(t, h, ann)
	status, answer, _ := testkit.Send(t, h, http.MethodGet, "/api/v1/me/data", header, "")
	if status != http.StatusOK || answer.Get("Cache-Control") != "no-store" ||
		!strings.HasPrefix(answer.Get("Content-Disposition"), "attachment") {
		t.Errorf("%d, %v", status, answer)
	}
	download := func(c *client.Client) error {
		file, err := c.MyData(t.Context())
		if err == nil {
			testkit.NoError(t, file.Close())
		}
		return err
	}
	k := h.Key(c, tenant, "applications:read")
	testkit.ExpectCode(t, "a key", download(h.With(k)), api.SessionRequired)
	testkit.ExpectCode(t, "nobody", download(h.Anyone()), api.APIKeyInvalid)
	h.Clock.Move(5 * time.Minute)
	testkit.ExpectCode(t, "after five minutes", download(c), api.SignInAgain)
}

// A session that was ended because somebody else has it must not go on sending.
func TestADownloadEndsWithItsSession(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	ann := h.Member(h.Tenant("Main", nil), "Ann Example", scope.Member)
	thief, c := h.As(ann), h.As(ann)
	now := h.Clock.Now().UnixMicro()
	// More than the sockets between client and server hold.
	const sessions = 60_000
	testkit.InsertMany(t, h, sessions, fmt.Sprintf(`INSERT INTO sessions (id, user_id, token_hash, created_at,
		signed_in_at, last_seen_at, expires_at, ip, agent) SELECT 'ses_' || i, '%s', CAST('t' || i AS BLOB), %d - i,
		%[2]d, %[2]d, %[2]d + 3600000000, '', '%s' FROM n`, ann.ID, now, strings.Repeat("agent", 40)))
	file := testkit.Must[io.ReadCloser](t)(thief.MyData(t.Context()))
	defer file.Close()
	begin := make([]byte, 1000)
	_, err := io.ReadFull(file, begin)
	testkit.NoError(t, err)
	_, err = c.ChangePassword(t.Context(), testkit.Password, "another horse battery staple")
	testkit.NoError(t, err)
	rest := testkit.Must[[]byte](t)(io.ReadAll(file))
	var data api.PersonalData
	testkit.NoError(t, json.Unmarshal(append(begin, rest...), &data))
	if data.Complete || data.Error == nil || len(data.Sessions) >= sessions || len(data.Events) > 0 {
		t.Errorf("complete %t, %d sessions, %d events", data.Complete, len(data.Sessions), len(data.Events))
	}
}
