package cli

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
)

func keysCommand() *cobra.Command {
	cmd := groupCommand("keys", "Create and manage keys",
		`Creates and manages keys. KEY is the id, the public id or the name of a key. If
several keys have the name, the command fails and lists them. A name refers to a
revoked or expired key only if no other key has it.`)
	r := newAPICommand(cmd).withTenantFlag(cmd)
	cmd.AddCommand(createKey(r), listKeys(r), showKey(r), editKey(r), refreshKey(r), endOverlap(r), revealKey(r),
		revokeKey(r), disableKey(r), enableKey(r), deleteKey(r), claimKey(r), renewClaimLink(r), keyHealth(r))
	return cmd
}

// keyFlags are the flags for the properties of a key, to create or update it.
type keyFlags struct {
	name, description    string
	scopes, applications []string
	allApplications      bool
	networks             []string
	expires              string
	metadata             metadataFlags
}

func (f *keyFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.description, "description", "", "purpose of the key")
	flags.StringArrayVar(&f.scopes, "scope", nil, "a `scope`, such as applications:read; repeat for more")
	flags.BoolVar(&f.allApplications, "all-applications", false, "allow all applications, including future ones")
	flags.StringArrayVar(&f.applications, "application", nil,
		"allow this `application`, by id or name; repeat for more")
	flags.StringArrayVar(&f.networks, "allow-cidr", nil,
		"allow the key only from this `network`, such as 192.0.2.0/24; repeat for more")
	f.metadata.add(cmd)
	flags.StringVar(&f.expires, "expires", "", "`when` the key expires: "+timeHelp)
	cmd.MarkFlagsMutuallyExclusive("all-applications", "application")
}

func createKey(r *apiCommand) *cobra.Command {
	var f keyFlags
	var s secretFlags
	var owner, plan, ownerName string
	var link bool
	cmd := &cobra.Command{
		Use: "create NAME", Short: "Create a key", Args: cobra.ExactArgs(1),
		Long: `Creates a key and shows its secret, once. With --save, writes the secret to a
file as {"id":…,"secret":…,"value":…}, and does not show it. With --link, only
the owner gets the secret: by opening the link, or with claviger keys claim. If
the owner of the key is an owner or admin of the account, only they themselves
can create it without --link. With --owner subject:EXTERNAL_ID, a subject that
does not exist is created together with the key.`,
		Example: `  claviger keys create "Nightly build" --scope applications:read --all-applications \
    --expires 90d --save key.json
  claviger keys create "Ann's reports" --owner usr_… --scope applications:read --application app_… --link
  claviger keys create Production --owner subject:cus_1029 --plan basic --scope films:read --all-applications`,
	}
	f.add(cmd)
	s.add(cmd)
	cmd.Flags().StringVar(&owner, "owner", "",
		"`owner` of the key: an e-mail address, name or user id, service_account:NAME, or subject:EXTERNAL_ID "+
			"(default: you)")
	cmd.Flags().StringVar(&plan, "plan", "", "`plan` of a subject that --owner creates")
	cmd.Flags().StringVar(&ownerName, "owner-name", "", "`name` of a subject that --owner creates")
	cmd.Flags().BoolVar(&link, "link", false, "create a link for the owner to get the secret")
	cmd.MarkFlagsMutuallyExclusive("link", "save")
	cmd.RunE = r.inTenant(func(c *call, tenant string, args []string) error {
		n := api.CreateKeyRequest{
			Name: args[0], Description: f.description, Scopes: f.scopes,
			AllApplications: f.allApplications, AllowedCIDRs: f.networks,
		}
		var err error
		n.Metadata, err = f.metadata.object()
		if err != nil {
			return err
		}
		n.ApplicationIDs, err = c.applicationIDs(tenant, f.applications)
		if err != nil {
			return err
		}
		n.Owner, err = c.ownerOf(tenant, owner)
		if err != nil {
			return err
		}
		if plan != "" || ownerName != "" {
			if n.Owner == nil || n.Owner.Type != api.PartySubject {
				return usage("--plan and --owner-name need --owner subject:EXTERNAL_ID")
			}
			n.Owner.Plan, n.Owner.Name = plan, ownerName
		}
		if link {
			n.Delivery = "link"
		}
		if cmd.Flags().Changed("expires") {
			at, err := c.timeFlag("expires", f.expires, fromNow)
			if err != nil {
				return err
			}
			n.ExpiresAt = &at
		}
		return c.showOrSaveIssued(s, func() (api.IssuedKey, error) { return c.CreateKey(c.ctx, tenant, n) })
	})
	return cmd
}

