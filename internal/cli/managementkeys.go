package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
)

func managementKeysCommand() *cobra.Command {
	cmd := groupCommand("management-keys", "Manage the management keys of service accounts",
		"Manages management keys: the credentials by which programs manage keys, such as\nTerraform or CI. "+
			"A management key is no API key. SERVICE_ACCOUNT is an id or a name,\nMANAGEMENT_KEY is an id.")
	r := newAPICommand(cmd).withTenantFlag(cmd)
	cmd.AddCommand(listManagementKeys(r), createManagementKey(r), refreshManagementKey(r), revokeManagementKey(r))
	return cmd
}

func listManagementKeys(r *apiCommand) *cobra.Command {
	return &cobra.Command{
		Use: "list SERVICE_ACCOUNT", Short: "List the management keys of a service account, newest first",
		Args: cobra.ExactArgs(1),
		RunE: r.inTenant(r.onServiceAccount(func(c *call, tenant, account string) error {
			all, err := allPages(0, func(p client.Page) (api.List[api.ManagementKey], error) {
				return c.ManagementKeys(c.ctx, tenant, account, p)
			})
			if err != nil {
				return err
			}
			return printList(c.printer, all, managementKeyColumns, "id", "created")
		})),
	}
}

// managementKeyFlags are the flags of a new management key.
type managementKeyFlags struct {
	secretFlags
	permissions, owners, scopes, applications, plans []string
	networks, keyNetworks                            []string
	allApplications, noPlan                          bool
	lifetime, perHour                                int
	expires                                          string
}

// add adds the flags. named says how --application names an application.
func (f *managementKeyFlags) add(cmd *cobra.Command, named string) {
	f.secretFlags.add(cmd)
	flags := cmd.Flags()
	flags.StringArrayVar(&f.permissions, "permission", nil,
		"what it may do, such as keys:create or subjects:write; repeat the flag for more")
	flags.StringArrayVar(&f.owners, "owner-type", nil,
		"type of owners for whose keys it may act: user, service_account or subject; repeat the flag for more")
	flags.StringArrayVar(&f.scopes, "scope", nil,
		`scope that its keys may have, or "*" for all; repeat the flag for more`)
	flags.BoolVar(&f.allApplications, "all-applications", false, "its keys may use all applications")
	flags.StringArrayVar(&f.applications, "application", nil,
		"application, "+named+", that its keys may use; repeat the flag for more")
	flags.StringArrayVar(&f.plans, "plan", nil,
		"plan of the subjects that it may create and change; repeat the flag for more")
	flags.BoolVar(&f.noPlan, "no-plan", false, "it may create and change subjects without a plan")
	flags.IntVar(&f.lifetime, "max-lifetime", 0, "how many `days` the secrets of its keys may last")
	flags.IntVar(&f.perHour, "creates-per-hour", 0,
		"how many keys and subjects it may create, or keys refresh, in an hour (default 1000)")
	flags.StringArrayVar(&f.networks, "allow-cidr", nil,
		"`network` from which it may be used; repeat the flag for more")
	flags.StringArrayVar(&f.keyNetworks, "key-cidr", nil,
		"`network` from which its keys may be used at most; repeat the flag for more")
	flags.StringVar(&f.expires, "expires", "",
		"when it expires: a `time`, a date, or a duration such as 90d (default 90d)")
}

// request returns the request for a management key with the name, whose keys may use the
// applications.
func (f *managementKeyFlags) request(cmd *cobra.Command, c *call, name string,
	applications []string,
) (api.CreateManagementKeyRequest, error) {
	n := api.CreateManagementKeyRequest{
		Name: name, Permissions: asList[api.Permission](f.permissions), Owners: asList[api.PartyType](f.owners),
		AllowedCIDRs: f.networks, Ceilings: api.ManagementCeilingsRequest{
			Scopes: f.scopes, AllApplications: f.allApplications, ApplicationIDs: applications,
			CreatesPerHour: f.perHour, AllowedCIDRs: f.keyNetworks,
		},
	}
	for _, plan := range f.plans {
		n.Ceilings.Plans = append(n.Ceilings.Plans, &plan)
	}
	if f.noPlan {
		n.Ceilings.Plans = append(n.Ceilings.Plans, nil)
	}
	if cmd.Flags().Changed("max-lifetime") {
		n.Ceilings.MaxLifetimeDays = &f.lifetime
	}
	if f.expires == "" {
		return n, nil
	}
	at, err := c.timeFlag("expires", f.expires, fromNow)
	n.ExpiresAt = &at
	return n, err
}

