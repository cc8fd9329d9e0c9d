package store_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/claviger-dev/claviger/internal/testkit"
)

// ahead lists time columns that may lie in the future or that a repair must not change, each with
// the reason.
var ahead = map[string]string{
	"usage_key_hours.begins_at":    "usageClamps adds the counts to those of the present",
	"usage_key_days.begins_at":     "usageClamps adds the counts to those of the present",
	"usage_tenant_hours.begins_at": "usageClamps adds the counts to those of the present",
	"usage_tenant_days.begins_at":  "usageClamps adds the counts to those of the present",
	"keys.expires_at":              "says when a key ends",
	"management_keys.expires_at":   "says when a management key ends",
	"sessions.expires_at":          "ends with the session, which is ended where it began in the future",
	"audit_events.at":              "is part of the chain of records",
	"revoked_tokens.expires_at":    "says when a token ends",
	"keys.tokens_revoked_until":    "says when the last of its revoked tokens ends",
}

// times matches the names of columns that hold a time.
var times = regexp.MustCompile(`(_at|_on|^at|^until|_until|^since|_since|_from)$`)

func TestARepairOfTheClockPutsEveryTimeOfTheSchemaBack(t *testing.T) {
	put := map[string]bool{}
	table := regexp.MustCompile(`^\s*UPDATE (\w+) SET (.*)$`)
	set := regexp.MustCompile(`(\w+) = `)
	for name, text := range queries(t) {
		if !strings.HasPrefix(name, "clamp") && !strings.HasPrefix(name, "shift") {
			continue
		}
		m := table.FindStringSubmatch(strings.Join(strings.Fields(text), " "))
		for _, column := range set.FindAllStringSubmatch(m[2], -1) {
			put[m[1]+"."+column[1]] = true
		}
	}
	b := open(t, testkit.SQLite)
	rows, err := b.Read.QueryContext(t.Context(),
		`SELECT m.name, c.name FROM sqlite_master m JOIN pragma_table_info(m.name) c WHERE m.type = 'table'`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	seen := 0
	for rows.Next() {
		var table, column string
		if err := rows.Scan(&table, &column); err != nil {
			t.Fatal(err)
		}
		full := table + "." + column
		if _, exempt := ahead[full]; !times.MatchString(column) || exempt {
			continue
		}
		seen++
		// a repair deletes sessions that began in the future
		if !put[full] && full != "sessions.created_at" && full != "sessions.signed_in_at" {
			t.Errorf("a repair of the clock leaves %s in the future: add it to clamps, or to the columns that "+
				"may be ahead with the reason", full)
		}
	}
	if seen < 30 || rows.Err() != nil {
		t.Errorf("only %d columns of times were found: %v", seen, rows.Err())
	}
}
