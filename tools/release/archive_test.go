package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"maps"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// unpackTar returns the files of a tar archive by their paths below its one folder.
func unpackTar(t *testing.T, packed []byte, name string) map[string]file {
	t.Helper()
	plain, err := gzip.NewReader(bytes.NewReader(packed))
	must(t, err)
	found := map[string]file{}
	for archive := tar.NewReader(plain); ; {
		head, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return found
		}
		must(t, err)
		if !head.ModTime.Equal(commitTime) || head.Uid != 0 || head.Uname != "" {
			t.Errorf("%s has time %s and user %d %q", head.Name, head.ModTime, head.Uid, head.Uname)
		}
		text, err := io.ReadAll(archive)
		must(t, err)
		short, ok := strings.CutPrefix(head.Name, name+"/")
		if !ok {
			t.Errorf("%s is not below %s", head.Name, name)
		}
		found[short] = file{short, head.Mode, text}
	}
}

// unpackZip does the same as unpackTar for a zip archive.
func unpackZip(t *testing.T, packed []byte, name string) map[string]file {
	t.Helper()
	archive, err := zip.NewReader(bytes.NewReader(packed), int64(len(packed)))
	must(t, err)
	found := map[string]file{}
	for _, entry := range archive.File {
		if !entry.Modified.Equal(commitTime) {
			t.Errorf("%s has time %s", entry.Name, entry.Modified)
		}
		from, err := entry.Open()
		must(t, err)
		text, err := io.ReadAll(from)
		must(t, errors.Join(err, from.Close()))
		short, ok := strings.CutPrefix(entry.Name, name+"/")
		if !ok {
			t.Errorf("%s is not below %s", entry.Name, name)
		}
		found[short] = file{short, int64(entry.Mode().Perm()), text}
	}
	return found
}

func checkFiles(t *testing.T, found map[string]file) {
	t.Helper()
	for name, mode := range map[string]int64{
		"claviger": 0o755, "LICENSE": 0o644, "THIRD_PARTY_LICENSES": 0o644, "README.md": 0o644,
		"docs/install.md":     0o644,
		"man/man1/claviger.1": 0o644, "man/man1/claviger-keys.1": 0o644, "completions/bash/claviger": 0o644,
		"completions/zsh/_claviger": 0o644, "completions/fish/claviger.fish": 0o644,
		"deploy/systemd/claviger.service": 0o644, "deploy/systemd/claviger.conf": 0o644,
	} {
		if found[name].mode != mode {
			t.Errorf("%s has mode %o in the archive, not %o", name, found[name].mode, mode)
		}
	}
}

