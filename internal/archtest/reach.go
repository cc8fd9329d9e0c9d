package archtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
)

// A graph holds what each package imports, by import path.
type graph map[string][]string

// forbiddenChains reports packages that reach what they must never reach, with the shortest chain.
func (t tree) forbiddenChains(below graph) []string {
	g := t.graph(below)
	var reports []string
	for _, rule := range never {
		targets := append(importPaths(resolve(rule.to)), strings.Fields(rule.std)...)
		for _, from := range importPaths(resolve(rule.from)) {
			if chain := g.chain(from, targets); chain != nil {
				last := chain[len(chain)-1]
				reports = append(reports,
					fmt.Sprintf("%s must not reach %s: %s", short(from), short(last), arrows(chain)))
			}
		}
	}
	return reports
}

// graph adds to the packages below those of the tree, without the imports of tests.
func (t tree) graph(below graph) graph {
	g := graph{}
	for from, imports := range below {
		g[from] = imports
	}
	for _, f := range t.files {
		if from := module + "/" + f.folder; !f.isTest() {
			g[from] = slices.Concat(g[from], f.imports())
		}
	}
	return g
}

// chain returns the shortest way from a package to one of the targets; nil where there is none.
func (g graph) chain(from string, targets []string) []string {
	came := map[string]string{}
	for queue := []string{from}; len(queue) > 0; queue = queue[1:] {
		for _, next := range g[queue[0]] {
			if slices.Contains(targets, next) {
				return append(walk(came, from, queue[0]), next)
			}
			if _, seen := came[next]; !seen {
				came[next] = queue[0]
				queue = append(queue, next)
			}
		}
	}
	return nil
}

// walk returns the way from a package to another, by the package from which each was first seen.
func walk(came map[string]string, from, to string) []string {
	way := []string{to}
	for to != from {
		to = came[to]
		way = append(way, to)
	}
	slices.Reverse(way)
	return way
}

func arrows(chain []string) string {
	names := make([]string, len(chain))
	for i, importPath := range chain {
		names[i] = short(importPath)
	}
	return strings.Join(names, " → ")
}

func importPaths(paths []string) []string {
	full := make([]string, len(paths))
	for i, path := range paths {
		full[i] = module + "/" + path
	}
	return full
}

// listGraph asks the go command for everything that this module builds upon.
func listGraph() (graph, error) {
	var said bytes.Buffer
	list := exec.Command("go", "list", "-deps", "-json=ImportPath,Imports", module+"/...")
	list.Stderr = &said
	out, err := list.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w\n%s", strings.Join(list.Args, " "), err, said.Bytes())
	}
	return decodeGraph(bytes.NewReader(out))
}

func decodeGraph(packages io.Reader) (graph, error) {
	g := graph{}
	for decoder := json.NewDecoder(packages); ; {
		var p struct {
			ImportPath string
			Imports    []string
		}
		switch err := decoder.Decode(&p); {
		case errors.Is(err, io.EOF):
			return g, nil
		case err != nil:
			return nil, fmt.Errorf("what go list said: %w", err)
		}
		g[p.ImportPath] = p.Imports
	}
}