func createManagementKey(r *apiCommand) *cobra.Command {
	var f managementKeyFlags
	cmd := &cobra.Command{
		Use: "create SERVICE_ACCOUNT NAME", Short: "Create a management key", Args: cobra.ExactArgs(2),
		Long: `Creates a management key of a service account and shows its value, once. With
--save, writes the value to a file and does not show it. You must have signed in
within the last five minutes. The flags say what the keys that it creates may
have at most: by default nothing.`,
		Example: `  claviger management-keys create Terraform "Terraform 2026" --permission keys:read \
    --permission keys:create --owner-type service_account \
    --scope applications:read --all-applications --save management.json`,
	}
	f.add(cmd, "by id or name")
	cmd.RunE = r.inTenant(func(c *call, tenant string, args []string) error {
		account, err := c.serviceAccountID(tenant, args[0])
		if err != nil {
			return err
		}
		applications, err := c.applicationIDs(tenant, f.applications)
		if err != nil {
			return err
		}
		n, err := f.request(cmd, c, args[1], applications)
		if err != nil {
			return err
		}
		return c.showOrSaveManagementKey(f.secretFlags, refreshCommand, func() (api.IssuedManagementKey, error) {
			return c.CreateManagementKey(c.ctx, tenant, account, n)
		})
	})
	return cmd
}

// refreshCommand returns the command that issues another value for a management key.
func refreshCommand(k api.IssuedManagementKey) string {
	return "claviger management-keys refresh " + k.ServiceAccount.ID + " " + k.ID
}

func asList[T ~string](texts []string) []T {
	list := make([]T, len(texts))
	for i, text := range texts {
		list[i] = T(text)
	}
	return list
}

func refreshManagementKey(r *apiCommand) *cobra.Command {
	var s secretFlags
	var overlap time.Duration
	cmd := &cobra.Command{
		Use: "refresh SERVICE_ACCOUNT MANAGEMENT_KEY", Short: "Replace the value of a management key",
		Args: cobra.ExactArgs(2),
		Long: `Issues a new value and shows it, once. With --overlap, the old value stays valid
beside the new one. You must have signed in within the last five minutes.`,
	}
	s.add(cmd)
	addOverlapFlag(cmd, &overlap)
	cmd.RunE = r.inTenant(func(c *call, tenant string, args []string) error {
		account, err := c.serviceAccountID(tenant, args[0])
		if err != nil {
			return err
		}
		return c.showOrSaveManagementKey(s, refreshCommand, func() (api.IssuedManagementKey, error) {
			return c.RefreshManagementKey(c.ctx, tenant, account, args[1], api.RefreshManagementKeyRequest{
				OverlapSeconds: int(overlap / time.Second),
			})
		})
	})
	return cmd
}

func addOverlapFlag(cmd *cobra.Command, overlap *time.Duration) {
	cmd.Flags().DurationVar(overlap, "overlap", 0, "how long the old value stays valid, such as 1h (at most 168h)")
}

