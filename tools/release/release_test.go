package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/claviger-dev/claviger/internal/testkit"
)

const root = "../.."

// commitTime is that of the commit that the tests release.
var commitTime = time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC)

func TestTwoFoldersGiveTheSameRelease(t *testing.T) {
	first := filepath.Join(t.TempDir(), "sources")
	testkit.CopyTree(t, root, first, func(string) bool { return true })
	commit(t, first)
	second := filepath.Join(t.TempDir(), "a clone", "far away")
	git(t, root, "clone", "--quiet", first, second)
	a, b := release(t, first), release(t, second)
	if diff := cmp.Diff(digests(a), digests(b)); diff != "" {
		t.Errorf("the releases differ:\n%s", diff)
	}
	name := "claviger_v1.2.3_" + here.system + "_" + here.processor
	demandSums(t, a, name+".tar.gz", name+".cdx.json")
	demandArchive(t, a[name+".tar.gz"], name)
	demandBill(t, a[name+".cdx.json"])
}

func TestAChangedTreeIsNotReleased(t *testing.T) {
	folder := t.TempDir()
	must(t, os.WriteFile(filepath.Join(folder, "file"), nil, 0o644))
	commit(t, folder)
	must(t, os.WriteFile(filepath.Join(folder, "file"), []byte("changed"), 0o644))
	if _, err := describe(t.Context(), folder); err == nil || !strings.Contains(err.Error(), "file") {
		t.Errorf("it is a source: %v", err)
	}
}

func TestBuildsThatDifferAreFound(t *testing.T) {
	folder := t.TempDir()
	a, b := filepath.Join(folder, "a"), filepath.Join(folder, "b")
	must(t, os.WriteFile(a, []byte("one"), 0o644))
	must(t, os.WriteFile(b, []byte("two"), 0o644))
	if same(a, a) != nil || same(a, b) == nil {
		t.Error("it does not tell one build from another")
	}
}

// commit makes a folder a repository of one commit with a tag.
func commit(t *testing.T, folder string) {
	t.Helper()
	for _, args := range [][]string{
		{"init", "--quiet"},
		{"add", "--all"},
		{"-c", "user.name=Test", "-c", "user.email=test@claviger.example", "commit", "--quiet", "--message", "All"},
		{"tag", "v1.2.3"},
	} {
		git(t, folder, args...)
	}
}

func git(t *testing.T, folder string, args ...string) {
	t.Helper()
	when := commitTime.Format(time.RFC3339)
	_, err := output(t.Context(), folder, []string{"GIT_AUTHOR_DATE=" + when, "GIT_COMMITTER_DATE=" + when}, "git", args...)
	must(t, err)
}

// release makes that of this platform from the sources in a folder, and gives its files.
func release(t *testing.T, folder string) map[string][]byte {
	t.Helper()
	m, err := newMaker(t.Context(), folder, t.TempDir())
	must(t, err)
	out := filepath.Join(t.TempDir(), "dist")
	must(t, m.release(t.Context(), out, []target{here}))
	made, err := os.ReadDir(out)
	must(t, err)
	files := map[string][]byte{}
	for _, f := range made {
		files[f.Name()], err = os.ReadFile(filepath.Join(out, f.Name()))
		must(t, err)
	}
	return files
}

func digests(files map[string][]byte) map[string]string {
	all := map[string]string{}
	for name, text := range files {
		all[name] = fmt.Sprintf("%x", sha256.Sum256(text))
	}
	return all
}

func demandSums(t *testing.T, files map[string][]byte, names ...string) {
	t.Helper()
	all := digests(files)
	var want strings.Builder
	for _, name := range []string{names[1], names[0]} { // in the order of names
		fmt.Fprintf(&want, "%s  %s\n", all[name], name)
	}
	if diff := cmp.Diff(want.String(), string(files["SHA256SUMS"])); diff != "" {
		t.Errorf("SHA256SUMS:\n%s", diff)
	}
}

func demandArchive(t *testing.T, packed []byte, name string) {
	t.Helper()
	plain, err := gzip.NewReader(bytes.NewReader(packed))
	must(t, err)
	found := map[string]int64{}
	for archive := tar.NewReader(plain); ; {
		head, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		must(t, err)
		if !head.ModTime.Equal(commitTime) || head.Uid != 0 || head.Uname != "" {
			t.Errorf("%s is of %s and of user %d %q", head.Name, head.ModTime, head.Uid, head.Uname)
		}
		found[strings.TrimPrefix(head.Name, name+"/")] = head.Mode
	}
	for file, mode := range map[string]int64{
		"claviger": 0o755, "LICENSE": 0o644, "THIRD_PARTY_LICENSES": 0o644, "README.md": 0o644, "docs/install.md": 0o644, "man/man1/claviger.1": 0o644,
		"man/man1/claviger-keys.1": 0o644, "completions/bash/claviger": 0o644, "completions/zsh/_claviger": 0o644, "completions/fish/claviger.fish": 0o644,
		"deploy/systemd/claviger.service": 0o644, "deploy/systemd/claviger.conf": 0o644,
	} {
		if found[file] != mode {
			t.Errorf("%s has mode %o in the archive, not %o", file, found[file], mode)
		}
	}
}

func demandBill(t *testing.T, text []byte) {
	t.Helper()
	var b bill
	must(t, json.Unmarshal(text, &b))
	own := b.Metadata.Component
	if b.Format != "CycloneDX" || b.Metadata.Timestamp != "2026-02-03T04:05:06Z" || own.URL != "pkg:golang/github.com/claviger-dev/claviger@v1.2.3" || len(own.Hashes) != 1 {
		t.Errorf("it begins otherwise: %+v", b.Metadata)
	}
	listed := map[string]bool{}
	for _, c := range b.Components {
		listed[c.Name] = true
	}
	for _, name := range []string{"stdlib", "modernc.org/sqlite", "github.com/jackc/pgx/v5"} {
		if !listed[name] {
			t.Errorf("it does not list %s", name)
		}
	}
	if listed["pgregory.net/rapid"] {
		t.Error("it lists what only tests use")
	}
	if len(b.Dependencies) != 1 || len(b.Dependencies[0].DependsOn) != len(b.Components) {
		t.Error("the dependencies are not the components")
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
