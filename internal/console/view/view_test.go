package view_test

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/claviger-dev/claviger/internal/console/view"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// fill sets every field of a page, so that each branch of its template that depends on one field is
// drawn. Every text is one that must be escaped.
func fill(v reflect.Value, depth int) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(`<b>"'&` + v.Type().Name() + `</b>`)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int:
		v.SetInt(7)
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				fill(v.Field(i), depth+1)
			}
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			fill(v.Index(i), depth+1)
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), depth+1)
	}
}

// Every template is drawn with an empty page and with a full one, so that it can name no field that
// its page does not have.
func TestEveryTemplateDrawsItsPage(t *testing.T) {
	t.Parallel()
	for _, empty := range view.Pages() {
		full := reflect.New(reflect.TypeOf(empty)).Elem()
		fill(full, 0)
		var frame view.Frame
		fill(reflect.ValueOf(&frame).Elem(), 0)
		frame.Main = ""
		for name, c := range map[string]struct {
			frame view.Frame
			page  view.Page
		}{"empty": {view.Frame{}, empty}, "full": {frame, full.Interface().(view.Page)}} {
			var text strings.Builder
			if err := view.Render(&text, c.frame, c.page); err != nil {
				t.Errorf("%T, %s: %v", empty, name, err)
			}
			if strings.Contains(text.String(), "<b>\"'&") {
				t.Errorf("%T, %s: a text is not escaped", empty, name)
			}
		}
	}
}

func TestWordsBetweenBackticksAreCode(t *testing.T) {
	t.Parallel()
	for lead, want := range map[string]string{
		"answers `api_key_revoked`.": "<p>answers <code>api_key_revoked</code>.</p>",
		"one ` alone":                "<p>one ` alone</p>",
		"`<b>` and <b>":              "<p><code>&lt;b&gt;</code> and &lt;b&gt;</p>",
	} {
		var text strings.Builder
		testkit.NoError(t, view.Render(&text, view.Frame{}, view.Confirm{Lead: lead}))
		if !strings.Contains(text.String(), want) {
			t.Errorf("%s: no %s in\n%s", lead, want, text.String())
		}
	}
}

// An address is broken after its @, and is still a text.
func TestAnAddressIsBrokenAfterItsAt(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	page := view.Overview{Panels: []view.Panel{{Table: &view.Table{
		Columns: []view.Column{{}}, Rows: []view.TableRow{{Cells: []view.Cell{{Note: "<b>@claviger.example"}}}},
	}}}}
	testkit.NoError(t, view.Render(&text, view.Frame{}, page))
	if want := "<small>&lt;b&gt;@<wbr>claviger.example</small>"; !strings.Contains(text.String(), want) {
		t.Errorf("no %s in\n%s", want, text.String())
	}
}

var (
	classAttribute = regexp.MustCompile(`class="([^"]*)"`)
	action         = regexp.MustCompile(`\{\{[^}]*\}\}`)
	cssClass       = regexp.MustCompile(`\.([a-z][\w-]*)`)
)

// A class that the style sheet does not have is a slip, or a style that somebody forgot.
func TestTheStyleSheetHasEveryClassOfTheTemplates(t *testing.T) {
	t.Parallel()
	css := string(testkit.Must[[]byte](t)(os.ReadFile("assets/console.css")))
	var known []string
	for _, m := range cssClass.FindAllStringSubmatch(css, -1) {
		known = append(known, m[1])
	}
	files := testkit.Must[[]string](t)(filepath.Glob("templates/*.html"))
	if len(files) == 0 {
		t.Fatal("no templates")
	}
	for _, file := range files {
		// Actions have quotes of their own.
		text := action.ReplaceAllString(string(testkit.Must[[]byte](t)(os.ReadFile(file))), " ")
		for _, m := range classAttribute.FindAllStringSubmatch(text, -1) {
			for class := range strings.FieldsSeq(m[1]) {
				if !slices.Contains(known, class) && !slices.Contains(unstyled, class) {
					t.Errorf("%s: the style sheet has no class %q", file, class)
				}
			}
		}
	}
}

// unstyled are classes without a style of their own.
var unstyled = []string{"acc", "age", "me"}

// The first visit loads little (design section 11).
func TestTheAssetsAreSmall(t *testing.T) {
	t.Parallel()
	for path, a := range view.Assets() {
		most := 5 << 10
		if strings.HasSuffix(path, ".css") {
			most = 12 << 10
		}
		if len(a.Compressed()) > most || a.ContentType == "" {
			t.Errorf("%s: %d bytes compressed, at most %d; type %q", path, len(a.Compressed()), most, a.ContentType)
		}
	}
}
