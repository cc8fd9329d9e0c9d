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

// Covered returns the texts of code that a button is drawn over.
func (tab *Tab) Covered() []string {
	tab.t.Helper()
	return read[[]string](tab, covered)
}

const covered = `[...document.querySelectorAll("pre")].flatMap(pre => {
	const text = document.createRange();
	text.selectNodeContents(pre);
	const box = pre.getBoundingClientRect();
	const lines = [...text.getClientRects()].map(r => ({
		left: Math.max(r.left, box.left), right: Math.min(r.right, box.right), top: r.top, bottom: r.bottom,
	}));
	return [...pre.parentElement.querySelectorAll("button")].filter(b => {
		const over = b.getBoundingClientRect();
		return over.width > 0 && lines.some(r =>
			r.left < over.right && r.right > over.left && r.top < over.bottom && r.bottom > over.top);
	}).map(b => "the button " + b.textContent.trim() + " covers " + pre.textContent.trim().slice(0, 60));
})`

// ExpectNothingCovered fails the test for each text of code that a button is drawn over.
func (tab *Tab) ExpectNothingCovered() {
	tab.t.Helper()
	for _, line := range tab.Covered() {
		tab.t.Errorf("%s: %s", tab.Path(), line)
	}
}

// ExpectNoOverflow fails the test if the page is wider than the view.
func (tab *Tab) ExpectNoOverflow() {
	tab.t.Helper()
	for _, line := range tab.Overflow() {
		tab.t.Errorf("%s: %s", tab.Path(), line)
	}
}
