package console_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
)

func TestASecretIsSeenAgainByItsOwnerAfterARecentSignIn(t *testing.T) {
	t.Parallel()
	v := newVisit(t, func(s *policy.Settings) { s.Disclosure = policy.Recoverable })
	first := v.post("/settings/keys/new", v.newKey("Mine"))
	first.see(t, "create", http.StatusOK, "This tenant keeps an encrypted copy.")
	value, path := field(t, first, "value"), v.pathOf(0)
	v.get(path).see(t, "the key", http.StatusOK, "Copy key")
	v.post(path+"/reveal", nil).see(t, "at once", http.StatusOK, value)

	v.Clock.Move(10 * time.Minute)
	again := v.post(path+"/reveal", nil)
	again.see(t, "ten minutes later", http.StatusUnauthorized, "Sign in again to see the secret.")
	if field(t, again, "next") != path || strings.Contains(again.text, value) {
		t.Errorf("the page is\n%s", again.text)
	}
	v.signIn(v.person)
	v.post(path+"/reveal", nil).see(t, "after the sign-in", http.StatusOK, value)

	admin := newVisitor(t, v.URL)
	admin.signIn(v.Member(v.tenant, "Tenant Admin", scope.Admin))
	if page := admin.get(path); strings.Contains(page.text, "/reveal") {
		t.Error("an admin is offered the secret of another")
	}
	if got := admin.post(path+"/reveal", nil); got.status != http.StatusForbidden || strings.Contains(got.text, value) {
		t.Errorf("an admin: %d", got.status)
	}
}

func TestNoSecretIsSeenAgainWhereNoCopyIsKept(t *testing.T) {
	t.Parallel()
	v := newVisit(t, nil)
	path := v.firstKey()
	if page := v.get(path); strings.Contains(page.text, "/reveal") {
		t.Error("the page offers the secret")
	}
	v.post(path+"/reveal", nil).see(t, "reveal", http.StatusConflict, "No copy of this secret is stored.")
}
