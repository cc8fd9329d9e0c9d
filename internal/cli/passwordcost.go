//go:build !testcost && !clientonly && !windows

package cli

import "github.com/claviger-dev/claviger/internal/app"

// setPasswordCost does nothing: the app uses the production cost of password hashes.
func setPasswordCost(*app.Options) {}