func listKeys(r *apiCommand) *cobra.Command {
	var filter client.KeyFilter
	var everywhere bool
	cmd := &cobra.Command{
		Use: "list", Short: "List keys, newest first", Args: cobra.NoArgs,
		Example: `  claviger keys list --owner me
  claviger keys list --all-tenants --status active
  claviger keys list --shown-to usr_…`,
	}
	cmd.Flags().StringVar(&filter.Owner, "owner", "",
		`only keys of this `+"`owner`"+`: "me", an e-mail address, name or user id, service_account:NAME, or `+
			`subject:EXTERNAL_ID`)
	cmd.Flags().StringVar(&filter.Status, "status", "",
		"only keys with this status: active, disabled, expired or revoked")
	cmd.Flags().StringVar(&filter.BlockedBy, "blocked-by", "",
		"only keys that this keeps from working because it is disabled: owner, tenant or account")
	cmd.Flags().StringVar(&filter.Query, "query", "",
		"only keys whose name, public id or owner's e-mail address has words that begin with those of this `text`")
	cmd.Flags().StringVar(&filter.ShownTo, "shown-to", "",
		`only keys of other owners whose current secret was shown to this `+"`person`"+
			`: "me", an e-mail address, name or user id`)
	cmd.Flags().BoolVar(&everywhere, "all-tenants", false, "your keys in all your tenants")
	cmd.MarkFlagsMutuallyExclusive("all-tenants", "owner")
	cmd.MarkFlagsMutuallyExclusive("all-tenants", "shown-to")
	inTenant := r.inTenant(func(c *call, tenant string, _ []string) (err error) {
		filter.Owner, err = c.ownerFilter(tenant, filter.Owner)
		if err == nil && filter.ShownTo != "" {
			filter.ShownTo, err = c.userID(tenant, filter.ShownTo)
		}
		if err != nil {
			return err
		}
		keys, err := allPages(0,
			func(p client.Page) (api.List[api.Key], error) { return c.Keys(c.ctx, tenant, filter, p) })
		if err != nil {
			return err
		}
		return printList(c.printer, keys, keyColumns, "id", "created")
	})
	ofAll := r.authenticated(func(c *call, _ []string) error {
		keys, err := allPages(0,
			func(p client.Page) (api.List[api.OwnKey], error) { return c.OwnKeys(c.ctx, filter, p) })
		if err != nil {
			return err
		}
		columns := columnsOfPart(keyColumns, func(k api.OwnKey) api.Key { return k.Key })
		columns = append(columns, column[api.OwnKey]{"tenant", func(k api.OwnKey) string { return k.TenantID }})
		return printList(c.printer, keys, columns, "id", "created", "owner")
	})
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if everywhere {
			return ofAll(cmd, args)
		}
		return inTenant(cmd, args)
	}
	return cmd
}

func showKey(r *apiCommand) *cobra.Command {
	return &cobra.Command{
		Use: "show KEY", Short: "Show a key", Args: cobra.ExactArgs(1),
		RunE: r.inTenant(r.onKey(func(c *call, tenant, key string) error {
			return c.showKey(c.Key(c.ctx, tenant, key))
		})),
	}
}

func (c *call) showKey(k api.Key, err error) error {
	if err != nil {
		return err
	}
	return printOne(c.printer, k, keyFields)
}

