package console_test

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

func TestAnAdminReadsWhatChangedByDayInSentences(t *testing.T) {
	t.Parallel()
	d := newAdminVisit(t)
	d.Application(d.tenant, "Yesterday <b>")
	d.Clock.Move(25 * time.Hour)
	d.signIn(d.person)
	k := d.Key(d.As(d.person), d.tenant, "applications:read")
	page := d.get(d.at("audit"))
	for _, want := range []string{
		`<li class="day">Today</li>`, "<b>You</b> created the key", `<a href="` + d.at("keys/"+k.Key.ID) + `">`,
		"<b>The operator</b> added the application Yesterday &lt;b&gt;",
		"&#34;action&#34;: &#34;application.create&#34;",
	} {
		page.see(t, "the page", http.StatusOK, want)
	}
	if n := strings.Count(page.text, `<li class="day">`); n != 2 {
		t.Errorf("%d days", n)
	}
	for filter, c := range map[string]struct{ has, lacks string }{
		"action=key":                     {"created the key", "added the application"},
		"action=application":             {"added the application", "created the key"},
		"since=1":                        {"created the key", "added the application"},
		"target=" + k.Key.ID:             {"created the key", "added the application"},
		"actor=" + string(d.person.ID):   {"created the key", "added the application"},
		"action=plan":                    {"No event matches the filter.", "created the key"},
		"action=key&since=7&actor=usr_x": {"Clear the filters", "created the key"},
	} {
		page := d.get(d.at("audit?" + filter))
		page.see(t, filter, http.StatusOK, c.has)
		if strings.Contains(page.text, c.lacks) {
			t.Errorf("%s: the page has %q", filter, c.lacks)
		}
	}
	d.get(d.at("audit?action=%00")).see(t, "no action", http.StatusUnprocessableEntity, "action")
	d.get(d.at("audit?after=x")).see(t, "no position", http.StatusBadRequest, "This is no page of the list")
}

var followingEvents = regexp.MustCompile(`href="([^"]*after=[^"]*)">Next page`)

func TestAllEventsOfATrailAreReachedByItsPagesAndExports(t *testing.T) {
	t.Parallel()
	d := newVisit(t, testkit.UnlimitedKeys)
	d.person = d.Owner
	d.visitor = newVisitor(t, d.URL)
	d.signIn(d.person)
	for i := range 260 { // more than one part of an export
		d.Application(d.tenant, fmt.Sprintf("=Application %d", i))
	}
	newest, err := d.As(d.Owner).TenantEvents(t.Context(), string(d.tenant.ID), client.EventFilter{},
		client.Page{Limit: 1})
	latest := testkit.Must[api.List[api.Event]](t)(newest, err).Items[0]
	seen, path := 0, d.at("audit?action=application")
	for path != "" {
		page := d.get(path)
		seen += strings.Count(page.text, "</b> added the application")
		path = ""
		if m := followingEvents.FindStringSubmatch(page.text); m != nil {
			path = strings.ReplaceAll(m[1], "&amp;", "&")
		}
	}
	if seen != 260 {
		t.Errorf("the pages have %d events", seen)
	}

	file := d.get(d.at("audit.csv?action=application"))
	file.see(t, "the file", http.StatusOK, "id,at,action,")
	rows := testkit.Must[[][]string](t)(csv.NewReader(strings.NewReader(file.text)).ReadAll())
	if len(rows) != 261 || rows[1][8] != "'=Application 259" || rows[1][0] != latest.ID {
		t.Errorf("%d rows, the first is %q", len(rows), rows[1])
	}
	for _, name := range []string{"Content-Disposition", "Cache-Control", "X-Content-Type-Options"} {
		if file.header.Get(name) == "" {
			t.Errorf("no %s", name)
		}
	}
	for _, path := range []string{d.at("audit.jsonl"), d.inAccount("audit.jsonl")} {
		file = d.get(path + "?action=application")
		lines := strings.Split(strings.TrimSpace(file.text), "\n")
		if len(lines) != 261 || lines[260] != `{"complete":true,"rows":260}` {
			t.Errorf("%d lines, the last is %s", len(lines), lines[len(lines)-1])
		}
		var first struct {
			ID      string            `json:"id"`
			Name    string            `json:"target_name"`
			Details map[string]string `json:"details"`
		}
		testkit.NoError(t, json.Unmarshal([]byte(lines[0]), &first))
		if first.ID != latest.ID || first.Name != "=Application 259" || first.Details == nil {
			t.Errorf("the first line is %s", lines[0])
		}
	}
}

