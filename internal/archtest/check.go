package archtest

import (
	"fmt"
	"slices"
)

// check reports every departure of the tree from the table. The graph holds what lies below the
// tree's packages; the files of maySkip may hold tests that skip.
func (t tree) check(below graph, maySkip []string) []string {
	reports := slices.Concat(
		t.withoutRow(),
		t.strayImports(),
		t.forbiddenChains(below),
		t.emptyNames(),
		t.dotImports(),
		t.bannedWords(),
		t.silentSkips(maySkip),
		t.writtenActions(),
		t.language(),
	)
	slices.Sort(reports)
	return slices.Compact(reports)
}

// withoutRow reports packages that the table does not know.
func (t tree) withoutRow() []string {
	var reports []string
	for _, folder := range t.packages() {
		if _, ok := rows[folder]; !ok {
			reports = append(reports, fmt.Sprintf("%s has no row in the table", folder))
		}
	}
	return reports
}