func editKey(r *apiCommand) *cobra.Command {
	var f keyFlags
	cmd := &cobra.Command{
		Use: "edit KEY", Short: "Update a key", Args: cobra.ExactArgs(1),
		Long: `Updates what the flags name, and leaves the rest unchanged. The given scopes,
applications and networks replace the current ones. The given metadata is added
to the current one.`,
		Example: `  claviger keys edit key_… --name "Nightly build" --clear-description
  claviger keys edit key_… --allow-cidr 192.0.2.0/24 --allow-cidr 2001:db8::/32
  claviger keys edit key_… --metadata team=build --remove-metadata stage`,
	}
	f.add(cmd)
	cmd.Flags().StringVar(&f.name, "name", "", "new name")
	clearFlags(cmd, "description", "expires", "allow-cidr")
	f.metadata.addRemoval(cmd)
	cmd.MarkFlagsOneRequired("name", "description", "clear-description", "scope", "all-applications", "application",
		"expires", "clear-expires", "allow-cidr", "clear-allow-cidr", "metadata", "remove-metadata", "clear-metadata")
	cmd.RunE = r.inTenant(r.onKey(func(c *call, tenant, key string) error {
		expires, err := c.expiryPatch(cmd, f.expires)
		if err != nil {
			return err
		}
		f.applications, err = c.applicationIDs(tenant, f.applications)
		if err != nil {
			return err
		}
		metadata, err := f.metadata.patch(cmd)
		if err != nil {
			return err
		}
		networks := changed(cmd, "allow-cidr", f.networks)
		if cmd.Flags().Changed("clear-allow-cidr") {
			networks = api.Cleared[[]string]()
		}
		return c.showKey(c.EditKey(c.ctx, tenant, key, api.UpdateKeyRequest{
			Name: changed(cmd, "name", f.name), Description: changedText(cmd, "description", f.description),
			Scopes:          changed(cmd, "scope", f.scopes),
			AllApplications: changed(cmd, "all-applications", f.allApplications),
			ApplicationIDs:  changed(cmd, "application", f.applications), ExpiresAt: expires,
			AllowedCIDRs: networks, Metadata: metadata,
		}))
	}))
	return cmd
}

// clearFlags adds a flag --clear-NAME for each flag whose value can be removed.
func clearFlags(cmd *cobra.Command, names ...string) {
	for _, name := range names {
		cmd.Flags().Bool("clear-"+name, false, "remove what --"+name+" sets")
		cmd.MarkFlagsMutuallyExclusive("clear-"+name, name)
	}
}

func refreshKey(r *apiCommand) *cobra.Command {
	var s secretFlags
	var newID bool
	var overlap, expires string
	cmd := &cobra.Command{
		Use: "refresh KEY", Short: "Refresh a key: give it a new secret", Args: cobra.ExactArgs(1),
		Long: `Gives a key a new secret and shows it, once. The old secret stops working
immediately or, with --overlap, after that time. Use the overlap to deploy the
new secret. If the overlap of an earlier refresh is still running, a refresh
ends the oldest secret immediately. The command asks for confirmation first,
unless you pass --yes. Without --expires, the new lifetime starts now and is as
long as the original one.`,
		Example: "  claviger keys refresh key_… --overlap 24h --save key.json --force",
	}
	s.add(cmd)
	cmd.Flags().BoolVar(&newID, "new-id", false, "also change the public id")
	yes := yesFlag(cmd)
	cmd.Flags().StringVar(&overlap, "overlap", "0s",
		"how `long` the old secret stays valid, such as 12h, 2d or 1w; at most 7d")
	cmd.Flags().StringVar(&expires, "expires", "", "`when` the key expires: "+timeHelp)
	clearFlags(cmd, "expires")
	cmd.RunE = r.inTenant(r.onKey(func(c *call, tenant, key string) error {
		at, err := c.expiryPatch(cmd, expires)
		if err != nil {
			return err
		}
		overlapTime, err := parseSpanFlag("overlap", overlap)
		if err != nil {
			return err
		}
		if err := c.confirmEndOfOverlap("This refresh ends the old secret ", tenant, key, *yes); err != nil {
			return err
		}
		keep := !newID
		refresh := api.RefreshKeyRequest{KeepID: &keep, ExpiresAt: at, OverlapSeconds: int(overlapTime / time.Second)}
		return c.showOrSaveIssued(s, func() (api.IssuedKey, error) { return c.RefreshKey(c.ctx, tenant, key, refresh) })
	}))
	return cmd
}

// confirmEndOfOverlap asks for confirmation before it ends the previous secret of a key, if that is
// still valid.
func (c *call) confirmEndOfOverlap(text, tenant, key string, yes bool) error {
	if yes {
		return nil
	}
	k, err := c.Key(c.ctx, tenant, key)
	if err != nil || k.KeyDetails == nil || k.Previous == nil {
		return err
	}
	return c.confirm(c.ctx, text+secretText(k.Previous)+".")
}

