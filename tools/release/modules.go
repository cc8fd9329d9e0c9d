package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// module is a Go module that a binary contains.
type module struct{ path, version string }

// identity returns the package URL of the module, by which scanners find known vulnerabilities.
func (m module) identity() string {
	return "pkg:golang/" + m.path + "@" + strings.ReplaceAll(m.version, "+", "%2B")
}

// readModules reads the modules from the binary, so that the list contains exactly what was linked.
// The first one is the standard library of Go.
func readModules(binary string) ([]module, error) {
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return nil, err
	}
	all := []module{{stdlib, strings.TrimPrefix(info.GoVersion, "go")}}
	for _, dep := range info.Deps {
		all = append(all, module{dep.Path, dep.Version})
	}
	return all, nil
}

// stdlib is the name that scanners use for the standard library of Go.
const stdlib = "stdlib"

// The parts of a CycloneDX document that this program writes.
type (
	billOfMaterials struct {
		Format       string       `json:"bomFormat"`
		Spec         string       `json:"specVersion"`
		Version      int          `json:"version"`
		Metadata     metadata     `json:"metadata"`
		Components   []component  `json:"components"`
		Dependencies []dependency `json:"dependencies"`
	}
	metadata struct {
		Timestamp string    `json:"timestamp"`
		Component component `json:"component"`
	}
	component struct {
		Type    string `json:"type"`
		Ref     string `json:"bom-ref"`
		Name    string `json:"name"`
		Version string `json:"version"`
		URL     string `json:"purl"`
		Hashes  []hash `json:"hashes,omitempty"`
	}
	hash struct {
		Algorithm string `json:"alg"`
		Content   string `json:"content"`
	}
	dependency struct {
		Ref       string   `json:"ref"`
		DependsOn []string `json:"dependsOn"`
	}
)

// billOfMaterials returns the list of modules as CycloneDX 1.6
// (https://cyclonedx.org/docs/1.6/json/). It has neither author nor serial number, because both
// would differ from build to build.
func (b *builder) billOfMaterials(modules []module, binary string) ([]byte, error) {
	program, err := os.ReadFile(binary)
	if err != nil {
		return nil, err
	}
	own := module{"github.com/claviger-dev/claviger", b.version}.component("application")
	own.Hashes = []hash{{"SHA-256", fmt.Sprintf("%x", sha256.Sum256(program))}}
	bill := billOfMaterials{
		Format: "CycloneDX", Spec: "1.6", Version: 1, Metadata: metadata{b.time.Format(time.RFC3339), own},
	}
	uses := dependency{Ref: own.Ref}
	for _, dep := range modules {
		c := dep.component("library")
		bill.Components = append(bill.Components, c)
		uses.DependsOn = append(uses.DependsOn, c.Ref)
	}
	bill.Dependencies = []dependency{uses}
	text, err := json.MarshalIndent(bill, "", "  ")
	return append(text, '\n'), err
}

func (m module) component(kind string) component {
	return component{Type: kind, Ref: m.identity(), Name: m.path, Version: m.version, URL: m.identity()}
}

// licenseFile matches the names of the files that must accompany a copy of a module.
var licenseFile = regexp.MustCompile(`(?i)^(licen[sc]e|copying|notice|patents)([.-].*)?$`)

// licenses returns the license files of all modules in one text. The licenses require that they
// accompany every copy.
func (b *builder) licenses(ctx context.Context, modules []module) ([]byte, error) {
	folders, err := b.folders(ctx, modules)
	if err != nil {
		return nil, err
	}
	var all bytes.Buffer
	for i, dep := range modules {
		if err := addLicenses(&all, dep, folders[i]); err != nil {
			return nil, err
		}
	}
	return all.Bytes(), nil
}

// folders returns the folder with the sources of each module. The first is that of the standard
// library.
func (b *builder) folders(ctx context.Context, modules []module) ([]string, error) {
	goroot, err := output(ctx, b.folder, nil, "go", "env", "GOROOT")
	if err != nil {
		return nil, err
	}
	args := []string{"list", "-m", "-f", "{{.Dir}}"}
	for _, dep := range modules[1:] {
		args = append(args, dep.path)
	}
	list, err := output(ctx, b.folder, nil, "go", args...)
	if err != nil {
		return nil, err
	}
	return append([]string{goroot}, strings.Split(list, "\n")...), nil
}

func addLicenses(all *bytes.Buffer, dep module, folder string) error {
	files, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	before := all.Len()
	for _, f := range files {
		if !licenseFile.MatchString(f.Name()) || f.IsDir() {
			continue
		}
		text, err := os.ReadFile(filepath.Join(folder, f.Name()))
		if err != nil {
			return err
		}
		fmt.Fprintf(all, "=== %s %s: %s\n\n%s\n\n", dep.path, dep.version, f.Name(), bytes.TrimSpace(text))
	}
	if all.Len() == before {
		return fmt.Errorf("module %s has no license file in %s", dep.path, folder)
	}
	return nil
}
