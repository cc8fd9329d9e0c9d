package sqlite_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/claviger-dev/claviger/internal/store/sqlite"
)

// filesWith returns the names of the files in a directory that contain the text.
func filesWith(t *testing.T, directory, text string) (names []string) {
	t.Helper()
	for name, content := range contents(t, directory) {
		if strings.Contains(content, text) {
			names = append(names, name)
		}
	}
	return names
}

// secret is long enough to fill pages of its own.
var secret = strings.Repeat("a secret that is to go;", 1000)

func TestWhatIsDeletedOrOverwrittenIsInNoFileAfterACheckpoint(t *testing.T) {
	directory := t.TempDir()
	b := open(t, filepath.Join(directory, "claviger.db"))
	defer closeBackend(t, b)
	checkpoint := func() {
		t.Helper()
		if err := b.Checkpoint(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	exec(t, b.Write, `CREATE TABLE things (id INTEGER PRIMARY KEY, text TEXT) STRICT`)
	exec(t, b.Write, `CREATE INDEX things_text ON things (text)`)
	for id := range 3 {
		exec(t, b.Write, `INSERT INTO things (id, text) VALUES (?, ?)`, id, secret[:100])
		exec(t, b.Write, `INSERT INTO things (id, text) VALUES (?, ?)`, id+10, secret)
	}
	checkpoint()
	if len(filesWith(t, directory, secret[:100])) == 0 {
		t.Fatal("the text is in no file to begin with")
	}
	exec(t, b.Write, `UPDATE things SET text = 'short' WHERE id IN (0, 10)`)
	exec(t, b.Write, `UPDATE things SET text = NULL WHERE id IN (1, 11)`)
	exec(t, b.Write, `DELETE FROM things WHERE id IN (2, 12)`)
	checkpoint()
	if names := filesWith(t, directory, secret[:23]); len(names) > 0 {
		t.Errorf("what was deleted is still in %q", names)
	}
}

func TestACheckpointLeavesABackupUnderWayAlone(t *testing.T) {
	directory := t.TempDir()
	b := open(t, filepath.Join(directory, "claviger.db"))
	defer closeBackend(t, b)
	exec(t, b.Write, `CREATE TABLE things (text TEXT) STRICT`)
	exec(t, b.Write, `INSERT INTO things VALUES (?)`, secret)
	snapshot, err := b.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	count := func() (n int) {
		t.Helper()
		if err := snapshot.QueryRowContext(t.Context(), `SELECT COUNT(*) FROM things`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	count()
	exec(t, b.Write, `DELETE FROM things`)
	for range 2 {
		if err := b.Checkpoint(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := count(); n != 1 {
			t.Fatalf("the snapshot sees %d rows after a checkpoint", n)
		}
		exec(t, b.Write, `INSERT INTO things VALUES ('another')`) // writes continue
	}
	if err := snapshot.Rollback(); err != nil {
		t.Fatal(err)
	}
	if err := b.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	if names := filesWith(t, directory, secret); len(names) > 0 {
		t.Errorf("once the snapshot is over, what was deleted is still in %q", names)
	}
}

func TestACompactionKeepsEveryRowAndDropsWhatWasLeftOfDeletedOnes(t *testing.T) {
	directory := t.TempDir()
	file := filepath.Join(directory, "claviger.db")
	closeBackend(t, open(t, file))
	earlier := raw(t, file) // like a version without secure_delete
	exec(t, earlier, `PRAGMA secure_delete = 0`)
	exec(t, earlier, `CREATE TABLE things (text TEXT) STRICT`)
	exec(t, earlier, `INSERT INTO things VALUES (?), ('a row that stays')`, secret)
	exec(t, earlier, `DELETE FROM things WHERE text <> 'a row that stays'`)
	if err := earlier.Close(); err != nil {
		t.Fatal(err)
	}
	if len(filesWith(t, directory, secret[:100])) == 0 {
		t.Fatal("a version without secure_delete leaves nothing")
	}
	if err := os.WriteFile(file+".compact", bytes.Repeat([]byte("left by a kill"), 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := sqlite.Compact(t.Context(), file); err != nil {
		t.Fatal(err)
	}
	if names := filesWith(t, directory, secret[:23]); len(names) > 0 {
		t.Errorf("what was deleted is still in %q", names)
	}
	if all := contents(t, directory); len(all) != 1 {
		t.Errorf("it leaves %d files", len(all))
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("the file has mode %v, %v", info.Mode(), err)
	}
	b := open(t, file)
	defer closeBackend(t, b)
	var text, whole string
	if err := b.Read.QueryRowContext(t.Context(), `SELECT text FROM things`).Scan(&text); err != nil ||
		text != "a row that stays" {
		t.Errorf("%q, %v", text, err)
	}
	if err := b.Read.QueryRowContext(t.Context(), `PRAGMA integrity_check`).Scan(&whole); err != nil || whole != "ok" {
		t.Errorf("%q, %v", whole, err)
	}
}
