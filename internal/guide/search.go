package guide

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/claviger-dev/claviger/internal/text"
)

// Hit is a section that a search found.
type Hit struct {
	Article *Article
	Section Section
	// Excerpt is the text around the rarest word that was found.
	Excerpt string
	// Partial is set if the section lacks some of the words.
	Partial bool
}

// Path returns where the section is.
func (h Hit) Path() string {
	path := "/docs/" + h.Article.ID
	if h.Section.ID != "" {
		path += "#" + h.Section.ID
	}
	return path
}

const (
	// excerptLength is how many characters an excerpt has about.
	excerptLength = 180
	// perArticle is how many sections of one article come before those of others.
	perArticle = 3
)

// What a word counts in the heading of a section, in the title of its article, and in its text. A
// synonym counts less than the word itself, and a heading with the query as it was typed the most.
const (
	inHeading = 4
	inTitle   = 2.5
	inText    = 2
	asSynonym = 0.6
	// asReference is for articles in which everything is named, so that what explains it is first.
	asReference = 0.5
	asTyped     = 100
)

// Search returns up to most sections that have every word, another form of it, or a synonym, best
// first. A word also finds those that begin with it. Words that every text has do not count. Where
// no section has every word, it returns those that have the rarer half.
func (g *Guide) Search(words []string, most int) []Hit {
	terms := g.termsOf(words)
	if len(terms) == 0 {
		return nil
	}
	typed := text.NewQuery(strings.Join(words, " "))
	var found []scored
	for _, a := range g.Articles() {
		for _, s := range a.Sections {
			if one := s.score(terms, typed); one.score > 0 {
				one.Article = a
				if slices.Contains(references, a.ID) {
					one.score *= asReference
				}
				found = append(found, one)
			}
		}
	}
	slices.SortStableFunc(found, func(a, b scored) int {
		return cmp.Or(cmp.Compare(b.share, a.share), cmp.Compare(b.score, a.score))
	})
	complete := len(found) > 0 && found[0].share == 1
	found = slices.DeleteFunc(found, func(one scored) bool {
		return one.share < 0.5 || complete && one.share < 1
	})
	return hitsOf(found, most)
}

// scored is a section with what it is worth.
type scored struct {
	Hit
	score float64
	// share is how much of the query the section has, from 0 to 1, where rare words weigh more.
	share float64
	// rarest is the word that the excerpt shows.
	rarest string
}

// hitsOf returns the first hits, where no article has more than a few while there are others.
func hitsOf(found []scored, most int) (hits []Hit) {
	var first, later []scored
	of := map[*Article]int{}
	for _, one := range found {
		of[one.Article]++
		if of[one.Article] > perArticle {
			later = append(later, one)
		} else {
			first = append(first, one)
		}
	}
	first = append(first, later...)
	for _, one := range first[:min(most, len(first))] { // an excerpt folds the whole text of its section
		hits = append(hits, one.hit())
	}
	return hits
}

func (s scored) hit() Hit {
	s.Excerpt, s.Partial = excerpt(s.Section.Text, s.rarest), s.share < 1
	return s.Hit
}

// term is a word of a search, with all that it finds.
type term struct {
	word     text.Query
	synonyms []text.Query
	shown    string
	weight   float64
}

// in returns what the term counts in a text: 1, less for a synonym, 0 if it is not in it.
func (t term) in(p text.Prepared) float64 {
	if t.word.FoundIn(p) {
		return 1
	}
	if slices.ContainsFunc(t.synonyms, func(q text.Query) bool { return q.FoundIn(p) }) {
		return asSynonym
	}
	return 0
}

// termsOf returns the terms of a search. Their weights follow from how many sections have them.
func (g *Guide) termsOf(words []string) (terms []term) {
	telling := slices.DeleteFunc(slices.Clone(words), func(word string) bool {
		return slices.Contains(common, strings.Trim(text.Fold(word), punctuation))
	})
	if len(telling) == 0 {
		telling = words
	}
	for _, word := range telling {
		t := newTerm(word)
		again := slices.ContainsFunc(terms, func(other term) bool { return other.shown == t.shown })
		if !t.word.Empty() && !again {
			terms = append(terms, t)
		}
	}
	sections, with := 0, make([]int, len(terms))
	for _, a := range g.Articles() {
		for _, s := range a.Sections {
			sections++
			for i, t := range terms {
				if t.in(s.text) > 0 || t.in(s.title) > 0 {
					with[i]++
				}
			}
		}
	}
	for i := range terms {
		terms[i].weight = math.Log(1 + float64(sections)/float64(1+with[i]))
	}
	return terms
}

