package main

import (
	"archive/tar"
	"archive/zip"
	"cmp"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// file is one file of an archive.
type file struct {
	name string
	mode int64
	text []byte
}

// filesFor returns all files of the archive for a platform, sorted by name.
func (b *builder) filesFor(ctx context.Context, t target, binary string, modules []module) ([]file, error) {
	program, err := os.ReadFile(binary)
	if err != nil {
		return nil, err
	}
	licenses, err := b.licenses(ctx, modules)
	if err != nil {
		return nil, err
	}
	name, shells := "claviger", b.shells
	if t.system == windows {
		name, shells = "claviger.exe", b.powershell
	}
	files := slices.Concat(b.common, shells, []file{{name, 0o755, program}, {"THIRD_PARTY_LICENSES", 0o644, licenses}})
	slices.SortFunc(files, func(a, b file) int { return cmp.Compare(a.name, b.name) })
	return files, nil
}

// commonFiles are the source files and folders that every archive contains, under the same path.
// The documents name no other source file. The README.md of an archive is deploy/archive.md.
var commonFiles = []string{
	"LICENSE", "docs/install.md", "docs/configuration.md", "docs/operations.md", "docs/cli.md", "docs/integration.md",
	"docs/scanners.md", "docs/routes.md", "docs/oauth.md", "docs/gateway.md", "docs/integrations",
	"docs/service-accounts.md", "docs/customer-keys.md", "docs/getting-started.md", "docs/console.md",
	"docs/policies.md", "docs/best-practices.md", "docs/environments.md",
	"docs/authentication.md", "docs/api-keys.md", "docs/mcp.md", "docs/usage.md",
	"deploy/systemd/claviger.service", "deploy/systemd/claviger.conf",
	"deploy/prometheus/alerts.yaml", "deploy/grafana/claviger.json",
}

// readCommon reads the files that are the same on every platform, and runs the binary to print its
// manual and the completions for shells.
func (b *builder) readCommon(ctx context.Context) error {
	readme, err := b.read("deploy/archive.md")
	if err != nil {
		return err
	}
	readme[0].name = "README.md"
	files, err := b.read(commonFiles...)
	if err != nil {
		return err
	}
	b.common = append(readme, files...)
	binary, err := b.build(ctx, hostTarget)
	if err != nil {
		return err
	}
	manual, err := b.manual(ctx, binary)
	if err != nil {
		return err
	}
	names := map[string]string{"bash": "claviger", "zsh": "_claviger", "fish": "claviger.fish"}
	completions, err := completionScripts(ctx, binary, names)
	if err != nil {
		return err
	}
	b.shells = append(manual, completions...)
	b.powershell, err = completionScripts(ctx, binary, map[string]string{"powershell": "claviger.ps1"})
	return err
}

// read reads source files, and all files of source folders.
func (b *builder) read(names ...string) (files []file, err error) {
	tree := os.DirFS(b.folder)
	for _, name := range names {
		err := fs.WalkDir(tree, name, func(name string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			text, err := fs.ReadFile(tree, name)
			files = append(files, file{name, 0o644, text})
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return files, nil
}

// manual returns the manual pages.
func (b *builder) manual(ctx context.Context, binary string) (files []file, err error) {
	folder := filepath.Join(b.scratch, "man")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, err
	}
	date := b.time.UTC().Format(time.DateOnly)
	if _, err := output(ctx, "", nil, binary, "reference", "--man", folder, "--date", date); err != nil {
		return nil, err
	}
	pages, err := os.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	for _, page := range pages {
		text, err := os.ReadFile(filepath.Join(folder, page.Name()))
		if err != nil {
			return nil, err
		}
		files = append(files, file{"man/man1/" + page.Name(), 0o644, text})
	}
	return files, nil
}

// completionScripts returns the completion scripts of the named shells, under the file names that
// the shells look for.
func completionScripts(ctx context.Context, binary string, names map[string]string) (files []file, err error) {
	for shell, name := range names {
		script, err := output(ctx, "", nil, binary, "completion", shell)
		if err != nil {
			return nil, err
		}
		files = append(files, file{"completions/" + shell + "/" + name, 0o644, []byte(script + "\n")})
	}
	return files, nil
}

// writeTar writes the files to a tar archive, below one folder with the given name. All files
// belong to root and have the time of the commit.
func (b *builder) writeTar(path, name string, files []file) (err error) {
	to, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	packed, _ := gzip.NewWriterLevel(to, gzip.BestCompression) // the level is valid
	archive := tar.NewWriter(packed)
	for _, f := range files {
		head := &tar.Header{
			Name: name + "/" + f.name, Mode: f.mode, Size: int64(len(f.text)), ModTime: b.time,
			Format: tar.FormatUSTAR,
		}
		if err := archive.WriteHeader(head); err != nil {
			return err
		}
		if _, err := archive.Write(f.text); err != nil {
			return err
		}
	}
	return errors.Join(archive.Close(), packed.Close())
}

// writeZip writes the files to a zip archive, below one folder with the given name. All files have
// the time of the commit.
func (b *builder) writeZip(path, name string, files []file) (err error) {
	to, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	archive := zip.NewWriter(to)
	for _, f := range files {
		head := &zip.FileHeader{Name: name + "/" + f.name, Method: zip.Deflate, Modified: b.time}
		head.SetMode(os.FileMode(f.mode))
		entry, err := archive.CreateHeader(head)
		if err != nil {
			return err
		}
		if _, err := entry.Write(f.text); err != nil {
			return err
		}
	}
	return archive.Close()
}

// printFiles prints each file of the release with its size in bytes and its SHA-256.
func (b *builder) printFiles(to io.Writer, folder string) error {
	files, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	fmt.Fprintf(to, "Claviger %s, commit %s, built with %s:\n", b.version, b.commit, runtime.Version())
	for _, f := range files {
		text, err := os.ReadFile(filepath.Join(folder, f.Name()))
		if err != nil {
			return err
		}
		fmt.Fprintf(to, "%10d  %x  %s\n", len(text), sha256.Sum256(text), filepath.Join(folder, f.Name()))
	}
	return nil
}

// writeSums writes SHA256SUMS with the SHA-256 of each file in a folder, in the format of
// sha256sum --check.
func writeSums(folder string) error {
	files, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	var sums strings.Builder
	for _, f := range files {
		text, err := os.ReadFile(filepath.Join(folder, f.Name()))
		if err != nil {
			return err
		}
		fmt.Fprintf(&sums, "%x  %s\n", sha256.Sum256(text), f.Name())
	}
	return os.WriteFile(filepath.Join(folder, "SHA256SUMS"), []byte(sums.String()), 0o644)
}
