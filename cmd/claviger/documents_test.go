package main_test

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The blocks of code of README.md and of docs/*.md are run, each document in a folder of its own:
//
//	```console    commands after "$ ", and what they print, as likeness_test.go compares it
//	```sh         commands alone, which must succeed
//
// A comment before a block says what is particular about it:
//
//	<!-- not run: why -->     it stands in the list below, too
//	<!-- typed: password -->  what the person types where the block's command asks
var notRun = []string{
	"install.md: sha256sum --ignore-missing --check SHA256SUMS: it needs the files of a release",
	"install.md: make release: it builds for every platform, and once more with nothing cached; tools/release has a test of its own",
	"install.md: sudo install -m 0644 deploy/systemd/claviger.conf /usr/lib/sysusers.d/: it changes the machine",
	"install.md: docker build --build-arg VERSION=\"$(git describe --tags --always)\" --build-arg COMMIT=\"$(git rev-parse HEAD)\" -t claviger .: it needs Docker; tools/release does what the Dockerfile says without it",
	"install.md: cd deploy/compose: it needs Docker",
	"README.md: git clone https://github.com/claviger-dev/claviger && cd claviger: it fetches this repository from where it is published",
	"README.md: make test: these tests are what it runs",
}

// block is a block of code in a document.
type block struct {
	document, language, notRun, typed string
	lines                             []string
}

// step is a command of a document and what the document shows of its output; nil for nothing.
type step struct {
	command, typed string
	shown          []string
}

func TestEveryCommandOfTheDocumentsDoesWhatTheySay(t *testing.T) {
	for _, document := range documents(t) {
		t.Run(filepath.Base(document), func(t *testing.T) {
			t.Parallel()
			var s *session
			for _, b := range readBlocks(t, document) {
				for _, step := range b.steps(t) {
					if s == nil {
						s = newSession(t, document, step)
					}
					s.do(t, step)
				}
				if b.document == "cli.md" {
					s = nil // each command's examples are of a day of their own
				}
			}
		})
	}
}

func TestFewBlocksOfTheDocumentsAreNotRun(t *testing.T) {
	found := []string{}
	for _, document := range documents(t) {
		for _, b := range readBlocks(t, document) {
			if b.notRun != "" {
				found = append(found, filepath.Base(document)+": "+strings.TrimPrefix(b.lines[0], "$ ")+": "+b.notRun)
			}
		}
	}
	if diff := cmp.Diff(notRun, found); diff != "" {
		t.Errorf("the blocks that are not run are others:\n%s", diff)
	}
}

func documents(t testing.TB) []string {
	t.Helper()
	guides, err := filepath.Glob("../../docs/*.md")
	must(t, err)
	if len(guides) < 4 {
		t.Fatalf("there are %d guides", len(guides))
	}
	return append(guides, "../../README.md")
}

var remark = regexp.MustCompile(`^<!-- (not run|typed): (.*) -->$`)

func readBlocks(t testing.TB, document string) (blocks []block) {
	t.Helper()
	var now *block
	next := block{document: filepath.Base(document)}
	for line := range strings.Lines(readFile(t, document)) {
		line = strings.TrimSuffix(line, "\n")
		language, fence := strings.CutPrefix(line, "```")
		switch m := remark.FindStringSubmatch(line); {
		case fence && now != nil:
			blocks, now = append(blocks, *now), nil
		case fence:
			next.language = language
			now, next = new(next), block{document: next.document}
		case now != nil:
			now.lines = append(now.lines, line)
		case m != nil && m[1] == "typed":
			next.typed = m[2]
		case m != nil:
			next.notRun = m[2]
		}
	}
	if now != nil {
		t.Errorf("%s: a block does not end", document)
	}
	return blocks
}

// steps gives the commands of a block.
func (b block) steps(t testing.TB) (steps []step) {
	t.Helper()
	switch {
	case b.notRun != "" || slices.Contains([]string{"text", "json", "yaml"}, b.language):
		return nil
	case b.language == "sh":
		for _, command := range joined(b.lines) {
			steps = append(steps, step{command: command, typed: b.typed})
		}
		return steps
	case b.language != "console":
		t.Errorf("%s: a block of %q: use console, sh, json, yaml or text", b.document, b.language)
		return nil
	}
	open := false // the command goes on in the next line
	for _, line := range b.lines {
		command, begins := strings.CutPrefix(line, "$ ")
		switch {
		case begins:
			steps = append(steps, step{command: command, typed: b.typed, shown: []string{}})
		case len(steps) == 0:
			t.Fatalf("%s: a console block begins with %q and not with a command", b.document, line)
		case open:
			steps[len(steps)-1].command += "\n" + line
		default:
			steps[len(steps)-1].shown = append(steps[len(steps)-1].shown, line)
		}
		open = (begins || open) && strings.HasSuffix(line, `\`)
	}
	return steps
}

// joined gives the commands of a block, each with the lines that it goes on in.
func joined(lines []string) (commands []string) {
	open := false
	for _, line := range lines {
		if open {
			commands[len(commands)-1] += "\n" + line
		} else if line != "" {
			commands = append(commands, line)
		}
		open = strings.HasSuffix(line, `\`)
	}
	return commands
}
