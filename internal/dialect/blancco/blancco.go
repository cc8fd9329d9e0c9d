// Package blancco is the API of Blancco.
//
// Claviger answers none of its paths. The gateway forwards every request, whose key is in the
// tenant's key header (X-BLANCCO-API-KEY), and writes refusals as {"message":"…"}.
package blancco

import "github.com/claviger-dev/claviger/internal/dialect"

// Vendor returns the API as the gateway answers it.
func Vendor() *dialect.Vendor { return &dialect.Vendor{Name: dialect.Blancco} }
