package key

import (
	"io"
	"time"

	"github.com/claviger-dev/claviger/internal/admission"
	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/principal"
)

// MaxBulk is how many keys one request revokes or disables at most.
const MaxBulk = 200

// Service does to keys what people ask for. What is due because of a key's age is done by
// [Sweeper].
type Service struct {
	// Creates and Changes write to the same database.
	Creates audit.Ledger[CreateTx]
	Changes audit.Ledger[ChangeTx]
	Store   Store
	Keyring *credential.Keyring
	Now     func() time.Time
	Rand    io.Reader
	// Mails is set where a mail server sends links to people.
	Mails bool
	// ScanGate admits requests that read all keys of a tenant; nil admits everyone.
	ScanGate *admission.Gate
	// SearchGate admits requests that compare texts of many keys, one at a time for each person and
	// tenant; nil admits everyone.
	SearchGate *admission.Gate
}

var (
	errRevoked        = fault.New(fault.Conflict, "The key is revoked, and that cannot be undone. Create another key.")
	errTenantDisabled = fault.New(fault.Conflict,
		"The tenant is disabled. Ask an owner or admin of the account to enable it.")
	errLabelReserved = fault.New(fault.Conflict,
		"The tenant's `label` is reserved for Claviger's own credentials: new keys need another one. "+
			"Ask an owner or admin of the account to change it.")
	errHiddenKeys   = fault.New(fault.Forbidden, "Members of this tenant see their own keys only.")
	errStyleChanged = fault.New(fault.Conflict,
		"The key style of the tenant was changed during this request. Try again.")
)

// signedInPerson returns the person of the caller's session; keys never manage keys.
func signedInPerson(who principal.Principal) (principal.Person, error) {
	s, ok := who.Session()
	if !ok {
		return principal.Person{}, fault.New(fault.SessionRequired,
			"Keys are managed by people, not by keys. Sign in and use the session.")
	}
	return s.User, nil
}
