package docsite_test

import (
	"errors"
	"html"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/scan"
	"github.com/claviger-dev/claviger/internal/testkit"
)

const docsPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; form-action 'self'; " +
	"base-uri 'none'; frame-ancestors 'none'"

var (
	links = regexp.MustCompile(`(?:href|src)="([^"]*)"`)
	// inline is what the policy would not let run or show.
	inline = regexp.MustCompile(`(?i)<script>|<style|\sstyle=|\son\w+=["']|javascript:`)
	// loaded is what a browser loads by itself.
	loaded = regexp.MustCompile(`(?:<link[^>]*href|src)="([^"]*)"`)
)

// The crawl follows every link from the guide on, so that each page is looked at and no link leads
// nowhere.
func TestThePagesLoadNothingFromElsewhereAndNoLinkLeadsNowhere(t *testing.T) {
	h := testkit.Start(t, testkit.SQLite)
	seen := map[string]string{}
	wanted := []string{"/docs"}
	for len(wanted) > 0 {
		path, fragment, _ := strings.Cut(wanted[0], "#")
		wanted = wanted[1:]
		text, ok := seen[path]
		if !ok {
			text = readPage(t, h, path)
			seen[path] = text
			wanted = append(wanted, linksOf(t, path, text)...)
		}
		if fragment != "" && !strings.Contains(text, ` id="`+fragment+`"`) {
			t.Errorf("%s has no heading %s", path, fragment)
		}
	}
	for _, path := range []string{
		"/docs/api", "/docs/api/keys", "/docs/api/objects", "/docs/errors", "/docs/getting-started", "/docs/nginx.md",
		"/docs/files/nginx.conf", "/openapi.json", "/llms.txt",
	} {
		if seen[path] == "" {
			t.Errorf("nothing leads from the guide to %s", path)
		}
	}
}

// readPage gets a page as an anonymous reader and checks what holds for all of them.
func readPage(t *testing.T, h *testkit.Server, path string) string {
	t.Helper()
	resp, text := testkit.Get(t, h.URL+path)
	if resp.StatusCode != http.StatusOK || text == "" {
		t.Errorf("%s: %s", path, resp.Status)
	}
	if got := resp.Header.Get("Content-Security-Policy"); strings.HasPrefix(path, "/docs") && got != docsPolicy {
		t.Errorf("%s: policy %q", path, got)
	}
	if got := resp.Header.Get("X-Content-Type-Options"); got != "nosniff" {
		t.Errorf("%s: X-Content-Type-Options %q", path, got)
	}
	found, isPage := inline.FindString(text), strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html")
	if isPage && found != "" {
		t.Errorf("%s holds %s", path, found)
	}
	for _, m := range loaded.FindAllStringSubmatch(text, -1) {
		if !strings.HasPrefix(m[1], "/assets/") {
			t.Errorf("%s loads %s", path, m[1])
		}
	}
	if strings.Contains(text, "https://keys.example.com") && !strings.HasPrefix(path, "/docs/files/") {
		t.Errorf("%s does not name the address of this server", path)
	}
	if err := scan.Read(strings.NewReader(text),
		func(f scan.Finding) error { return errors.New(f.Masked) }); err != nil {
		t.Errorf("%s shows a key: %v", path, err)
	}
	return text
}

// linksOf returns the addresses a page leads to, each with its path. The console is left out: it is
// no document, and has tests of its own.
func linksOf(t *testing.T, path, text string) (found []string) {
	t.Helper()
	base := &url.URL{Path: path}
	for _, m := range links.FindAllStringSubmatch(text, -1) {
		to, err := base.Parse(html.UnescapeString(m[1]))
		switch {
		case err != nil, to.Host != "" && to.Scheme != "https":
			t.Errorf("%s links to %s", path, m[1])
		case to.Host == "" && to.Opaque == "" && to.Path != "/" && !strings.HasPrefix(to.Path, "/assets/"):
			found = append(found, to.String())
		}
	}
	return found
}

func TestTheReferenceHasEveryOperationAndEveryObject(t *testing.T) {
	h := testkit.Start(t, testkit.SQLite)
	d, operations, _ := testkit.ReadOpenAPI(t, h)
	_, index := testkit.Get(t, h.URL+"/docs/api")
	pages := map[string]string{}
	for _, op := range operations {
		m := regexp.MustCompile(`href="(/docs/api/[a-z0-9-]+)#` + op.OperationID + `"`).FindStringSubmatch(index)
		if m == nil || !strings.Contains(index, `id="`+op.OperationID+`"`) {
			t.Errorf("%s is not in the list", op.OperationID)
			continue
		}
		if pages[m[1]] == "" {
			_, pages[m[1]] = testkit.Get(t, h.URL+m[1])
		}
		for _, part := range []string{
			`<h2 id="` + op.OperationID + `">`, `>` + html.EscapeString(op.Summary) + `</a>`,
			`>` + op.Method + `</span> <code>` + op.Path + `</code>`,
			`aria-label="Example of ` + html.EscapeString(op.Summary),
		} {
			if !strings.Contains(pages[m[1]], part) {
				t.Errorf("%s %s: no %s", op.Method, op.Path, part)
			}
		}
	}
	_, page := testkit.Get(t, h.URL+"/docs/api/objects")
	for name := range d.Components.Schemas {
		if !strings.Contains(page, `<h2 id="object-`+name+`">`) {
			t.Errorf("no object %s", name)
		}
	}
}

