package pages

import (
	"testing"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
	"github.com/claviger-dev/claviger/internal/testkit/browser"
)

// An admin gives a program an account of its own, with a key, and ends both.
func TestAnAdminManagesServiceAccountsInTheConsole(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Shipping API", nil)
	admin := h.Member(tenant, "Ines Okafor", scope.Admin)
	steward := h.Member(tenant, "Mei-Ling Chu", scope.Member)
	tab := browser.Open(t, h.URL)
	signIn(tab, admin.Email)
	tab.Follow(browser.Link("Service accounts"))
	look(t, tab, "service-accounts-empty")
	tab.Follow(browser.Link("New service account"))
	tab.Fill("Name", "Customer platform")
	tab.Fill("Description (optional)", "Back end that creates keys for customers.")
	tab.Fill("E-mail addresses (optional)", steward.Email)
	look(t, tab, "service-account-new")
	tab.Follow(browser.Button("Create service account"))
	tab.See("The service account is created.")
	tab.Follow(browser.Link("New API key"))
	tab.Fill("Name", "Order sync, production")
	tab.Follow(browser.Button("Create"))
	value := shownKey(t, tab)
	if who := whoami(t, h, value); who.KeyID == nil {
		t.Errorf("the key of the machine is %+v", who)
	}
	tab.Follow(browser.Link("Service accounts"))
	look(t, tab, "service-accounts")
	tab.Follow(browser.Link("Customer platform"))
	look(t, tab, "service-account")
	tab.Follow(browser.Link("Edit Customer platform"))
	look(t, tab, "service-account-edit")
	tab.Follow(browser.Link("Discard"))
	tab.Follow(browser.Link("Disable… Customer platform"))
	look(t, tab, "service-account-disable")
	tab.Follow(browser.Button("Disable this service account"))
	tab.See("Its keys are refused until it is enabled again.")
	tab.Follow(browser.Button("Enable Customer platform"))
	tab.Follow(browser.Link("Delete… Customer platform"))
	look(t, tab, "service-account-delete")
	tab.Fill("Type Customer platform to go on", "Customer platform")
	tab.Follow(browser.Button("Delete this service account"))
	tab.See("The service account is deleted.")
	if _, err := h.Anyone().WithKey(value).Whoami(t.Context()); testkit.Code(t, err) != api.APIKeyRevoked {
		t.Errorf("the key of the machine: %v", err)
	}
}
