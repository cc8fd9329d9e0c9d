package account_test

import (
	"testing"

	"github.com/claviger-dev/claviger/internal/account"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/testkit"
)

func TestAKeySeesItsOwnAccountAlone(t *testing.T) {
	t.Parallel()
	h := testkit.Start(t, testkit.SQLite)
	other, _ := h.OtherAccount("Other Owner")
	key := principal.OfKey(&principal.Key{Account: h.Account.ID})
	got := testkit.Must[account.Account](t)(h.Accounts.Account(t.Context(), key, h.Account.ID))
	if got.ID != h.Account.ID || got.Number != h.Account.Number {
		t.Errorf("the key sees %+v", got)
	}
	for name, c := range map[string]struct {
		who  principal.Principal
		of   ident.AccountID
		want fault.Kind
	}{
		"a key, another account": {key, other.ID, fault.NotFound},
		"a management key": {
			principal.OfManagementKey(&principal.ManagementKey{Account: h.Account.ID}), h.Account.ID,
			fault.SessionRequired,
		},
		"nobody": {principal.Principal{}, h.Account.ID, fault.SessionRequired},
	} {
		if _, err := h.Accounts.Account(t.Context(), c.who, c.of); fault.KindOf(err) != c.want {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
}