// The questions are those of people who integrate, and the word behind each is in the first result.
func TestTheSearchAnswersTheQuestionsOfNewcomers(t *testing.T) {
	h := testkit.Start(t, testkit.SQLite)
	first := regexp.MustCompile(`(?s)<ol class="hits".*?href="([^"]*)"`)
	for query, path := range map[string]string{
		"nginx":                    "/docs/nginx",
		"secret lost":              "/docs/api-keys#rotate-a-key-regenerate-its-secret",
		"regenerate without break": "/docs/console#regenerate-a-key-without-a-break",
		"key leaks":                "/docs/best-practices#when-a-key-leaks",
		"expiration policy":        "/docs/policies",
		"backup restore":           "/docs/operations#backup-and-restore",
		"create key":               "/docs/api/keys#create-key",
		"insufficient_scope":       "/docs/errors/insufficient_scope",
		"CI":                       "/docs/service-accounts",
		"customers plans":          "/docs/customer-keys",

		// What a stranger typed first who had only the guide.
		"key leaked":                     "/docs/best-practices#when-a-key-leaks",
		"transport_forbidden":            "/docs/errors/transport_forbidden",
		"caddy":                          "/docs/caddy",
		"secret lifetime default":        "/docs/policies",
		"expire all keys after 180 days": "/docs/policies",
		"CI create rotate keys":          "/docs/service-accounts#let-ci-create-keys-and-rotate-them",
		"customer plan limits":           "/docs/customer-keys",
		"lost phone authenticator":       "/docs/console#a-lost-phone",
		"migrate sqlite to postgresql":   "/docs/operations#move-from-sqlite-to-postgresql",
		"unused keys":                    "/docs/best-practices#find-unused-and-old-keys-once-a-week",
		"billing requests per customer":  "/docs/usage",
		"invoice":                        "/docs/usage",
		"MFA":                            "/docs/console",
		"rotate key":                     "/docs/api-keys#rotate-a-key-regenerate-its-secret",
	} {
		_, page := testkit.Get(t, h.URL+"/docs/search?q="+url.QueryEscape(query))
		m := first.FindStringSubmatch(page)
		if m == nil || !strings.HasPrefix(m[1], path) {
			t.Errorf("%q finds %q first, not %s", query, m, path)
		}
	}
	_, page := testkit.Get(t, h.URL+"/docs/search?q="+url.QueryEscape(`<script>xyzzy`))
	if !strings.Contains(page, "Nothing has “&lt;script&gt;xyzzy”") {
		t.Errorf("nothing found:\n%s", page)
	}
}

func TestEveryCodeHasAPageThatExplainsIt(t *testing.T) {
	h := testkit.Start(t, testkit.SQLite)
	_, list := testkit.Get(t, h.URL+"/docs/errors")
	source, err := os.ReadFile("../../api/api.go")
	if err != nil {
		t.Fatal(err)
	}
	codes := regexp.MustCompile(`Code = "(\w+)"`).FindAllStringSubmatch(string(source), -1)
	if len(codes) < 30 {
		t.Fatalf("found %d codes", len(codes))
	}
	for _, m := range codes {
		code := m[1]
		if code == string(api.OK) {
			continue
		}
		if !strings.Contains(list, `href="/docs/errors/`+code+`"`) {
			t.Errorf("the list lacks %s", code)
		}
		_, page := testkit.Get(t, h.URL+"/docs/errors/"+code)
		if !strings.Contains(page, "<code>"+code+"</code>") || strings.Contains(page, "<p></p>") {
			t.Errorf("the page of %s says too little", code)
		}
		if strings.Contains(page, "`") {
			t.Errorf("the page of %s shows the quotes of code", code)
		}
	}
}

func TestTheTypeOfAProblemIsThePathOfItsPage(t *testing.T) {
	h := testkit.Start(t, testkit.SQLite)
	err := h.Anyone().Do(t.Context(), http.MethodGet, "/docs/errors/no_such_code", nil, nil)
	p, ok := err.(*api.Problem)
	if !ok || p.Code != api.NotFound {
		t.Fatalf("a code that there is not: %v", err)
	}
	if resp, _ := testkit.Get(t, h.URL+p.Type); resp.StatusCode != http.StatusOK {
		t.Errorf("%s: %s", p.Type, resp.Status)
	}
}

func TestAPageIsSentAgainOnlyWhenItChanged(t *testing.T) {
	h := testkit.Start(t, testkit.SQLite)
	resp, _ := testkit.Get(t, h.URL+"/docs/api")
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, h.URL+"/docs/api", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("If-None-Match", resp.Header.Get("Etag"))
	again, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Body.Close()
	if again.StatusCode != http.StatusNotModified {
		t.Errorf("the same page again: %s", again.Status)
	}
}

// Anybody may search, so that a search must cost little, whatever is searched for.
func TestASearchReadsFewWords(t *testing.T) {
	h := testkit.Start(t, testkit.SQLite)
	_, page := testkit.Get(t, h.URL+"/docs/search?q="+url.QueryEscape(strings.Repeat("key ", 8)+"xyzzy"))
	if !strings.Contains(page, `class="hits"`) {
		t.Error("the ninth word is searched for")
	}
}
