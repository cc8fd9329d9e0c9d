package archtest

import (
	"slices"
	"strings"
	"testing"
)

// Each made-up tree departs from the table in one way, and each departure is reported in these
// words. In sources and reports, ~ is the module's path.
func TestADepartureFromTheTableIsReported(t *testing.T) {
	cases := []struct {
		departure string
		path      string
		text      string
		want      []string
	}{
		{
			"a package without a row",
			"internal/cache/cache.go", "package cache",
			[]string{"internal/cache has no row in the table"},
		},
		{
			"a package that stands where another has its row",
			"internal/api/api.go", "package api",
			[]string{"internal/api has no row in the table"},
		},
		{
			"code in the root of the module",
			"claviger.go", "package claviger",
			[]string{". has no row in the table"},
		},
		{
			"an import that the row does not list",
			"internal/fault/fault.go", `package fault; import _ "~/internal/ident"`,
			[]string{"internal/fault/fault.go:1: internal/fault may not import internal/ident"},
		},
		{
			"an import of a package that has no row",
			"internal/fault/fault.go", `package fault; import _ "~/internal/cache"`,
			[]string{"internal/fault/fault.go:1: internal/fault may not import internal/cache"},
		},
		{
			"an import in a file for another system",
			"internal/fault/fault_plan9.go", `package fault; import _ "~/internal/ident"`,
			[]string{"internal/fault/fault_plan9.go:1: internal/fault may not import internal/ident"},
		},
		{
			"a module of others in a row that has none",
			"api/api.go", `package api; import _ "github.com/danielgtaylor/huma/v2"`,
			[]string{"api/api.go:1: api may not import github.com/danielgtaylor/huma/v2"},
		},
		{
			"a module that no row lists",
			"internal/key/key.go", `package key; import _ "example.org/left-pad"`,
			[]string{"internal/key/key.go:1: internal/key may not import example.org/left-pad"},
		},
		{
			"a module whose name begins like a listed one",
			"internal/verify/verify.go", `package verify; import _ "github.com/maypok86/otterly"`,
			[]string{"internal/verify/verify.go:1: internal/verify may not import github.com/maypok86/otterly"},
		},
		{
			"the driver of PostgreSQL outside its package",
			"internal/store/store.go", `package store; import _ "github.com/jackc/pgx/v5/stdlib"`,
			[]string{"internal/store/store.go:1: internal/store may not import github.com/jackc/pgx/v5/stdlib"},
		},
		{
			"the driver of PostgreSQL in a test outside its package",
			"internal/store/store_test.go", `package store_test; import _ "github.com/jackc/pgx/v5/stdlib"`,
			[]string{"internal/store/store_test.go:1: internal/store may not import github.com/jackc/pgx/v5/stdlib"},
		},
		{
			"a test's module in code",
			"internal/key/key.go", `package key; import _ "pgregory.net/rapid"`,
			[]string{"internal/key/key.go:1: internal/key may not import pgregory.net/rapid"},
		},
		{
			"a test's package in code",
			"internal/app/app.go", `package app; import _ "~/internal/store/storetest"`,
			[]string{"internal/app/app.go:1: internal/app may not import internal/store/storetest"},
		},
		{
			"a package in the command through which it holds tests",
			"cmd/claviger/main.go", `package main; import _ "~/internal/testkit"`,
			[]string{
				"cmd/claviger must not reach internal/testkit: cmd/claviger → internal/testkit",
				"cmd/claviger/main.go:1: cmd/claviger may not import internal/testkit",
			},
		},
		{
			"testing in code",
			"internal/key/key.go", `package key; import _ "testing/fstest"`,
			[]string{"internal/key/key.go:1: internal/key may not import testing/fstest"},
		},
		{
			"a test that looks into another way in",
			"internal/gateway/gateway_test.go", `package gateway_test; import _ "~/internal/console"`,
			[]string{"internal/gateway/gateway_test.go:1: internal/gateway may not import internal/console"},
		},
		{
			"the domain with SQL in it",
			"internal/key/key.go", `package key; import _ "database/sql"`,
			[]string{"internal/key must not reach database/sql: internal/key → database/sql"},
		},
		{
			"the domain with HTTP in it, behind a package of the standard library",
			"internal/key/key.go", `package key; import _ "expvar"`,
			[]string{"internal/key must not reach net/http: internal/key → expvar → net/http"},
		},
		{
			"the domain with HTTP in it, behind a module it may import",
			"internal/verify/verify.go", `package verify; import _ "github.com/maypok86/otter/v2"`,
			[]string{"internal/verify must not reach net/http: internal/verify → github.com/maypok86/otter/v2 " +
				"→ expvar → net/http"},
		},
		{
			"the domain on a store",
			"internal/notice/notice.go", `package notice; import _ "~/internal/store/sqlite"`,
			[]string{
				"internal/notice must not reach internal/store/sqlite: internal/notice → internal/store/sqlite",
				"internal/notice/notice.go:1: internal/notice may not import internal/store/sqlite",
			},
		},
		{
			"a way in on a store",
			"internal/oauth/oauth.go", `package oauth; import _ "~/internal/store"`,
			[]string{
				"internal/oauth must not reach internal/store: internal/oauth → internal/store",
				"internal/oauth/oauth.go:1: internal/oauth may not import internal/store",
			},
		},
		{
			"a dialect that speaks another",
			"internal/dialect/blancco/keys.go", `package blancco; import _ "~/internal/dialect/blazeauth"`,
			[]string{
				"internal/dialect/blancco must not reach internal/dialect/blazeauth: internal/dialect/blancco " +
					"→ internal/dialect/blazeauth",
				"internal/dialect/blancco/keys.go:1: internal/dialect/blancco may not import " +
					"internal/dialect/blazeauth",
			},
		},
		{
			"the data plane with a page in it",
			"internal/dataplane/plane.go", `package dataplane; import _ "~/internal/console/view"`,
			[]string{
				"internal/dataplane must not reach internal/console/view: internal/dataplane → internal/console/view",
				"internal/dataplane/plane.go:1: internal/dataplane may not import internal/console/view",
			},
		},
		{
			"the environment read outside cmd",
			"internal/config/config.go", `package config; import "os"; var home = os.Getenv("HOME")`,
			[]string{
				"internal/config/config.go:1: os.Getenv: " +
					"only cmd reads environment, arguments and standard streams, and sets the exit code",
			},
		},
		{
			"an exit outside cmd, under another name",
			"internal/app/app.go", `package app; import system "os"; var exit = system.Exit`,
			[]string{
				"internal/app/app.go:1: os.Exit: " +
					"only cmd reads environment, arguments and standard streams, and sets the exit code",
			},
		},
		{
			"an exit outside cmd, with a last word",
			"internal/app/app.go", `package app; import "log"; func f() { log.Fatalf("bye") }`,
			[]string{
				"internal/app/app.go:1: log.Fatalf: " +
					"only cmd reads environment, arguments and standard streams, and sets the exit code",
			},
		},
		{
			"a command that writes past the streams it was given",
			"internal/cli/keys.go", `package cli; import "os"; var out = os.Stdout`,
			[]string{
				"internal/cli/keys.go:1: os.Stdout: " +
					"only cmd reads environment, arguments and standard streams, and sets the exit code",
			},
		},
		{
			"a route that the API's document would not know",
			"internal/oauth/oauth.go", `package oauth; import "net/http"; var mux = http.NewServeMux()`,
			[]string{"internal/oauth/oauth.go:1: net/http.NewServeMux: a route goes into the web.Router, from " +
				"whose list the API's document is made"},
		},
		{
			"an import that hides its words",
			"internal/app/app.go", `package app; import . "os"; func f() { Exit(1) }`,
			[]string{"internal/app/app.go:1: a dot import hides where a word comes from"},
		},
		{
			"a test that sleeps",
			"internal/key/key_test.go", `package key; import "time"; func f() { time.Sleep(1) }`,
			[]string{"internal/key/key_test.go:1: time.Sleep: wait for the event itself, or let " +
				"testing/synctest move the clock"},
		},
		{
			"a package for tests that sleeps",
			"internal/testkit/boot.go", `package testkit; import "time"; func f() { time.Sleep(1) }`,
			[]string{"internal/testkit/boot.go:1: time.Sleep: wait for the event itself, or let " +
				"testing/synctest move the clock"},
		},
		{
			"a test that skips",
			"api/api_test.go", `package api; import "testing"; func TestX(t *testing.T) { t.Skip() }`,
			[]string{"api/api_test.go:1: Skip: a test that did not run has not passed"},
		},
		{
			"a test that skips with a reason, behind a helper's interface",
			"internal/testkit/boot.go",
			`package testkit; func need(t interface{ Skipf(string) }) { t.Skipf("no browser") }`,
			[]string{"internal/testkit/boot.go:1: Skipf: a test that did not run has not passed"},
		},
		{
			"a test that skips where tests are to be short",
			"api/api_test.go",
			`package api; import "testing"; func TestX(t *testing.T) { if !testing.Short() { t.SkipNow() } }`,
			[]string{
				"api/api_test.go:1: Short: a test that did not run has not passed",
				"api/api_test.go:1: SkipNow: a test that did not run has not passed",
			},
		},
		{
			"a name that says nothing",
			"internal/utils/strings.go", "package utils",
			[]string{
				"internal/utils has no row in the table",
				"internal/utils: the name utils says nothing of what is inside",
			},
		},
		{
			"a name that says nothing, in a folder of another name",
			"internal/key/models.go", "package models",
			[]string{"internal/key: the name models says nothing of what is inside"},
		},
	}
	below := graph{
		"expvar":                       {"fmt", "net/http"},
		"github.com/maypok86/otter/v2": {"time", "expvar"},
	}
	for _, c := range cases {
		t.Run(c.departure, func(t *testing.T) {
			got := made(t, map[string]string{c.path: strings.ReplaceAll(c.text, "~", module)}).check(below, nil)
			if !slices.Equal(got, c.want) {
				t.Errorf("reported %q\n    want %q", got, c.want)
			}
		})
	}
}

