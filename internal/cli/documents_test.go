package cli_test

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The tests run the code blocks of README.md, docs/*.md and the pages about the clients of other
// vendors, each document in its own directory:
//
//	```console    commands after "$ " and their output, which doccompare_test.go compares
//	```sh         only commands, which must succeed
//
// tools/guide and internal/scan test the programs and configurations in the documents.
//
// A comment before a block contains instructions for the test:
//
//	<!-- not run: why -->     the block is not run; it is in the list notRun
//	<!-- typed: password -->  what the user types when the command prompts, \n between answers
var notRun = []string{
	"api-keys.md: claviger keys create \"Nightly build\" --scope applications:read --all-applications --expires 90d: " +
		"it needs a session",
	"api-keys.md: claviger policy set --max-lifetime 365d: it needs a session",
	"best-practices.md: claviger keys refresh KEY --save new-key.json   # the old secret ends now: it needs a session",
	"build.md: make release: it builds for every platform, and once more with nothing cached; " +
		"tools/release has a test of its own",
	"build.md: docker build --build-arg VERSION=\"$(git describe --tags --always)\" " +
		"--build-arg COMMIT=\"$(git rev-parse HEAD)\" -t claviger .: it needs Docker; " +
		"tools/release does what the Dockerfile says without it",
	"build.md: cd deploy/compose: it needs Docker",
	"gateway.md: python3 docs/integrations/echo.py: tools/guide runs it",
	"gateway.md: claviger entries create default --tenant \"Your company\" --otherwise any-key: the pages of " +
		"docs/integrations have the same commands, which are run",
	"install.md: sha256sum --ignore-missing --check SHA256SUMS: it needs the files of a release",
	"install.md: sudo install -m 0644 deploy/systemd/claviger.conf /usr/lib/sysusers.d/: it changes the machine",
	"mcp.md: claviger login --server https://keys.example.com --email you@example.com: it needs a password",
	"mcp.md: claude mcp add claviger -- claviger mcp --server https://keys.example.com: it needs the assistant",
	"oauth.md: curl -u \"$CLIENT_ID:$CLIENT_SECRET\" -d grant_type=client_credentials " +
		"http://127.0.0.1:8080/oauth2/token: tools/guide runs it",
	"oauth.md: curl -u \"$CLIENT_ID:$CLIENT_SECRET\" -d token=\"$TOKEN\" http://127.0.0.1:8080/oauth2/revoke: " +
		"tools/guide runs it",
	"oauth.md: curl -u \"$VERIFIER_ID:$VERIFIER_SECRET\" -d token=\"$TOKEN\" -d ip=192.0.2.7 " +
		"http://127.0.0.1:8080/oauth2/introspect: tools/guide runs it",
	"operations.md: claviger user remove-factor ann@example.com: it needs a person with a second factor",
	"operations.md: systemctl stop claviger: it needs a PostgreSQL server, and stops the service",
	"policies.md: claviger policy set --auto-expiry 180d --dry-run: it needs a session",
	"service-accounts.md: claviger management-keys create Terraform \"Terraform 2026\" --permission keys:read " +
		"--permission keys:create \\: it needs a service account named Terraform",
	"service-accounts.md: export CLAVIGER_MANAGEMENT_KEY_FILE=management.json: " +
		"it needs the management key of the command above",
	"usage.md: curl -b \"$COOKIES\" " +
		"\"https://keys.example.com/api/v1/tenants/ten_01m8k6w12gqa7r4t/usage?by=day&since=2026-11-01T00:00:00Z\": " +
		"it shows the form of the request and of the response",
	"usage.md: claviger usage --by code --since 7d: it needs a server with requests",
	"README.md: sudo apt-get install -y nginx python3: it changes the nginx of the machine; " +
		"tools/guide runs nginx with this file",
	"README.md: export KEY=clv_ak_Kz7xFjfF08dO2v9k_94WCxWIFhtRuXiPip7VExqdtxgDkKsuhin21llGn5d1PHeDU: " +
		"it needs the nginx of the block above",
	"README.md: make test: these tests are what it runs",
}

// block is a code block in a document.
type block struct {
	document, language, notRun, typed string
	lines                             []string
}

// step is a command in a document. shown is its output in the document; nil for none.
type step struct {
	command, typed string
	shown          []string
}

func TestEveryCommandOfTheDocumentsDoesWhatTheySay(t *testing.T) {
	t.Parallel()
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
					s = nil // the examples of each command get a new server
				}
			}
		})
	}
}

// placeholder is why blocks with the address of the reader's server are not run. There may be many.
const placeholder = "the address stands for that of a server"

func TestFewBlocksOfTheDocumentsAreNotRun(t *testing.T) {
	t.Parallel()
	found := []string{}
	for _, document := range documents(t) {
		for _, b := range readBlocks(t, document) {
			if b.notRun != "" && b.notRun != placeholder {
				found = append(found, filepath.Base(document)+": "+strings.TrimPrefix(b.lines[0], "$ ")+": "+b.notRun)
			}
		}
	}
	if diff := cmp.Diff(notRun, found); diff != "" {
		t.Errorf("the blocks that are not run are others:\n%s", diff)
	}
}

// promised matches a download that does not exist: Claviger is not published yet.
var promised = regexp.MustCompile(`(?i)git clone|go (install|get) |@latest|brew install|docker pull|ghcr\.io|` +
	`docker\.io/claviger|releases/download|(npm|pip|apt|apt-get|dnf) install claviger|claviger[_-]v?[0-9]+\.[0-9]|` +
	`github\.com/claviger-dev/claviger(/releases|\.git|\))`)

func TestNoDocumentPromisesADownloadThatDoesNotExist(t *testing.T) {
	t.Parallel()
	others, err := filepath.Glob("../../internal/docsite/pages/*.html")
	must(t, err)
	for _, name := range []string{
		"deploy/archive.md", "deploy/compose/compose.yaml", "CONTRIBUTING.md", "SECURITY.md", "Dockerfile",
	} {
		others = append(others, "../../"+name)
	}
	for _, document := range append(documents(t), others...) {
		for _, found := range promised.FindAllString(readFile(t, document), -1) {
			t.Errorf("%s promises %q", document, found)
		}
	}
}

func documents(t testing.TB) []string {
	t.Helper()
	guides, err := filepath.Glob("../../docs/*.md")
	must(t, err)
	if len(guides) < 4 {
		t.Fatalf("there are %d guides", len(guides))
	}
	return append(append(guides, vendorPages...), "../../README.md")
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

// steps returns the commands in a block.
func (b block) steps(t testing.TB) (steps []step) {
	t.Helper()
	switch {
	case b.notRun != "" || slices.Contains([]string{"text", "json", "yaml", "python", "toml", "go", "js", "nginx"},
		b.language):
		return nil
	case b.language == "sh":
		for _, command := range joined(b.lines) {
			steps = append(steps, step{command: command, typed: b.typed})
		}
		return steps
	case b.language != "console":
		t.Errorf("%s: a block of %q: use console, sh, text, or a language that other tests look at", b.document,
			b.language)
		return nil
	}
	open := false // the command continues on the next line
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

// joined returns the commands in a block, with continued lines joined.
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
