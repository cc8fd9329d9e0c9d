package pages

import (
	"testing"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/testkit"
	"github.com/claviger-dev/claviger/internal/testkit/browser"
)

// An admin adds a plan and a customer on it, gives the customer a key, narrows the plan, and ends
// the customer.
func TestAnAdminManagesCustomersInTheConsole(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	tenant := h.Tenant("Shipping API", nil)
	admin := h.Member(tenant, "Ines Okafor", scope.Admin)
	_, err := h.As(admin).ReplaceScopes(t.Context(), string(tenant.ID), []api.NewScope{
		{Name: "rates:read", Description: "Read rates."}, {Name: "bookings:create", Description: "Create bookings."},
	})
	testkit.NoError(t, err)
	h.Application(tenant, "Rates")
	tab := browser.Open(t, h.URL)
	signIn(tab, admin.Email)
	tab.Follow(browser.Link("Plans"))
	look(t, tab, "plans-empty")
	tab.Follow(browser.Link("New plan"))
	look(t, tab, "plan-new")
	tab.Fill("Name", "starter")
	tab.Click(browser.Role("checkbox", "rates:read Read rates."))
	tab.Click(browser.Role("checkbox", "bookings:create Create bookings."))
	tab.Follow(browser.Button("Create plan"))
	tab.See("The plan is created.")

	tab.Follow(browser.Link("Subjects"))
	look(t, tab, "subjects-empty")
	tab.Follow(browser.Link("New subject"))
	tab.Fill("External ID", "cus_9077")
	tab.Fill("Name (optional)", "Baltic Lines")
	tab.Choose("Plan", "starter")
	tab.Fill("JSON object (optional)", `{"region": "north"}`)
	look(t, tab, "subject-new")
	tab.Follow(browser.Button("Create subject"))
	tab.See("The subject is created.")
	tab.Follow(browser.Link("New API key"))
	tab.Click(browser.Role("radio", choice(t, tab, "All scopes that it may have")))
	tab.Fill("Name", "Production")
	tab.Follow(browser.Button("Create"))
	value := shownKey(t, tab)
	if who := whoami(t, h, value); len(who.Scopes) != 2 {
		t.Errorf("the key of the customer is %+v", who)
	}
	tab.Follow(browser.Link("Plans"))
	look(t, tab, "plans")
	tab.Follow(browser.Link("Edit starter"))
	look(t, tab, "plan-edit")
	tab.Click(browser.Role("checkbox", "bookings:create Create bookings."))
	tab.Follow(browser.Button("Save plan"))
	tab.See("1 key loses bookings:create at once.")
	look(t, tab, "plan-effect")
	tab.Follow(browser.Button("Save plan"))
	if who := whoami(t, h, value); len(who.Scopes) != 1 {
		t.Errorf("the key of the customer is %+v", who)
	}
	tab.Follow(browser.Link("Its subjects starter"))
	look(t, tab, "subjects")
	tab.Follow(browser.Link("Baltic Lines"))
	look(t, tab, "subject")
	tab.Follow(browser.Link("Edit Baltic Lines"))
	look(t, tab, "subject-edit")
	tab.Follow(browser.Link("Discard"))
	tab.Follow(browser.Link("Move to plan… Baltic Lines"))
	look(t, tab, "subject-plan")
	tab.Choose("Plan", "No plan")
	tab.Follow(browser.Button("Move to this plan"))
	tab.See("The subject has the plan.")
	tab.Follow(browser.Link("Disable… Baltic Lines"))
	look(t, tab, "subject-disable")
	tab.Follow(browser.Button("Disable this subject"))
	if _, err := h.Anyone().WithKey(value).Whoami(t.Context()); testkit.Code(t, err) != api.APIKeyDisabled {
		t.Errorf("the key of the customer: %v", err)
	}
	tab.Follow(browser.Button("Enable Baltic Lines"))
	tab.Follow(browser.Link("Delete… Baltic Lines"))
	look(t, tab, "subject-delete")
	tab.Follow(browser.Button("Delete this subject"))
	tab.Follow(browser.Link("Plans"))
	tab.Follow(browser.Link("Delete… starter"))
	look(t, tab, "plan-delete")
	tab.Follow(browser.Button("Delete this plan"))
	tab.See("The plan is deleted.")
}
