package browser

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
)

func TestMain(m *testing.M) { os.Exit(Main(m)) }

// serve starts a server with these pages by path, and with the policy that the console will have.
func serve(t *testing.T, pages map[string]string) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, ok := pages[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src *")
		h.Set("Content-Type", "text/html; charset=utf-8")
		if strings.HasSuffix(r.URL.Path, ".js") {
			h.Set("Content-Type", "text/javascript")
			_, _ = w.Write([]byte(body))
			return
		}
		_, _ = fmt.Fprintf(w, "<!doctype html><html lang=en><title>T</title><body><main><h1>Test</h1>%s</main>", body)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func TestAPageWithoutFaultPassesEveryCheck(t *testing.T) {
	tab := Open(t, serve(t, map[string]string{"/": `<p>Nothing is wrong with <a href="/">this page</a>.</p>`}))
	tab.Visit("/")
	tab.ExpectAccessible(AllRules, Contrast, TargetSize)
	tab.Show(Narrow)
	tab.ExpectNoOverflow()
}

func TestEveryCheckFindsItsFault(t *testing.T) {
	address := serve(t, map[string]string{
		"/inline":    `<script>document.title = "run"</script>`,
		"/style":     `<p style="color: red">text</p>`,
		"/error":     `<script src="/error.js"></script>`,
		"/error.js":  `console.error("it is", "broken"); undefined_name()`,
		"/missing":   `<img src="/missing.png" alt="">`,
		"/elsewhere": `<img src="https://cdn.example.com/a.png" alt="">`,
		"/dialog":    `<script src="/dialog.js"></script>`,
		"/dialog.js": `alert("XSS")`,
	})
	for path, want := range map[string]string{
		"/inline":    "Content Security Policy",
		"/style":     "Content Security Policy",
		"/error":     "broken",
		"/missing":   "/missing.png: 404",
		"/elsewhere": "a request to https://cdn.example.com/a.png",
		"/dialog":    "a dialog: XSS",
	} {
		tab := Open(t, address)
		tab.Visit(path)
		if faults := strings.Join(tab.Faults(), "\n"); !strings.Contains(faults, want) {
			t.Errorf("%s: found %q, not %q", path, faults, want)
		}
	}
}

func TestAxeAndTheWidthFindTheirFaults(t *testing.T) {
	address := serve(t, map[string]string{
		"/": `<input>
			<p><font color="#bbbbbb">pale</font></p>
			<p><a href="#a">1</a><a href="#b">2</a></p>
			<table border width="700"><tr><td>wide</td></tr></table>`,
	})
	tab := Open(t, address)
	tab.Visit("/")
	tab.Show(Narrow)
	found := map[string]bool{}
	for _, r := range []Rules{AllRules, Contrast, TargetSize} {
		for _, v := range tab.Violations(r) {
			found[v.Rule] = true
			if v.Selector == "" || v.Help == "" || v.Fix == "" {
				t.Errorf("%s says too little", v)
			}
		}
	}
	for _, rule := range []string{"label", "color-contrast", "target-size"} {
		if !found[rule] {
			t.Errorf("axe-core found %v, not %s", found, rule)
		}
	}
	if wide := tab.Overflow(); len(wide) < 2 || !strings.HasPrefix(wide[1], "table") {
		t.Errorf("the table is 700 px wide: found %q", wide)
	}
}

const form = `<form action="/done"><label>Name <input name="name"></label>
	<label>Kind <select name="kind"><option>One<option value="2">Two</select></label>
	<label><input type="checkbox" name="sure"> I am sure</label><button>Send</button></form>
	<button id="late" disabled>Late</button><output></output><script src="/form.js"></script>`

// formScript enables a button after a time, and answers a click on it after another.
const formScript = `setTimeout(() => late.disabled = false, 100);
	late.onclick = () => setTimeout(() => document.querySelector("output").textContent = "clicked", 100)`

func TestATestDoesWhatAPersonDoes(t *testing.T) {
	address := serve(t, map[string]string{"/": form, "/form.js": formScript, "/done": `<h2>Done</h2>`})
	tab := Open(t, address)
	tab.Visit("/")
	tab.Click(Button("Late"))
	tab.See("clicked")
	tab.Fill("Name", "first")
	tab.Fill("Name", "Eve")
	tab.Choose("Kind", "Two")
	tab.Click(Field("I am sure"))
	if got := tab.ValueOf("Name"); got != "Eve" {
		t.Errorf("filled in Eve, read %q", got)
	}
	if status := tab.Follow(Button("Send")); status != http.StatusOK {
		t.Errorf("the form leads to %d", status)
	}
	tab.Await(Heading("Done"))
	if got, want := tab.Path(), "/done?name=Eve&kind=2&sure=on"; got != want {
		t.Errorf("sent %s, not %s", got, want)
	}
	if tab.Count(Button("Send")) != 0 || tab.Title() != "T" || tab.TextOf(Heading("Done")) != "Done" {
		t.Errorf("%q shows %q", tab.Title(), tab.Text())
	}
}

func TestAFormWorksByKeyboardAloneAndWithoutScripts(t *testing.T) {
	address := serve(t, map[string]string{"/": form, "/form.js": formScript, "/done": `<h2>Done</h2>`})
	tab := Open(t, address)
	tab.DisableScripts()
	tab.Visit("/")
	tab.Press(TabKey)
	if got, want := tab.Focused(), `textbox "Name"`; got != want {
		t.Errorf("the focus is on %s, not %s", got, want)
	}
	tab.Press("Eve")
	tab.Press(TabKey + TabKey + Space)
	if status := tab.FollowKey(Enter); status != http.StatusOK {
		t.Errorf("the form leads to %d", status)
	}
	tab.See("Done")
	if got, want := tab.Path(), "/done?name=Eve&kind=One&sure=on"; got != want {
		t.Errorf("sent %s, not %s", got, want)
	}
	tab.VisitAny("/")
	tab.Fill("Name", "Mallory")
	tab.Follow(Button("Send"))
	tab.See("Done")
}

// saver answers a form: 422 with what was typed if the name is not right, and else with a redirect.
func saver(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	name := r.FormValue("name")
	if r.Method == http.MethodPost && name == "right" {
		http.Redirect(w, r, "/saved?origin="+url.QueryEscape(r.Header.Get("Origin")), http.StatusSeeOther)
		return
	}
	if r.Method == http.MethodPost {
		w.WriteHeader(http.StatusUnprocessableEntity)
	}
	fmt.Fprintf(w, `<!doctype html><title>T</title><h1>At %s</h1><form method="post" action="/">
		<label>Name <input name="name" value="%s"></label><button>Save</button></form>`,
		r.URL.Path, html.EscapeString(name))
}

func TestAFormIsRefusedThenAcceptedAndTheBrowserGoesBack(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(saver))
	t.Cleanup(server.Close)
	address := strings.Replace(server.URL, "127.0.0.1", "keys."+Domain, 1)
	tab := Open(t, address)
	tab.Visit("/")
	tab.Fill("Name", "wrong")
	if status := tab.Follow(Button("Save")); status != http.StatusUnprocessableEntity {
		t.Errorf("a wrong name: %d", status)
	}
	if got := tab.ValueOf("Name"); got != "wrong" {
		t.Errorf("what was typed is now %q", got)
	}
	tab.Fill("Name", "right")
	if status := tab.Follow(Button("Save")); status != http.StatusOK {
		t.Errorf("a right name: %d", status)
	}
	if got, want := tab.Path(), "/saved?origin="+url.QueryEscape(address); got != want {
		t.Errorf("the form leads to %s, not %s", got, want)
	}
	tab.Back()
	tab.See("At /")
	tab.SeeNo("At /saved")
}