func endOverlap(r *apiCommand) *cobra.Command {
	cmd := &cobra.Command{
		Use: "end-overlap KEY", Short: "End the old secret of a refreshed key early",
		Args: cobra.ExactArgs(1),
	}
	yes := yesFlag(cmd)
	cmd.RunE = r.inTenant(r.onKey(func(c *call, tenant, key string) error {
		if err := c.confirmEndOfOverlap("This ends the old secret ", tenant, key, *yes); err != nil {
			return err
		}
		if err := c.EndPrevious(c.ctx, tenant, key); err != nil {
			return err
		}
		return c.printDone("Ended the old secret of %s.", key)
	}))
	return cmd
}

func revokeKey(r *apiCommand) *cobra.Command {
	var reason, shownTo string
	cmd := &cobra.Command{
		Use: "revoke [KEY]", Short: "Revoke a key permanently", Args: cobra.MaximumNArgs(1),
		Long: `Revokes a key immediately and permanently. Asks for confirmation. The record of
the key stays, except in tenants that delete revoked keys. With --shown-to,
revokes all keys of other owners whose secret was shown to a person, for example
after that person left the tenant.`,
		Example: `  claviger keys revoke key_… --reason 'leaked in a log' --yes
  claviger keys revoke --shown-to usr_… --reason 'known to a former admin'`,
	}
	cmd.Flags().StringVar(&shownTo, "shown-to", "",
		"instead of one key, revoke all keys of other owners whose secret was shown to this `person`: "+
			"\"me\", an e-mail address, name or user id")
	cmd.Flags().StringVar(&reason, "reason", "", "reason, for the audit trail")
	yes := yesFlag(cmd)
	one := r.onKey(func(c *call, tenant, key string) error {
		if err := c.confirmKey(*yes, tenant, key, "This revokes the key %s permanently."); err != nil {
			return err
		}
		k, err := c.RevokeKey(c.ctx, tenant, key, reason)
		if err == nil && k == nil {
			return c.printDone("Revoked and deleted %s.", key)
		}
		if err != nil {
			return err
		}
		return c.showKey(*k, nil)
	})
	cmd.RunE = r.inTenant(func(c *call, tenant string, args []string) error {
		switch {
		case (len(args) == 1) == (shownTo != ""):
			return usage("name one key, or give --shown-to")
		case shownTo == "":
			return one(c, tenant, args)
		}
		person, err := c.userID(tenant, shownTo)
		if err != nil {
			return err
		}
		return c.revokeShown(tenant, person, reason, *yes)
	})
	return cmd
}

func disableKey(r *apiCommand) *cobra.Command {
	return &cobra.Command{
		Use: "disable KEY", Short: "Disable a key until it is enabled again",
		Args: cobra.ExactArgs(1), RunE: r.inTenant(r.onKey(func(c *call, tenant, key string) error {
			return c.showKey(c.DisableKey(c.ctx, tenant, key))
		})),
	}
}

func enableKey(r *apiCommand) *cobra.Command {
	return &cobra.Command{
		Use: "enable KEY", Short: "Enable a disabled key", Args: cobra.ExactArgs(1),
		RunE: r.inTenant(r.onKey(func(c *call, tenant, key string) error {
			return c.showKey(c.EnableKey(c.ctx, tenant, key))
		})),
	}
}

func deleteKey(r *apiCommand) *cobra.Command {
	cmd := &cobra.Command{
		Use: "delete KEY", Short: "Delete a key", Args: cobra.ExactArgs(1),
		Long: `Revokes a key and deletes its record. Asks for confirmation. Its events stay in
the audit trail.`,
	}
	yes := yesFlag(cmd)
	cmd.RunE = r.inTenant(r.onKey(func(c *call, tenant, key string) error {
		if err := c.confirmKey(*yes, tenant, key,
			"This revokes the key %s permanently and deletes its record."); err != nil {
			return err
		}
		if err := c.DeleteKey(c.ctx, tenant, key); err != nil {
			return err
		}
		return c.printDone("Deleted %s.", key)
	}))
	return cmd
}

var keyColumns = []column[api.Key]{
	{"id", func(k api.Key) string { return k.ID }},
	{"public id", func(k api.Key) string { return k.PublicID }},
	{"name", func(k api.Key) string { return k.Name }},
	{"owner", func(k api.Key) string { return partyText(k.Owner) }},
	{"status", func(k api.Key) string { return string(k.Status) }},
	{"created", func(k api.Key) string { return timeText(k.CreatedAt) }},
	{"expires", detailText(func(d api.KeyDetails) string { return timeOr(d.EffectiveExpiresAt, "never") })},
	{"last used", detailText(func(d api.KeyDetails) string { return timeOr(d.LastUsedAt, "never") })},
}

