//go:build !clientonly && !windows

package cli

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/route"
)

func routesCommand() *cobra.Command {
	cmd := groupCommand("routes", "Check and explain route rules: what requests to your APIs need",
		`Checks and explains route rules: what requests to your APIs need. FILE is a file
of entries and rules, as the setting server.routes names one. See docs/routes.md.`)
	o := outputFlag(cmd)
	cmd.AddCommand(checkRoutes(o), testRoutes(o), explainRoute(o))
	return cmd
}

// checkedFile is the JSON form of a file without faults.
type checkedFile struct {
	File    string `json:"file"`
	Entries int    `json:"entries"`
	Rules   int    `json:"rules"`
	Tests   int    `json:"tests"`
}

func checkRoutes(o *output) *cobra.Command {
	return &cobra.Command{
		Use: "check FILE", Short: "Check a file of entries and route rules", Args: cobra.ExactArgs(1),
		Long: `Checks a file of entries and route rules as the server does when it reads it.
Prints at most 20 faults, each with line and column. Needs no server. The tests
in the file are not run: see "claviger routes test".`,
		Example: `  claviger routes check routes.yaml`,
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := o.printer(cmd)
			if err != nil {
				return err
			}
			file, err := readRoutes(p, args[0])
			if err != nil {
				return err
			}
			checked := checkedFile{File: file.Name, Entries: len(file.Entries), Tests: len(file.Tests)}
			for i := range file.Entries {
				checked.Rules += file.Entries[i].Rules.Len()
			}
			return printOne(p, checked, []column[checkedFile]{
				{"file", func(f checkedFile) string { return f.File }},
				{"entries", func(f checkedFile) string { return fmt.Sprint(f.Entries) }},
				{"rules", func(f checkedFile) string { return fmt.Sprint(f.Rules) }},
				{"tests", func(f checkedFile) string { return fmt.Sprint(f.Tests) }},
			})
		},
	}
}

// testedRoutes is the JSON form of the result of the tests of a file.
type testedRoutes struct {
	Passed int            `json:"passed"`
	Failed []failedRoutes `json:"failed"`
}

// failedRoutes is a test that failed.
type failedRoutes struct {
	Source      string   `json:"source"`
	Request     string   `json:"request"`
	Differences []string `json:"differences"`
}

func testRoutes(o *output) *cobra.Command {
	return &cobra.Command{
		Use: "test FILE", Short: "Run the tests in a file of route rules", Args: cobra.ExactArgs(1),
		Long: `Runs the tests in a file of route rules: it looks for the rule of each request,
and compares it with what the test expects. Needs no server. Rules of tenants are
not in the file, so they do not count. Exit code 10 means that a test failed.`,
		Example: `  claviger routes test routes.yaml`,
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := o.printer(cmd)
			if err != nil {
				return err
			}
			file, err := readRoutes(p, args[0])
			if err != nil {
				return err
			}
			return runRouteTests(p, file)
		},
	}
}

func runRouteTests(p printer, file route.File) error {
	result := testedRoutes{Failed: []failedRoutes{}}
	for _, t := range file.Tests {
		differences := file.Run(t)
		if len(differences) == 0 {
			result.Passed++
			continue
		}
		f := failedRoutes{Source: t.Source, Request: t.Method + " " + t.URI, Differences: differences}
		result.Failed = append(result.Failed, f)
		if !p.json {
			p.note("%s: %s: %s", f.Source, f.Request, strings.Join(differences, "; "))
		}
	}
	err := printOne(p, result, []column[testedRoutes]{
		{"passed", func(r testedRoutes) string { return fmt.Sprint(r.Passed) }},
		{"failed", func(r testedRoutes) string { return fmt.Sprint(len(r.Failed)) }},
	})
	if err == nil && len(result.Failed) > 0 {
		err = failure{
			fmt.Errorf("%s failed", countOf(len(result.Failed), "test")), exitNegative,
			"correct the rules or the tests",
		}
	}
	return err
}

// explainFlags are the flags of explain.
type explainFlags struct {
	entry, file string
	headers     []string
}

func (f *explainFlags) header() (http.Header, error) {
	h := http.Header{}
	for _, line := range f.headers {
		name, value, found := strings.Cut(line, ":")
		if !found {
			return nil, usage("--header: write NAME: VALUE")
		}
		h.Add(name, strings.TrimSpace(value))
	}
	return h, nil
}

func explainRoute(o *output) *cobra.Command {
	var f explainFlags
	cmd := &cobra.Command{
		Use: "explain METHOD URI", Short: "Show which rule applies to a request, and what it needs",
		Args: cobra.ExactArgs(2),
		Long: `Shows which rule applies to a request to a protected API, and what it needs. URI
is the path with the query string, as the client sends it. With --file, reads the
rules from a file and needs no server; rules of tenants are not in the file.

` + operatorNote,
		Example: `  claviger routes explain GET '/reports?year=2026' --file routes.yaml`,
	}
	cmd.Flags().StringVar(&f.entry, "entry", route.DefaultEntry, "name of the entry")
	cmd.Flags().StringVar(&f.file, "file", "", "read the rules from this `file`")
	cmd.Flags().StringArrayVar(&f.headers, "header", nil, "a header of the request, `NAME: VALUE`; repeat for more")
	operatorCommand(cmd, o, func(c *call, args []string) error {
		headers, err := f.header()
		if err != nil {
			return err
		}
		var x api.RouteExplanation
		err = c.Do(c.ctx, http.MethodPost, "/operator/v1/routes/explain", api.ExplainRouteRequest{
			Entry: f.entry, Method: args[0], URI: args[1], Headers: headers,
		}, &x)
		if err != nil {
			return err
		}
		return printExplanation(c.printer, x)
	})
	asOperator := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if f.file == "" {
			return asOperator(cmd, args)
		}
		p, err := o.printer(cmd)
		if err != nil {
			return err
		}
		return f.explain(p, args[0], args[1])
	}
	return cmd
}

// explain explains a request by the rules of the file alone.
func (f *explainFlags) explain(p printer, method, uri string) error {
	headers, err := f.header()
	if err != nil {
		return err
	}
	file, err := readRoutes(p, f.file)
	if err != nil {
		return err
	}
	e := file.Entry(f.entry)
	if e == nil {
		return failure{fmt.Errorf("the file has no entry %q", f.entry), exitNotFound, ""}
	}
	if e.Tenant != "" {
		p.note("The entry is bound to %s. Rules of its applications are not in the file.", e.Tenant)
	}
	o := e.Explain(method, uri, headers)
	return printExplanation(p, api.RouteExplanation{
		Entry: e.Name, Source: o.Source(), Needs: o.Needs(e), Application: o.Application, Refused: api.Code(o.Refused),
	})
}

func printExplanation(p printer, x api.RouteExplanation) error {
	return printOne(p, x, []column[api.RouteExplanation]{
		{"entry", func(x api.RouteExplanation) string { return x.Entry }},
		{"rule", func(x api.RouteExplanation) string { return x.Source }},
		{"needs", func(x api.RouteExplanation) string { return x.Needs }},
		{"application", func(x api.RouteExplanation) string { return x.Application }},
		{"refused", func(x api.RouteExplanation) string { return string(x.Refused) }},
	})
}
