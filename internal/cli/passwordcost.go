//go:build !testcost && !clientonly && !windows

package cli

import "github.com/claviger-dev/claviger/internal/app"

// setPasswordCost does nothing: the app uses the production cost of password hashes.
func setPasswordCost(*app.Options) {}

// passphraseWorkFactor is that of backups that are encrypted to a passphrase; 0 is age's default.
const passphraseWorkFactor = 0