func TestATrailIsForThoseWhoMayReadIt(t *testing.T) {
	t.Parallel()
	d := newVisit(t, nil)
	auditor := d.as("Auditor", scope.Auditor)
	other := d.Tenant("Other", nil)
	d.Application(other, "Elsewhere")
	d.Application(d.tenant, "Here")
	page := auditor.get(d.at("audit"))
	page.see(t, "an auditor", http.StatusOK, "Here")
	for what, text := range map[string]string{"the page": page.text, "the file": auditor.get(d.at("audit.csv")).text} {
		if strings.Contains(text, "Elsewhere") || !strings.Contains(text, "Here") {
			t.Errorf("%s has events of another tenant, or none", what)
		}
	}
	for _, path := range []string{"audit", "audit.csv", "audit.jsonl"} {
		d.get(d.at(path)).see(t, path, http.StatusForbidden, "Only admins and auditors")
		auditor.get(d.inAccount(path)).see(t, path, http.StatusForbidden, "Only owners and admins")
	}
	owner := newOwnerVisit(t)
	owner.Application(owner.tenant, "Of the account")
	testkit.SetPolicy(t, owner.Server, testkit.AutoExpiry(120))
	page = owner.get(owner.inAccount("audit"))
	page.see(t, "the account", http.StatusOK, "Of the account")
	page.see(t, "the account", http.StatusOK, "auto expiry days 90 → 120")
}

func TestTheAuditPageSaysWhetherItsNewestRecordsAreUnaltered(t *testing.T) {
	t.Parallel()
	d := newAdminVisit(t)
	id := d.Application(d.tenant, "Bookings").ID
	d.get(d.at("audit")).see(t, "a short trail", http.StatusOK, "records are complete and unaltered.")
	c := d.As(d.Owner)
	for i := range 205 {
		status := []api.Status{"disabled", "active"}[i%2]
		_, err := c.EditApplication(t.Context(), string(d.tenant.ID), string(id),
			api.UpdateApplicationRequest{Status: api.To(status)})
		testkit.NoError(t, err)
	}
	d.get(d.at("audit")).see(t, "a long trail", http.StatusOK, "the newest 200 of ")
	account := newVisitor(t, d.URL)
	account.signIn(d.Owner)
	account.get(d.inAccount("audit")).see(t, "an account", http.StatusOK, "Audit log verified at")

	testkit.Exec(t, d.Server, `UPDATE audit_events SET target_name = 'Another' WHERE chain = '`+string(d.tenant.ID)+
		`' AND seq = (SELECT MAX(seq) - 10 FROM audit_events WHERE chain = '`+string(d.tenant.ID)+`')`)
	damaged := d.get(d.at("audit"))
	damaged.see(t, "an altered record", http.StatusOK, "The audit log is damaged: ")
	damaged.see(t, "an altered record", http.StatusOK, "was altered")
	account.get(d.inAccount("audit")).see(t, "the other chain", http.StatusOK, "Audit log verified at")
}

func TestATrailWhoseLastRecordsWereCutOffIsDamaged(t *testing.T) {
	t.Parallel()
	d := newAdminVisit(t)
	for _, name := range []string{"Bookings", "Rates"} {
		d.Application(d.tenant, name)
	}
	of := ` WHERE chain = '` + string(d.tenant.ID) + `'`
	testkit.Exec(t, d.Server, `DELETE FROM audit_events`+of+` AND seq = (SELECT MAX(seq) FROM audit_events`+of+`)`)
	d.get(d.at("audit")).see(t, "without the last record", http.StatusOK, "and its head is record")
	testkit.Exec(t, d.Server, `UPDATE audit_heads SET seq = seq - 1, hash = (SELECT hash FROM audit_events`+of+
		` ORDER BY seq DESC LIMIT 1), change_number = (SELECT MAX(change_number) FROM audit_events`+of+`)`+of)
	d.get(d.at("audit")).see(t, "with a forged head", http.StatusOK, "is not signed under this root secret")
}
