package mcp

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/claviger-dev/claviger/internal/guide"
)

const (
	// partSize is how many bytes of an article are read at once.
	partSize = 16 << 10
	// answerSize is how many bytes of articles one answer has at most.
	answerSize = 2 * partSize
	// maxIDs is how many ids a call may have.
	maxIDs = 10
	// maxQuery and maxWords are how many characters and words a search may have, and maxHits is how
	// many sections it finds.
	maxQuery = 100
	maxWords = 8
	maxHits  = 10
)

// The tree of the help: one category, whose subcategories are the whole guide and its categories.
// Its ids, and the names of actions and arguments, are those of BlazeMeter's MCP server.
const (
	rootCategory = "root_category"
	wholeGuide   = "guide"
)

// otherIDs are the ids by which BlazeMeter's documentation names what an article of the guide is
// about.
var otherIDs = map[string]string{"api-authorization": "authentication", "api-blazemeter-api-keys": "api-keys"}

// The actions.
const (
	listCategories = "list_help_categories"
	listContent    = "list_help_category_content"
	readHelp       = "read_help_info"
	searchHelp     = "search_help"
)

var actions = []string{listCategories, listContent, readHelp, searchHelp}

const helpSchema = `{"type":"object","required":["action"],"additionalProperties":false,"properties":{` +
	`"action":{"type":"string","enum":["list_help_categories","list_help_category_content","read_help_info",` +
	`"search_help"]},` +
	`"args":{"type":"object","additionalProperties":false,"properties":{` +
	`"category_id":{"type":"string","description":"root_category, which is the default"},` +
	`"subcategory_id":{"type":"string","description":"guide, which is the default and has all articles, or another ` +
	`one of list_help_categories"},` +
	`"subcategory_id_list":{"type":"array","items":{"type":"string"},"maxItems":10},` +
	`"help_id_list":{"type":"array","items":{"type":"string"},"maxItems":10},` +
	`"part":{"type":"integer","minimum":1,"description":"the part of a long article; 1 is the default"},` +
	`"query":{"type":"string","maxLength":100}}}}}`

// helpCall has the arguments of a call.
type helpCall struct {
	Action string   `json:"action"`
	Args   helpArgs `json:"args"`
}

type helpArgs struct {
	Category      string   `json:"category_id"`
	Subcategory   string   `json:"subcategory_id"`
	Subcategories []string `json:"subcategory_id_list"`
	IDs           []string `json:"help_id_list"`
	Part          int      `json:"part"`
	Query         string   `json:"query"`
}

// helper answers calls about the guide.
type helper struct {
	// guide returns the guide, which takes some megabytes once somebody reads it.
	guide func() *guide.Guide
	// baseURL replaces the address of the documents.
	baseURL string
}

func (h helper) description(name string) string {
	also := "blazemeter_help"
	if name == also {
		also = "claviger_help"
	}
	return "Reads Claviger's documentation: API keys, authentication, verification, integrations, operation. " + also +
		` is the same tool.
Actions:
- list_help_categories: the categories and their subcategories. No args.
- list_help_category_content: the articles of subcategories. args: {"category_id", "subcategory_id_list"}
- read_help_info: the text of articles. args: {"category_id", "subcategory_id", "help_id_list", "part"}. A long ` +
		`article has parts, and the answer says how to read the next one.
- search_help: the sections about the words. args: {"query"}. Use one to three words.`
}

const helpUsage = "The arguments are `action` and `args`; args may have `category_id`, `subcategory_id`, " +
	"`subcategory_id_list`, `help_id_list`, `part` and `query`."

// call answers a call.
func (h helper) call(_ context.Context, arguments []byte) ([]string, error) {
	var c helpCall
	if err := readArguments(arguments, &c, helpUsage); err != nil {
		return nil, err
	}
	if c.Args.Category != "" && c.Args.Category != rootCategory {
		return nil, refusef("There is no category `%s`. The only one is `%s`.", clipped(c.Args.Category), rootCategory)
	}
	if c.Args.Part < 0 {
		return nil, refusef("`part` is a number from 1.")
	}
	switch c.Action {
	case listCategories:
		return h.categories()
	case listContent:
		return h.content(c.Args)
	case readHelp:
		return h.read(c.Args)
	case searchHelp:
		return h.search(c.Args.Query)
	}
	return nil, refusef("There is no action `%s`. The actions are %s.", clipped(c.Action), quoted(actions))
}

