package console

import (
	"net/http"
	"strings"

	"github.com/claviger-dev/claviger/internal/console/view"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/web"
)

// problemWriter writes pages about failures. A client that asks for no page gets a problem
// document.
type problemWriter struct{ console *Console }

// WriteError implements web.ErrorWriter.
func (p problemWriter) WriteError(w http.ResponseWriter, r *http.Request, f web.Failure) {
	problems := web.ProblemWriter{Authenticator: p.console.Middleware.Authenticator}
	if !strings.Contains(r.Header.Get("Accept"), "text/html") {
		problems.WriteError(w, r, f)
		return
	}
	page := view.Problem{
		Status: f.Status, Heading: f.Title, Detail: f.Detail, Code: string(f.Kind), RequestID: f.RequestID,
		CodePath: "/docs/errors/" + string(f.Kind), Next: []view.Link{{Text: "My API keys", Path: "/settings/keys"}},
	}
	for _, field := range f.Fields {
		page.Faults = append(page.Faults, view.Fault{Field: field.Name, Message: field.Message})
	}
	switch f.Kind {
	case fault.NotFound:
		page.Heading = "Page not found"
		page.Detail = "Page not found, or you do not have access to it."
	case fault.Unavailable:
		page.Heading = "Claviger is temporarily unavailable"
		page.Detail = "Try again in a few seconds."
		if r.Method == http.MethodPost {
			page.Detail = "What you sent may have been done or not. Reload this page to send the same form again: it " +
				"is not done twice. Or look at the list of your keys first."
		}
	}
	// The page has no frame of a person: what failed may be what the frame needs.
	frame := view.Frame{Title: page.Heading, Theme: view.ThemeOf(r), Version: p.console.Version, Zone: "UTC"}
	if writePage(w, f.Status, frame, page) != nil {
		problems.WriteError(w, r, f)
	}
}
