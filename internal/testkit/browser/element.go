package browser

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/dom"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// An Element is an element of a page as a screen reader announces it: by its role and its name. It
// must be the only one of the page. Names are compared as a whole, with regard to case.
type Element struct {
	roles []string
	name  string
}

// Button is the button with the name.
func Button(name string) Element { return Role("button", name) }

// Link is the link with the name.
func Link(name string) Element { return Role("link", name) }

// Heading is the heading with the text.
func Heading(text string) Element { return Role("heading", text) }

// Field is the field of a form with the label, of any kind.
func Field(label string) Element { return Element{fieldRoles, label} }

// Role is the element with the role of ARIA and the name.
func Role(role, name string) Element { return Element{[]string{role}, name} }

// fieldRoles are Chromium's roles of fields.
var fieldRoles = []string{
	"textbox", "searchbox", "combobox", "listbox", "spinbutton", "slider", "checkbox", "switch", "radio", "Date",
	"DateTime", "InputTime", "ColorWell",
}

func (e Element) String() string {
	if len(e.roles) > 1 {
		return fmt.Sprintf("the field %q", e.name)
	}
	return fmt.Sprintf("the %s %q", e.roles[0], e.name)
}

// Await waits until the page has the element.
func (tab *Tab) Await(e Element) {
	tab.t.Helper()
	tab.find(e)
}

// Count returns how many such elements the page has now.
func (tab *Tab) Count(e Element) int {
	tab.t.Helper()
	ctx, cancel := tab.limit()
	defer cancel()
	nodes, err := query(ctx, e)
	tab.check(e.String(), err)
	return len(nodes)
}

// Links returns the addresses to which the page leads on this server, each once.
func (tab *Tab) Links() []string {
	tab.t.Helper()
	return read[[]string](tab, `[...new Set([...document.querySelectorAll("a[href]")]
		.filter((a) => a.origin === location.origin && a.protocol.startsWith("http"))
		.map((a) => a.pathname + a.search))]`)
}

// Matches returns how many elements of the page a CSS selector matches.
func (tab *Tab) Matches(selector string) int {
	tab.t.Helper()
	return read[int](tab, fmt.Sprintf("document.querySelectorAll(%q).length", selector))
}

// TextOf returns the text of the element.
func (tab *Tab) TextOf(e Element) string {
	tab.t.Helper()
	return on[string](tab, e, `function() { return this.innerText; }`)
}

// ValueOf returns the value of the field with the label.
func (tab *Tab) ValueOf(label string) string {
	tab.t.Helper()
	return on[string](tab, Field(label), `function() { return this.value; }`)
}

// Click clicks the element with the mouse. It does not wait for what the click causes.
func (tab *Tab) Click(e Element) {
	tab.t.Helper()
	point := tab.target(e)
	ctx, cancel := tab.limit()
	defer cancel()
	tab.check("click "+e.String(), chromedp.Do(ctx, chromedp.MouseClickXY(point.X, point.Y)))
}

// Follow clicks the element and returns when the page that it leads to has loaded, with its status.
func (tab *Tab) Follow(e Element) int {
	tab.t.Helper()
	point := tab.target(e)
	return tab.load("follow "+e.String(), chromedp.MouseClickXY(point.X, point.Y))
}

// FollowKey presses the key, such as Enter, and returns when the page that it leads to has loaded,
// with its status.
func (tab *Tab) FollowKey(key string) int {
	tab.t.Helper()
	return tab.load("press "+key, chromedp.KeyEvent(key))
}

func (tab *Tab) load(what string, step chromedp.Action[chromedp.Void]) int {
	tab.t.Helper()
	ctx, cancel := tab.limit()
	defer cancel()
	response, err := chromedp.RunResponse(ctx, step)
	tab.check(what, err)
	if response == nil { // the same page
		return 0
	}
	return int(response.Status)
}

// Fill replaces the text of the field with the label, as if it were typed.
func (tab *Tab) Fill(label, text string) {
	tab.t.Helper()
	on[bool](tab, Field(label), `function() { this.focus(); this.select(); return true; }`)
	if text == "" {
		tab.Press(kb.Delete)
		return
	}
	call(tab, input.InsertText, input.InsertTextParams{Text: text})
}

// Choose selects the option with this text in the list with the label.
func (tab *Tab) Choose(label, option string) {
	tab.t.Helper()
	found := on[bool](tab, Field(label), `function(text) {
		const option = [...this.options].find(o => o.label.trim() === text && !o.disabled);
		if (!option) return false;
		this.focus();
		this.value = option.value;
		this.dispatchEvent(new Event("input", {bubbles: true}));
		this.dispatchEvent(new Event("change", {bubbles: true}));
		return true;
	}`, option)
	if !found {
		tab.t.Fatalf("%s has no option %q", Field(label), option)
	}
}

// Keys for Press and FollowKey.
const (
	TabKey = kb.Tab
	Enter  = kb.Enter
	Escape = kb.Escape
	Space  = " "
)

// Press presses keys: a text, or one of the constants.
func (tab *Tab) Press(keys string) {
	tab.t.Helper()
	ctx, cancel := tab.limit()
	defer cancel()
	tab.check("press keys", chromedp.Do(ctx, chromedp.KeyEvent(keys)))
}

