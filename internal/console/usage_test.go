package console_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
)

func TestThePagesOfUsageShowWhatWasCounted(t *testing.T) {
	t.Parallel()
	d := newAdminVisit(t)
	d.get(d.at("usage")).see(t, "nothing yet", http.StatusOK, "No request was checked in this time.")
	member := d.Member(d.tenant, "Daniel Abreu", scope.Member)
	theirs := testkit.NamedKey(t, d.As(member), d.tenant, "Nightly export", nil)
	verifier := d.Key(d.As(d.person), d.tenant, "keys:verify")
	for i := range 10 {
		r := api.VerifyRequest{Credential: theirs.Credential.Value, Transport: "header"}
		if i == 0 {
			r.Scopes = []string{"bookings:create"}
		}
		_, err := d.With(verifier).Verify(t.Context(), r)
		testkit.NoError(t, err)
	}
	testkit.NoError(t, d.Counters.Flush(t.Context()))
	page := d.get(d.at("usage"))
	for _, want := range []string{
		"<b>9</b><span>requests accepted", "10.00 %", `role="img"`, "At most 9 accepted in one day:",
		"At most 1 refused:", "As a table", "insufficient_scope", "Nightly export", "Key header",
		"<b>2</b><span>keys were used",
	} {
		page.see(t, "the page", http.StatusOK, want)
	}
	for _, period := range []string{"1", "7", "90"} {
		d.get(d.at("usage?period="+period)).see(t, period, http.StatusOK, "Busiest keys")
	}
	d.get(d.at("usage?key="+theirs.Key.PublicID)).see(t, "one key", http.StatusOK, "At most 9 accepted")
	d.get(d.at("usage?key=nobody")).see(t, "no key", http.StatusOK, "No key of this tenant")
	d.get(d.at("usage.csv")).see(t, "the file", http.StatusOK, theirs.Key.ID+","+theirs.Key.Owner.ID+",9,1")
	d.get(d.at("usage.csv?key="+theirs.Key.ID)).see(t, "the file of a key", http.StatusOK, theirs.Key.ID+",,9,1")
	d.get(d.at("keys/"+theirs.Key.ID)).see(t, "the key", http.StatusOK, "Use in the last 30 days")

	d.visitor = newVisitor(t, d.URL)
	d.signIn(member)
	page = d.get(d.at("usage"))
	page.see(t, "a member", http.StatusOK, "Requests with your keys")
	if strings.Contains(page.text, "By answer") || strings.Contains(page.text, "<b>2</b><span>keys were used") {
		t.Error("a member sees what others do")
	}
	d.get(d.at("usage?key="+verifier.Key.ID)).see(t, "another's key", http.StatusNotFound, "")
	file := d.get(d.at("usage.csv"))
	file.see(t, "the file of a member", http.StatusOK, theirs.Key.ID)
	if strings.Contains(file.text, verifier.Key.ID) {
		t.Error("a member's file has keys of others")
	}

	d.visitor = newVisitor(t, d.URL)
	d.signIn(d.Owner)
	statement := "/a/" + string(d.Account.ID) + "/statement"
	d.get(statement).see(t, "the statement", http.StatusOK, "not complete yet")
	d.get(statement+".csv").see(t, "the file of the statement", http.StatusOK,
		string(d.tenant.ID)+","+d.tenant.Name+",9,1")
	d.get(statement+"?month=2000-01").see(t, "a month that is no choice", http.StatusUnprocessableEntity,
		"no such choice")
	d.Clock.Move(45 * policy.Day)
	d.signIn(d.Owner)
	last := d.Clock.Now().UTC().AddDate(0, 0, -45).Format("2006-01")
	testkit.NoError(t, d.Counters.Flush(t.Context()))
	d.get(statement+"?month="+last).see(t, "an earlier month", http.StatusOK, "<b>9</b>")
}

func TestTheSettingsSayWhichWaysToSendAKeyAreInUse(t *testing.T) {
	t.Parallel()
	d := newVisit(t, testkit.UnlimitedKeys)
	k := d.Key(d.As(d.person), d.tenant, "applications:read")
	_, err := d.With(k).Whoami(t.Context())
	testkit.NoError(t, err)
	testkit.NoError(t, d.Counters.Flush(t.Context()))
	d.visitor = newVisitor(t, d.URL)
	d.signIn(d.Owner)
	page := d.get(d.at("settings"))
	page.see(t, "the settings", http.StatusOK, "1 key used it in 30 days")
	page.see(t, "the settings", http.StatusOK, "0 keys used it in 30 days")
}
