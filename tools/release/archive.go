package main

import (
	"archive/tar"
	"cmp"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// file of an archive.
type file struct {
	name string
	mode int64
	text []byte
}

// filesFor gives all files of the archive for a platform, in the order of their names.
func (m *maker) filesFor(ctx context.Context, t target, binary string, modules []module) ([]file, error) {
	program, err := os.ReadFile(binary)
	if err != nil {
		return nil, err
	}
	licenses, err := m.licenses(ctx, modules)
	if err != nil {
		return nil, err
	}
	files := append(slices.Clone(m.common), file{"claviger", 0o755, program}, file{"THIRD_PARTY_LICENSES", 0o644, licenses})
	if t.system == "linux" {
		units, err := m.read("deploy/systemd/claviger.service", "deploy/systemd/claviger.conf")
		if err != nil {
			return nil, err
		}
		files = append(files, units...)
	}
	slices.SortFunc(files, func(a, b file) int { return cmp.Compare(a.name, b.name) })
	return files, nil
}

// commonFiles gives what is the same on every platform: what is to be read, and what the binary says of itself.
func (m *maker) commonFiles(ctx context.Context) ([]file, error) {
	files, err := m.read("LICENSE", "README.md", "docs/install.md", "docs/configuration.md", "docs/operations.md", "docs/cli.md")
	if err != nil {
		return nil, err
	}
	binary, err := m.build(ctx, here)
	if err != nil {
		return nil, err
	}
	manual, err := m.manual(ctx, binary)
	if err != nil {
		return nil, err
	}
	completions, err := completions(ctx, binary)
	return slices.Concat(files, manual, completions), err
}

// read gives files of the sources.
func (m *maker) read(names ...string) (files []file, err error) {
	for _, name := range names {
		text, err := os.ReadFile(filepath.Join(m.folder, name))
		if err != nil {
			return nil, err
		}
		files = append(files, file{name, 0o644, text})
	}
	return files, nil
}

// manual gives the pages for man.
func (m *maker) manual(ctx context.Context, binary string) (files []file, err error) {
	folder := filepath.Join(m.scratch, "man")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, err
	}
	date := "SOURCE_DATE_EPOCH=" + strconv.FormatInt(m.time.Unix(), 10)
	if _, err := output(ctx, "", []string{date}, binary, "reference", "--man", folder); err != nil {
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

// completions gives the scripts by which shells complete the command, under the names that the shells look for.
func completions(ctx context.Context, binary string) (files []file, err error) {
	for shell, name := range map[string]string{"bash": "claviger", "zsh": "_claviger", "fish": "claviger.fish"} {
		script, err := output(ctx, "", nil, binary, "completion", shell)
		if err != nil {
			return nil, err
		}
		files = append(files, file{"completions/" + shell + "/" + name, 0o644, []byte(script + "\n")})
	}
	return files, nil
}

// writeArchive writes the files below a folder of the name. All belong to root and are of the commit's time.
func (m *maker) writeArchive(path, name string, files []file) (err error) {
	to, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	packed, _ := gzip.NewWriterLevel(to, gzip.BestCompression) // a level that there is
	archive := tar.NewWriter(packed)
	for _, f := range files {
		head := &tar.Header{Name: name + "/" + f.name, Mode: f.mode, Size: int64(len(f.text)), ModTime: m.time, Format: tar.FormatUSTAR}
		if err := archive.WriteHeader(head); err != nil {
			return err
		}
		if _, err := archive.Write(f.text); err != nil {
			return err
		}
	}
	return errors.Join(archive.Close(), packed.Close())
}

// writeSums writes the SHA-256 of each file in a folder, as sha256sum --check reads it.
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
