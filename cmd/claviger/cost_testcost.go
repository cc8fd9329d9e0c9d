//go:build testcost

package main

import "github.com/claviger-dev/claviger/internal/app"

// setPasswordCost makes password hashes worthless and quick. Only the tests of this package build with this tag:
// they start hundreds of processes, each of which would otherwise hash for most of its time.
func setPasswordCost(o *app.Options) {
	o.PasswordCost.Memory = 8
	o.PasswordCost.Time = 1
	o.PasswordCost.Threads = 1
}
