// Package upgrade tests an upgrade of several nodes with the program of the version before. It
// builds that program from the history of the repository.
package upgrade
