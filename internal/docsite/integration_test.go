package docsite_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"slices"
	"strconv"
	"testing"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/web"
)

// notVerified are the codes that verify never answers a decision with.
var notVerified = []string{
	// of people
	"session_ended", "sign_in_failed", "second_factor_required", "forbidden", "sign_in_again", "cross_site",
	// of the caller's request
	"malformed_request", "not_found", "method_not_allowed", "too_large", "unsupported_media_type", "validation_failed",
	// of changes
	"link_invalid", "conflict", "key_limit_reached", "tenant_required", "not_recoverable", "limit_of_changes",
	"route_unknown", "path_ambiguous", // of requests that a proxy asks about
	"bad_gateway", "gateway_timeout", // of the gateway
	"internal", "unavailable", // no decision
}

// codeRow is a row of the table in docs/integration.md.
var codeRow = regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| ([^|]+) \\|")

func TestTheIntegrationGuideHasAStatusForEveryCodeOfVerify(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/integration.md")
	if err != nil {
		t.Fatal(err)
	}
	told := map[string]string{}
	for _, row := range codeRow.FindAllStringSubmatch(string(text), -1) {
		told[row[1]] = row[2]
	}
	delete(told, "code") // the head of the table
	codes := publishedCodes(t)
	for _, code := range codes {
		status, ok := told[code]
		delete(told, code)
		switch want := fmt.Sprint(web.NewFailure(fault.Kind(code), "").Status); {
		case ok == slices.Contains(notVerified, code):
			t.Errorf("%s: in the guide %t, in the list of this test too", code, ok)
		case ok && code != "ok" && status != want:
			t.Errorf("%s: the guide says %s, Claviger itself answers %s", code, status, want)
		}
	}
	if len(told) > 0 || len(codes) < 30 {
		t.Errorf("the guide has %v, which are none of %d codes", told, len(codes))
	}
}

// publishedCodes returns the codes of package api.
func publishedCodes(t *testing.T) (codes []string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../../api/api.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		v, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if kind, ok := v.Type.(*ast.Ident); ok && kind.Name == "Code" {
			code, err := strconv.Unquote(v.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			codes = append(codes, code)
		}
		return true
	})
	return codes
}
