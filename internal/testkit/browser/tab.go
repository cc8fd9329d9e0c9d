package browser

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/fetch"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// A View is the size of a page and its colour scheme.
type View struct {
	Width, Height int
	Dark          bool
}

// The views of the pages. WCAG wants pages to work at Narrow.
var (
	Wide   = View{Width: 1280, Height: 900}
	Phone  = View{Width: 375, Height: 812}
	Narrow = View{Width: 320, Height: 640}
)

// InDark returns the view in the dark colour scheme.
func (v View) InDark() View {
	v.Dark = true
	return v
}

func (v View) scheme() string {
	if v.Dark {
		return "dark"
	}
	return "light"
}

// String returns width and scheme, such as "1280-light".
func (v View) String() string { return fmt.Sprintf("%d-%s", v.Width, v.scheme()) }

// stepLimit is how long each method of a tab may take, and how long it waits.
const stepLimit = 30 * time.Second

// Tab is a tab of Chromium in which a test opens pages of one server. Its cookies are its own. The
// methods fail the test if they cannot do what they say.
type Tab struct {
	t      testing.TB
	ctx    context.Context
	origin string
	mu     sync.Mutex
	faults []string
}

// Open opens a tab, in the view Wide, for pages of the server at the address. It is closed after
// the test, and then the test fails if the tab saw a fault.
func Open(t testing.TB, address string) *Tab {
	t.Helper()
	tab := open(t, address)
	t.Cleanup(func() {
		for _, fault := range tab.Faults() {
			t.Errorf("%s: %s", address, fault)
		}
	})
	return tab
}

func open(t testing.TB, address string) *Tab {
	t.Helper()
	chromium, err := start()
	if err != nil {
		t.Fatalf("Chromium: %v", err)
	}
	base, err := url.Parse(address)
	if err != nil || base.Host == "" {
		t.Fatalf("%q is not the address of a server", address)
	}
	tab := &Tab{t: t, origin: base.Scheme + "://" + base.Host}
	ctx, cancel := chromedp.NewContext(chromium, chromedp.WithNewBrowserContext(), chromedp.WithListener(tab.watch))
	t.Cleanup(cancel)
	tab.ctx = ctx
	tab.check("open a tab", chromedp.Do(ctx)) // not by step: its time limit would close the tab
	call(tab, fetch.Enable, fetch.EnableParams{})
	// Each of several tabs behaves like the one that a person looks at.
	call(tab, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true})
	tab.Show(Wide)
	return tab
}

// Show shows the page in a view.
func (tab *Tab) Show(v View) {
	tab.t.Helper()
	call(tab, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
		Width: int64(v.Width), Height: int64(v.Height), DeviceScaleFactor: 1,
	})
	call(tab, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: v.scheme()}},
	})
}