var keyFields = []column[api.Key]{
	{"id", func(k api.Key) string { return k.ID }},
	{"public id", func(k api.Key) string { return k.PublicID }},
	{"name", func(k api.Key) string { return k.Name }},
	{"description", func(k api.Key) string { return k.Description }},
	{"owner", func(k api.Key) string { return partyWithID(k.Owner) }},
	{"status", func(k api.Key) string { return string(k.Status) }},
	{"style", detailText(func(d api.KeyDetails) string { return string(d.Style) })},
	{"secret ends in", detailText(func(d api.KeyDetails) string { return d.Last4 })},
	{"scopes", detailText(func(d api.KeyDetails) string { return joinWords(d.Scopes) })},
	{
		"applications",
		detailText(func(d api.KeyDetails) string { return applicationsText(d.AllApplications, d.ApplicationIDs) }),
	},
	{"addresses", detailText(func(d api.KeyDetails) string { return addressesText(d.AllowedCIDRs) })},
	{"metadata", detailText(func(d api.KeyDetails) string { return metadataText(d.Metadata) })},
	{"created", func(k api.Key) string { return timeText(k.CreatedAt) }},
	{"created by", detailText(func(d api.KeyDetails) string { return partyWithID(d.CreatedBy) })},
	{"delivery", detailText(func(d api.KeyDetails) string { return string(d.Delivery) })},
	{"updated", detailText(func(d api.KeyDetails) string { return timeText(d.UpdatedAt) })},
	{"secret set", detailText(func(d api.KeyDetails) string { return timeOr(d.SecretSetAt, "not yet") })},
	{"expires", detailText(expiryText)},
	{
		"last used",
		detailText(func(d api.KeyDetails) string {
			return withSuffix(timeOr(d.LastUsedAt, "never"), "from", d.LastUsedIP)
		}),
	},
	{
		"disabled",
		detailText(func(d api.KeyDetails) string { return withSuffix(timeOr(d.DisabledAt, ""), "by", d.DisabledBy) }),
	},
	{"blocked by", detailText(func(d api.KeyDetails) string {
		if d.BlockedBy == nil {
			return ""
		}
		return string(*d.BlockedBy)
	})},
	{"revoked", detailText(func(d api.KeyDetails) string {
		return withSuffix(timeOr(d.RevokedAt, ""), "because", d.RevokedReason)
	})},
	{"old secret", detailText(previousText)},
}

// detailText returns the text of a column that only the owner, admins and auditors can see.
func detailText(text func(api.KeyDetails) string) func(api.Key) string {
	return func(k api.Key) string {
		if k.KeyDetails == nil {
			return ""
		}
		return text(*k.KeyDetails)
	}
}

// addressesText returns the networks from which a key may be used. It returns "" if the key may be
// used from every address.
func addressesText(cidrs []string) string {
	if cidrs != nil && len(cidrs) == 0 {
		return "none"
	}
	return joinWords(cidrs)
}

// expiryText says when a key expires, and whether by its own expiry or by a policy.
func expiryText(d api.KeyDetails) string {
	if d.EffectiveExpiresAt == nil {
		return "never"
	}
	return withSuffix(timeText(*d.EffectiveExpiresAt), "by", d.ExpiryReason)
}

func previousText(d api.KeyDetails) string {
	return secretText(d.Previous)
}

// secretText describes a previous secret. It returns "" for nil.
func secretText(p *api.PreviousSecret) string {
	if p == nil {
		return ""
	}
	return "…" + p.Last4 + " of " + p.PublicID + " until " + timeText(p.ExpiresAt) + ", last used " +
		timeOr(p.LastUsedAt, "not since")
}

// withSuffix appends a word and more to a text, if both texts are known.
func withSuffix[T ~string](text, word string, more *T) string {
	if text == "" || more == nil {
		return text
	}
	return text + " " + word + " " + string(*more)
}

// columnsOfPart turns columns of a part into columns of the whole.
func columnsOfPart[Whole, Part any](columns []column[Part], part func(Whole) Part) []column[Whole] {
	var all []column[Whole]
	for _, c := range columns {
		all = append(all, column[Whole]{c.title, func(w Whole) string { return c.text(part(w)) }})
	}
	return all
}
