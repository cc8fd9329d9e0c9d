package archtest

import (
	"fmt"
	"go/ast"
	"go/token"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// emptyNames say nothing of what is in a package.
var emptyNames = strings.Fields("models types utils common helpers services")

// bans are words that may not be used in some files.
var bans = []struct {
	words   []string
	applies func(file) bool
	why     string
}{
	{
		strings.Fields("os.Getenv os.LookupEnv os.Environ os.ExpandEnv os.Exit log.Fatal log.Fatalf log.Fatalln" +
			" os.Args os.Stdin os.Stdout os.Stderr os.UserConfigDir os.UserHomeDir os.UserCacheDir"),
		file.belowCommands, "only cmd reads environment, arguments and standard streams, and sets the exit code",
	},
	{
		strings.Fields("time.Sleep"),
		file.forTests, "wait for the event itself, or let testing/synctest move the clock",
	},
	{
		strings.Fields("net/http.NewServeMux net/http.ServeMux net/http.Handle net/http.HandleFunc " +
			"net/http.DefaultServeMux"),
		file.beyondRouter, "a route goes into the web.Router, from whose list the API's document is made",
	},
}

// skips are the methods that end a test without a verdict.
var skips = strings.Fields("Skip Skipf SkipNow")

// belowCommands reports whether the file is neither a command's nor for tests.
func (f file) belowCommands() bool {
	return !f.forTests() && !isOrBelow(f.folder, "cmd") && !isOrBelow(f.folder, "tools")
}

// beyondRouter reports whether the file is of the server, and not where its router is. The gateway
// finds the routes of vendors, which are not in the API's document.
func (f file) beyondRouter() bool {
	return f.belowCommands() && f.folder != "internal/web" && f.folder != "internal/gateway"
}

// emptyNames reports packages whose name or folder says nothing.
func (t tree) emptyNames() []string {
	var reports []string
	for _, f := range t.files {
		for _, name := range []string{strings.TrimSuffix(f.syntax.Name.Name, "_test"), path.Base(f.folder)} {
			if slices.Contains(emptyNames, name) {
				reports = append(reports, fmt.Sprintf("%s: the name %s says nothing of what is inside", f.folder, name))
			}
		}
	}
	return reports
}

// dotImports reports imports that hide where a word comes from, and so would hide it from
// bannedWords.
func (t tree) dotImports() []string {
	var reports []string
	for _, f := range t.files {
		for _, spec := range f.syntax.Imports {
			if spec.Name != nil && spec.Name.Name == "." {
				reports = append(reports, fmt.Sprintf("%s: a dot import hides where a word comes from", t.at(spec)))
			}
		}
	}
	return reports
}

// bannedWords reports uses of the words that are banned in a file.
func (t tree) bannedWords() []string {
	var reports []string
	for _, f := range t.files {
		for _, w := range f.words() {
			for _, ban := range bans {
				if ban.applies(f) && slices.Contains(ban.words, w.full) {
					reports = append(reports, fmt.Sprintf("%s: %s: %s", t.at(w.node), w.full, ban.why))
				}
			}
		}
	}
	return reports
}

// silentSkips reports tests that pass by not running, except in the files that may hold some.
func (t tree) silentSkips(maySkip []string) []string {
	var reports []string
	for _, f := range t.files {
		if !f.forTests() || slices.Contains(maySkip, f.path) {
			continue
		}
		for _, w := range f.words() {
			if name := w.node.Sel.Name; w.full == "testing.Short" || slices.Contains(skips, name) {
				reports = append(reports,
					fmt.Sprintf("%s: %s: a test that did not run has not passed", t.at(w.node), name))
			}
		}
	}
	return reports
}

// A word is a selector in the code, with its full name ("os.Exit") where it belongs to a package.
type word struct {
	node *ast.SelectorExpr
	full string
}

func (f file) words() []word {
	packages := f.localNames()
	var words []word
	for node := range ast.Preorder(f.syntax) {
		selector, ok := node.(*ast.SelectorExpr)
		if !ok {
			continue
		}
		w := word{node: selector}
		if left, ok := selector.X.(*ast.Ident); ok && packages[left.Name] != "" {
			w.full = packages[left.Name] + "." + selector.Sel.Name
		}
		words = append(words, w)
	}
	return words
}

// localNames returns the import path behind each name by which the file calls a package.
func (f file) localNames() map[string]string {
	names := map[string]string{}
	for _, spec := range f.syntax.Imports {
		name := path.Base(importPath(spec))
		if spec.Name != nil {
			name = spec.Name.Name
		}
		names[name] = importPath(spec)
	}
	return names
}

// auditPackage has the constants of all actions.
const auditPackage = "internal/audit"

// writtenActions reports texts that look like an action, by their noun, outside of the package that
// has all actions as constants. Tests may write them.
func (t tree) writtenActions() []string {
	nouns := t.actionNouns()
	var reports []string
	for _, f := range t.files {
		if f.forTests() || f.folder == auditPackage || !slices.Contains(f.imports(), module+"/"+auditPackage) {
			continue
		}
		for node := range ast.Preorder(f.syntax) {
			if text, ok := textOf(node); ok && nouns[nounOf(text)] {
				reports = append(reports,
					fmt.Sprintf("%s: %q: an action is written as a constant of %s", t.at(node), text, auditPackage))
			}
		}
	}
	return reports
}

// actionNouns returns the nouns of the actions in the package that has them.
func (t tree) actionNouns() map[string]bool {
	nouns := map[string]bool{}
	for _, f := range t.files {
		if f.folder != auditPackage || f.forTests() {
			continue
		}
		for node := range ast.Preorder(f.syntax) {
			if text, ok := textOf(node); ok {
				nouns[nounOf(text)] = true
			}
		}
	}
	delete(nouns, "")
	return nouns
}

// actionForm is the form of an action, noun.verb.
var actionForm = regexp.MustCompile(`^([a-z]+)\.[a-z_]+$`)

// nounOf returns the noun of a text that has the form of an action; "" for other texts.
func nounOf(text string) string {
	if parts := actionForm.FindStringSubmatch(text); parts != nil {
		return parts[1]
	}
	return ""
}

// textOf returns the value of a string literal.
func textOf(node ast.Node) (text string, ok bool) {
	literal, ok := node.(*ast.BasicLit)
	if !ok || literal.Kind != token.STRING {
		return "", false
	}
	text, err := strconv.Unquote(literal.Value)
	return text, err == nil
}
