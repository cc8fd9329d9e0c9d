//go:build testcost && !clientonly && !windows

package cli

import "github.com/claviger-dev/claviger/internal/app"

// setPasswordCost makes password hashes fast and insecure. Only the tests of this package build
// with this tag. They start hundreds of processes, which would otherwise spend most of their time
// on hashes.
func setPasswordCost(o *app.Options) {
	o.PasswordCost.Memory = 8
	o.PasswordCost.Time = 1
	o.PasswordCost.Threads = 1
}

// passphraseWorkFactor makes backups to a passphrase fast and insecure, for the same reason.
const passphraseWorkFactor = 10
