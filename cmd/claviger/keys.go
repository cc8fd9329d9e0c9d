package main

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
)

func keysCommand() *cobra.Command {
	cmd := noun("keys", "Create keys and look after them", "")
	r := newRemote(cmd).inTenants(cmd)
	cmd.AddCommand(createKey(r), listKeys(r), showKey(r), editKey(r), refreshKey(r), endPrevious(r), revealKey(r), revokeKey(r), disableKey(r), enableKey(r), deleteKey(r), claimKey(r), keyHealth(r))
	return cmd
}

// keyFlags are those of what a key may do, for its creation and its changes.
type keyFlags struct {
	name, description    string
	scopes, applications []string
	all                  bool
	expires              string
}

func (f *keyFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.description, "description", "", "what it is for")
	flags.StringArrayVar(&f.scopes, "scope", nil, "a `scope`, as applications:read; repeat it for more")
	flags.BoolVar(&f.all, "all-applications", false, "reach all applications, also future ones")
	flags.StringArrayVar(&f.applications, "application", nil, "the id of an `application` that it reaches; repeat it for more")
	flags.StringVar(&f.expires, "expires", "", "`when` it ends: days from now, as in 90d, or a time, as in 2027-01-31T12:00:00Z")
	cmd.MarkFlagsMutuallyExclusive("all-applications", "application")
}

func createKey(r *remote) *cobra.Command {
	var f keyFlags
	var s secretFlags
	var owner string
	var link bool
	cmd := &cobra.Command{
		Use: "create NAME", Short: "Create a key", Args: cobra.ExactArgs(1),
		Long: `Creates a key and shows its secret, once. With --save the secret goes into a file, as {"id":…,"secret":…}, and is not shown.
With --link nobody sees it but the owner, who opens the link or uses claviger keys claim.`,
		Example: `  claviger keys create "Nightly build" --scope applications:read --all-applications --expires 90d --save key.json
  claviger keys create "Ann's reports" --owner usr_… --scope applications:read --application app_… --link`,
	}
	f.add(cmd)
	s.add(cmd)
	cmd.Flags().StringVar(&owner, "owner", "", "the owner's user id; by default you")
	cmd.Flags().BoolVar(&link, "link", false, "make a link by which the owner gets the secret")
	cmd.MarkFlagsMutuallyExclusive("link", "save")
	cmd.RunE = r.inTenant(func(c *call, tenant string, args []string) error {
		n := api.NewKey{Name: args[0], Description: f.description, OwnerID: owner, Scopes: f.scopes, AllApplications: f.all, ApplicationIDs: f.applications}
		if link {
			n.Delivery = "link"
		}
		if f.expires != "" {
			at, err := expiry(f.expires, time.Now())
			if err != nil {
				return err
			}
			n.ExpiresAt = &at
		}
		return c.issue(s, func() (api.IssuedKey, error) { return c.CreateKey(c.ctx, tenant, n) })
	})
	return cmd
}

func listKeys(r *remote) *cobra.Command {
	var filter client.KeyFilter
	var everywhere bool
	cmd := &cobra.Command{
		Use: "list", Short: "List keys, newest first", Args: cobra.NoArgs,
		Example: `  claviger keys list --owner me
  claviger keys list --all-tenants --status active`,
	}
	cmd.Flags().StringVar(&filter.Owner, "owner", "", `only those of an `+"`owner`"+`: "me" or a user id`)
	cmd.Flags().StringVar(&filter.Status, "status", "", "only the active, disabled, expired or revoked ones")
	cmd.Flags().StringVar(&filter.Query, "query", "", "only those with the text in name, public id or owner's e-mail address")
	cmd.Flags().BoolVar(&everywhere, "all-tenants", false, "your own, in all your tenants")
	cmd.MarkFlagsMutuallyExclusive("all-tenants", "owner")
	inTenant := r.inTenant(func(c *call, tenant string, _ []string) error {
		keys, err := every(0, func(p client.Page) (api.List[api.Key], error) { return c.Keys(c.ctx, tenant, filter, p) })
		if err != nil {
			return err
		}
		return printList(c.printer, keys, keyColumns)
	})
	ofAll := r.do(func(c *call, _ []string) error {
		keys, err := every(0, func(p client.Page) (api.List[api.OwnKey], error) { return c.OwnKeys(c.ctx, filter, p) })
		if err != nil {
			return err
		}
		return printList(c.printer, keys, append(of(keyColumns, func(k api.OwnKey) api.Key { return k.Key }), column[api.OwnKey]{"tenant", func(k api.OwnKey) string { return k.TenantID }}))
	})
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if everywhere {
			return ofAll(cmd, args)
		}
		return inTenant(cmd, args)
	}
	return cmd
}

