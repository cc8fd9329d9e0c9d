package cli

import (
	"context"
	"io"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
)

// Shell completion offers values as well as commands: fixed values, and objects of the server. It
// takes at most one second, and offers nothing without a server or a sign-in.

// completionTimeout is the maximum duration of one completion.
const completionTimeout = time.Second

// maxCompletions is the maximum number of values that are offered.
const maxCompletions = 200

// completions is a function that returns the values that a flag or an argument accepts.
type completions = cobra.CompletionFunc

// Values of flags that accept a fixed set.
var (
	roleNames      = []string{"admin", "member", "auditor"}
	statusNames    = []string{"active", "disabled"}
	presetNames    = []string{"standard", "blazemeter", "loadrunner", "blazeauth", "blancco"}
	transportNames = []string{"bearer", "basic", "header", "oauth"}
	keyStatusNames = []string{"active", "disabled", "expired", "revoked"}
	autoExpiries   = []string{"90d", "120d", "150d", "180d", "210d", "240d", "270d", "300d", "330d", "360d", "off"}
	maxLifetimes   = []string{"30d", "90d", "180d", "365d", "3650d", "none"}
	noticeStates   = []string{"waiting", "claimed", "sending", "sent", "skipped", "dead", "in_doubt"}
)

// fixedValues offers a fixed set.
func fixedValues(values ...string) completions {
	return cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)
}

// completeValues sets the completion of the flags and arguments of a command and of all commands
// below it, unless it is set already. Shells then offer file names only where a file is expected.
func completeValues(cmd *cobra.Command) {
	values := flagValues(cmd)
	cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
		if complete := values[f.Name]; complete != nil {
			_ = cmd.RegisterFlagCompletionFunc(f.Name, complete) // it returns an error if the completion is set already
		}
	})
	if cmd.ValidArgsFunction == nil {
		cmd.ValidArgsFunction = argumentValues(cmd)
	}
	for _, c := range cmd.Commands() {
		completeValues(c)
	}
}

// flagValues returns the completions of flags, by flag name. Only commands with --context ask the
// server for values, because they have a credential.
func flagValues(cmd *cobra.Command) map[string]completions {
	all := map[string]completions{
		"output": fixedValues("text", "json"), "role": fixedValues(roleNames...), "status": fixedValues(statusNames...),
		"preset": fixedValues(presetNames...), "transport": fixedValues(transportNames...),
		"state":       fixedValues(noticeStates...),
		"auto-expiry": fixedValues(autoExpiries...), "max-lifetime": fixedValues(maxLifetimes...),
		"set":     completeSettings,
		"context": completeContexts,
	}
	if cmd.CommandPath() == "keys list" { // the command is not yet below the root
		all["status"] = fixedValues(keyStatusNames...)
		all["blocked-by"] = fixedValues("owner", "tenant", "account")
	}
	if cmd.CommandPath() == "contexts use" {
		all["tenant"] = completeTenantsOfContext
	}
	if cmd.Flag("context") != nil {
		maps.Copy(all, map[string]completions{
			"tenant": completeFrom(tenantNames), "account": completeFrom(accountNames),
			"scope":       completeFrom(scopeNames),
			"application": completeFrom(applicationNames), "owner": completeFrom(memberNames),
			"steward":  completeFrom(memberNames),
			"by":       completeFrom(memberNames),
			"shown-to": completeFrom(memberNames),
			"plan":     completeFrom(planNames),
			"key":      completeFrom(keyNames),
		})
	}
	if cmd.CommandPath() == "usage" {
		all["by"] = fixedValues(strings.Fields(joinWords(api.UsageBy("").Values()))...)
	}
	return all
}