func TestEachTabHasItsSizeSchemeAndCookies(t *testing.T) {
	address := serve(t, map[string]string{"/": `<p>size</p>`})
	one, two := Open(t, address), Open(t, address)
	one.Visit("/")
	two.Visit("/")
	one.Show(Phone.InDark())
	read[string](one, `document.cookie = "a=1"`)
	const seen = `innerWidth + " " + matchMedia("(prefers-color-scheme: dark)").matches + " " + document.cookie`
	if got := read[string](one, seen); got != "375 true a=1" {
		t.Errorf("the first tab: %s", got)
	}
	if got := read[string](two, seen); got != "1280 false " {
		t.Errorf("the second tab: %s", got)
	}
}

func TestANameOfTheDomainIsNotLoopbackToTheBrowser(t *testing.T) {
	address := strings.Replace(serve(t, map[string]string{"/": `<p>name</p>`}), "127.0.0.1", "keys."+Domain, 1)
	tab := Open(t, address)
	tab.Visit("/")
	if read[bool](tab, `isSecureContext`) {
		t.Errorf("%s is a secure context", address)
	}
}

func TestAxeIsTheFileThatItsNoteNames(t *testing.T) {
	note, err := os.ReadFile("testdata/axe/README.md")
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(axe))
	if !strings.Contains(string(note), hex.EncodeToString(sum[:])) {
		t.Errorf("axe.min.js has the SHA-256 %x, testdata/axe/README.md another", sum)
	}
}
