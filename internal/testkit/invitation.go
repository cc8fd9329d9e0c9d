package testkit

import (
	"strings"
	"testing"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/tenancy"
)

// InvitationToken returns the one-time token at the end of an invitation's link.
func InvitationToken(i api.Invitation) string { return (*i.URL)[strings.LastIndexByte(*i.URL, '/')+1:] }

// Invite invites an address into the tenant.
func Invite(t testing.TB, c *client.Client, tenant tenancy.Tenant, email, role string) api.Invitation {
	t.Helper()
	return Must[api.Invitation](t)(c.Invite(t.Context(), string(tenant.ID),
		api.CreateInvitationRequest{Email: email, Role: api.Role(role)}))
}

// Accepting returns a function that accepts the invitation.
func Accepting(t testing.TB, h *Server, token string, a api.AcceptInvitationRequest) func() error {
	return func() error {
		_, _, err := h.Anyone().AcceptInvitation(t.Context(), token, a)
		return err
	}
}

// Newcomer is the request of somebody without a user who accepts an invitation.
var Newcomer = api.AcceptInvitationRequest{Name: "Eve Newcomer", Password: Password}

// SetupToken returns the token of a new setup link.
func SetupToken(t testing.TB, h *Server) string {
	t.Helper()
	return h.SetupLink().Reveal()
}

// SetUpRequest returns a request to create the first account with the token.
func SetUpRequest(token string) api.SetUpRequest {
	return api.SetUpRequest{
		Token: token, Account: "New account", Email: "Founder@Claviger.Example", Name: "The Founder",
		Password: Password,
	}
}

// OtherCharacter returns a character of tokens that differs from c.
func OtherCharacter(c string) string {
	if c == "a" {
		return "b"
	}
	return "a"
}
