package view

import (
	"html/template"
	"net/http"
)

// Frame is what is around every page.
type Frame struct {
	// Title is that of the page, as its heading says it.
	Title string
	// Failed is set if the page shows a form again, with what is wrong in it.
	Failed bool
	// Theme is "light" or "dark"; "" for that of the system.
	Theme string
	// Person is who is signed in; nil for a page before the sign-in.
	Person *Person
	// Where is the tenant of the page; nil for a page of no tenant.
	Where *TenantLink
	// Accounts are those whose tenants the person can go to.
	Accounts []AccountLinks
	Nav      []NavGroup
	// Message is what the last action did; nil for none.
	Message *Message
	// Narrow is set for forms.
	Narrow bool
	// Version is that of the program, and Zone that of all times.
	Version, Zone string
	// Main is the page.
	Main template.HTML
}

// Person is who is signed in.
type Person struct {
	Name, Email, Initials string
	// Avatar is the path of their picture; "" for none, and the initials are shown.
	Avatar string
}

// AccountLinks are the tenants of an account.
type AccountLinks struct {
	Name    string
	Tenants []TenantLink
}

// TenantLink leads to a tenant.
type TenantLink struct {
	ID                        string
	Name, Account, Role, Path string
	Current                   bool
}

// NavGroup is a part of the sidebar.
type NavGroup struct {
	Heading, Kind string
	Items         []NavItem
}

// NavItem is a page in the sidebar. Its Icon is "" for none.
type NavItem struct {
	Label, Path, Icon string
	// Count is "" for none. Warn is set for a count of what needs attention.
	Count   string
	Warn    bool
	Current bool
}

// Message says what happened. Tone is ok, warn, bad or info.
type Message struct{ Tone, Icon, Text string }

// Link is a link with its text.
type Link struct{ Text, Path string }

// Tab is one of several lists.
type Tab struct {
	Link
	Current bool
	// Count says how many are behind it; "" for nothing.
	Count string
}

// When is a time as people read it, and exactly.
type When struct {
	// Text is "4 min ago" or "26 Feb 2027".
	Text string
	// Exact is the time in UTC, in full, and ISO in RFC 3339. Both are "" where Text is no time.
	Exact, ISO string
}

// Field is a hidden field of a form.
type Field struct{ Name, Value string }

// Fault is what is wrong with a field of a form.
type Fault struct{ Field, Message string }

// Faults are what is wrong with a form.
type Faults []Fault

// At returns the message for a field; "" for none.
func (f Faults) At(field string) string {
	for _, one := range f {
		if one.Field == field {
			return one.Message
		}
	}
	return ""
}

// ThemeCookie is the cookie with the theme that a person chose.
const ThemeCookie = "theme"

// ThemeOf returns the theme that a person chose; "" for that of the system.
func ThemeOf(r *http.Request) string {
	c, err := r.Cookie(ThemeCookie)
	if err == nil && (c.Value == "light" || c.Value == "dark") {
		return c.Value
	}
	return ""
}