func checkClientFiles(t *testing.T, found map[string]file) {
	t.Helper()
	for _, name := range []string{
		"claviger.exe", "LICENSE", "THIRD_PARTY_LICENSES", "README.md", "docs/cli.md",
		"completions/powershell/claviger.ps1",
	} {
		if len(found[name].text) == 0 {
			t.Errorf("the archive for Windows does not contain %s", name)
		}
	}
	if !bytes.HasPrefix(found["claviger.exe"].text, []byte("MZ")) {
		t.Error("claviger.exe is not a program for Windows")
	}
	for name := range found {
		if strings.HasPrefix(name, "man/") || name == "claviger" {
			t.Errorf("the archive for Windows contains %s", name)
		}
	}
	licenses := string(found["THIRD_PARTY_LICENSES"].text)
	if strings.Contains(licenses, "modernc.org/sqlite") || !strings.Contains(licenses, "github.com/spf13/cobra") {
		t.Error("the licenses in the archive for Windows are not those of a client")
	}
}

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.+)$`)
	// treePath matches the path of a file of the sources or the archive, in text or in a command.
	treePath = regexp.MustCompile(
		`(?:^|[^\w./-])((?:docs|deploy|scripts|tools|internal|cmd|man|completions)/[\w./-]*\w)`)
	comment = regexp.MustCompile(`(?s)<!--.*?-->`)
)

// checkDocuments checks that the documents of an archive link to and name only files that are in
// the archive.
func checkDocuments(t *testing.T, found map[string]file) {
	t.Helper()
	onWindows := len(found["claviger.exe"].text) > 0
	documents := 0
	for _, name := range slices.Sorted(maps.Keys(found)) {
		if !strings.HasSuffix(name, ".md") {
			continue
		}
		documents++
		text := comment.ReplaceAllString(string(found[name].text), "")
		for _, l := range link.FindAllStringSubmatch(text, -1) {
			if !strings.Contains(l[1], "://") && !strings.HasPrefix(l[1], "/docs") { // /docs is on a server
				checkLink(t, found, name, l[1])
			}
		}
		for _, p := range treePath.FindAllStringSubmatch(text, -1) {
			elsewhere := onWindows && (strings.HasPrefix(p[1], "man/") || strings.HasPrefix(p[1], "completions/"))
			if !elsewhere && !hasPath(found, p[1]) {
				t.Errorf("%s names %s, which is not in the archive", name, p[1])
			}
		}
	}
	if documents < 7 {
		t.Errorf("the archive contains %d documents", documents)
	}
}

// hasPath reports whether the archive contains the file or folder.
func hasPath(found map[string]file, name string) bool {
	for file := range found {
		if file == name || strings.HasPrefix(file, name+"/") {
			return true
		}
	}
	return false
}

// checkLink checks that a link leads to a file of the archive and to a heading in it.
func checkLink(t *testing.T, found map[string]file, from, to string) {
	t.Helper()
	target, fragment, _ := strings.Cut(to, "#")
	if target == "" {
		target = from
	} else {
		target = path.Join(path.Dir(from), target)
	}
	text, ok := found[target]
	if !ok {
		t.Errorf("%s links to %s, which is not in the archive", from, to)
		return
	}
	if fragment == "" {
		return
	}
	for _, h := range heading.FindAllStringSubmatch(string(text.text), -1) {
		if anchor(h[1]) == fragment {
			return
		}
	}
	t.Errorf("%s links to %s, which has no such heading", from, to)
}

// anchor returns the fragment that links to a heading, as GitHub computes it.
func anchor(title string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-', r == '_', r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		}
		return -1
	}, strings.ToLower(title))
}

// clientPackages are the packages of this module in the build for Windows. None belongs to a
// server.
var clientPackages = []string{
	"api", "client", "cmd/claviger", "docs", "internal/cli", "internal/config", "internal/credential", "internal/etag",
	"internal/fault", "internal/guide", "internal/ident", "internal/mcp", "internal/metadata", "internal/proxy",
	"internal/route", "internal/scan", "internal/scope", "internal/text",
}

func TestTheBuildForWindowsContainsNothingOfAServer(t *testing.T) {
	t.Parallel()
	const module = "github.com/claviger-dev/claviger/"
	for name, env := range map[string]string{
		"for Windows": "GOOS=windows", "with the tag clientonly": "GOFLAGS=-tags=clientonly",
	} {
		list, err := output(t.Context(), root, []string{env, "CGO_ENABLED=0"}, "go", "list", "-deps", "./cmd/claviger")
		must(t, err)
		var own []string
		for dep := range strings.FieldsSeq(list) {
			if short, ok := strings.CutPrefix(dep, module); ok {
				own = append(own, short)
			}
			database := strings.HasPrefix(dep, "modernc.org/") || strings.HasPrefix(dep, "github.com/jackc/")
			if dep == "database/sql" || database {
				t.Errorf("%s: %s", name, dep)
			}
		}
		slices.Sort(own)
		if diff := cmp.Diff(clientPackages, own); diff != "" {
			t.Errorf("the build %s contains:\n%s", name, diff)
		}
	}
}

// usages matches the usage line of each command in the reference.
var usages = regexp.MustCompile("(?m)^```text\nclaviger ([a-z -]*[a-z])")

func TestTheClientSaysWhereToRunEachCommandThatItLacks(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	client := filepath.Join(folder, "claviger")
	_, err := output(t.Context(), root, []string{"CGO_ENABLED=0"},
		"go", "build", "-trimpath", "-tags", "clientonly", "-o", client, "./cmd/claviger")
	must(t, err)
	reference, err := output(t.Context(), folder, nil, client, "reference")
	must(t, err)
	present := usages.FindAllString(reference, -1)
	missing := 0
	for _, command := range usages.FindAllStringSubmatch(read(t, "docs/cli.md"), -1) {
		if slices.Contains(present, command[0]) {
			continue
		}
		missing++
		var stderr strings.Builder
		cmd := exec.CommandContext(t.Context(), client, append(strings.Fields(command[1]), "--data", "x")...)
		cmd.Stderr = &stderr
		if _, err := cmd.Output(); cmd.ProcessState.ExitCode() != 2 {
			t.Errorf("%s: %v", command[1], err)
		}
		for _, words := range []string{" is not in this build for ", "\nnext: run it on the machine of the server"} {
			if !strings.Contains(stderr.String(), words) {
				t.Errorf("%s prints %s", command[1], stderr.String())
			}
		}
	}
	if missing < 15 || len(present) < 30 {
		t.Errorf("the client has %d commands and lacks %d", len(present), missing)
	}
}