// DisableScripts makes the next pages behave as in a browser without JavaScript.
func (tab *Tab) DisableScripts() {
	tab.t.Helper()
	call(tab, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
}

// Visit opens the page at the path, and returns when it has loaded. Its status must be 200.
func (tab *Tab) Visit(path string) {
	tab.t.Helper()
	if status := tab.VisitAny(path); status != http.StatusOK {
		tab.t.Errorf("%s: %d", path, status)
	}
}

// VisitAny is Visit for pages with any status, which it returns.
func (tab *Tab) VisitAny(path string) int {
	tab.t.Helper()
	ctx, cancel := tab.limit()
	defer cancel()
	response, err := chromedp.Run(ctx, chromedp.NavigateResponse(tab.origin+path))
	tab.check("visit "+path, err)
	if response == nil { // only the fragment differs
		return http.StatusOK
	}
	return int(response.Status)
}

// Back returns to the page before, as the button of a browser does, which may show it from memory.
func (tab *Tab) Back() {
	tab.t.Helper()
	history := call(tab, page.GetNavigationHistory, cdp.Empty{})
	if history.CurrentIndex == 0 {
		tab.t.Fatal("there is no page before")
	}
	entry := history.Entries[history.CurrentIndex-1].ID
	call(tab, page.NavigateToHistoryEntry, page.NavigateToHistoryEntryParams{EntryID: entry})
	tab.await("the page before", func(ctx context.Context) (string, error) {
		now, err := chromedp.Call(ctx, page.GetNavigationHistory, cdp.Empty{})
		if err != nil || now.Entries[now.CurrentIndex].ID != entry {
			return "the browser is still on the page after it", err
		}
		state, err := evaluate[string](ctx, `document.readyState`)
		return unless(state == "complete", "it is "+state), err
	})
}

// Path returns the path of the page, with its query and fragment.
func (tab *Tab) Path() string {
	tab.t.Helper()
	return read[string](tab, `location.pathname + location.search + location.hash`)
}

// Title returns the title of the page.
func (tab *Tab) Title() string {
	tab.t.Helper()
	return read[string](tab, `document.title`)
}

// Text returns the text of the page that is visible.
func (tab *Tab) Text() string {
	tab.t.Helper()
	return read[string](tab, `document.body.innerText`)
}

// See waits until the page shows the text. Spaces and line breaks count as one space.
func (tab *Tab) See(text string) {
	tab.t.Helper()
	tab.await(fmt.Sprintf("the text %q", text), func(ctx context.Context) (string, error) {
		shown, err := shows(ctx, text)
		return unless(shown, "it is not there"), err
	})
}

// SeeNo waits until the page does not show the text.
func (tab *Tab) SeeNo(text string) {
	tab.t.Helper()
	tab.await(fmt.Sprintf("the text %q to go", text), func(ctx context.Context) (string, error) {
		shown, err := shows(ctx, text)
		return unless(!shown, "it is there"), err
	})
}

func shows(ctx context.Context, text string) (bool, error) {
	shown, err := evaluate[string](ctx, `document.body ? document.body.innerText : ""`)
	return strings.Contains(oneLine(shown), oneLine(text)), err
}

// unless returns the problem, or "" if the condition is met.
func unless(met bool, problem string) string {
	if met {
		return ""
	}
	return problem
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// longest is the height at which a screenshot ends, in pixels.
const longest = 6000

// Screenshot writes the page as a PNG file of this name to the folder of the flag -screenshots.
// Without the flag it does nothing.
func (tab *Tab) Screenshot(name string) {
	tab.t.Helper()
	if *screenshots == "" {
		return
	}
	size := read[struct{ Width, Height float64 }](tab,
		`({Width: innerWidth, Height: Math.max(innerHeight, document.documentElement.scrollHeight)})`)
	beyond := true
	image := call(tab, page.CaptureScreenshot, page.CaptureScreenshotParams{
		CaptureBeyondViewport: &beyond,
		Clip:                  &page.Viewport{Width: size.Width, Height: min(size.Height, longest), Scale: 1},
	})
	file := filepath.Join(*screenshots, name+".png")
	tab.check("screenshot", os.MkdirAll(filepath.Dir(file), 0o755))
	tab.check("screenshot", os.WriteFile(file, image.Data, 0o644))
}

// changes is a promise that the next change of the document fulfils.
const changes = `globalThis.claviger_change = new Promise(fulfil => {
	const done = () => { observer.disconnect(); fulfil(); };
	const observer = new MutationObserver(done);
	observer.observe(document, {subtree: true, childList: true, attributes: true, characterData: true});
	for (const type of ["load", "input", "change", "toggle", "close", "focusin", "transitionend", "animationend",
		"pagehide"]) addEventListener(type, done, {once: true, capture: true});
}); undefined`

// await waits until the condition is met: until problem returns "" and no error. It evaluates the
// condition again whenever the document changes. An error means that the document has gone, and the
// condition is then evaluated in the next one.
func (tab *Tab) await(what string, problem func(context.Context) (string, error)) {
	tab.t.Helper()
	ctx, cancel := tab.limit()
	defer cancel()
	last := ""
	for ctx.Err() == nil {
		if _, err := evaluate[chromedp.Void](ctx, changes); err != nil { // first, so that no change is missed
			continue
		}
		now, err := problem(ctx)
		if err != nil {
			continue
		}
		if now == "" {
			return
		}
		last = now
		_, _ = evaluate[chromedp.Void](ctx, `globalThis.claviger_change`, chromedp.EvalAwaitPromise)
	}
	tab.t.Fatalf("waited %v for %s: %s. The page shows:\n%s", stepLimit, what, last, tab.Text())
}

// limit returns the context of one step.
func (tab *Tab) limit() (context.Context, context.CancelFunc) {
	return context.WithTimeout(tab.ctx, stepLimit)
}

func (tab *Tab) check(what string, err error) {
	tab.t.Helper()
	if err != nil {
		tab.t.Fatalf("%s: %v", what, err)
	}
}

// call sends a command of the DevTools protocol.
func call[P, R any](tab *Tab, command cdp.Command[P, R], params P) R {
	tab.t.Helper()
	ctx, cancel := tab.limit()
	defer cancel()
	result, err := chromedp.Call(ctx, command, params)
	tab.check(command.Method, err)
	return result
}

// read returns the value of an expression.
func read[T any](tab *Tab, expression string) T {
	tab.t.Helper()
	ctx, cancel := tab.limit()
	defer cancel()
	value, err := evaluate[T](ctx, expression, chromedp.EvalAwaitPromise)
	tab.check("evaluate", err)
	return value
}

// evaluate evaluates an expression in a world of its own: with the document, but with none of the
// names of the page's scripts, and not subject to its Content-Security-Policy.
func evaluate[T any](ctx context.Context, expression string, options ...chromedp.EvaluateOption) (T, error) {
	var none T
	world, err := isolatedWorld(ctx)
	if err != nil {
		return none, err
	}
	inWorld := func(p *runtime.EvaluateParams) { p.ContextID = world }
	return chromedp.Run(ctx, chromedp.Evaluate[T](expression, append(options, inWorld)...))
}

// isolatedWorld returns the world of the tests in the present document.
func isolatedWorld(ctx context.Context) (runtime.ExecutionContextID, error) {
	tree, err := chromedp.Call(ctx, page.GetFrameTree, cdp.Empty{})
	if err != nil {
		return 0, err
	}
	world, err := chromedp.Call(ctx, page.CreateIsolatedWorld,
		page.CreateIsolatedWorldParams{FrameID: tree.FrameTree.Frame.ID, WorldName: "claviger-tests"})
	return world.ExecutionContextID, err
}
