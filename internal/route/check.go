package route

import (
	"fmt"
	"net/textproto"
	"regexp"
	"slices"
	"strings"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/metadata"
)

// The bounds of a rule.
const (
	// MaxMethods, MaxScopes and MaxHeaders are how many of each a rule lists at most.
	MaxMethods = 16
	MaxScopes  = 64
	MaxHeaders = 16
)

var (
	methodName = regexp.MustCompile(`^[A-Z][A-Z0-9_-]*$`)
	headerName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9-]*$`)
)

// The maximum lengths of a method, and of the names of headers, entries and parameters.
const (
	maxMethod = 32
	maxName   = 64
)

// dialects are the names of the dialects in which a refusal can be written.
var dialects = []string{"blazemeter", "loadrunner", "blazeauth", "blancco"}

// reservedHeaders are headers that a rule cannot set: credentials, and what proxies and servers use
// to find the end of a message, the connection or the API.
var reservedHeaders = []string{
	"Authorization", "Cookie", "Host", "Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization",
	"Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade", "Expect", "Forwarded", "Set-Cookie",
	"Www-Authenticate",
}

// reservedPrefixes begin the names of headers that a rule cannot set.
var reservedPrefixes = []string{"X-Claviger-", "Content-", "X-Forwarded-", "X-Original-", "X-Envoy-", "Sec-"}

// check returns what is wrong with the rule alone.
func (r *Rule) check() []fault.Field {
	var fields []fault.Field
	add := func(name, code, message string) {
		fields = append(fields, fault.Field{Name: name, Code: code, Message: message})
	}
	if r.Path.segments == nil {
		add("path", "required", "Write the path that the rule is about.")
	}
	r.checkMethods(add)
	r.checkScopes(add)
	r.checkApplication(add)
	r.checkHeaders(add)
	if r.Dialect != "" && !slices.Contains(dialects, r.Dialect) {
		add("dialect", "unknown", "Use one of "+strings.Join(dialects, ", ")+".")
	}
	if !r.Public {
		return fields
	}
	for _, demand := range []struct {
		name string
		set  bool
	}{
		{"scopes", len(r.Scopes) > 0},
		{"application", r.Application != ApplicationSource{}},
		{"all_applications", r.AllApplications},
		{"session_only", r.SessionOnly},
		{"headers", len(r.Headers) > 0},
		{"tenant", r.Tenant != ""},
	} {
		if demand.set {
			add(demand.name, "contradiction", "A public rule reads no credential, so it has no "+demand.name+".")
		}
	}
	return fields
}

type addField = func(name, code, message string)

func (r *Rule) checkMethods(add addField) {
	if len(r.Methods) > MaxMethods {
		add("methods", "too_many", fmt.Sprintf("List at most %d methods, or none for every method.", MaxMethods))
		return
	}
	for i, m := range r.Methods {
		name := fmt.Sprintf("methods.%d", i)
		if len(m) > maxMethod || !methodName.MatchString(m) {
			add(name, "invalid", "Write a method in upper case, for example GET.")
		} else if slices.Contains(r.Methods[:i], m) {
			add(name, "duplicate", "List each method once.")
		}
	}
}

func (r *Rule) checkScopes(add addField) {
	if len(r.Scopes) > MaxScopes {
		add("scopes", "too_many", fmt.Sprintf("List at most %d scopes.", MaxScopes))
		return
	}
	if r.AnyScope && len(r.Scopes) == 0 {
		add("scopes", "required", "List the scopes of which one is needed.")
	}
	for i, s := range r.Scopes {
		name := fmt.Sprintf("scopes.%d", i)
		if !s.Valid() {
			add(name, "invalid", "Write a scope as resource:action, in lower case.")
		} else if slices.Contains(r.Scopes[:i], s) {
			add(name, "duplicate", "List each scope once.")
		}
	}
}

func (r *Rule) checkApplication(add addField) {
	source := r.Application
	given := 0
	for _, text := range []string{source.ID, source.Path, source.Query, source.Header} {
		if text != "" {
			given++
		}
	}
	if given > 1 {
		add("application", "contradiction", "Name one application, or one of path, query and header.")
		return
	}
	if source.Header != "" && (len(source.Header) > maxName || !headerName.MatchString(source.Header)) {
		add("application.header", "invalid", "Name a header with letters, digits and hyphens.")
	}
	if source.Path == "" || r.Path.segments == nil {
		return
	}
	index := r.Path.index(source.Path)
	if index < 0 || r.Path.segments[index].kind != parameter {
		add("application.path", "unknown", "Name a parameter of the rule's path: {name}, not {name...}.")
	}
}

func (r *Rule) checkHeaders(add addField) {
	if len(r.Headers) > MaxHeaders {
		add("headers", "too_many", fmt.Sprintf("Set at most %d headers.", MaxHeaders))
		return
	}
	for i, h := range r.Headers {
		name := "headers." + h.Name
		canonical := textproto.CanonicalMIMEHeaderKey(h.Name)
		same := func(other Header) bool { return textproto.CanonicalMIMEHeaderKey(other.Name) == canonical }
		begins := func(prefix string) bool { return strings.HasPrefix(canonical, prefix) }
		reserved := slices.ContainsFunc(reservedPrefixes, begins)
		switch {
		case len(h.Name) > maxName || !headerName.MatchString(h.Name):
			add(name, "invalid", "Name a header with letters, digits and hyphens.")
		case reserved || slices.Contains(reservedHeaders, canonical):
			add(name, "reserved", "A rule cannot set this header. Use a name of your own, such as X-Plan-Tier.")
		case slices.ContainsFunc(r.Headers[:i], same):
			add(name, "duplicate", "Set each header once.")
		case len(h.Path) == 0 || len(h.Path) > metadata.MaxDepth || !validNames(h.Path):
			add(name, "invalid", fmt.Sprintf("Write key. or owner. and the names of 1 to %d members of the metadata.",
				metadata.MaxDepth))
		}
	}
}

// validNames reports whether each name can be one of a member of metadata. A name with a dot cannot
// be written in a rule.
func validNames(path []string) bool {
	return !slices.ContainsFunc(path, func(name string) bool {
		return !metadata.ValidName(name) || strings.Contains(name, ".")
	})
}
