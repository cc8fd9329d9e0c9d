package archtest

import (
	"flag"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/packages.svg instead of comparing it")

func TestThePictureShowsTheTable(t *testing.T) {
	tree, err := readTree(os.DirFS(root))
	if err != nil {
		t.Fatal(err)
	}
	file := path.Join(root, "docs", "packages.svg")
	want := picture(tree.packages())
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(file); err != nil || string(got) != want {
		t.Errorf("docs/packages.svg does not show the table: run make generate (%v)", err)
	}
	for _, path := range tree.packages() {
		if short := ">" + strings.TrimPrefix(path, "internal/") + "</text>"; !strings.Contains(want, short) {
			t.Errorf("the picture does not show %s", path)
		}
	}
}

func TestThePictureHasOnlyPackagesThatExist(t *testing.T) {
	got := picture([]string{"api", "internal/fault", "internal/ident"})
	for _, path := range []string{">scope<", ">oauth<", ">tests<"} {
		if strings.Contains(got, path) {
			t.Errorf("it shows %s", path)
		}
	}
	if strings.Count(got, `class="box"`) != 3 {
		t.Errorf("it does not have three boxes:\n%s", got)
	}
}

func TestThePictureHasEveryPackageAboveThoseItMayImport(t *testing.T) {
	var paths []string
	for path := range rows {
		paths = append(paths, path)
	}
	all := bands(paths)
	layOut(all)
	heights := map[string]int{}
	for _, b := range all {
		for _, box := range slices.Concat(b.rows...) {
			heights[box.path] = box.y
		}
	}
	for path, r := range rows {
		for _, lower := range resolve(r.imports) {
			if lower != path && heights[lower] <= heights[path] {
				t.Errorf("%s stands above %s, which may import it", lower, path)
			}
		}
	}
}