type categoryList struct {
	Categories []categoryItem `json:"categories"`
}

type categoryItem struct {
	ID            string            `json:"category_id"`
	Title         string            `json:"title"`
	Subcategories []subcategoryItem `json:"subcategories"`
}

type subcategoryItem struct {
	ID       string        `json:"subcategory_id"`
	Title    string        `json:"title"`
	Summary  string        `json:"summary"`
	Count    int           `json:"article_count"`
	Articles []articleItem `json:"articles,omitempty"`
}

type articleItem struct {
	ID      string   `json:"help_id"`
	Others  []string `json:"other_help_ids,omitempty"`
	Title   string   `json:"title"`
	Summary string   `json:"summary"`
}

func (h helper) categories() ([]string, error) {
	root := categoryItem{ID: rootCategory, Title: "Claviger"}
	for _, id := range h.subcategoryIDs() {
		s, _ := h.subcategory(id)
		root.Subcategories = append(root.Subcategories, s.item())
	}
	return toJSON(categoryList{[]categoryItem{root}})
}

// subcategoryIDs lists the ids of all subcategories.
func (h helper) subcategoryIDs() []string {
	ids := []string{wholeGuide}
	for _, c := range h.guide().Categories {
		ids = append(ids, c.ID)
	}
	return ids
}

// subcategory is the whole guide or one of its categories.
type subcategory struct{ guide.Category }

// subcategory returns the subcategory with the id; "" is the whole guide.
func (h helper) subcategory(id string) (subcategory, error) {
	if cmp.Or(id, wholeGuide) == wholeGuide {
		return subcategory{guide.Category{
			ID: wholeGuide, Title: "Guide", Summary: "All articles.", Articles: h.guide().Articles(),
		}}, nil
	}
	for _, c := range h.guide().Categories {
		if c.ID == id {
			return subcategory{c}, nil
		}
	}
	return subcategory{}, refusef("There is no subcategory `%s` in `%s`. There are %s.", clipped(id), rootCategory,
		quoted(h.subcategoryIDs()))
}

func (s subcategory) item() subcategoryItem {
	return subcategoryItem{ID: s.ID, Title: s.Title, Summary: s.Summary, Count: len(s.Articles)}
}

// content lists the articles of subcategories.
func (h helper) content(a helpArgs) ([]string, error) {
	ids := a.Subcategories
	if a.Subcategory != "" {
		ids = append(ids, a.Subcategory)
	}
	if len(ids) == 0 {
		return nil, refusef("`subcategory_id_list` is missing. The subcategories are %s.", quoted(h.subcategoryIDs()))
	}
	root := categoryItem{ID: rootCategory, Title: "Claviger"}
	slices.Sort(ids)
	for _, id := range slices.Compact(ids) {
		s, err := h.subcategory(id)
		if err != nil {
			return nil, err
		}
		item := s.item()
		for _, a := range s.Articles {
			item.Articles = append(item.Articles, articleItem{a.ID, othersOf(a.ID), a.Title, a.Summary})
		}
		root.Subcategories = append(root.Subcategories, item)
	}
	return toJSON(categoryList{[]categoryItem{root}})
}

// othersOf lists the other ids of an article.
func othersOf(id string) (others []string) {
	for other, of := range otherIDs {
		if of == id {
			others = append(others, other)
		}
	}
	return others
}

// find returns the article of a subcategory with the id or with another id.
func (s subcategory) find(id string) (*guide.Article, bool) {
	known := cmp.Or(otherIDs[id], id)
	i := slices.IndexFunc(s.Articles, func(a *guide.Article) bool { return a.ID == known })
	if i < 0 {
		return nil, false
	}
	return s.Articles[i], true
}

