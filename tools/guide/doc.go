// Package guide tests the programs and configurations in docs/integration.md and docs/scanners.md.
// The tests build and run them as a reader would, with nginx and Python.
package guide
