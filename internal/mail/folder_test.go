package mail_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	claviger "github.com/claviger-dev/claviger/internal/mail"
)

func TestAFolderKeepsTheLatestThousandMessages(t *testing.T) {
	folder := t.TempDir()
	write := func(file string, content []byte) error { return os.WriteFile(file, content, 0o600) }
	names := func() map[string]bool {
		entries, err := os.ReadDir(folder)
		if err != nil {
			t.Fatal(err)
		}
		all := map[string]bool{}
		for _, e := range entries {
			all[e.Name()] = true
		}
		return all
	}
	older := func(n int) string { return fmt.Sprintf("ntc_%08d.eml", n) } // before every id of our time
	for n := range 1_005 {
		if err := write(filepath.Join(folder, older(n)), nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := write(filepath.Join(folder, "notes.txt"), nil); err != nil {
		t.Fatal(err)
	}
	f := &claviger.Folder{Path: folder, Write: write}
	f.From.Address = "keys@claviger.example"
	l := testMessage()
	for range 2 { // a delivery that is repeated writes the same file
		if err := f.Send(t.Context(), l, nil); err != nil {
			t.Fatal(err)
		}
		left := names()
		if len(left) != 1_001 || !left[string(l.ID)+".eml"] || !left["notes.txt"] || left[older(5)] || !left[older(6)] {
			t.Errorf("%d files are left, the new one among them: %t", len(left), left[string(l.ID)+".eml"])
		}
	}
	l.ID = "ntc_00000000" // one that is older than all that are kept
	if err := f.Send(t.Context(), l, nil); err != nil {
		t.Fatal(err)
	}
	if left := names(); len(left) != 1_001 || !left["ntc_00000000.eml"] || left[older(6)] {
		t.Errorf("%d files are left, the one that was written again among them: %t", len(left),
			left["ntc_00000000.eml"])
	}
}
