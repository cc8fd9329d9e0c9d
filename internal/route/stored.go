package route

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/claviger-dev/claviger/internal/scope"
)

// storedRule is the form in which a rule of an application is stored. It has no members for what
// only the operator's file can say.
type storedRule struct {
	Methods         []string       `json:"methods,omitempty"`
	Path            string         `json:"path"`
	Scopes          []scope.Scope  `json:"scopes,omitempty"`
	AnyScope        bool           `json:"any_scope,omitempty"`
	Application     *storedSource  `json:"application,omitempty"`
	AllApplications bool           `json:"all_applications,omitempty"`
	SessionOnly     bool           `json:"session_only,omitempty"`
	Headers         []storedHeader `json:"headers,omitempty"`
}

// storedSource is an [ApplicationSource].
type storedSource struct {
	ID     string `json:"id,omitempty"`
	Path   string `json:"path,omitempty"`
	Query  string `json:"query,omitempty"`
	Header string `json:"header,omitempty"`
}

// storedHeader is a header with what [ParseHeader] reads.
type storedHeader struct {
	Name string `json:"name"`
	From string `json:"from"`
}

// Encode returns rules of an application as they are stored; "" for none. Equal rules have equal
// texts.
func Encode(rules []Rule) string {
	if len(rules) == 0 {
		return ""
	}
	list := make([]storedRule, len(rules))
	for i, r := range rules {
		list[i] = storedRule{
			Methods: r.Methods, Path: r.Path.Text, Scopes: r.Scopes, AnyScope: r.AnyScope,
			AllApplications: r.AllApplications, SessionOnly: r.SessionOnly,
		}
		if r.Application != (ApplicationSource{}) {
			source := storedSource(r.Application)
			list[i].Application = &source
		}
		for _, h := range r.Headers {
			list[i].Headers = append(list[i].Headers, storedHeader{h.Name, h.Text()})
		}
	}
	text, err := json.Marshal(list)
	if err != nil {
		panic("route: " + err.Error()) // texts and lists of texts can be encoded
	}
	return string(text)
}

// Decode reads stored rules. source is what the rules belong to: "application app_…". It returns an
// error for anything that Encode does not write, because a rule that is skipped could let requests
// pass.
func Decode(text, source string) ([]Rule, error) {
	if text == "" {
		return nil, nil
	}
	decoder := json.NewDecoder(bytes.NewReader([]byte(text)))
	decoder.DisallowUnknownFields()
	var list []storedRule
	if err := decoder.Decode(&list); err != nil {
		return nil, fmt.Errorf("the stored rules of %s: %w", source, err)
	}
	rules := make([]Rule, len(list))
	for i, s := range list {
		r, err := s.rule()
		if err != nil {
			return nil, fmt.Errorf("the stored rules of %s: rule %d: %w", source, i+1, err)
		}
		r.Source = fmt.Sprintf("%s, rule %d", source, i+1)
		rules[i] = r
	}
	return rules, nil
}

func (s storedRule) rule() (Rule, error) {
	r := Rule{
		Methods: s.Methods, Scopes: s.Scopes, AnyScope: s.AnyScope,
		AllApplications: s.AllApplications, SessionOnly: s.SessionOnly,
	}
	var err error
	r.Path, err = ParsePattern(s.Path)
	if err != nil {
		return Rule{}, err
	}
	if s.Application != nil {
		r.Application = ApplicationSource(*s.Application)
	}
	for _, stored := range s.Headers {
		h, err := ParseHeader(stored.Name, stored.From)
		if err != nil {
			return Rule{}, err
		}
		r.Headers = append(r.Headers, h)
	}
	return r, nil
}

// About returns the rules of an application, where those that name no application are about it.
func About(application string, rules []Rule) []Rule {
	for i := range rules {
		if rules[i].Application == (ApplicationSource{}) {
			rules[i].Application.ID = application
		}
	}
	return rules
}
