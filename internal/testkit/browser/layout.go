package browser

// Overflow returns nothing if the page is not wider than the view. Otherwise it returns both widths
// and the first elements that are too wide. What scrolls in a box of its own does not count.
func (tab *Tab) Overflow() []string {
	tab.t.Helper()
	return read[[]string](tab, overflow)
}

const overflow = `(() => {
	const root = document.documentElement;
	if (root.scrollWidth <= root.clientWidth) return [];
	const clipped = e => {
		for (let box = e.parentElement; box && box !== document.body; box = box.parentElement)
			if (getComputedStyle(box).overflowX !== "visible") return true;
		return false;
	};
	const name = e => e.localName + (e.id ? "#" + e.id : "") + [...e.classList].map(c => "." + c).join("");
	const wide = [...document.body.querySelectorAll("*")]
		.filter(e => e.getBoundingClientRect().right + scrollX > root.clientWidth + 0.5 && !clipped(e))
		.slice(0, 8)
		.map(e => name(e) + " ends at " + Math.round(e.getBoundingClientRect().right + scrollX) + " px: "
			+ e.textContent.trim().replaceAll(/\s+/g, " ").slice(0, 60));
	return ["the page is " + root.scrollWidth + " px wide, the view " + root.clientWidth + " px", ...wide];
})()`

// ExpectNoOverflow fails the test if the page is wider than the view.
func (tab *Tab) ExpectNoOverflow() {
	tab.t.Helper()
	for _, line := range tab.Overflow() {
		tab.t.Errorf("%s: %s", tab.Path(), line)
	}
}
