package backup_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"

	"filippo.io/age"
	"github.com/google/go-cmp/cmp"

	"github.com/claviger-dev/claviger/internal/backup"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/store"
	"github.com/claviger-dev/claviger/internal/store/postgres"
	"github.com/claviger-dev/claviger/internal/store/sqlite"
	"github.com/claviger-dev/claviger/internal/testkit"
)

func open(t *testing.T, e testkit.Engine) (b store.Backend) {
	t.Helper()
	var err error
	if e == testkit.SQLite {
		b, err = sqlite.Open(t.Context(), testkit.MigratedFile(t))
	} else {
		b, err = postgres.Open(t.Context(), credential.NewSecret(testkit.MigratedDatabase(t)))
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
}

func TestEveryTableIsBackedUpOrLeftOutOnPurpose(t *testing.T) {
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		catalogue := `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name`
		if e == testkit.Postgres {
			catalogue = `SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'
				ORDER BY table_name COLLATE "C"`
		}
		rows, err := open(t, e).Read.QueryContext(t.Context(), catalogue)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		var got []string
		for rows.Next() {
			var name string
			if err := rows.Scan(&name); err != nil {
				t.Fatal(err)
			}
			got = append(got, name)
		}
		want := slices.Sorted(slices.Values(append(slices.Clone(backup.Tables()), backup.ExcludedTables()...)))
		if diff := cmp.Diff(want, got); diff != "" || rows.Err() != nil {
			t.Errorf("tables that a backup knows (-) and that there are (+), %v:\n%s", rows.Err(), diff)
		}
	})
}

// empty returns a backup of an empty database.
func empty(t *testing.T) []byte {
	t.Helper()
	tx, err := open(t, testkit.SQLite).Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	var text bytes.Buffer
	if err := backup.Write(t.Context(), &text, tx, backup.Header{Version: "test"}); err != nil {
		t.Fatal(err)
	}
	return text.Bytes()
}

func TestOnlyAWholeBackupPasses(t *testing.T) {
	whole := empty(t)
	check := func(text []byte) error {
		_, _, err := backup.Check(io.Discard, bytes.NewReader(text))
		return err
	}
	if err := check(whole); err != nil {
		t.Fatal(err)
	}
	for cut := range whole {
		if err := check(whole[:cut]); !errors.Is(err, backup.ErrIncomplete) && !errors.Is(err, backup.ErrNoBackup) {
			t.Fatalf("cut at %d: %v", cut, err)
		}
	}
	for at := 0; at < len(whole); at += 7 {
		changed := slices.Clone(whole)
		changed[at] ^= 1
		if err := check(changed); err == nil {
			t.Errorf("another %q at %d passes", changed[at], at)
		}
	}
}

func TestABackupOpensByWhatItWasLockedToAndNothingElse(t *testing.T) {
	mine, other := identity(t), identity(t)
	locks := map[string]struct {
		lock  backup.Recipient
		opens backup.Identity
	}{
		"a passphrase": {
			backup.Recipient{Passphrase: "correct horse battery staple", WorkFactor: 10},
			backup.Identity{Passphrase: "correct horse battery staple"},
		},
		"a recipient": {
			backup.Recipient{Recipients: []string{mine.Recipient().String()}},
			backup.Identity{Identities: "# mine\n" + mine.String() + "\n"},
		},
	}
	for name, l := range locks {
		sealed := seal(t, l.lock, "the text")
		if bytes.Contains(sealed, []byte("the text")) {
			t.Errorf("%s: the text shows", name)
		}
		if got, err := unseal(sealed, l.opens); got != "the text" || err != nil {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		for _, wrong := range []backup.Identity{
			{Passphrase: "another horse battery staple"},
			{Identities: other.String()},
		} {
			if _, err := unseal(sealed, wrong); !errors.Is(err, backup.ErrDecrypt) {
				t.Errorf("%s opens otherwise: %v", name, err)
			}
		}
		for _, broken := range [][]byte{
			sealed[:len(sealed)-1],
			append(slices.Clone(sealed[:len(sealed)-1]), sealed[len(sealed)-1]^1), []byte("no age"),
		} {
			if got, err := unseal(broken, l.opens); err == nil {
				t.Errorf("%s: broken, it still gives %q", name, got)
			}
		}
	}
	if _, err := backup.Encrypt(io.Discard, backup.Recipient{Recipients: []string{"age1nonsense"}}); err == nil ||
		strings.Contains(err.Error(), "nonsense") {
		t.Errorf("a recipient that is none: %v", err)
	}
	if _, err := backup.Decrypt(strings.NewReader(""),
		backup.Identity{Identities: "AGE-SECRET-KEY-NONSENSE"}); err == nil ||
		strings.Contains(err.Error(), "NONSENSE") {
		t.Errorf("an identity that is none: %v", err)
	}
}

func identity(t *testing.T) *age.X25519Identity {
	t.Helper()
	i, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func seal(t *testing.T, l backup.Recipient, text string) []byte {
	t.Helper()
	var sealed bytes.Buffer
	w, err := backup.Encrypt(&sealed, l)
	if err == nil {
		_, err = io.WriteString(w, text)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return sealed.Bytes()
}

func unseal(sealed []byte, k backup.Identity) (string, error) {
	r, err := backup.Decrypt(bytes.NewReader(sealed), k)
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(r)
	return string(text), err
}

// JSON would alter such a text.
func TestATextThatIsNotUTF8IsNotBackedUp(t *testing.T) {
	b := open(t, testkit.SQLite)
	if _, err := b.Write.ExecContext(context.Background(),
		`INSERT INTO server_settings (name, value) VALUES ('x', CAST(X'ff' AS TEXT))`); err != nil {
		t.Fatal(err)
	}
	tx, err := b.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	if err := backup.Write(t.Context(), io.Discard, tx, backup.Header{}); err == nil || !strings.Contains(err.Error(),
		"table server_settings: column value") {
		t.Errorf("%v", err)
	}
}

// The tests use cheap passphrases. Without a WorkFactor, one costs what age recommends.
func TestAPassphraseCostsWhatAgeRecommends(t *testing.T) {
	sealed := seal(t, backup.Recipient{Passphrase: "correct horse battery staple"}, "the text")
	if head, _, _ := bytes.Cut(sealed, []byte("\n---")); !regexp.MustCompile(`(?m)^-> scrypt \S+ 18$`).Match(head) {
		t.Errorf("the header is %q", head)
	}
}
