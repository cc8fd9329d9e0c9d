package tenancy_test

import (
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/tenancy"
)

// A service without ledger, store and people can do nothing but look at the token itself: it would
// panic.
func TestATokenThisServerNeverMadeIsRefusedWithoutARead(t *testing.T) {
	keyring, err := credential.NewKeyring(credential.NewRoot(rand.Reader), credential.FirstVersions(), rand.Reader,
		time.Now)
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := credential.NewKeyring(credential.NewRoot(rand.Reader), credential.FirstVersions(), rand.Reader,
		time.Now)
	if err != nil {
		t.Fatal(err)
	}
	s := &tenancy.Service{Keyring: keyring}
	password := credential.NewSecret("correct horse battery staple")
	for name, token := range map[string]string{
		"nothing": "", "junk": "junk", "of the right length": strings.Repeat("a", 59), "a NUL": "\x00",
		"a session's":             keyring.IssueToken(credential.SessionToken).Reveal(),
		"a claim's":               keyring.IssueToken(credential.ClaimToken).Reveal(),
		"another server's":        foreign.IssueToken(credential.InvitationToken).Reveal(),
		"another server's set-up": foreign.IssueToken(credential.SetupToken).Reveal(),
		"one more character":      keyring.IssueToken(credential.InvitationToken).Reveal() + "0",
	} {
		_, accepted := s.AcceptInvitation(t.Context(), token, "Eve", password, principal.Origin{})
		_, setUp := s.SetUp(t.Context(), token,
			tenancy.Setup{Account: "New account", Email: "eve@claviger.example", Name: "Eve", Password: password},
			principal.Origin{})
		for what, err := range map[string]error{"an invitation": accepted, "a set-up link": setUp} {
			if fault.KindOf(err) != fault.LinkInvalid {
				t.Errorf("%s as %s: %v", name, what, err)
			}
		}
	}
}
