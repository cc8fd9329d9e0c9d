package archtest

import (
	"fmt"
	"slices"
	"strings"
)

// strayImports reports imports that the row of the file's package does not list.
func (t tree) strayImports() []string {
	var reports []string
	for _, f := range t.files {
		for _, spec := range f.syntax.Imports {
			if target := importPath(spec); !f.mayImport(target) {
				reports = append(reports, fmt.Sprintf("%s: %s may not import %s", t.at(spec), f.folder, short(target)))
			}
		}
	}
	return reports
}

func (f file) mayImport(target string) bool {
	if own, ok := strings.CutPrefix(target, module+"/"); ok {
		return slices.Contains(f.packages(), own)
	}
	if standard(target) {
		return f.forTests() || !isOrBelow(target, "testing")
	}
	return slices.ContainsFunc(f.modules(), func(m string) bool { return isOrBelow(target, m) })
}

// packages returns the packages of this module that the file may import.
func (f file) packages() []string {
	listed := resolve(rows[f.folder].imports)
	if f.isTest() {
		listed = append(listed, f.folder) // from the external test package
		listed = append(listed, resolve(forTests.imports)...)
	}
	return listed
}

// modules returns others' modules that the file may import.
func (f file) modules() []string {
	names := rows[f.folder].others
	if f.forTests() {
		names += " " + forTests.others
	}
	var paths []string
	for name := range strings.FieldsSeq(names) {
		paths = append(paths, modules[name])
	}
	return paths
}

// misplacedModules reports rows that list a module which another package keeps.
func misplacedModules(table []layer) []string {
	var reports []string
	for _, l := range table {
		for _, r := range l.rows {
			for name := range strings.FieldsSeq(r.others) {
				if kept, ok := exclusiveModules[name]; ok && !slices.Contains(resolve(kept), r.path) {
					reports = append(reports, fmt.Sprintf("%s lists %s, which is kept by %s", r.path, name, kept))
				}
			}
		}
	}
	return reports
}

// standard reports whether the path is one of the standard library: its first element has no dot.
func standard(importPath string) bool {
	first, _, _ := strings.Cut(importPath, "/")
	return !strings.Contains(first, ".")
}

func isOrBelow(importPath, top string) bool {
	return importPath == top || strings.HasPrefix(importPath, top+"/")
}

// short leaves the module's own path away.
func short(importPath string) string { return strings.TrimPrefix(importPath, module+"/") }
