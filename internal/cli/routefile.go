package cli

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/route"
)

// readRoutes reads a file of entries and rules. It prints each fault of the file on a line.
func readRoutes(p printer, name string) (route.File, error) {
	return parseRoutes(p, name, route.ParseFile)
}

func parseRoutes[T any](p printer, name string, parse func(string, []byte) (T, error)) (parsed T, err error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return parsed, err
	}
	parsed, err = parse(name, text)
	if err == nil {
		return parsed, nil
	}
	for line := range strings.Lines(err.Error()) {
		p.note("%s", strings.TrimSpace(line))
	}
	return parsed, failure{
		errors.New("the file has faults"), exitInvalid, "correct the file at these lines and columns",
	}
}

func appRoutes(r *apiCommand) *cobra.Command {
	cmd := groupCommand("routes", "Show and replace the route rules of an application",
		`Shows and replaces the route rules of an application: what requests to it need,
when a reverse proxy asks Claviger about them. See docs/routes.md.`)
	cmd.AddCommand(showAppRoutes(r), setAppRoutes(r))
	return cmd
}

func showAppRoutes(r *apiCommand) *cobra.Command {
	return &cobra.Command{
		Use: "show APPLICATION", Short: "Show the route rules of an application, in their order",
		Args: cobra.ExactArgs(1),
		RunE: r.inTenant(func(c *call, tenant string, args []string) error {
			id, err := c.applicationID(tenant, args[0])
			if err != nil {
				return err
			}
			return c.showRoutes(c.Routes(c.ctx, tenant, id))
		}),
	}
}

func setAppRoutes(r *apiCommand) *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use: "set APPLICATION", Short: "Replace the route rules of an application", Args: cobra.ExactArgs(1),
		Long: `Replaces the route rules of an application by those in a YAML file with the
member rules. For admins of the tenant. The rules count when the command returns,
for the requests of entries that are bound to the tenant. An empty list removes
all rules. With --if-version, nothing is replaced if somebody else has changed
the rules since you read them.`,
		Example: `  claviger apps routes set "Orders API" --file rules.yaml`,
	}
	cmd.Flags().StringVar(&file, "file", "", "read the rules from this `file`")
	_ = cmd.MarkFlagRequired("file")
	version := ifVersionFlag(cmd)
	cmd.RunE = r.inTenant(func(c *call, tenant string, args []string) error {
		rules, err := parseRoutes(c.printer, file, route.ParseRules)
		if err != nil {
			return err
		}
		id, err := c.applicationID(tenant, args[0])
		if err != nil {
			return err
		}
		return c.showRoutes(c.expecting(*version).ReplaceRoutes(c.ctx, tenant, id, wireRules(rules)))
	})
	return cmd
}

// wireRules returns the rules of a file as the server expects them.
func wireRules(rules []route.Rule) api.RouteRules {
	wire := api.RouteRules{Items: make([]api.RouteRule, len(rules))}
	for i, r := range rules {
		item := api.RouteRule{
			Methods: r.Methods, Path: r.Path.Text, AllApplications: r.AllApplications, SessionOnly: r.SessionOnly,
		}
		names := make([]string, len(r.Scopes))
		for n, name := range r.Scopes {
			names[n] = string(name)
		}
		if len(names) > 0 && r.AnyScope {
			item.Scopes = &api.RouteScopes{Any: names}
		} else if len(names) > 0 {
			item.Scopes = &api.RouteScopes{All: names}
		}
		if r.Application != (route.ApplicationSource{}) {
			source := api.RouteApplication(r.Application)
			item.Application = &source
		}
		for _, h := range r.Headers {
			if item.Headers == nil {
				item.Headers = map[string]string{}
			}
			item.Headers[h.Name] = h.Text()
		}
		wire.Items[i] = item
	}
	return wire
}

func (c *call) showRoutes(rules api.RouteRules, err error) error {
	if err != nil {
		return err
	}
	if c.json {
		return c.printJSON(rules)
	}
	return printList(c.printer, api.List[api.RouteRule]{Items: rules.Items}, []column[api.RouteRule]{
		{"methods", func(r api.RouteRule) string { return joinWords(r.Methods) }},
		{"path", func(r api.RouteRule) string { return r.Path }},
		{"scopes", func(r api.RouteRule) string { return scopesOfRule(r.Scopes) }},
		{"application", func(r api.RouteRule) string { return applicationOfRule(r) }},
		{"session_only", func(r api.RouteRule) string { return yesNo(r.SessionOnly) }},
		{"headers", func(r api.RouteRule) string { return headersOfRule(r.Headers) }},
	})
}

func scopesOfRule(s *api.RouteScopes) string {
	switch {
	case s == nil:
		return ""
	case len(s.Any) > 0:
		return "any of " + joinWords(s.Any)
	}
	return joinWords(s.All)
}

func applicationOfRule(r api.RouteRule) string {
	source := ""
	if a := r.Application; a != nil {
		for name, value := range map[string]string{"path": a.Path, "query": a.Query, "header": a.Header} {
			if value != "" {
				source = name + " " + value
			}
		}
		source += a.ID
	}
	if r.AllApplications {
		source = strings.TrimSpace(source + " and all applications")
	}
	return source
}

func headersOfRule(headers map[string]string) string {
	var list []string
	for name, from := range headers {
		list = append(list, fmt.Sprintf("%s=%s", name, from))
	}
	slices.Sort(list)
	return strings.Join(list, " ")
}
