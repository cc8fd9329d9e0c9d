// Package archtest keeps the table of packages true: a tree that departs from it fails the tests.
//
// The table says of each package what it may import, of this module and of others' modules. A row
// may stand there before its package does; a package without a row fails. Three kinds of rule
// follow:
//
//	imports.go   every import of every file is one that the row of its package lists
//	reach.go     what a package must never reach, through whatever it imports
//	words.go     what may not be written: os.Exit outside cmd, a silent skip, a package utils
//	language.go  how code reads: retired names and words, long lines, dense statements
//
// The files are read whatever their build tags. What lies below other people's packages is asked of
// the go command.
package archtest

import (
	"fmt"
	"strings"
)

const module = "github.com/claviger-dev/claviger"

// A row says what one package may import besides the standard library.
type row struct {
	// path is relative to the module's root.
	path string
	// imports names packages of this module, without internal/, and layers, which stand for all of
	// their packages.
	imports string
	// others names others' modules, as the list of modules does.
	others string
}

// A layer is a stretch of the table. Rules and rows name it to mean its packages.
type layer struct {
	name string
	rows []row
}

// table lists all packages, from the public ones through base and domain to the top.
var table = []layer{
	{"public", []row{
		{"cmd/claviger", "cli", "sys"},
		{"tools/bench", "client api", "sys"},
		{"tools/describe", "", ""},
		{"tools/release", "", ""},
		{"tools/guide", "", ""},
		{"tools/upgrade", "", ""},
		{"tools/pages", "", ""},
		{"tools/compat", "", ""},
		{"docs", "", ""},
		{"api", "", ""},
		{"client", "api", ""},
	}},
	{"base", []row{
		{"internal/fault", "", ""},
		{"internal/etag", "fault", ""},
		{"internal/ident", "", ""},
		{"internal/scope", "etag", ""},
		{"internal/credential", "ident fault", ""},
		{"internal/policy", "scope ident etag fault credential", ""},
		{"internal/principal", "ident scope policy fault", ""},
		{"internal/admission", "principal fault", ""},
		{"internal/proxy", "", ""},
		{"internal/config", "credential proxy", "yaml"},
		{"internal/text", "fault", "text"},
		{"internal/picture", "fault", "image"},
		{"internal/metadata", "fault", "json"},
		{"internal/route", "scope ident metadata fault", "yaml"},
		{"internal/paging", "", ""},
		{"internal/metric", "", ""},
		{"internal/hashline", "", ""},
		{"internal/ratelimit", "", ""},
		{"internal/clock", "fault", "sys"},
	}},
	{"domain", []row{
		{"internal/audit", "hashline paging principal policy ident fault", ""},
		{"internal/token", "admission principal policy scope credential ident audit fault", "go-jose"},
		{
			"internal/identity", "admission notice principal policy credential ident audit text metric etag fault",
			"crypto net text",
		},
		{"internal/secondfactor", "notice principal credential ident audit fault", ""},
		{
			"internal/session",
			"secondfactor admission notice paging principal policy credential ident audit metric fault", "",
		},
		{"internal/account", "notice admission paging principal policy scope ident audit text etag fault", ""},
		{
			"internal/tenancy",
			"account identity notice paging principal policy scope credential ident audit text etag fault", "",
		},
		{
			"internal/machine",
			"account tenancy admission notice paging principal policy scope credential ident audit metadata text " +
				"etag fault", "",
		},
		{
			"internal/application",
			"account tenancy paging principal policy route scope ident audit text etag fault", "",
		},
		{
			"internal/key",
			"machine admission notice paging principal policy scope credential ident audit metadata text etag " +
				"fault", "",
		},
		{"internal/serverkey", "principal policy credential ident audit fault", ""},
		{"internal/usage", "admission policy scope principal ident metric fault", ""},
		{
			"internal/verify",
			"admission ratelimit usage token policy credential route scope principal audit ident metadata metric " +
				"fault",
			"otter",
		},
		{"internal/notice", "principal policy scope credential ident audit fault", ""},
		{
			"internal/journal",
			"key account tenancy machine application secondfactor identity policy route scope audit ident fault", "",
		},
	}},
	{"outside", []row{
		{"internal/store", "domain base job", "goose"},
		{"internal/store/sqlite", "store fault", "sqlite goose"},
		{"internal/store/postgres", "store credential fault", "pgx goose"},
		{"internal/mail", "notice identity policy credential text", "go-mail"},
		{"internal/job", "fault", ""},
		{"internal/scan", "credential", ""},
		{"internal/backup", "hashline", "age"},
		{"internal/telemetry", "credential metric", "prometheus otel"},
	}},
	{"shared", []row{ // by the entry points
		{
			"internal/web",
			"admission ratelimit verify session policy credential scope principal proxy fault ident metric telemetry " +
				"api",
			"json",
		},
		{"internal/machine/wire", "machine policy scope ident fault web api", ""},
		{"internal/dialect", "web verify principal credential ident fault", "json"},
		{"internal/forward", "verify route policy scope fault", ""},
		{"internal/console/view", "", "barcode"},
		{"internal/guide", "docs text", "goldmark"},
		{"internal/mcp", "guide client api", "mcp-sdk json"},
	}},
	{"entrypoints", []row{
		{"internal/manageapi", "machine/wire web domain base api", "huma json"},
		{
			"internal/dataplane",
			"web dialect forward verify route api policy scope principal ident metadata telemetry proxy fault", "json",
		},
		{"internal/adminapi", "machine/wire web domain base api", ""},
		{"internal/docsite", "web console/view guide text fault api", ""},
		{
			"internal/oauth", "web verify token api policy scope principal credential fault",
			"go-oidc oauth2", // only in tests, as clients
		},
		{"internal/dialect/blazemeter", "dialect web domain base", ""},
		{"internal/dialect/loadrunner", "dialect web domain base", ""},
		{"internal/dialect/blazeauth", "dialect web domain base", ""},
		{"internal/dialect/blancco", "dialect web domain base", ""},
		{
			"internal/gateway",
			"dialect forward web verify identity session api policy principal credential admission telemetry metric " +
				"route fault", "",
		},
		{"internal/console", "console/view web domain base", ""},
		{"internal/mcp/endpoint", "mcp web client api admission fault", "mcp-sdk json"},
	}},
	{"top", []row{
		{"internal/sample", "domain base", ""},
		{"internal/app", "base domain outside shared entrypoints sample", ""},
		{
			"internal/cli", "app backup config client api ident route sample scan telemetry guide mcp",
			"cobra json pflag sys term mcp-sdk",
		},
	}},
	{"tests", []row{ // imported by tests alone
		{"internal/testkit/totp", "", ""},
		{"internal/store/storetest", "testkit/totp store domain base job", ""},
		{
			"internal/testkit",
			"testkit/totp app config client api telemetry domain base store store/sqlite store/postgres",
			"go-cmp net pgx go-smtp go-sasl",
		},
		{"internal/testkit/browser", "", "chromedp cdproto"},
		{"internal/decisiontest", "entrypoints shared proxy", ""},
		{"internal/archtest", "", ""},
	}},
}