// argumentValues returns the completion of the first argument of a command, by its name in the
// usage line.
func argumentValues(cmd *cobra.Command) completions {
	_, names, _ := strings.Cut(cmd.Use, " ")
	name, _, _ := strings.Cut(strings.Trim(names, "[]"), " ")
	if name == "CONTEXT" {
		return argument(completeContexts)
	}
	read := map[string]func(*call) ([]cobra.Completion, error){
		"KEY": keyNames, "APPLICATION": applicationNames, "USER": memberNames, "TENANT": tenantNames,
		"SERVICE_ACCOUNT": serviceAccountNames, "SCOPE": scopeNames, "PLAN": planNames, "SUBJECT": subjectNames,
	}[name]
	if read == nil || cmd.Flag("context") == nil {
		return cobra.NoFileCompletions
	}
	return argument(completeFrom(read))
}

// completeContexts offers the names of the contexts.
func completeContexts(cmd *cobra.Command, _ []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	b, err := openContextFile(invocationOf(cmd).env)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var all []cobra.Completion
	for _, name := range b.names() {
		all = append(all, completionWithText(name, b.Contexts[name].Server))
	}
	return all, cobra.ShellCompDirectiveNoFileComp
}

// completeSettings offers the names of a tenant's settings, each with "=".
func completeSettings(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
	var all []cobra.Completion
	for t := range reflect.TypeFor[api.SettingsPatch]().Fields() {
		if name, _, _ := strings.Cut(t.Tag.Get("json"), ","); name != "" && name != "-" {
			all = append(all, name+"=")
		}
	}
	return all, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}

// completionWithText returns a value with a description.
func completionWithText(value, about string) cobra.Completion {
	return cobra.CompletionWithDesc(value, sanitized(about))
}

// argument offers values only for the first argument of a command.
func argument(values completions) completions {
	return func(cmd *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return values(cmd, args, begun)
	}
}

// completeFrom asks the server for values, with the credential that the command line would use. It
// does not retry, and it reports no errors.
func completeFrom(read func(*call) ([]cobra.Completion, error)) completions {
	return func(cmd *cobra.Command, _ []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return completeAs(cmd, apiCommandOf(cmd), begun, read)
	}
}

// completeTenantsOfContext offers the tenants of the context that a command line names, or of the
// current one.
func completeTenantsOfContext(cmd *cobra.Command, args []string, begun string) ([]cobra.Completion,
	cobra.ShellCompDirective,
) {
	r := &apiCommand{}
	if len(args) > 0 {
		r.context = args[0]
	}
	return completeAs(cmd, r, begun, tenantNames)
}

// completeAs is completeFrom with the context, server and tenant of r.
func completeAs(cmd *cobra.Command, r *apiCommand, begun string, read func(*call) ([]cobra.Completion, error),
) ([]cobra.Completion, cobra.ShellCompDirective) {
	ctx, cancel := context.WithTimeout(cmd.Context(), completionTimeout)
	defer cancel()
	env := invocationOf(cmd).env
	c := &call{ctx: ctx, env: env, printer: newPrinter(env, io.Discard, io.Discard, false)}
	c.terminal = terminal{strings.NewReader(""), io.Discard} // no prompts
	if c.prepare(r) != nil || c.authenticate() != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	c.Client = c.WithRetry(client.Retry{})
	all, err := read(c)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	all = slices.DeleteFunc(all, func(value cobra.Completion) bool { return !strings.HasPrefix(value, begun) })
	return all, cobra.ShellCompDirectiveNoFileComp
}

// apiCommandOf returns an apiCommand with the context, server and tenant flags of cmd.
func apiCommandOf(cmd *cobra.Command) *apiCommand {
	text := func(name string) string {
		value, _ := cmd.Flags().GetString(name) // "" if there is no such flag
		return value
	}
	return &apiCommand{context: text("context"), server: text("server"), tenant: text("tenant")}
}

