//go:build !clientonly && !windows

package cli

import (
	"net/http"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/ident"
)

// Texts that say what the arguments of the operator's commands for management keys are.
const (
	serviceAccountArgs = `TENANT is an id, or a name that only one tenant of the server has. SERVICE_ACCOUNT
is an id or a name.
`
	managementKeyArgs = serviceAccountArgs + "MANAGEMENT_KEY is an id.\n"
)

func listTenantManagementKeys(o *output) *cobra.Command {
	return operatorCommand(&cobra.Command{
		Use: "list-management-keys TENANT SERVICE_ACCOUNT", Args: cobra.ExactArgs(2),
		Short: "List the newest 200 management keys of a service account",
		Long:  "Lists the newest 200 management keys of a service account.\n" + serviceAccountArgs + operatorNote,
	}, o, func(c *call, args []string) error {
		var all api.List[api.ManagementKey]
		if err := c.Do(c.ctx, http.MethodGet, tenantManagementKeys(args), nil, &all); err != nil {
			return err
		}
		return printList(c.printer, all, managementKeyColumns, "id", "created")
	})
}

// tenantManagementKeys returns the path of the management keys of a service account, or of one of
// them.
func tenantManagementKeys(args []string) string {
	path := "/operator/v1/tenants/" + url.PathEscape(args[0]) + "/service-accounts/" + url.PathEscape(args[1]) +
		"/management-keys"
	if len(args) > 2 {
		path += "/" + url.PathEscape(args[2])
	}
	return path
}

func createTenantManagementKey(o *output) *cobra.Command {
	var f managementKeyFlags
	cmd := &cobra.Command{
		Use: "create-management-key TENANT SERVICE_ACCOUNT NAME", Short: "Create a management key without a sign-in",
		Args: cobra.ExactArgs(3),
		Long: `Creates a management key of a service account, as "claviger management-keys
create" does, and shows its value, once.
` + serviceAccountArgs + operatorNote,
		Example: `  claviger tenant create-management-key Standard Terraform "Terraform 2026" --permission keys:read \
    --owner-type service_account --save management.json`,
	}
	f.add(cmd, "by id")
	return operatorCommand(cmd, o, func(c *call, args []string) error {
		for _, id := range f.applications {
			if !isID[ident.ApplicationID](id) {
				return usage("--application: give the id of an application")
			}
		}
		n, err := f.request(cmd, c, args[2], f.applications)
		if err != nil {
			return err
		}
		return c.issueTenantManagementKey(f.secretFlags, tenantManagementKeys(args[:2]), n)
	})
}

func refreshTenantManagementKey(o *output) *cobra.Command {
	var s secretFlags
	var overlap time.Duration
	cmd := &cobra.Command{
		Use:   "refresh-management-key TENANT SERVICE_ACCOUNT MANAGEMENT_KEY",
		Short: "Replace the value of a management key without a sign-in", Args: cobra.ExactArgs(3),
		Long: `Issues a new value and shows it, once. With --overlap, the old value stays valid
beside the new one.
` + managementKeyArgs + operatorNote,
	}
	s.add(cmd)
	addOverlapFlag(cmd, &overlap)
	return operatorCommand(cmd, o, func(c *call, args []string) error {
		return c.issueTenantManagementKey(s, tenantManagementKeys(args)+"/refresh",
			api.RefreshManagementKeyRequest{OverlapSeconds: int(overlap / time.Second)})
	})
}

// issueTenantManagementKey sends a request whose answer has the value of a management key.
func (c *call) issueTenantManagementKey(f secretFlags, path string, body any) error {
	refresh := func(k api.IssuedManagementKey) string {
		return "claviger tenant refresh-management-key " + k.TenantID + " " + k.ServiceAccount.ID + " " + k.ID
	}
	return c.showOrSaveManagementKey(f, refresh, func() (k api.IssuedManagementKey, err error) {
		err = c.Do(c.ctx, http.MethodPost, path, body, &k)
		return k, err
	})
}

func revokeTenantManagementKey(o *output) *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use:   "revoke-management-key TENANT SERVICE_ACCOUNT MANAGEMENT_KEY",
		Short: "Revoke a management key permanently, without a sign-in", Args: cobra.ExactArgs(3),
		Long: `Revokes a management key. It is rejected immediately. The keys that it created
stay. Asks for confirmation.
` + managementKeyArgs + operatorNote,
	}
	cmd.Flags().StringVar(&reason, "reason", "", "reason, for the audit trail")
	yes := yesFlag(cmd)
	return operatorCommand(cmd, o, func(c *call, args []string) error {
		if err := c.confirmUnless(*yes, "This revokes the management key %s permanently.", args[2]); err != nil {
			return err
		}
		var k api.ManagementKey
		err := c.Do(c.ctx, http.MethodPost, tenantManagementKeys(args)+"/revoke",
			api.RevokeManagementKeyRequest{Reason: reason}, &k)
		if err != nil {
			return err
		}
		return printOne(c.printer, k, managementKeyFields)
	})
}
