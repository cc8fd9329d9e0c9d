package browser

import (
	_ "embed"
	"encoding/json"
	"fmt"
)

//go:embed testdata/axe/axe.min.js
var axe string

// Rules are rules of axe-core.
type Rules struct{ options string }

// The rules that tests check.
var (
	// AllRules are those of WCAG 2.0 to 2.2, levels A and AA, and axe-core's best practices.
	AllRules = Rules{`{
		runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa", "best-practice"],
		rules: {"target-size": {enabled: true}},
	}`}
	// Contrast is about text and links that can be told from what is around them.
	Contrast = Rules{`{runOnly: {type: "rule", values: ["color-contrast", "link-in-text-block"]}}`}
	// TargetSize is about links and buttons that are large enough or far enough apart.
	TargetSize = Rules{`{runOnly: {type: "rule", values: ["target-size"]}}`}
)

// A Violation is a rule that an element breaks.
type Violation struct {
	Rule, Impact, Help string
	// Selector finds the element, HTML is its beginning.
	Selector, HTML string
	// Fix says what to change.
	Fix string
}

func (v Violation) String() string {
	return fmt.Sprintf("%s (%s): %s\n\t%s\n\t%s\n\t%s", v.Rule, v.Impact, v.Help, v.Selector, v.HTML, oneLine(v.Fix))
}

// Violations returns where the page breaks the rules, as it is shown now.
func (tab *Tab) Violations(r Rules) []Violation {
	tab.t.Helper()
	if !read[bool](tab, `typeof axe !== "undefined"`) {
		read[bool](tab, axe+"\n;true")
	}
	text := read[string](tab, `axe.run(document, {...`+r.options+`, resultTypes: ["violations"], preload: false})
		.then(found => JSON.stringify(found.violations.flatMap(v => v.nodes.map(n => ({
			Rule: v.id, Impact: v.impact, Help: v.help, Selector: n.target.join(" "), HTML: n.html.slice(0, 200),
			Fix: n.failureSummary,
		})))))`)
	var found []Violation
	tab.check("axe-core", json.Unmarshal([]byte(text), &found))
	return found
}

// mostReports is how many elements are reported for one rule.
const mostReports = 5

// ExpectAccessible fails the test for each element that breaks one of the rules. It looks at the
// page from its top: farther down, the bar that stays in sight covers what happens to be there.
func (tab *Tab) ExpectAccessible(rules ...Rules) {
	tab.t.Helper()
	path := tab.Path()
	_ = read[bool](tab, `(scrollTo({top: 0, behavior: "instant"}), true)`)
	for _, r := range rules {
		count := map[string]int{}
		for _, v := range tab.Violations(r) {
			count[v.Rule]++
			if count[v.Rule] <= mostReports {
				tab.t.Errorf("%s: %s", path, v)
			}
		}
		for rule, n := range count {
			if n > mostReports {
				tab.t.Errorf("%s: %s: %d elements in all", path, rule, n)
			}
		}
	}
}
