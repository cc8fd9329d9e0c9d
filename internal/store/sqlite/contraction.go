package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/pressly/goose/v3"
)

// withoutForeignKeys calls apply while the writer's connection does not enforce foreign keys.
// Dropping a table would otherwise delete every row that refers to it. The pragma has no effect in
// a transaction, so it is set before apply begins one. The pool has a single connection.
func withoutForeignKeys(ctx context.Context, db *sql.DB, apply func() error) error {
	if err := setForeignKeys(ctx, db, false); err != nil {
		return err
	}
	err := apply()
	return errors.Join(err, setForeignKeys(context.WithoutCancel(ctx), db, true))
}

func setForeignKeys(ctx context.Context, db *sql.DB, on bool) error {
	pragma := "PRAGMA foreign_keys = OFF"
	if on {
		pragma = "PRAGMA foreign_keys = ON"
	}
	_, err := db.ExecContext(ctx, pragma)
	return err
}

// rebuildMigration returns the migration that runs a file which makes tables anew. It runs in one
// transaction, in which nothing refers to what is not there and no row is lost, or nothing is
// changed. A process that is killed leaves the old tables.
func rebuildMigration(files fs.FS, number int64, file string) *goose.Migration {
	return goose.NewGoMigration(number, &goose.GoFunc{RunTx: func(ctx context.Context, tx *sql.Tx) error {
		text, err := fs.ReadFile(files, file)
		if err != nil {
			return err
		}
		return rebuild(ctx, tx, string(text))
	}}, nil)
}

// rebuild runs the statements and checks that they lost nothing.
func rebuild(ctx context.Context, tx *sql.Tx, statements string) error {
	var enforced bool
	if err := tx.QueryRowContext(ctx, `PRAGMA foreign_keys`).Scan(&enforced); err != nil {
		return err
	}
	if enforced {
		return errors.New("SQLite enforces foreign keys, and would delete the secrets of all keys: nothing was changed")
	}
	before, err := countRows(ctx, tx)
	if err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, statements); err != nil {
		return err
	}
	after, err := countRows(ctx, tx)
	if err != nil {
		return err
	}
	for i, c := range counted {
		if before[i] != after[i] {
			return fmt.Errorf("there were %d %s and would be %d: nothing was changed. Keep using the version "+
				"before, and report this", before[i], c.what, after[i])
		}
	}
	return checkForeignKeys(ctx, tx)
}

// counted are the rows that a rebuild must keep.
var counted = []struct{ what, query string }{
	{"keys", `SELECT COUNT(*) FROM keys`},
	{"keys that hold a slot", `SELECT COUNT(slot) FROM keys`},
	{"secrets of keys", `SELECT COUNT(*) FROM key_secrets`},
	{"digests of secrets", `SELECT COUNT(digest) FROM key_secrets`},
	{"copies of secrets", `SELECT COUNT(copy) FROM key_secrets`},
	{"grants of keys", `SELECT COUNT(*) FROM key_grants`},
	{"links", `SELECT COUNT(*) FROM links`},
	{"claims of keys", `SELECT COUNT(*) FROM links WHERE kind = 'claim' AND key_id IN (SELECT id FROM keys)`},
	{"last uses of keys", `SELECT COUNT(*) FROM key_uses`},
}

func countRows(ctx context.Context, tx *sql.Tx) (all []int64, err error) {
	for _, c := range counted {
		var n int64
		if err := tx.QueryRowContext(ctx, c.query).Scan(&n); err != nil {
			return nil, err
		}
		all = append(all, n)
	}
	return all, nil
}

// checkForeignKeys returns an error that names the tables with rows that refer to a missing row.
func checkForeignKeys(ctx context.Context, tx *sql.Tx) error {
	rows, err := tx.QueryContext(ctx, `SELECT DISTINCT "table" || ' to ' || parent FROM pragma_foreign_key_check`)
	if err != nil {
		return err
	}
	defer rows.Close()
	var broken []string
	for rows.Next() {
		var reference string
		if err := rows.Scan(&reference); err != nil {
			return err
		}
		broken = append(broken, reference)
	}
	if len(broken) > 0 {
		slices.Sort(broken)
		return fmt.Errorf("rows refer to rows that do not exist, from %q: nothing was changed. Keep using the "+
			"version before, and report this", broken)
	}
	return rows.Err()
}
