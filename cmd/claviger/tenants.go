package main

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
	cmd := noun("tenants", "Look after tenants: the workspaces that members, applications and keys belong to", "")
	r := newRemote(cmd)
	cmd.AddCommand(listTenants(r), showTenant(r), createTenant(r), editTenant(r))
	return cmd
}

func listTenants(r *remote) *cobra.Command {
	return &cobra.Command{Use: "list", Short: "List the tenants that you may see, newest first", Args: cobra.NoArgs, RunE: r.do(func(c *call, _ []string) error {
		tenants, err := every(0, func(p client.Page) (api.List[api.Tenant], error) { return c.Tenants(c.ctx, p) })
		if err != nil {
			return err
		}
		return printList(c.printer, tenants, tenantColumns)
	})}
}

func showTenant(r *remote) *cobra.Command {
	return &cobra.Command{Use: "show [TENANT]", Short: "Show a tenant with its settings", Args: cobra.MaximumNArgs(1), RunE: r.do(func(c *call, args []string) error {
		if len(args) > 0 {
			c.tenant = args[0]
		}
		tenant, err := c.whichTenant()
		if err != nil {
			return err
		}
		return c.showTenant(c.Tenant(c.ctx, tenant))
	})}
}

func createTenant(r *remote) *cobra.Command {
	var n api.NewTenant
	cmd := &cobra.Command{Use: "create NAME", Short: "Create a tenant", Args: cobra.ExactArgs(1), Long: "Creates a tenant with the settings of a preset, which claviger tenants edit --set changes."}
	cmd.Flags().StringVar(&n.Preset, "preset", "standard", "standard, blazemeter, loadrunner, blazeauth or blancco")
	cmd.Flags().StringVar(&n.AccountID, "account", "", "the account's id; by default the only one that you run")
	cmd.RunE = r.do(func(c *call, args []string) error {
		n.Name = args[0]
		return c.showTenant(c.CreateTenant(c.ctx, n))
	})
	return cmd
}

func editTenant(r *remote) *cobra.Command {
	var name, status string
	var settings []string
	cmd := &cobra.Command{
		Use: "edit TENANT", Short: "Change a tenant", Args: cobra.ExactArgs(1),
		Long:    "Changes what the flags name and keeps the rest. A setting is written as claviger tenants show does: lists with commas and nothing for an empty one, null for none.",
		Example: `  claviger tenants edit ten_… --set keys_per_user=5 --set transports=bearer,basic --set requests_per_minute=null`,
	}
	cmd.Flags().StringVar(&name, "name", "", "another name")
	cmd.Flags().StringVar(&status, "status", "", "active or disabled")
	cmd.Flags().StringArrayVar(&settings, "set", nil, "a setting, as `name=value`; repeat it for more")
	cmd.MarkFlagsOneRequired("name", "status", "set")
	cmd.RunE = r.do(func(c *call, args []string) error {
		patch := api.TenantPatch{Name: changed(cmd, "name", name), Status: changed(cmd, "status", status)}
		if len(settings) > 0 {
			patch.Settings = &api.SettingsPatch{}
		}
		for _, s := range settings {
			if err := set(patch.Settings, s); err != nil {
				return err
			}
		}
		return c.showTenant(c.EditTenant(c.ctx, args[0], patch))
	})
	return cmd
}

// set reads name=value into the settings: the value as JSON, or as a text, or as a list with commas, whichever the setting takes.
func set(to *api.SettingsPatch, setting string) error {
	name, value, ok := strings.Cut(setting, "=")
	if !ok {
		return usage("--set: write name=value")
	}
	var err error
	for _, form := range []string{value, quoted(value), commaList(value)} {
		if err = decodeSetting(to, name, form); err == nil {
			return nil
		}
	}
	if strings.Contains(err.Error(), "unknown field") {
		return usage("--set: there is no setting %q; claviger tenants show lists them", name)
	}
	return usage("--set: the setting %q does not take such a value; claviger tenants show has examples", name)
}

func decodeSetting(to *api.SettingsPatch, name, value string) error {
	if !json.Valid([]byte(value)) {
		return strconv.ErrSyntax
	}
	d := json.NewDecoder(strings.NewReader("{" + quoted(name) + ":" + value + "}"))
	d.DisallowUnknownFields()
	return d.Decode(to)
}

func quoted(text string) string {
	q, _ := json.Marshal(text) // a string always marshals
	return string(q)
}

func commaList(text string) string {
	if text == "" {
		return "[]"
	}
	var list []string
	for part := range strings.SplitSeq(text, ",") {
		list = append(list, quoted(part))
	}
	return "[" + strings.Join(list, ",") + "]"
}

func (c *call) showTenant(t api.Tenant, err error) error {
	if err != nil {
		return err
	}
	columns := append(tenantColumns, column[api.Tenant]{"changed", func(t api.Tenant) string { return whenText(t.UpdatedAt) }})
	settings, err := settingColumns(t)
	if err != nil {
		return err
	}
	return printOne(c.printer, t, append(columns, settings...))
}

// settingColumns shows the settings by the names that --set takes, in the API's order.
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
		columns = append(columns, column[api.Tenant]{name.(string), func(api.Tenant) string { return settingText(value) }})
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
	{"preset", func(t api.Tenant) string { return t.Preset }},
	{"status", func(t api.Tenant) string { return t.Status }},
	{"created", func(t api.Tenant) string { return whenText(t.CreatedAt) }},
}
