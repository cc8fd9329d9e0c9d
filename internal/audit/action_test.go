package audit_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
)

// constants returns the values of the constants of a type, as the file has them.
func constants(t *testing.T, file, of string) (values []string) {
	t.Helper()
	syntax, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	for node := range ast.Preorder(syntax) {
		spec, ok := node.(*ast.ValueSpec)
		if !ok {
			continue
		}
		if name, ok := spec.Type.(*ast.Ident); !ok || name.Name != of {
			continue
		}
		for _, value := range spec.Values {
			text, err := strconv.Unquote(value.(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			values = append(values, text)
		}
	}
	if len(values) == 0 {
		t.Fatalf("%s has no constant of type %s", file, of)
	}
	return values
}

func TestEveryActionHasItsEffectsOrTheReasonForNone(t *testing.T) {
	known := audit.EffectKinds()
	for _, a := range constants(t, "action.go", "Action") {
		rule := audit.Action(a).Rule()
		if has := len(rule.Always)+len(rule.May) > 0; has == (rule.None != "") {
			t.Errorf("%s must have a rule in action.go, with either effects or the reason for none: %+v", a, rule)
		}
		for _, kind := range slices.Concat(rule.Always, rule.May) {
			if !slices.Contains(known, kind) {
				t.Errorf("%s has the effect %s, which is no kind", a, kind)
			}
		}
		if !regexp.MustCompile(`^[a-z_]+\.[a-z_]+$`).MatchString(a) {
			t.Errorf("%s is not noun.verb", a)
		}
	}
}

func TestEveryEffectBelongsToAnActionAndSaysWhatItHas(t *testing.T) {
	used := map[audit.EffectKind]bool{}
	for _, a := range constants(t, "action.go", "Action") {
		rule := audit.Action(a).Rule()
		for _, kind := range slices.Concat(rule.Always, rule.May) {
			used[kind] = true
		}
	}
	known := audit.EffectKinds()
	for _, k := range constants(t, "effect.go", "EffectKind") {
		if !slices.Contains(known, audit.EffectKind(k)) {
			t.Errorf("nothing says which members %s has", k)
		}
		if !used[audit.EffectKind(k)] {
			t.Errorf("no action has the effect %s", k)
		}
	}
}

func TestAnEventWithoutItsEffectsIsRefused(t *testing.T) {
	revoked := audit.Effect{Kind: audit.EffectKeyRevoked, Tenant: "ten_1", Key: "key_1"}
	for _, c := range []struct {
		name    string
		action  audit.Action
		effects []audit.Effect
		good    bool
	}{
		{"with its effect", audit.ActionKeyRevoke, []audit.Effect{revoked}, true},
		{"without its effect", audit.ActionKeyRevoke, nil, false},
		{
			"with another", audit.ActionKeyRevoke,
			[]audit.Effect{{Kind: audit.EffectKeyEnabled, Tenant: "ten_1", Key: "key_1"}},
			false,
		},
		{
			"with another besides", audit.ActionKeyRevoke,
			[]audit.Effect{revoked, {Kind: audit.EffectUserDeleted, User: "usr_1"}},
			false,
		},
		{
			"without the key", audit.ActionKeyRevoke,
			[]audit.Effect{{Kind: audit.EffectKeyRevoked, Tenant: "ten_1"}},
			false,
		},
		{
			"with a person", audit.ActionKeyRevoke,
			[]audit.Effect{{Kind: audit.EffectKeyRevoked, Tenant: "ten_1", Key: "key_1", User: "usr_1"}},
			false,
		},
		{
			"with days", audit.ActionKeyRevoke,
			[]audit.Effect{{Kind: audit.EffectKeyRevoked, Tenant: "ten_1", Key: "key_1", Days: 1}},
			false,
		},
		{
			"with an expiry", audit.ActionKeyRevoke,
			[]audit.Effect{{Kind: audit.EffectKeyRevoked, Tenant: "ten_1", Key: "key_1", Expires: time.Unix(1, 0)}},
			false,
		},
		{
			"an expiry that was taken away", audit.ActionKeyEdit,
			[]audit.Effect{{Kind: audit.EffectKeyExpirySet, Tenant: "ten_1", Key: "key_1"}},
			true,
		},
		{"an edit without effect", audit.ActionKeyEdit, nil, true},
		{
			"a refresh without serial", audit.ActionKeyRefresh,
			[]audit.Effect{{Kind: audit.EffectKeyRefreshed, Tenant: "ten_1", Key: "key_1"}},
			false,
		},
		{
			"a policy", audit.ActionPolicyEdit,
			[]audit.Effect{{Kind: audit.EffectLifetimeSet, Account: "acc_1", Reason: policy.ByMaxLifetime, Days: 2}},
			true,
		},
		{
			"a policy that is off", audit.ActionPolicyEdit,
			[]audit.Effect{{Kind: audit.EffectLifetimeSet, Account: "acc_1", Reason: policy.ByMaxLifetime}},
			true,
		},
		{
			"a policy of another reason", audit.ActionPolicyEdit,
			[]audit.Effect{{Kind: audit.EffectLifetimeSet, Account: "acc_1", Reason: policy.ByKey, Days: 2}},
			false,
		},
		{"an action that has none", audit.ActionKeyReveal, []audit.Effect{revoked}, false},
		{"an unknown action", "key.steal", nil, false},
		{"no action", "", nil, false},
		{"an unknown effect", audit.ActionKeyRevoke, []audit.Effect{revoked, {Kind: "key_stolen"}}, false},
	} {
		e := audit.By(principal.Operator(), c.action, audit.Target{Type: "test"}).WithEffects(c.effects...)
		if err := e.Check(); (err == nil) != c.good {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}
