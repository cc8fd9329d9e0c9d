package web_test

import (
	"context"
	"encoding/base64"
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/verify"
	"github.com/claviger-dev/claviger/internal/web"
)

// constants returns the string constants of a type in a Go file, sorted.
func constants(t *testing.T, file, ofType string) []string {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var values []string
	ast.Inspect(parsed, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Values) != 1 {
			return true
		}
		if name, ok := spec.Type.(*ast.Ident); ok && name.Name == ofType {
			value, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			values = append(values, value)
		}
		return true
	})
	slices.Sort(values)
	return values
}

func TestEveryKindIsAPublicCodeWithAStatusAndAText(t *testing.T) {
	kinds := constants(t, "../fault/fault.go", "Kind")
	codes := slices.DeleteFunc(constants(t, "../../api/api.go", "Code"),
		func(c string) bool { return c == string(api.OK) })
	if len(kinds) < 25 {
		t.Fatalf("only %d kinds were found: the test proves nothing", len(kinds))
	}
	if diff := cmp.Diff(kinds, codes); diff != "" {
		t.Errorf("kinds and public codes differ: %s", diff)
	}
	for _, kind := range kinds {
		p := web.NewFailure(fault.Kind(kind), "req_1").Problem()
		if string(p.Code) != kind || p.Status < 400 || p.Title == "" || p.RequestID != "req_1" {
			t.Errorf("%s: %+v", kind, p)
		}
	}
}

func TestAFailureOfOursTellsNothing(t *testing.T) {
	p := web.NewFailure(fault.Wrap(fault.Internal, http.ErrBodyNotAllowed, "select * from users"), "req_1").Problem()
	if strings.Contains(p.Detail, "select") || p.Code != api.Internal {
		t.Errorf("%+v", p)
	}
}

// authenticator returns one that knows two key headers and no credential.
func authenticator() *web.Authenticator {
	a := &web.Authenticator{KeyHeaders: new(web.KeyHeaders)}
	a.KeyHeaders.Set(web.KeyHeader{Tenant: "ten_1", Name: "X-API-Key"},
		web.KeyHeader{Tenant: "ten_2", Name: "X-BLANCCO-API-KEY"})
	return a
}

const key = "clv_ak_hLHkJdTdiGrWYAR7_5c6OjfPnGFMATXxRcHeCLJXpBRaRUPkTsNm7CM2dQx0Wl0Mu" // of no server any more