// Focused returns the role and the name of the element that has the focus, such as
// `button "Save"`; "" if none has.
func (tab *Tab) Focused() string {
	tab.t.Helper()
	ctx, cancel := tab.limit()
	defer cancel()
	focused, err := object(ctx, `document.activeElement`)
	tab.check("focus", err)
	tree, err := chromedp.Call(ctx, accessibility.GetPartialAXTree,
		accessibility.GetPartialAXTreeParams{ObjectID: focused})
	tab.check("focus", err)
	role := value(tree.Nodes[0].Role)
	if role == "RootWebArea" || tree.Nodes[0].Ignored {
		return ""
	}
	return fmt.Sprintf("%s %q", role, oneLine(value(tree.Nodes[0].Name)))
}

// on waits for the element and returns what the function returns for it.
func on[T any](tab *Tab, e Element, function string, args ...any) T {
	tab.t.Helper()
	element := tab.find(e)
	ctx, cancel := tab.limit()
	defer cancel()
	result, err := callOn[T](ctx, element, function, args...)
	tab.check(e.String(), err)
	return result
}

func callOn[T any](ctx context.Context, o runtime.RemoteObjectID, function string, args ...any) (T, error) {
	return chromedp.Run(ctx, chromedp.CallFunctionOn[T](function,
		func(p *runtime.CallFunctionOnParams) { p.ObjectID = o }, args...))
}

// find waits until the page has exactly one such element.
func (tab *Tab) find(e Element) (found runtime.RemoteObjectID) {
	tab.t.Helper()
	tab.await(e.String(), func(ctx context.Context) (problem string, err error) {
		found, problem, err = tab.only(ctx, e)
		return problem, err
	})
	return found
}

// only returns the one element that the page has now, or why there is none.
func (tab *Tab) only(ctx context.Context, e Element) (found runtime.RemoteObjectID, problem string, err error) {
	tab.t.Helper()
	nodes, err := query(ctx, e)
	if err != nil {
		return "", "", err
	}
	if len(nodes) > 1 {
		tab.t.Fatalf("the page has %d times %s", len(nodes), e)
	}
	if len(nodes) == 0 {
		return "", "it is not there", nil
	}
	found, err = resolve(ctx, nodes[0])
	return found, "", err
}

// A point is where to click, or why a click is not possible.
type point struct {
	X, Y    float64
	Problem string
}

// target scrolls to the element and returns its middle, once it is visible and enabled, and nothing
// covers it.
func (tab *Tab) target(e Element) (at point) {
	tab.t.Helper()
	tab.await("a click on "+e.String(), func(ctx context.Context) (string, error) {
		element, problem, err := tab.only(ctx, e)
		if err != nil || problem != "" {
			return problem, err
		}
		at, err = callOn[point](ctx, element, middle)
		return at.Problem, err
	})
	return at
}

const middle = `function() {
	if (this.disabled) return {Problem: "it is disabled"};
	this.scrollIntoView({block: "center", inline: "center", behavior: "instant"});
	const box = this.getClientRects()[0];
	if (!box) return {Problem: "it is not visible"};
	const x = box.x + box.width / 2, y = box.y + box.height / 2;
	const hit = document.elementFromPoint(x, y);
	const same = hit && (this.contains(hit) || hit.closest("label")?.control === this);
	return {X: x, Y: y, Problem: same ? "" : "covered by " + (hit ? hit.outerHTML.slice(0, 80) : "nothing")};
}`

// query returns the elements of the page that a screen reader announces so.
func query(ctx context.Context, e Element) ([]*accessibility.Node, error) {
	document, err := object(ctx, `document`)
	if err != nil {
		return nil, err
	}
	params := accessibility.QueryAXTreeParams{ObjectID: document, AccessibleName: e.name}
	tree, err := chromedp.Call(ctx, accessibility.QueryAXTree, params)
	return slices.DeleteFunc(tree.Nodes, func(n *accessibility.Node) bool {
		return n.Ignored || !slices.Contains(e.roles, value(n.Role))
	}), err
}

// object returns a reference to the value of an expression.
func object(ctx context.Context, expression string) (runtime.RemoteObjectID, error) {
	found, err := evaluate[*runtime.RemoteObject](ctx, expression)
	if err != nil {
		return "", err
	}
	return found.ObjectID, nil
}

func resolve(ctx context.Context, n *accessibility.Node) (runtime.RemoteObjectID, error) {
	world, err := isolatedWorld(ctx)
	if err != nil {
		return "", err
	}
	resolved, err := chromedp.Call(ctx, dom.ResolveNode,
		dom.ResolveNodeParams{BackendNodeID: n.BackendDOMNodeID, ExecutionContextID: world})
	if err != nil {
		return "", err
	}
	return resolved.Object.ObjectID, nil
}

// value returns a value of the accessibility tree as text.
func value(v *accessibility.Value) string {
	if v == nil {
		return ""
	}
	var text string
	if err := json.Unmarshal(v.Value, &text); err != nil {
		return string(v.Value) // not a string
	}
	return text
}