func TestAChainThroughSeveralPackagesIsReportedWhole(t *testing.T) {
	got := made(t, map[string]string{
		"internal/dataplane/plane.go": source("dataplane", module+"/internal/web"),
		"internal/web/web.go":         source("web", module+"/internal/session"),
		"internal/session/session.go": source("session", module+"/internal/identity"),
	}).forbiddenChains(nil)
	want := []string{"internal/dataplane must not reach internal/identity: " +
		"internal/dataplane → internal/web → internal/session → internal/identity"}
	if !slices.Equal(got, want) {
		t.Errorf("reported %q\n    want %q", got, want)
	}
}

func TestAModuleOutsideItsKeepersRowIsReported(t *testing.T) {
	got := misplacedModules([]layer{{"domain", []row{{"internal/key", "", "otter"}, {"internal/verify", "", "otter"}}}})
	want := []string{"internal/key lists otter, which is kept by verify"}
	if !slices.Equal(got, want) {
		t.Errorf("reported %q, want %q", got, want)
	}
}

func TestWhatTheRulesAllowIsNotReported(t *testing.T) {
	reports := made(t, map[string]string{
		"cmd/claviger/main.go": `package main; import "os"; func main() { os.Exit(len(os.Getenv("X"))) }`,
		"tools/bench/main.go":  `package main; import "log"; func main() { log.Fatal("slow") }`,
		"internal/key/key_test.go": source("key_test", module+"/internal/key", module+"/internal/store/sqlite",
			"pgregory.net/rapid", "testing"),
		"internal/testkit/env.go": "package testkit; import (\"os\"; \"testing\"); " +
			"func f(testing.TB) string { return os.Getenv(\"X\") }",
		"internal/key/testdata/bad.go": "this is no Go",
		"internal/job/loop.go":         `package job; import "time"; func f() { time.Sleep(1) }`,
		"internal/config/config.go": "package config; type env struct{}; func (env) Getenv() {}; " +
			"func f(os env) { os.Getenv() }",
		"internal/policy/skip_test.go":  `package policy; func f(t interface{ Skip() }) { t.Skip() }`,
		"node_modules/.cache/broken.go": "nor is this",
	}).check(nil, []string{"internal/policy/skip_test.go"})
	for _, report := range reports {
		t.Error(report)
	}
}