// modules are others' modules, or the hosts and organisations all of whose modules are meant.
var modules = map[string]string{
	"age":        "filippo.io/age",
	"barcode":    "github.com/boombuler/barcode",
	"cdproto":    "github.com/chromedp/cdproto",
	"chromedp":   "github.com/chromedp/chromedp",
	"cobra":      "github.com/spf13/cobra",
	"crypto":     "golang.org/x/crypto",
	"go-cmp":     "github.com/google/go-cmp",
	"go-jose":    "github.com/go-jose/go-jose",
	"go-oidc":    "github.com/coreos/go-oidc",
	"mcp-sdk":    "github.com/modelcontextprotocol/go-sdk",
	"net":        "golang.org/x/net",
	"oauth2":     "golang.org/x/oauth2",
	"go-mail":    "github.com/wneessen/go-mail",
	"go-sasl":    "github.com/emersion/go-sasl",
	"go-smtp":    "github.com/emersion/go-smtp",
	"goldmark":   "github.com/yuin/goldmark",
	"goleak":     "go.uber.org/goleak",
	"goose":      "github.com/pressly/goose",
	"huma":       "github.com/danielgtaylor/huma",
	"image":      "golang.org/x/image",
	"json":       "github.com/go-json-experiment/json",
	"otel":       "go.opentelemetry.io",
	"otter":      "github.com/maypok86/otter",
	"pflag":      "github.com/spf13/pflag",
	"pgx":        "github.com/jackc/pgx",
	"prometheus": "github.com/prometheus",
	"rapid":      "pgregory.net/rapid",
	"sqlite":     "modernc.org",
	"sys":        "golang.org/x/sys",
	"term":       "golang.org/x/term",
	"testscript": "github.com/rogpeppe/go-internal",
	"text":       "golang.org/x/text",
	"yaml":       "go.yaml.in/yaml",
}