func showKey(r *remote) *cobra.Command {
	return &cobra.Command{Use: "show KEY", Short: "Show a key", Args: cobra.ExactArgs(1), RunE: r.inTenant(func(c *call, tenant string, args []string) error {
		return c.showKey(c.Key(c.ctx, tenant, args[0]))
	})}
}

func (c *call) showKey(k api.Key, err error) error {
	if err != nil {
		return err
	}
	return printOne(c.printer, k, keyFields)
}

func editKey(r *remote) *cobra.Command {
	var f keyFlags
	cmd := &cobra.Command{
		Use: "edit KEY", Short: "Change a key", Args: cobra.ExactArgs(1),
		Long:    "Changes what the flags name and keeps the rest. The scopes and applications given replace those that are there.",
		Example: `  claviger keys edit key_… --name "Nightly build" --clear-description`,
	}
	f.add(cmd)
	cmd.Flags().StringVar(&f.name, "name", "", "another name")
	clearFlags(cmd, "description", "expires")
	cmd.MarkFlagsOneRequired("name", "description", "clear-description", "scope", "all-applications", "application", "expires", "clear-expires")
	cmd.RunE = r.inTenant(func(c *call, tenant string, args []string) error {
		expires, err := changedExpiry(cmd, f.expires, time.Now())
		if err != nil {
			return err
		}
		return c.showKey(c.EditKey(c.ctx, tenant, args[0], api.KeyEdit{
			Name: changed(cmd, "name", f.name), Description: changedText(cmd, "description", f.description), Scopes: changed(cmd, "scope", f.scopes),
			AllApplications: changed(cmd, "all-applications", f.all), ApplicationIDs: changed(cmd, "application", f.applications), ExpiresAt: expires,
		}))
	})
	return cmd
}

// clearFlags adds --clear-… for flags whose members may be cleared.
func clearFlags(cmd *cobra.Command, names ...string) {
	for _, name := range names {
		cmd.Flags().Bool("clear-"+name, false, "take away what --"+name+" sets")
		cmd.MarkFlagsMutuallyExclusive("clear-"+name, name)
	}
}

func refreshKey(r *remote) *cobra.Command {
	var s secretFlags
	var newID bool
	var overlap, expires string
	cmd := &cobra.Command{
		Use: "refresh KEY", Short: "Give a key a new secret", Args: cobra.ExactArgs(1),
		Long: `Gives a key a new secret and shows it, once. The old one ends at once, or after --overlap: time to bring the new one to all that use the key.
Without --expires a key that expires lives on from now for as long as it was made for.`,
		Example: "  claviger keys refresh key_… --overlap 24h --save key.json --force",
	}
	s.add(cmd)
	cmd.Flags().BoolVar(&newID, "new-id", false, "take a new public id too")
	cmd.Flags().StringVar(&overlap, "overlap", "0s", "how `long` the old secret counts beside the new one, at most 7d")
	cmd.Flags().StringVar(&expires, "expires", "", "`when` the key ends: days from now, as in 90d, or a time")
	clearFlags(cmd, "expires")
	cmd.RunE = r.inTenant(func(c *call, tenant string, args []string) error {
		at, err := changedExpiry(cmd, expires, time.Now())
		if err != nil {
			return err
		}
		beside, err := span("overlap", overlap)
		if err != nil {
			return err
		}
		keep := !newID
		refresh := api.Refresh{KeepID: &keep, ExpiresAt: at, OverlapSeconds: int(beside / time.Second)}
		return c.issue(s, func() (api.IssuedKey, error) { return c.RefreshKey(c.ctx, tenant, args[0], refresh) })
	})
	return cmd
}

func endPrevious(r *remote) *cobra.Command {
	return &cobra.Command{
		Use: "end-overlap KEY", Short: "End the old secret of a refreshed key before its time", Args: cobra.ExactArgs(1),
		RunE: r.inTenant(func(c *call, tenant string, args []string) error {
			if err := c.EndPrevious(c.ctx, tenant, args[0]); err != nil {
				return err
			}
			return c.done("The old secret of %s has ended.", args[0])
		}),
	}
}

func revokeKey(r *remote) *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use: "revoke KEY", Short: "End a key for good", Args: cobra.ExactArgs(1),
		Long: "Ends a key at once and for good. Its record stays, except in tenants that delete what is revoked.",
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the audit trail")
	cmd.RunE = r.inTenant(func(c *call, tenant string, args []string) error {
		k, err := c.RevokeKey(c.ctx, tenant, args[0], reason)
		if err == nil && k == nil {
			return c.done("%s is revoked and deleted.", args[0])
		}
		if err != nil {
			return err
		}
		return c.showKey(*k, nil)
	})
	return cmd
}

func disableKey(r *remote) *cobra.Command {
	return &cobra.Command{Use: "disable KEY", Short: "Take a key out of use until it is enabled", Args: cobra.ExactArgs(1), RunE: r.inTenant(func(c *call, tenant string, args []string) error {
		return c.showKey(c.DisableKey(c.ctx, tenant, args[0]))
	})}
}

