// Package guide tests the configurations in docs/integrations and the programs in docs/scanners.md.
// The tests run them as a reader would, with nginx, Caddy, HAProxy and Python.
package guide
