//go:build !testcost

package main

import "github.com/claviger-dev/claviger/internal/app"

// setPasswordCost leaves the cost of password hashes to the app: it is the production cost.
func setPasswordCost(*app.Options) {}