// read returns a text for each article that there is room for, and one about all that was left out.
func (h helper) read(a helpArgs) ([]string, error) {
	s, err := h.subcategory(a.Subcategory)
	switch {
	case err != nil:
		return nil, err
	case len(a.IDs) == 0:
		return nil, refusef("`help_id_list` is missing. %s", s.known())
	case len(a.IDs) > maxIDs:
		return nil, refusef("`help_id_list` has %d ids. Read at most %d at once.", len(a.IDs), maxIDs)
	case a.Part > 1 && len(a.IDs) > 1:
		return nil, refusef("`part` is for one article: give one id in `help_id_list`.")
	}
	var texts, notes, later []string
	size := 0
	for _, id := range a.IDs {
		article, ok := s.find(id)
		if !ok {
			notes = append(notes, fmt.Sprintf("There is no article `%s` in `%s`. %s", clipped(id), s.ID, s.known()))
			continue
		}
		parts := article.Parts(partSize)
		part := max(a.Part, 1)
		if part > len(parts) {
			return nil, refusef("`part` is %d, but `%s` has the parts 1 to %d.", part, article.ID, len(parts))
		}
		if size+len(parts[part-1]) > answerSize {
			later = append(later, id)
			continue
		}
		size += len(parts[part-1])
		texts = append(texts, h.show(article, id, part, len(parts), parts[part-1]))
	}
	if len(texts) == 0 {
		return nil, refusef("%s", notes[0])
	}
	if len(later) > 0 {
		notes = append(notes, fmt.Sprintf("Left out, because the answer would be too long: %s. Read them with "+
			`read_help_info and {"category_id":%q,"subcategory_id":%q,"help_id_list":["%s"]}`,
			quoted(later), rootCategory, s.ID, strings.Join(later, `","`)))
	}
	return append(texts, slices.Compact(notes)...), nil
}

// known lists the ids of the articles.
func (s subcategory) known() string {
	var ids []string
	for _, a := range s.Articles {
		ids = append(ids, a.ID)
		ids = append(ids, othersOf(a.ID)...)
	}
	return fmt.Sprintf("The help ids in `%s` are %s.", s.ID, quoted(ids))
}

// show returns a part of an article as an answer has it, with its address.
func (h helper) show(a *guide.Article, asked string, part, parts int, text string) string {
	var out strings.Builder
	fmt.Fprintf(&out, "help_id: %s\n", a.ID)
	if asked != a.ID {
		fmt.Fprintf(&out, "asked for as: %s\n", asked)
	}
	fmt.Fprintf(&out, "source: %s/docs/%s\n", h.url(), a.ID)
	if parts > 1 {
		fmt.Fprintf(&out, "part: %d of %d\n", part, parts)
	}
	out.WriteString("\n" + strings.ReplaceAll(text, guide.DocumentedURL, h.url()))
	if part < parts {
		fmt.Fprintf(&out, "\n\nThe article goes on. Read on with read_help_info and "+
			`{"category_id":%q,"subcategory_id":%q,"help_id_list":[%q],"part":%d}`,
			rootCategory, wholeGuide, a.ID, part+1)
	}
	return out.String()
}

func (h helper) url() string { return cmp.Or(h.baseURL, guide.DocumentedURL) }

type hitList struct {
	Hits []hitItem `json:"hits"`
	Note string    `json:"note"`
}

type hitItem struct {
	ID      string `json:"help_id"`
	Part    int    `json:"part"`
	Title   string `json:"title"`
	Section string `json:"section"`
	Excerpt string `json:"excerpt"`
}

// search lists the sections that a search finds.
func (h helper) search(query string) ([]string, error) {
	words := strings.Fields(query)
	switch {
	case len(words) == 0:
		return nil, refusef("`query` is missing: give the words to search for.")
	case len([]rune(query)) > maxQuery || len(words) > maxWords:
		return nil, refusef("`query` is too long: search for at most %d words and %d characters.", maxWords, maxQuery)
	}
	found := hitList{
		Hits: []hitItem{}, Note: "No section has these words. Search for others, or list the articles.",
	}
	partial := false
	for _, hit := range h.guide().Search(words, maxHits+1) {
		partial = partial || hit.Partial
		found.Hits = append(found.Hits, hitItem{
			ID: hit.Article.ID, Part: hit.Article.PartOf(hit.Section, partSize), Title: hit.Article.Title,
			Section: hit.Section.Title, Excerpt: strings.ReplaceAll(hit.Excerpt, guide.DocumentedURL, h.url()),
		})
	}
	if len(found.Hits) > 0 {
		found.Note = "Read an article with read_help_info, its help_id and, if it is not 1, the part."
	}
	if len(found.Hits) > maxHits {
		found.Hits = found.Hits[:maxHits]
		found.Note += fmt.Sprintf(" These are the best %d of more than %[1]d sections.", maxHits)
	}
	if partial {
		found.Note = "No section has all of these words; these have some. " + found.Note
	}
	return toJSON(found)
}