func enableKey(r *remote) *cobra.Command {
	return &cobra.Command{Use: "enable KEY", Short: "Bring a disabled key back into use", Args: cobra.ExactArgs(1), RunE: r.inTenant(func(c *call, tenant string, args []string) error {
		return c.showKey(c.EnableKey(c.ctx, tenant, args[0]))
	})}
}

func deleteKey(r *remote) *cobra.Command {
	return &cobra.Command{
		Use: "delete KEY", Short: "Delete a key", Args: cobra.ExactArgs(1), Long: "Deletes a key with its record; what happened to it stays in the audit trail.",
		RunE: r.inTenant(func(c *call, tenant string, args []string) error {
			if err := c.DeleteKey(c.ctx, tenant, args[0]); err != nil {
				return err
			}
			return c.done("%s is deleted.", args[0])
		}),
	}
}

var keyColumns = []column[api.Key]{
	{"id", func(k api.Key) string { return k.ID }},
	{"public id", func(k api.Key) string { return k.PublicID }},
	{"name", func(k api.Key) string { return k.Name }},
	{"owner", func(k api.Key) string { return personText(k.Owner) }},
	{"status", func(k api.Key) string { return k.Status }},
	{"created", func(k api.Key) string { return whenText(k.CreatedAt) }},
	{"expires", detail(func(d api.KeyDetails) string { return whenOr(d.EffectiveExpiresAt, "never") })},
	{"last used", detail(func(d api.KeyDetails) string { return whenOr(d.LastUsedAt, "never") })},
}

var keyFields = []column[api.Key]{
	{"id", func(k api.Key) string { return k.ID }},
	{"public id", func(k api.Key) string { return k.PublicID }},
	{"name", func(k api.Key) string { return k.Name }},
	{"description", func(k api.Key) string { return k.Description }},
	{"owner", func(k api.Key) string { return userText(&k.Owner) }},
	{"status", func(k api.Key) string { return k.Status }},
	{"style", detail(func(d api.KeyDetails) string { return d.Style })},
	{"secret ends in", detail(func(d api.KeyDetails) string { return d.Last4 })},
	{"scopes", detail(func(d api.KeyDetails) string { return words(d.Scopes) })},
	{"applications", detail(func(d api.KeyDetails) string { return reachText(d.AllApplications, d.ApplicationIDs) })},
	{"created", func(k api.Key) string { return whenText(k.CreatedAt) }},
	{"created by", detail(func(d api.KeyDetails) string { return userText(&d.CreatedBy) })},
	{"delivery", detail(func(d api.KeyDetails) string { return d.Delivery })},
	{"changed", detail(func(d api.KeyDetails) string { return whenText(d.UpdatedAt) })},
	{"secret set", detail(func(d api.KeyDetails) string { return whenOr(d.SecretSetAt, "not yet") })},
	{"expires", detail(expiryText)},
	{"last used", detail(func(d api.KeyDetails) string { return beside(whenOr(d.LastUsedAt, "never"), "from", d.LastUsedIP) })},
	{"disabled", detail(func(d api.KeyDetails) string { return beside(whenOr(d.DisabledAt, ""), "by", d.DisabledBy) })},
	{"revoked", detail(func(d api.KeyDetails) string { return beside(whenOr(d.RevokedAt, ""), "because", d.RevokedReason) })},
	{"old secret", detail(previousText)},
}

// detail is a column of what only the owner, admins and auditors see.
func detail(text func(api.KeyDetails) string) func(api.Key) string {
	return func(k api.Key) string {
		if k.KeyDetails == nil {
			return ""
		}
		return text(*k.KeyDetails)
	}
}

// expiryText says when a key ends and by what: its own expiry, or a policy.
func expiryText(d api.KeyDetails) string {
	if d.EffectiveExpiresAt == nil {
		return "never"
	}
	return beside(whenText(*d.EffectiveExpiresAt), "by", d.ExpiryReason)
}

func previousText(d api.KeyDetails) string {
	if d.Previous == nil {
		return ""
	}
	return "…" + d.Previous.Last4 + " of " + d.Previous.PublicID + " until " + whenText(d.Previous.ExpiresAt) + ", last used " + whenOr(d.Previous.LastUsedAt, "not since")
}

// beside adds what is known besides.
func beside(text, word string, more *string) string {
	if text == "" || more == nil {
		return text
	}
	return text + " " + word + " " + *more
}

// of makes columns of a part into columns of the whole.
func of[Whole, Part any](columns []column[Part], part func(Whole) Part) []column[Whole] {
	var all []column[Whole]
	for _, c := range columns {
		all = append(all, column[Whole]{c.title, func(w Whole) string { return c.text(part(w)) }})
	}
	return all
}