func TestExactlyOneCredentialIsRead(t *testing.T) {
	const userPass = "ak_hLHkJdTdiGrWYAR7:5c6OjfPnGFMATXxRcHeCLJXpBRaRUPkTsNm7CM2dQx0Wl0Mu"
	pair := base64.StdEncoding.EncodeToString([]byte(userPass))
	cases := []struct {
		name   string
		header http.Header
		want   string // transport, "cookie", "none", "bad" or "ambiguous"
	}{
		{"nothing", http.Header{}, "none"},
		{"bearer", http.Header{"Authorization": {"Bearer " + key}}, "bearer"},
		{"bearer in any case", http.Header{"Authorization": {"bEARER " + key}}, "bearer"},
		{"basic", http.Header{"Authorization": {"Basic " + pair}}, "basic"},
		{"a key header", http.Header{"X-Api-Key": {key}}, "header"},
		{"another tenant's key header", http.Header{"X-Blancco-Api-Key": {key}}, "header"},
		{"a cookie", http.Header{"Cookie": {"claviger=abc"}}, "cookie"},
		{
			"a cookie beside a bearer",
			http.Header{"Cookie": {"claviger=abc"}, "Authorization": {"Bearer " + key}},
			"bearer",
		},
		{"a cookie beside a bad bearer", http.Header{"Cookie": {"claviger=abc"}, "Authorization": {"Bearer x"}}, "bad"},
		{"a cookie beside an empty key header", http.Header{"Cookie": {"claviger=abc"}, "X-Api-Key": {""}}, "cookie"},
		{
			"a cookie beside a key header with something else",
			http.Header{"Cookie": {"claviger=abc"}, "X-Api-Key": {"x"}},
			"cookie",
		},
		{"a cookie beside a key", http.Header{"Cookie": {"claviger=abc"}, "X-Api-Key": {key}}, "header"},
		{
			"a cookie beside a bad basic and something else",
			http.Header{"Cookie": {"claviger=abc"}, "Authorization": {"Basic x"}, "X-Api-Key": {"x"}},
			"bad",
		},
		{
			"bearer beside a key header with something else",
			http.Header{"Authorization": {"Bearer " + key}, "X-Api-Key": {"x", "y"}, "X-Blancco-Api-Key": {""}},
			"bearer",
		},
		{
			"a key beside a key header with something else",
			http.Header{"X-Blancco-Api-Key": {"x"}, "X-Api-Key": {key}},
			"header",
		},
		{"something else in two key headers", http.Header{"X-Blancco-Api-Key": {"x"}, "X-Api-Key": {"y"}}, "bad"},
		{"a key and something else in one key header", http.Header{"X-Api-Key": {key, "x"}}, "ambiguous"},
		{"a bad bearer beside a key", http.Header{"Authorization": {"Bearer x"}, "X-Api-Key": {key}}, "ambiguous"},
		{"two bearers", http.Header{"Authorization": {"Bearer " + key, "Bearer " + key}}, "ambiguous"},
		{"bearer and key header", http.Header{"Authorization": {"Bearer " + key}, "X-Api-Key": {key}}, "ambiguous"},
		{"two key headers", http.Header{"X-Api-Key": {key}, "X-Blancco-Api-Key": {key}}, "ambiguous"},
		{"a key header twice", http.Header{"X-Api-Key": {key, key}}, "ambiguous"},
		{"bearer with two spaces", http.Header{"Authorization": {"Bearer  " + key}}, "bearer"},
		{"bearer in upper case with five spaces", http.Header{"Authorization": {"BEARER     " + key}}, "bearer"},
		{"basic with three spaces", http.Header{"Authorization": {"basic   " + pair}}, "basic"},
		{"bearer with white space around it", http.Header{"Authorization": {"\t Bearer " + key + " \t"}}, "bearer"},
		{"basic with white space behind it", http.Header{"Authorization": {"Basic " + pair + "  "}}, "basic"},
		{"a key header with white space around it", http.Header{"X-Api-Key": {" \t" + key + "\t "}}, "header"},
		{
			"a cookie beside a key header of white space",
			http.Header{"Cookie": {"claviger=abc"}, "X-Api-Key": {" \t "}},
			"cookie",
		},
		{"bearer with a tab for the space", http.Header{"Authorization": {"Bearer\t" + key}}, "bad"},
		{"bearer with a tab behind the space", http.Header{"Authorization": {"Bearer \t" + key}}, "bad"},
		{"bearer with a line end behind it", http.Header{"Authorization": {"Bearer " + key + "\n"}}, "bad"},
		{"bearer with a no-break space behind it", http.Header{"Authorization": {"Bearer " + key + "\u00a0"}}, "bad"},
		{"bearer of a list", http.Header{"Authorization": {"Bearer " + key + ","}}, "bad"},
		{
			"bearer with a space in the key",
			http.Header{"Authorization": {"Bearer " + key[:20] + " " + key[20:]}},
			"bad",
		},
		{
			"basic with a space in the base64",
			http.Header{"Authorization": {"Basic " + pair[:20] + " " + pair[20:]}},
			"bad",
		},
		{"bearer and nothing but spaces", http.Header{"Authorization": {"Bearer    "}}, "bad"},
		{"the scheme twice", http.Header{"Authorization": {"Bearer Bearer " + key}}, "bad"},
		{
			"basic with a space in the id",
			http.Header{"Authorization": {"Basic " + base64.StdEncoding.EncodeToString([]byte(" "+userPass))}},
			"bad",
		},
		{"bearer without a space", http.Header{"Authorization": {"Bearer" + key}}, "bad"},
		{"the key as the scheme", http.Header{"Authorization": {key}}, "bad"},
		{"basic unpadded", http.Header{"Authorization": {"Basic " + strings.TrimRight(pair, "=")}}, "bad"},
		{
			"basic without a colon",
			http.Header{"Authorization": {"Basic " + base64.StdEncoding.EncodeToString([]byte(key))}},
			"bad",
		},
		{
			"the whole key as user name",
			http.Header{"Authorization": {"Basic " + base64.StdEncoding.EncodeToString([]byte(key+":"))}},
			"bad",
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if got := read(c.header); got != c.want {
				t.Errorf("read as %s, want %s", got, c.want)
			}
		})
	}
}

func read(h http.Header) string {
	switch p := authenticator().ReadCredential(context.Background(), h); p.Kind() {
	case verify.AmbiguousCredential:
		return "ambiguous"
	case verify.SessionToken:
		return "cookie"
	case verify.NoCredential:
		return "none"
	case verify.APIKey:
		return string(p.Location().Transport)
	default:
		return "bad"
	}
}

func FuzzAuthorization(f *testing.F) {
	for _, seed := range []string{"Bearer " + key, "Basic OjpiOg==", "Bearer", "", " ", "Basic ====", "bearer \x00"} {
		f.Add(seed)
	}
	a := authenticator()
	f.Fuzz(func(t *testing.T, sent string) {
		p := a.ReadCredential(t.Context(), http.Header{"Authorization": {sent}})
		if p.Kind() != verify.APIKey && p.Kind() != verify.MalformedCredential {
			t.Errorf("%q: kind %d", sent, p.Kind())
		}
		key, ok := p.Key()
		value := strings.Trim(sent, " \t")
		if ok && p.Location().Transport == policy.Bearer && !strings.HasSuffix(value,
			key.Lookup()+value[len(value)-49:]) {
			t.Errorf("%q was read as another key", sent)
		}
	})
}

func FuzzUnmarshal(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"credential":"x"}`, `{"credential":"x","credential":"y"}`,
		`{"Credential":"x"}`, `{"scopes":[1]}`, `{"headers":{"a":null}}`, `[]`, `{"a/~b":1}`, "{\"\xff\":1}",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var req api.VerifyRequest
		err := web.Unmarshal(text, &req)
		if err == nil {
			return
		}
		if kind := fault.KindOf(err); kind != fault.Malformed && kind != fault.ValidationFailed {
			t.Errorf("%q: %v", text, err)
		}
		for _, field := range fault.Fields(err) {
			for part := range strings.SplitSeq(field.Name, ".") {
				if len(part) > len("application_id") {
					t.Errorf("%q: a field named %q is repeated", text, part)
				}
			}
		}
	})
}
