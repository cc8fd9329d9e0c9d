package verify_test

import (
	"context"
	"testing"

	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/verify"
)

func TestTheReceiverOfARequestDecidesAboutItsCredentialWithoutAVerifier(t *testing.T) {
	l := newLimitFixture(t, 2)
	_, p := l.fixture.key(t)
	app, err := l.fixture.applications.CreateApplication(t.Context(), principal.Operator(), l.fixture.tenant.ID,
		"Orders API", "")
	if err != nil {
		t.Fatal(err)
	}
	bearer := policy.Location{Transport: policy.Bearer}
	for _, c := range []struct {
		name string
		r    verify.Request
		want fault.Kind
	}{
		{"nothing asked", verify.Request{}, ""},
		{"only a session", verify.Request{Requirement: verify.Requirement{SessionOnly: true}}, fault.SessionRequired},
		{"another tenant", verify.Request{Requirement: verify.Requirement{Tenant: "ten_x"}}, fault.NotFound},
		{
			"a scope that it does not have",
			verify.Request{Requirement: verify.Requirement{Scopes: []scope.Scope{scope.AuditRead}}},
			fault.InsufficientScope,
		},
		{
			"an application that does not exist",
			verify.Request{Requirement: verify.Requirement{Application: "app_x"}},
			fault.ApplicationForbidden,
		},
		{"all that it has", verify.Request{Requirement: verify.Requirement{
			Tenant: l.fixture.tenant.ID, Scopes: []scope.Scope{scope.ApplicationsRead}, Application: string(app.ID),
		}}, ""},
		{"one more than the tenant allows", verify.Request{}, fault.RateLimited},
	} {
		d, err := l.engine.Decide(t.Context(), verify.PresentKey(p, bearer), c.r)
		if err != nil || d.Code != c.want || d.Facts == nil {
			t.Errorf("%s: %q, %v, want %q", c.name, d.Code, err, c.want)
		}
		if (d.RetryAfter > 0) != (c.want == fault.RateLimited) {
			t.Errorf("%s: wait %s", c.name, d.RetryAfter)
		}
	}
}

// noSessions has no session.
type noSessions struct{}

func (n noSessions) Check(ctx context.Context, kind credential.TokenKind, token string) (principal.Principal, error) {
	return n.Resume(ctx, kind, token)
}
func (noSessions) WasLive(credential.TokenKind, string) bool { return false }

func (noSessions) Resume(context.Context, credential.TokenKind, string) (principal.Principal, error) {
	return principal.Principal{}, fault.NotFound
}

// Each presentation that can hold a key holds a valid one. It counts only as an API key.
func TestOnlyAnAPIKeyIsAcceptedWhereAnAPIKeyIsDecided(t *testing.T) {
	b := newFixture(t)
	_, p := b.key(t)
	bearer := policy.Location{Transport: policy.Bearer}
	a := &verify.Authenticator{Engine: b.engine, Sessions: noSessions{}}
	admin := principal.OfSession(&principal.Session{AccountMembers: []principal.AccountMember{{
		Account: b.tenant.Account,
		Role:    scope.AccountOwner,
	}}})
	verifier, err := verify.Caller{Principal: admin}.Verifier()
	if err != nil {
		t.Fatal(err)
	}
	for kind, c := range map[verify.CredentialKind]struct {
		presented verify.Presentation
		want      fault.Kind
	}{
		verify.NoCredential:        {verify.Presentation{}, fault.KeyInvalid},
		verify.MalformedCredential: {verify.PresentMalformed(bearer), fault.KeyInvalid},
		verify.AmbiguousCredential: {verify.PresentAmbiguous(), fault.CredentialAmbiguous},
		verify.APIKey:              {verify.PresentKey(p, bearer), ""},
		verify.AccessToken:         {verify.PresentAccessToken("token"), fault.TokenInvalid},
		verify.SessionToken:        {verify.PresentSession(credential.SessionToken, "token"), fault.KeyInvalid},
		verify.ManagementKey:       {verify.PresentManagementKey(p), fault.KeyInvalid},
	} {
		if c.presented.Kind() != kind {
			t.Errorf("kind %d is presented as %d", kind, c.presented.Kind())
		}
		if _, ok := c.presented.Key(); ok != (kind == verify.APIKey) {
			t.Errorf("kind %d has a key: %t", kind, ok)
		}
		d, err := b.engine.Decide(t.Context(), c.presented, verify.Request{})
		if err != nil || d.Code != c.want {
			t.Errorf("kind %d is decided as %q, %v, want %q", kind, d.Code, err, c.want)
		}
		d, err = b.engine.DecideFor(t.Context(), verifier, c.presented, verify.Request{})
		if err != nil || d.Code != c.want {
			t.Errorf("kind %d is decided for a verifier as %q, %v, want %q", kind, d.Code, err, c.want)
		}
		_, err = a.Authenticate(t.Context(), c.presented, principal.Origin{})
		if got := fault.KindOf(err); err == nil && c.want != "" || err != nil && got != c.want {
			t.Errorf("kind %d authenticates as %v, want %q", kind, err, c.want)
		}
	}
	if _, ok := credential.Parse(verify.PresentKey(p, bearer).LogValue().String()); ok {
		t.Error("a presentation prints what it holds")
	}
}