// forTests is what test files may import beyond the row of their package; the modules are open to
// the layer tests too.
var forTests = row{
	imports: "api client base domain store store/sqlite store/postgres scan telemetry web top tests",
	others:  "age rapid go-cmp goleak testscript go-smtp mcp-sdk",
}

// exclusiveModules names the only packages that may list a module. testkit creates and drops
// databases.
var exclusiveModules = map[string]string{
	"age":        "backup",
	"barcode":    "console/view",
	"cdproto":    "testkit/browser",
	"chromedp":   "testkit/browser",
	"pgx":        "store/postgres testkit",
	"sqlite":     "store/sqlite",
	"otter":      "verify",
	"huma":       "manageapi",
	"image":      "picture",
	"go-mail":    "mail",
	"goldmark":   "guide",
	"mcp-sdk":    "mcp mcp/endpoint cli",
	"go-jose":    "token",
	"prometheus": "telemetry",
	"otel":       "telemetry",
}

// never lists what must not be reached through any chain of imports: packages of this module, and
// of the standard library.
var never = []struct{ from, to, std string }{
	{"domain", "store/...", "database/sql net/http"},
	{"entrypoints", "entrypoints store/...", ""},
	{"dataplane", "identity console/...", ""},
	{"cmd/claviger cli", "tests", "testing"},
}

// rows are the table without its layers, by path.
var rows = func() map[string]row {
	all := map[string]row{}
	for _, l := range table {
		for _, r := range l.rows {
			all[r.path] = r
		}
	}
	return all
}()

// resolve returns the paths of the packages that the names mean.
func resolve(names string) []string {
	var paths []string
	for name := range strings.FieldsSeq(names) {
		paths = append(paths, resolveName(name)...)
	}
	return paths
}

// resolveName knows layers, packages, and packages with all below them ("store/..."). It panics on
// any other name: a slip of the pen in the table must not pass for a rule.
func resolveName(name string) []string {
	for _, l := range table {
		if l.name == name {
			return l.paths()
		}
	}
	top, andBelow := strings.CutSuffix(name, "/...")
	var paths []string
	for path := range rows {
		short := strings.TrimPrefix(path, "internal/")
		if short == top || andBelow && strings.HasPrefix(short, top+"/") {
			paths = append(paths, path)
		}
	}
	if len(paths) == 0 {
		panic(fmt.Sprintf("archtest: the table has neither a layer nor a package %q", name))
	}
	return paths
}

func (l layer) paths() []string {
	paths := make([]string, len(l.rows))
	for i, r := range l.rows {
		paths[i] = r.path
	}
	return paths
}
