package main

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/claviger-dev/claviger/internal/testkit"
)

const root = "../.."

// commitTime is the time of the commits that the tests make.
var commitTime = time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC)

func TestTwoFoldersBuildTheSameRelease(t *testing.T) {
	first := filepath.Join(t.TempDir(), "sources")
	testkit.CopyTree(t, root, first, func(string) bool { return true })
	commit(t, first)
	second := filepath.Join(t.TempDir(), "a clone", "far away")
	git(t, root, "clone", "--quiet", first, second)
	a, b := release(t, first), release(t, second)
	if diff := cmp.Diff(digests(a), digests(b)); diff != "" {
		t.Errorf("the releases differ:\n%s", diff)
	}
	name, client := "claviger_v1.2.3_"+hostTarget.system+"_"+hostTarget.processor, "claviger_v1.2.3_windows_amd64"
	checkSums(t, a, name+".tar.gz", name+".cdx.json", client+".zip", client+".cdx.json")
	files := unpackTar(t, a[name+".tar.gz"], name)
	checkFiles(t, files)
	checkDocuments(t, files)
	checkBillOfMaterials(t, a[name+".cdx.json"])
	files = unpackZip(t, a[client+".zip"], client)
	checkClientFiles(t, files)
	checkDocuments(t, files)
}

func TestAChangedTreeIsNotReleased(t *testing.T) {
	folder := t.TempDir()
	must(t, os.WriteFile(filepath.Join(folder, "file"), nil, 0o644))
	commit(t, folder)
	must(t, os.WriteFile(filepath.Join(folder, "file"), []byte("changed"), 0o644))
	if _, err := readSource(t.Context(), folder); err == nil || !strings.Contains(err.Error(), "file") {
		t.Errorf("a changed working tree is accepted: %v", err)
	}
}

func TestDifferentBuildsAreDetected(t *testing.T) {
	folder := t.TempDir()
	a, b := filepath.Join(folder, "a"), filepath.Join(folder, "b")
	must(t, os.WriteFile(a, []byte("one"), 0o644))
	must(t, os.WriteFile(b, []byte("two"), 0o644))
	if checkSame(a, a) != nil || checkSame(a, b) == nil {
		t.Error("checkSame does not detect a difference")
	}
}

// commit turns a folder into a repository with one commit and a tag.
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
	_, err := output(t.Context(), folder, []string{"GIT_AUTHOR_DATE=" + when, "GIT_COMMITTER_DATE=" + when}, "git",
		args...)
	must(t, err)
}

// release builds the release for this platform and for Windows from the sources in a folder. It
// returns the files by name.
func release(t *testing.T, folder string) map[string][]byte {
	t.Helper()
	b, err := newBuilder(t.Context(), folder, t.TempDir())
	must(t, err)
	out := filepath.Join(t.TempDir(), "dist")
	must(t, b.release(t.Context(), out, []target{hostTarget, {windows, "amd64"}}))
	var printed strings.Builder
	must(t, b.printFiles(&printed, out))
	entries, err := os.ReadDir(out)
	must(t, err)
	files := map[string][]byte{}
	for _, f := range entries {
		path := filepath.Join(out, f.Name())
		files[f.Name()], err = os.ReadFile(path)
		must(t, err)
		line := fmt.Sprintf("%d  %x  %s\n", len(files[f.Name()]), sha256.Sum256(files[f.Name()]), path)
		if !strings.Contains(printed.String(), line) {
			t.Errorf("the output is\n%sand lacks\n%s", printed.String(), line)
		}
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

func checkSums(t *testing.T, files map[string][]byte, names ...string) {
	t.Helper()
	all := digests(files)
	var want strings.Builder
	for _, name := range slices.Sorted(slices.Values(names)) {
		fmt.Fprintf(&want, "%s  %s\n", all[name], name)
	}
	if diff := cmp.Diff(want.String(), string(files["SHA256SUMS"])); diff != "" {
		t.Errorf("SHA256SUMS:\n%s", diff)
	}
}

func checkBillOfMaterials(t *testing.T, text []byte) {
	t.Helper()
	var b billOfMaterials
	must(t, json.Unmarshal(text, &b))
	own := b.Metadata.Component
	if b.Format != "CycloneDX" || b.Metadata.Timestamp != "2026-02-03T04:05:06Z" ||
		own.URL != "pkg:golang/github.com/claviger-dev/claviger@v1.2.3" || len(own.Hashes) != 1 {
		t.Errorf("unexpected metadata: %+v", b.Metadata)
	}
	listed := map[string]bool{}
	for _, c := range b.Components {
		listed[c.Name] = true
	}
	for _, name := range []string{"stdlib", "modernc.org/sqlite", "github.com/jackc/pgx/v5"} {
		if !listed[name] {
			t.Errorf("the list lacks %s", name)
		}
	}
	if listed["pgregory.net/rapid"] {
		t.Error("the list contains a module that only tests use")
	}
	if len(b.Dependencies) != 1 || len(b.Dependencies[0].DependsOn) != len(b.Components) {
		t.Error("the dependencies differ from the components")
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
