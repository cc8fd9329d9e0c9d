package dialect_test

import (
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
