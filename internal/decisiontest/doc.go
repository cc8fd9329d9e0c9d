// Package decisiontest has the test that compares the decisions of all entry points about the same
// requests. It is a package of its own because entry points do not import each other.
package decisiontest