// completeFirstPage reads one page: nobody chooses from more than that.
func completeFirstPage[T any](read func(client.Page) (api.List[T], error),
	text func(T) cobra.Completion,
) ([]cobra.Completion, error) {
	l, err := read(client.Page{Limit: maxCompletions})
	var all []cobra.Completion
	for _, item := range l.Items {
		all = append(all, text(item))
	}
	return all, err
}

// tenantPages reads one page of objects of a tenant.
type tenantPages[T any] = func(tenant string, p client.Page) (api.List[T], error)

// completeInTenant is completeFirstPage for objects of the selected tenant.
func completeInTenant[T any](c *call, read tenantPages[T], text func(T) cobra.Completion) ([]cobra.Completion, error) {
	tenant, err := c.selectTenant()
	if err != nil {
		return nil, err
	}
	return completeFirstPage(func(p client.Page) (api.List[T], error) { return read(tenant, p) }, text)
}

func keyNames(c *call) ([]cobra.Completion, error) {
	read := func(tenant string, p client.Page) (api.List[api.Key], error) {
		return c.Keys(c.ctx, tenant, client.KeyFilter{}, p)
	}
	return completeInTenant(c, read, func(k api.Key) cobra.Completion {
		return completionWithText(k.PublicID, k.Name+", "+string(k.Status)+", of "+partyText(k.Owner))
	})
}

func applicationNames(c *call) ([]cobra.Completion, error) {
	read := func(tenant string, p client.Page) (api.List[api.Application], error) {
		return c.Applications(c.ctx, tenant, p)
	}
	return completeInTenant(c, read,
		func(a api.Application) cobra.Completion { return completionWithText(a.ID, a.Name) })
}

func serviceAccountNames(c *call) ([]cobra.Completion, error) {
	read := func(tenant string, p client.Page) (api.List[api.ServiceAccount], error) {
		return c.ServiceAccounts(c.ctx, tenant, p)
	}
	return completeInTenant(c, read,
		func(a api.ServiceAccount) cobra.Completion { return completionWithText(a.ID, a.Name) })
}

func planNames(c *call) ([]cobra.Completion, error) {
	read := func(tenant string, p client.Page) (api.List[api.Plan], error) { return c.Plans(c.ctx, tenant, p) }
	return completeInTenant(c, read, func(p api.Plan) cobra.Completion { return p.Name })
}

func subjectNames(c *call) ([]cobra.Completion, error) {
	read := func(tenant string, p client.Page) (api.List[api.Subject], error) {
		return c.Subjects(c.ctx, tenant, client.SubjectFilter{}, p)
	}
	return completeInTenant(c, read,
		func(s api.Subject) cobra.Completion { return completionWithText(s.ExternalID, valueOrEmpty(s.Name)) })
}

func memberNames(c *call) ([]cobra.Completion, error) {
	read := func(tenant string, p client.Page) (api.List[api.Member], error) { return c.Members(c.ctx, tenant, p) }
	return completeInTenant(c, read, func(m api.Member) cobra.Completion {
		return completionWithText(personText(m.User), valueOrEmpty(m.User.Name)+", "+string(m.Role))
	})
}

func scopeNames(c *call) ([]cobra.Completion, error) {
	read := func(tenant string, _ client.Page) (api.List[api.Scope], error) { return c.Scopes(c.ctx, tenant) }
	return completeInTenant(c, read,
		func(s api.Scope) cobra.Completion { return completionWithText(s.Name, s.Description) })
}

func tenantNames(c *call) ([]cobra.Completion, error) {
	read := func(p client.Page) (api.List[api.Tenant], error) { return c.Tenants(c.ctx, p) }
	return completeFirstPage(read, func(t api.Tenant) cobra.Completion { return completionWithText(t.ID, t.Name) })
}

func accountNames(c *call) ([]cobra.Completion, error) {
	read := func(p client.Page) (api.List[api.Account], error) { return c.Accounts(c.ctx, p) }
	return completeFirstPage(read, func(a api.Account) cobra.Completion { return completionWithText(a.ID, a.Name) })
}
