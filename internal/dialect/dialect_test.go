package dialect_test

import (
	"strconv"
	"testing"

	"github.com/claviger-dev/claviger/internal/dialect"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/web"
)

func TestEachDialectHasItsForm(t *testing.T) {
	t.Parallel()
	f := web.NewFailure(fault.New(fault.KeyRevoked, `Say "please" & <wait>.`), "req_1")
	for name, want := range map[string]string{
		dialect.BlazeMeter: `{"error":{"code":401,"message":"Unauthorized"},"api_version":4,"result":null}`,
		dialect.LoadRunner: `{"message":"Say \"please\" & <wait>."}`,
		dialect.Blancco:    `{"message":"Say \"please\" & <wait>."}`,
		dialect.Blazeauth:  `{"success":false,"code":"api_key_revoked","message":"Say \"please\" & <wait>."}`,
	} {
		got, ok := dialect.Body(name, f)
		if !ok || string(got) != want+"\n" {
			t.Errorf("%s: %s (%v), want %s", name, got, ok, want)
		}
	}
	if _, ok := dialect.Body("problem+json", f); ok {
		t.Error("an unknown dialect has a body")
	}
}

func TestAMessageNamesTheInvalidFields(t *testing.T) {
	t.Parallel()
	many := make([]fault.Field, 7)
	for i := range many {
		many[i] = fault.Field{Name: "ids." + strconv.Itoa(i), Code: "unknown", Message: "Use another."}
	}
	for _, c := range []struct {
		fields []fault.Field
		want   string
	}{
		{[]fault.Field{{Name: "name", Code: "required", Message: "Send a name."}}, "name: Send a name."},
		{many, "ids.0: Use another. ids.1: Use another. ids.2: Use another. ids.3: Use another. ids.4: Use another. " +
			"2 more fields are invalid."},
	} {
		f := web.NewFailure(fault.Refuse(c.fields...), "req_1")
		for name, want := range map[string]string{
			dialect.LoadRunner: `{"message":"` + c.want + `"}`,
			dialect.Blancco:    `{"message":"` + c.want + `"}`,
			dialect.Blazeauth:  `{"success":false,"code":"validation_failed","message":"` + c.want + `"}`,
		} {
			if got, _ := dialect.Body(name, f); string(got) != want+"\n" {
				t.Errorf("%s: %s, want %s", name, got, want)
			}
		}
	}
}
