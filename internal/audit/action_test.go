package audit

import (
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"

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
	actions := constants(t, "action.go", "Action")
	for _, a := range actions {
		rule, known := actionRules[Action(a)]
		if !known {
			t.Errorf("%s is in no list: say in actionRules what it takes away or gives back, or why it has no effect",
				a)
			continue
		}
		if has := len(rule.always)+len(rule.may) > 0; has == (rule.none != "") {
			t.Errorf("%s must have either effects or the reason for none: %+v", a, rule)
		}
		for _, kind := range slices.Concat(rule.always, rule.may) {
			if _, known := effectMembers[kind]; !known {
				t.Errorf("%s has the effect %s, which is no kind", a, kind)
			}
		}
		if !regexp.MustCompile(`^[a-z_]+\.[a-z_]+$`).MatchString(a) {
			t.Errorf("%s is not noun.verb", a)
		}
	}
	if len(actionRules) != len(actions) {
		t.Errorf("there are %d rules for %d actions", len(actionRules), len(actions))
	}
}

func TestEveryEffectBelongsToAnActionAndSaysWhatItHas(t *testing.T) {
	kinds := constants(t, "effect.go", "EffectKind")
	for _, k := range kinds {
		if _, known := effectMembers[EffectKind(k)]; !known {
			t.Errorf("nothing says which members %s has", k)
		}
		used := false
		for _, rule := range actionRules {
			used = used || slices.Contains(rule.always, EffectKind(k)) || slices.Contains(rule.may, EffectKind(k))
		}
		if !used {
			t.Errorf("no action has the effect %s", k)
		}
	}
	if len(effectMembers) != len(kinds) {
		t.Errorf("%d kinds have members, of %d", len(effectMembers), len(kinds))
	}
}

func TestAnEventWithoutItsEffectsIsRefused(t *testing.T) {
	revoked := Effect{Kind: EffectKeyRevoked, Tenant: "ten_1", Key: "key_1"}
	for _, c := range []struct {
		name    string
		action  Action
		effects []Effect
		good    bool
	}{
		{"with its effect", ActionKeyRevoke, []Effect{revoked}, true},
		{"without its effect", ActionKeyRevoke, nil, false},
		{"with another", ActionKeyRevoke, []Effect{{Kind: EffectKeyEnabled, Tenant: "ten_1", Key: "key_1"}}, false},
		{"with another besides", ActionKeyRevoke, []Effect{revoked, {Kind: EffectUserDeleted, User: "usr_1"}}, false},
		{"without the key", ActionKeyRevoke, []Effect{{Kind: EffectKeyRevoked, Tenant: "ten_1"}}, false},
		{
			"with a person", ActionKeyRevoke,
			[]Effect{{Kind: EffectKeyRevoked, Tenant: "ten_1", Key: "key_1", User: "usr_1"}},
			false,
		},
		{
			"with days", ActionKeyRevoke,
			[]Effect{{Kind: EffectKeyRevoked, Tenant: "ten_1", Key: "key_1", Days: 1}},
			false,
		},
		{
			"with an expiry", ActionKeyRevoke,
			[]Effect{{Kind: EffectKeyRevoked, Tenant: "ten_1", Key: "key_1", Expires: time.Unix(1, 0)}},
			false,
		},
		{
			"an expiry that was taken away", ActionKeyEdit,
			[]Effect{{Kind: EffectKeyExpirySet, Tenant: "ten_1", Key: "key_1"}},
			true,
		},
		{"an edit without effect", ActionKeyEdit, nil, true},
		{
			"a refresh without serial", ActionKeyRefresh,
			[]Effect{{Kind: EffectKeyRefreshed, Tenant: "ten_1", Key: "key_1"}},
			false,
		},
		{
			"a policy", ActionPolicyEdit,
			[]Effect{{Kind: EffectLifetimeSet, Account: "acc_1", Reason: policy.ByMaxLifetime, Days: 2}},
			true,
		},
		{
			"a policy that is off", ActionPolicyEdit,
			[]Effect{{Kind: EffectLifetimeSet, Account: "acc_1", Reason: policy.ByMaxLifetime}},
			true,
		},
		{
			"a policy of another reason", ActionPolicyEdit,
			[]Effect{{Kind: EffectLifetimeSet, Account: "acc_1", Reason: policy.ByKey, Days: 2}},
			false,
		},
		{"an action that has none", ActionKeyReveal, []Effect{revoked}, false},
		{"an unknown action", "key.steal", nil, false},
		{"no action", "", nil, false},
		{"an unknown effect", ActionKeyRevoke, []Effect{revoked, {Kind: "key_stolen"}}, false},
	} {
		e := By(principal.Operator(), c.action, Target{Type: "test"}).WithEffects(c.effects...)
		if err := e.Check(); (err == nil) != c.good {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}
