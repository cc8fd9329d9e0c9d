package cli

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
)

func tenantsCommand() *cobra.Command {
	cmd := groupCommand("tenants", "Manage tenants: the workspaces that members, applications and keys belong to",
		"")
	r := newAPICommand(cmd)
	cmd.AddCommand(listTenants(r), showTenant(r), createTenant(r), editTenant(r))
	return cmd
}

func listTenants(r *apiCommand) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the tenants that you can see, newest first", Args: cobra.NoArgs,
		RunE: r.authenticated(func(c *call, _ []string) error {
			tenants, err := allPages(0,
				func(p client.Page) (api.List[api.Tenant], error) { return c.Tenants(c.ctx, p) })
			if err != nil {
				return err
			}
			return printList(c.printer, tenants, tenantColumns, "account")
		}),
	}
}

func showTenant(r *apiCommand) *cobra.Command {
	return &cobra.Command{
		Use: "show [TENANT]", Short: "Show a tenant with its settings", Args: cobra.MaximumNArgs(1),
		RunE: r.authenticated(func(c *call, args []string) error {
			if len(args) > 0 {
				c.tenant = args[0]
			}
			tenant, err := c.selectTenant()
			if err != nil {
				return err
			}
			return c.showTenant(c.Tenant(c.ctx, tenant))
		}),
	}
}

func createTenant(r *apiCommand) *cobra.Command {
	var n api.CreateTenantRequest
	cmd := &cobra.Command{
		Use: "create NAME", Short: "Create a tenant", Args: cobra.ExactArgs(1),
		Long: `Creates a tenant with the settings of a preset, or with --copy-settings-from with
the settings and scopes of another tenant of the account. To change settings, use
claviger tenants edit --set.`,
	}
	cmd.Flags().StringVar((*string)(&n.Preset), "preset", "standard",
		"standard, blazemeter, loadrunner, blazeauth or blancco")
	cmd.Flags().StringVar(&n.AccountID, "account", "",
		"account, by id or name (default: the only one that you manage)")
	cmd.Flags().StringVar(&n.CopySettingsFrom, "copy-settings-from", "",
		"`tenant` of the account, by id or name, to copy the settings and scopes of")
	cmd.MarkFlagsMutuallyExclusive("preset", "copy-settings-from")
	cmd.RunE = r.authenticated(func(c *call, args []string) (err error) {
		if n.CopySettingsFrom != "" {
			n.Preset = ""
			n.CopySettingsFrom, err = c.tenantID(n.CopySettingsFrom)
			if err != nil {
				return err
			}
		}
		if n.AccountID != "" {
			n.AccountID, err = c.accountID(n.AccountID)
			if err != nil {
				return err
			}
		}
		n.Name = args[0]
		return c.showTenant(c.CreateTenant(c.ctx, n))
	})
	return cmd
}

func editTenant(r *apiCommand) *cobra.Command {
	var name, status string
	var settings []string
	cmd := &cobra.Command{
		Use: "edit TENANT", Short: "Update a tenant", Args: cobra.ExactArgs(1),
		Long: `Updates what the flags name, and leaves the rest unchanged. Write a setting in
the form that claviger tenants show prints: a list with commas, an empty list as
nothing, and no value as null.`,
		Example: `  claviger tenants edit ten_… --set keys_per_user=5 --set transports=bearer,basic \
    --set requests_per_minute=null`,
	}
	cmd.Flags().StringVar(&name, "name", "", "new name")
	cmd.Flags().StringVar(&status, "status", "", "active or disabled")
	cmd.Flags().StringArrayVar(&settings, "set", nil, "a setting, as `name=value`; repeat for more")
	cmd.MarkFlagsOneRequired("name", "status", "set")
	cmd.RunE = r.authenticated(func(c *call, args []string) error {
		patch := api.UpdateTenantRequest{
			Name:   changed(cmd, "name", name),
			Status: changed(cmd, "status", api.Status(status)),
		}
		if len(settings) > 0 {
			patch.Settings = &api.SettingsPatch{}
		}
		for _, s := range settings {
			if err := setSetting(patch.Settings, s); err != nil {
				return err
			}
		}
		tenant, err := c.tenantID(args[0])
		if err != nil {
			return err
		}
		return c.showTenant(c.EditTenant(c.ctx, tenant, patch))
	})
	return cmd
}

// setSetting parses name=value into the settings. It parses the value as JSON, as text or as a list
// with commas: the first form that the setting accepts.
func setSetting(to *api.SettingsPatch, setting string) error {
	name, value, ok := strings.Cut(setting, "=")
	if !ok {
		return usage("--set: give name=value")
	}
	var err error
	for _, form := range []string{value, quotedJSON(value), commaList(value)} {
		err = decodeSetting(to, name, form)
		if err == nil {
			return nil
		}
	}
	if strings.Contains(err.Error(), "unknown field") {
		return usage("--set: there is no setting %q. To list the settings: claviger tenants show", name)
	}
	return usage("--set: the setting %q does not accept this value. For examples: claviger tenants show", name)
}

func decodeSetting(to *api.SettingsPatch, name, value string) error {
	if !json.Valid([]byte(value)) {
		return strconv.ErrSyntax
	}
	d := json.NewDecoder(strings.NewReader("{" + quotedJSON(name) + ":" + value + "}"))
	d.DisallowUnknownFields()
	return d.Decode(to)
}

func quotedJSON(text string) string {
	q, _ := json.Marshal(text) // marshaling a string never fails
	return string(q)
}

func commaList(text string) string {
	if text == "" {
		return "[]"
	}
	var list []string
	for part := range strings.SplitSeq(text, ",") {
		list = append(list, quotedJSON(part))
	}
	return "[" + strings.Join(list, ",") + "]"
}

func (c *call) showTenant(t api.Tenant, err error) error {
	if err != nil {
		return err
	}
	columns := append(tenantColumns,
		column[api.Tenant]{"updated", func(t api.Tenant) string { return timeText(t.UpdatedAt) }})
	settings, err := settingColumns(t)
	if err != nil {
		return err
	}
	return printOne(c.printer, t, append(columns, settings...))
}

// settingColumns returns the settings as columns, with the names that --set accepts, in the order
// of the API.
func settingColumns(t api.Tenant) (columns []column[api.Tenant], err error) {
	text, err := json.Marshal(t.Settings)
	if err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(text))
	if _, err := d.Token(); err != nil { // {
		return nil, err
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, err
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, err
		}
		columns = append(columns,
			column[api.Tenant]{name.(string), func(api.Tenant) string { return settingText(value) }})
	}
	return columns, nil
}

func settingText(value json.RawMessage) string {
	var text string
	var list []string
	switch {
	case json.Unmarshal(value, &list) == nil && len(list) > 0:
		return strings.Join(list, ",")
	case json.Unmarshal(value, &text) == nil && text != "":
		return text
	}
	return string(value)
}

var tenantColumns = []column[api.Tenant]{
	{"id", func(t api.Tenant) string { return t.ID }},
	{"name", func(t api.Tenant) string { return t.Name }},
	{"account", func(t api.Tenant) string { return t.AccountID }},
	{"preset", func(t api.Tenant) string { return string(t.Preset) }},
	{"status", func(t api.Tenant) string { return string(t.Status) }},
	{"created", func(t api.Tenant) string { return timeText(t.CreatedAt) }},
}
