package cli

import (
	"fmt"
	"slices"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
)

// shownKeys returns the usable keys of other owners whose secret was shown to a person.
func (c *call) shownKeys(tenant, person string) ([]api.Key, error) {
	filter := client.KeyFilter{ShownTo: person}
	keys, err := allPages(0, func(p client.Page) (api.List[api.Key], error) { return c.Keys(c.ctx, tenant, filter, p) })
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(keys.Items,
		func(k api.Key) bool { return k.Status != "active" && k.Status != "disabled" }), nil
}

// warnOfKnownSecrets prints how many keys of other owners a former admin could still use, and how
// many management keys former admins could. It ignores errors, because the change of the membership
// is already made.
func (c *call) warnOfKnownSecrets(tenant, person string) {
	if person == "me" {
		return // a former member has no access to the tenant
	}
	in := ""
	if c.tenant != "" {
		in = " --tenant " + c.tenant
	}
	keys, err := c.shownKeys(tenant, person)
	switch {
	case err != nil:
		c.note("Could not check whether they know secrets of other people's keys: %v. "+
			"To check: claviger keys list --shown-to %s%s",
			err, person, in)
	case len(keys) > 0:
		c.note("They know the secrets of %s of other people that can still be used.", countOf(len(keys), "key"))
		c.note("To list them:    claviger keys list --shown-to %s%s", person, in)
		c.note("To revoke them:  claviger keys revoke --shown-to %s%s", person, in)
	}
	c.warnOfManagementKeys(tenant, in)
}

// warnOfManagementKeys prints how many management keys have a secret that somebody was shown who is
// no longer an admin. It ignores errors, because key health can be asked again. in is the flag of
// the tenant, if it was given.
func (c *call) warnOfManagementKeys(tenant, in string) {
	health, err := c.KeyHealth(c.ctx, tenant, client.Page{Limit: 1})
	if err != nil || health.ManagementKeys == nil {
		return
	}
	for _, f := range health.ManagementKeys.Findings {
		if f.Finding == api.FindingShownToFormerAdmin && f.Keys > 0 {
			c.note("Former admins know the secrets of %s that can still be used.", countOf(f.Keys, "management key"))
			c.note("To list them:    claviger keys health%s", in)
		}
	}
}

// revokeShown revokes the usable keys of other owners whose secret was shown to a person.
func (c *call) revokeShown(tenant, person, reason string, yes bool) error {
	keys, err := c.shownKeys(tenant, person)
	if err != nil {
		return err
	}
	if len(keys) == 0 {
		return c.printDone("There is no such key.")
	}
	if err := c.confirmUnless(yes, "This revokes %s permanently.", countOf(len(keys), "key")); err != nil {
		return err
	}
	for _, k := range keys {
		if _, err := c.RevokeKey(c.ctx, tenant, k.ID, reason); err != nil {
			return err
		}
		if err := c.printDone("Revoked %s of %s.", k.ID, partyText(k.Owner)); err != nil {
			return err
		}
	}
	return nil
}

// countOf returns a number with its noun, in the singular for 1.
func countOf(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