// references are the articles that list every command and every setting.
var references = []string{"cli", "configuration"}

const punctuation = "?!.,;:“”\"'()"

// exactLength is up to which length a word finds only itself: "CI" does not mean "CIDR".
const exactLength = 2

func newTerm(word string) term {
	word = strings.Trim(word, punctuation)
	stem := stemOf(text.Fold(word))
	t := term{word: text.NewQuery(stem), shown: stem}
	if len(stem) <= exactLength {
		t.word = t.word.Whole()
	}
	for _, group := range synonyms {
		if !slices.ContainsFunc(group, func(one string) bool { return stemOf(one) == stem }) {
			continue
		}
		for _, one := range group {
			q := text.NewQuery(stemOf(one))
			if len(one) <= exactLength {
				q = q.Whole()
			}
			t.synonyms = append(t.synonyms, q)
		}
	}
	return t
}

// score returns what a section is worth for a search.
func (s Section) score(terms []term, typed text.Query) (one scored) {
	one.Section = s
	var all, had, rarest float64
	for _, t := range terms {
		all += t.weight
		worth := max(inHeading*t.in(s.title), inTitle*t.in(s.article), inText*t.in(s.text)*s.density())
		if worth == 0 {
			continue
		}
		had += t.weight
		one.score += worth * t.weight
		if t.weight > rarest {
			rarest, one.rarest = t.weight, t.shown
		}
	}
	if typed.FoundIn(s.title) {
		one.score += asTyped
	}
	one.share = had / all
	return one
}

// usualLength is the length of a section that says one thing, in bytes.
const usualLength = 1500

// density is near 1 for the words of a short section, and smaller the longer a section is, because
// a long one has many words that it is not about.
func (s Section) density() float64 { return usualLength / float64(usualLength+len(s.Text)) }

// stemOf returns a folded word without an ending, so that "leaked" finds "leaks".
func stemOf(word string) string {
	for _, ending := range []string{"ing", "ed", "es", "s", "e"} {
		stem, cut := strings.CutSuffix(word, ending)
		if cut && len(stem) > exactLength && !strings.HasSuffix(word, "ss") {
			return stem
		}
	}
	return word
}

// excerpt returns the part of a text in which a word is.
func excerpt(whole, word string) string {
	at := strings.Index(text.Fold(whole), word)
	if at < 0 || at > len(whole) {
		at = 0
	}
	from := max(0, at-excerptLength/3)
	if i := strings.IndexByte(whole[from:], ' '); from > 0 && i >= 0 {
		from += i + 1
	}
	part := []rune(strings.ToValidUTF8(whole[from:], ""))
	if len(part) <= excerptLength {
		return string(part)
	}
	return fmt.Sprintf("%s …", strings.TrimRight(string(part[:excerptLength]), " "))
}

// common are words that say nothing about what somebody looks for.
var common = strings.Fields("a an and are as at be by can could do does for from has have how i if in is it its " +
	"long make me my need of on or our should so some that the their them then there this to use using want was we " +
	"what when where which who why will with without would you your")

// synonyms are groups of words for one thing. People who come from another product use theirs.
var synonyms = [][]string{
	{"rotate", "rotation", "regenerate", "refresh", "renew", "roll"},
	{"2fa", "mfa", "totp", "two-factor", "authenticator", "second factor", "phone"},
	{"unused", "inactive", "stale", "idle"},
	{"bill", "invoice", "metering", "charge", "statement"},
	{"customer", "subject", "consumer"},
	{"leak", "compromised", "stolen", "exposed"},
	{"delete", "remove"},
	{"disable", "deactivate", "suspend", "block"},
	{"revoke", "invalidate", "end"},
	{"limit", "quota", "throttle", "cap"},
	{"lifetime", "expire", "expiry", "expiration", "ttl"},
	{"ci", "pipeline", "program", "machine", "bot"},
	{"login", "signin", "sign-in", "sign in", "log in"},
	{"permission", "right", "privilege", "scope"},
	{"upgrade", "update"},
	{"migrate", "move", "transfer"},
	{"admin", "administrator"},
	{"company", "organization", "organisation", "account"},
	{"team", "project", "workspace", "tenant"},
	{"default", "initial"},
	{"lost", "lose", "forgotten"},
	{"postgres", "postgresql"},
}