func TestAnActionThatIsWrittenAsATextIsReported(t *testing.T) {
	actions := "package audit\ntype Action string\nconst ActionKeyRevoke Action = \"key.revoke\"\n"
	code := "package key\nimport \"" + module + "/internal/audit\"\n"
	for _, c := range []struct {
		name, path, text string
		want             []string
	}{
		{"a constant", "internal/key/key.go", code + "var a = audit.ActionKeyRevoke\n", nil},
		{
			"the text", "internal/key/key.go", code + "var a audit.Action = \"key.revoke\"\n",
			[]string{`internal/key/key.go:3: "key.revoke": an action is written as a constant of internal/audit`},
		},
		{
			"another verb", "internal/key/key.go", code + "var a = audit.By(who, `key.steal`)\n",
			[]string{`internal/key/key.go:3: "key.steal": an action is written as a constant of internal/audit`},
		},
		{"another noun", "internal/key/key.go", code + "var a = \"revocations.journal\"\n", nil},
		{"in a test", "internal/key/key_test.go", code + "var a = \"key.revoke\"\n", nil},
		{"in a file that knows no actions", "internal/key/other.go", "package key\nvar a = \"key.pem\"\n", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := made(t, map[string]string{"internal/audit/action.go": actions, c.path: c.text}).writtenActions()
			if !slices.Equal(got, c.want) {
				t.Errorf("reported %q, want %q", got, c.want)
			}
		})
	}
}
