package mcp_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/claviger-dev/claviger/internal/guide"
	"github.com/claviger-dev/claviger/internal/mcp"
)

// connect returns a client of a server with these options.
func connect(t testing.TB, o mcp.Options) *sdk.ClientSession {
	t.Helper()
	near, far := sdk.NewInMemoryTransports()
	server, err := mcp.NewServer(o).Connect(t.Context(), far, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() }) // the client has closed the connection
	c, err := sdk.NewClient(&sdk.Implementation{Name: "test"}, nil).Connect(t.Context(), near, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// call calls a tool with arguments in JSON, and returns the texts of the answer.
func call(t testing.TB, c *sdk.ClientSession, tool, arguments string) (texts []string, failed bool) {
	t.Helper()
	r, err := c.CallTool(t.Context(), &sdk.CallToolParams{Name: tool, Arguments: json.RawMessage(arguments)})
	if err != nil {
		t.Fatalf("%s %s: %v", tool, arguments, err)
	}
	for _, content := range r.Content {
		texts = append(texts, content.(*sdk.TextContent).Text)
	}
	return texts, r.IsError
}

// The examples of BlazeMeter's documentation, word for word.
func TestTheHelpOfBlazeMetersDocumentationIsReadByItsOwnIDs(t *testing.T) {
	t.Parallel()
	c := connect(t, mcp.Options{BaseURL: "https://keys.test"})
	for _, tool := range []string{"blazemeter_help", "claviger_help"} {
		for id, wants := range map[string][]string{
			"api-authorization": {
				"help_id: authentication\n", "HTTP Basic", "user name", "--user", "Session cookie",
				"https://keys.test/",
			},
			"api-blazemeter-api-keys": {
				"help_id: api-keys\n", "Generate a key", "regenerate its secret", "Limit the expiration",
				"Store them safely",
			},
		} {
			texts, failed := call(t, c, tool, `{"action":"read_help_info","args":{"category_id": "root_category", `+
				`"subcategory_id": "guide", "help_id_list": ["`+id+`"]}}`)
			if failed || len(texts) != 1 {
				t.Fatalf("%s %s: %q", tool, id, texts)
			}
			for _, want := range wants {
				if !strings.Contains(texts[0], want) {
					t.Errorf("%s %s: there is no %q in\n%s", tool, id, want, texts[0])
				}
			}
		}
	}
}

// An assistant that follows the lists comes to the whole text of every article.
func TestEveryArticleIsReadWhole(t *testing.T) {
	t.Parallel()
	c := connect(t, mcp.Options{})
	texts, _ := call(t, c, "claviger_help", `{"action":"list_help_categories"}`)
	var tree struct {
		Categories []struct {
			Subcategories []struct {
				ID string `json:"subcategory_id"`
			}
		}
	}
	if err := json.Unmarshal([]byte(texts[0]), &tree); err != nil {
		t.Fatal(err)
	}
	read := map[string]string{}
	for _, s := range tree.Categories[0].Subcategories {
		for _, id := range articlesOf(t, c, s.ID) {
			if _, ok := read[id]; !ok {
				read[id] = readWhole(t, c, s.ID, id)
			}
		}
	}
	for _, a := range guide.Load().Articles() {
		if read[a.ID] != a.Source {
			t.Errorf("%s: read %d bytes, not the %d of the article", a.ID, len(read[a.ID]), len(a.Source))
		}
	}
}

func articlesOf(t *testing.T, c *sdk.ClientSession, subcategory string) (ids []string) {
	t.Helper()
	texts, failed := call(t, c, "claviger_help", `{"action":"list_help_category_content","args":`+
		`{"category_id":"root_category","subcategory_id_list":["`+subcategory+`"]}}`)
	var list struct {
		Categories []struct {
			Subcategories []struct {
				Articles []struct {
					ID string `json:"help_id"`
				}
			}
		}
	}
	if err := json.Unmarshal([]byte(texts[0]), &list); err != nil || failed {
		t.Fatalf("%s: %v, %s", subcategory, err, texts)
	}
	for _, a := range list.Categories[0].Subcategories[0].Articles {
		ids = append(ids, a.ID)
	}
	return ids
}

// readWhole reads all parts of an article by the arguments that each answer ends with.
func readWhole(t *testing.T, c *sdk.ClientSession, subcategory, id string) (whole string) {
	t.Helper()
	next := fmt.Sprintf(`{"subcategory_id":%q,"help_id_list":[%q]}`, subcategory, id)
	for next != "" {
		texts, failed := call(t, c, "claviger_help", `{"action":"read_help_info","args":`+next+`}`)
		if failed || len(texts) != 1 || len(texts[0]) > 17<<10 {
			t.Fatalf("%s: %d texts of %d bytes", next, len(texts), len(texts[0]))
		}
		_, text, _ := strings.Cut(texts[0], "\n\n")
		const goesOn = "\n\nThe article goes on. Read on with read_help_info and "
		text, next, _ = strings.Cut(text, goesOn)
		whole += text
	}
	return whole
}

func TestAnAnswerSaysWhatItLeavesOutAndHowToReadOn(t *testing.T) {
	t.Parallel()
	c := connect(t, mcp.Options{})
	asked := []string{"cli", "operations", "gateway", "configuration", "getting-started", "oauth", "performance"}
	texts, failed := call(t, c, "claviger_help",
		`{"action":"read_help_info","args":{"help_id_list":["`+strings.Join(asked, `","`)+`","none"]}}`)
	all, last := strings.Join(texts, "\n"), texts[len(texts)-1]
	if failed || len(all) > 40<<10 || !strings.Contains(all, "There is no article `none`") {
		t.Errorf("%d bytes, the last text is %s", len(all), last)
	}
	var left struct {
		IDs []string `json:"help_id_list"`
	}
	_, arguments, _ := strings.Cut(last, "read_help_info and ")
	if err := json.Unmarshal([]byte(arguments), &left); err != nil || len(left.IDs) == 0 {
		t.Fatalf("%v: nothing is said to be left out: %s", err, last)
	}
	for _, id := range asked {
		if read := strings.Contains(all, "help_id: "+id+"\n"); read == slices.Contains(left.IDs, id) {
			t.Errorf("%s: read is %v, and left out are %q", id, read, left.IDs)
		}
	}
}

func TestAWrongCallIsToldWhatExists(t *testing.T) {
	t.Parallel()
	c := connect(t, mcp.Options{})
	read := func(args string) string { return `{"action":"read_help_info","args":` + args + `}` }
	list := func(args string) string { return `{"action":"list_help_category_content","args":` + args + `}` }
	search := func(args string) string { return `{"action":"search_help","args":` + args + `}` }
	for arguments, want := range map[string]string{
		`{}`:                      "list_help_categories",
		`{"action":"read"}`:       "There is no action `read`. The actions are `list_help_categories`",
		`{"action":"read","x":1}`: "There is no argument `x`. The arguments are `action` and `args`",
		`{"action":"list_help_categories","action":"search_help"}`: "occurs twice",

		read(`{"help_id":"nginx"}`):                                      "There is no argument `args.help_id`",
		read(`{"help_id_list":"nginx"}`):                                 "`args.help_id_list` has the wrong type",
		read(`{"help_id_list":[]}`):                                      "`api-authorization`",
		read(`{"help_id_list":["ngin"]}`):                                "`nginx`",
		read(`{"help_id_list":["nginx"],"part":2}`):                      "parts 1 to 1",
		read(`{"help_id_list":["nginx"],"part":-1}`):                     "a number from 1",
		read(`{"help_id_list":["nginx","cli"],"part":2}`):                "one id",
		read(`{"help_id_list":["` + strings.Repeat(`a","`, 10) + `a"]}`): "at most 10",
		read(`{"category_id":"home","help_id_list":["nginx"]}`):          "`root_category`",
		read(`{"subcategory_id":"keys","help_id_list":["nginx"]}`): "There is no article `nginx` in `keys`. " +
			"The help ids in `keys` are `policies`",

		list(`{}`):                               "The subcategories are `guide`",
		list(`{"subcategory_id_list":["none"]}`): "There are `guide`",
		search(`{}`):                             "`query` is missing",
		search(`{"query":"a b c d e f g h i"}`):  "at most 8 words",
	} {
		texts, failed := call(t, c, "claviger_help", arguments)
		if !failed || len(texts) != 1 || !strings.Contains(texts[0], want) {
			t.Errorf("%s: %q, not %q", arguments, texts, want)
		}
	}
}

func TestASearchLeadsToThePartWithTheSection(t *testing.T) {
	t.Parallel()
	c := connect(t, mcp.Options{})
	texts, failed := call(t, c, "claviger_help", `{"action":"search_help","args":{"query":"backup restore"}}`)
	var found struct {
		Hits []struct {
			ID      string `json:"help_id"`
			Part    int
			Section string
		}
		Note string
	}
	if err := json.Unmarshal([]byte(texts[0]), &found); err != nil || failed {
		t.Fatal(err, texts)
	}
	hit := found.Hits[0]
	if hit.ID != "operations" || hit.Part < 2 || len(found.Hits) > 10 ||
		!strings.Contains(found.Note, "read_help_info") {
		t.Errorf("found %+v", found)
	}
	texts, _ = call(t, c, "claviger_help", fmt.Sprintf(
		`{"action":"read_help_info","args":{"help_id_list":["operations"],"part":%d}}`, hit.Part))
	if !strings.Contains(texts[0], "# "+hit.Section) {
		t.Errorf("part %d does not have the section %q", hit.Part, hit.Section)
	}
	texts, _ = call(t, c, "claviger_help", `{"action":"search_help","args":{"query":"key"}}`)
	if strings.Count(texts[0], `"help_id"`) != 10 || !strings.Contains(texts[0], "of more than 10 sections") {
		t.Errorf("too many hits: %s", texts)
	}
	texts, failed = call(t, c, "claviger_help", `{"action":"search_help","args":{"query":"xyzzyplugh"}}`)
	if failed || !strings.Contains(texts[0], `"hits":[]`) || !strings.Contains(texts[0], "Search for others") {
		t.Errorf("nothing found: %s", texts)
	}
}

func TestEveryToolIsMarkedAsReading(t *testing.T) {
	t.Parallel()
	c := connect(t, mcp.Options{Keys: true, Connect: func(context.Context) (mcp.API, error) { panic("secret") }})
	list, err := c.ListTools(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, tool := range list.Tools {
		names = append(names, tool.Name)
		a := tool.Annotations
		if !a.ReadOnlyHint || !a.IdempotentHint || *a.DestructiveHint || *a.OpenWorldHint || tool.Title == "" {
			t.Errorf("%s is annotated as %+v", tool.Name, a)
		}
	}
	if got := strings.Join(names, " "); got != "blazemeter_help claviger_help key_health list_keys usage whoami" {
		t.Errorf("the tools are %s", got)
	}
	// A tool that panics does not end the process, and its panic is not told.
	_, err = c.CallTool(t.Context(), &sdk.CallToolParams{Name: "whoami"})
	if err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("a panic is told as %v", err)
	}
	if _, err := c.ListResources(t.Context(), nil); err == nil {
		t.Error("a method that is for nothing here is accepted")
	}
}

func FuzzACallOfTheHelp(f *testing.F) {
	f.Add(`{"action":"read_help_info","args":{"help_id_list":["cli"],"part":3}}`)
	f.Add(`{"action":"search_help","args":{"query":"ﬀ İ \ud800"}}`)
	f.Add(`{"action":"list_help_category_content","args":{"subcategory_id_list":["guide","keys"]}}`)
	f.Add(`null`)
	f.Add(`[{"a":1e999}]`)
	f.Fuzz(func(t *testing.T, arguments string) {
		texts, err := mcp.AnswerHelp([]byte(arguments))
		size := 0
		for _, text := range texts {
			size += len(text)
			if !utf8.ValidString(text) {
				t.Errorf("%q: the answer is not UTF-8", arguments)
			}
		}
		if size > 48<<10 || err != nil && (len(err.Error()) > 4<<10 || !utf8.ValidString(err.Error())) {
			t.Errorf("%q: an answer of %d bytes, the error %v", arguments, size, err)
		}
	})
}
