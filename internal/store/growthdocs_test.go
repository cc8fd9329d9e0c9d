package store_test

import (
	"os"
	"strings"
	"testing"

	"github.com/claviger-dev/claviger/internal/testkit"
)

func TestTheOperatorIsToldWhatBoundsEveryTable(t *testing.T) {
	page, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "\n## What makes the database grow\n")
	section, _, _ = strings.Cut(section, "\n## ")
	rows, err := open(t, testkit.SQLite).Read.QueryContext(t.Context(),
		`SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'
			AND name NOT IN `+versionTables)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	tables := 0
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		tables++
		if !strings.Contains(section, "`"+name+"`") {
			t.Errorf("docs/operations.md does not say what bounds %s", name)
		}
	}
	if err := rows.Err(); err != nil || tables < 20 {
		t.Errorf("%d tables: %v", tables, err)
	}
}