func revokeManagementKey(r *apiCommand) *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use: "revoke SERVICE_ACCOUNT MANAGEMENT_KEY", Short: "Revoke a management key permanently",
		Args: cobra.ExactArgs(2),
		Long: `Revokes a management key. It is rejected immediately. The keys that it created
stay: to end them as well, revoke them. Asks for confirmation.`,
	}
	cmd.Flags().StringVar(&reason, "reason", "", "reason, for the audit trail")
	yes := yesFlag(cmd)
	cmd.RunE = r.inTenant(func(c *call, tenant string, args []string) error {
		account, err := c.serviceAccountID(tenant, args[0])
		if err == nil {
			err = c.confirmUnless(*yes, "This revokes the management key %s permanently.", args[1])
		}
		if err != nil {
			return err
		}
		k, err := c.RevokeManagementKey(c.ctx, tenant, account, args[1], reason)
		if err != nil {
			return err
		}
		return printOne(c.printer, k, managementKeyFields)
	})
	return cmd
}

// showOrSaveManagementKey issues a management key and shows or saves its value. There is no second
// chance to do that. refresh returns the command for another value, where this one was lost.
func (c *call) showOrSaveManagementKey(f secretFlags, refresh func(api.IssuedManagementKey) string,
	issue func() (api.IssuedManagementKey, error),
) error {
	var file *pendingFile
	if f.save != "" {
		var err error
		file, err = createPending(f.save, f.force)
		if err != nil {
			return err
		}
	}
	k, err := issue()
	if err != nil {
		if file != nil {
			file.discard()
		}
		if k.ID == "" {
			return err
		}
		code := exitFailed
		if errors.Is(err, client.ErrSecretLost) {
			code = exitUnavailable
		}
		return failure{
			fmt.Errorf("management key %s: %w", k.ID, err), code,
			refresh(k),
		}
	}
	if file == nil {
		if err := printOne(c.printer, k, issuedManagementFields); err != nil {
			return err
		}
		c.note("The value is shown once. Store it now in a place that only its program can read.")
		return nil
	}
	value := valueOrEmpty(k.Value)
	saved := api.Credential{
		Style: api.StyleToken, ID: k.PublicID, Value: value, Secret: value[strings.LastIndexByte(value, '_')+1:],
	}
	if err := file.writeCredential(saved); err != nil {
		return err
	}
	k.Value = nil
	c.note("The value is in %s. Claviger cannot show it again.", f.save)
	return printOne(c.printer, k, issuedManagementFields)
}

var managementKeyColumns = []column[api.ManagementKey]{
	{"id", func(k api.ManagementKey) string { return k.ID }},
	{"name", func(k api.ManagementKey) string { return k.Name }},
	{"public id", func(k api.ManagementKey) string { return k.PublicID }},
	{"status", func(k api.ManagementKey) string { return string(k.Status) }},
	{"expires", func(k api.ManagementKey) string { return timeText(k.EffectiveExpiresAt) }},
	{"last used", func(k api.ManagementKey) string { return managementUseText(k.LastUsedAt) }},
	{"created", func(k api.ManagementKey) string { return timeText(k.CreatedAt) }},
}

var managementKeyFields = append(managementKeyColumns[:len(managementKeyColumns):len(managementKeyColumns)],
	column[api.ManagementKey]{"service account", func(k api.ManagementKey) string {
		return partyWithID(k.ServiceAccount)
	}},
	column[api.ManagementKey]{"permissions", func(k api.ManagementKey) string { return joined(k.Permissions) }},
	column[api.ManagementKey]{"owner types", func(k api.ManagementKey) string { return joined(k.Owners) }},
	column[api.ManagementKey]{"scopes", func(k api.ManagementKey) string { return joined(k.Ceilings.Scopes) }})

var issuedManagementFields = slices.Concat(
	columnsOfPart(managementKeyFields, func(k api.IssuedManagementKey) api.ManagementKey { return k.ManagementKey }),
	[]column[api.IssuedManagementKey]{
		{"value", func(k api.IssuedManagementKey) string { return valueOrEmpty(k.Value) }},
	})

// joined returns words with spaces between them.
func joined[T ~string](list []T) string {
	words := make([]string, len(list))
	for i, word := range list {
		words[i] = string(word)
	}
	return strings.Join(words, " ")
}

// managementUseText returns the time of the last use; "" for none.
func managementUseText(at *time.Time) string {
	if at == nil {
		return ""
	}
	return timeText(*at)
}
