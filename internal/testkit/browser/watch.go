package browser

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/chromedp/cdproto/fetch"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// Faults returns what happened in the tab that must not happen, and forgets it. A test that expects
// a fault calls it.
func (tab *Tab) Faults() []string {
	tab.t.Helper()
	read[bool](tab, `true`) // the events before its answer have arrived
	tab.mu.Lock()
	defer tab.mu.Unlock()
	faults := tab.faults
	tab.faults = nil
	return faults
}

func (tab *Tab) fault(format string, args ...any) {
	tab.mu.Lock()
	defer tab.mu.Unlock()
	tab.faults = append(tab.faults, fmt.Sprintf(format, args...))
}

// watch gets every event of the tab, one after the other. It must not wait for the tab.
func (tab *Tab) watch(event any) {
	switch e := event.(type) {
	case *fetch.EventRequestPaused:
		go tab.admit(e)
	case *log.EventEntryAdded:
		// Failed requests are reported below. A page may have any status.
		if e.Entry.Level == log.EntryLevelError && e.Entry.Source != log.EntrySourceNetwork {
			tab.fault("console: %s: %s", e.Entry.Source, e.Entry.Text)
		}
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeAssert {
			tab.fault("console: %s", describe(e.Args))
		}
	case *runtime.EventExceptionThrown:
		tab.fault("script: %s", exception(e.ExceptionDetails))
	case *network.EventResponseReceived:
		if e.Response.Status >= 400 && isFile(e) {
			tab.fault("%s %s: %d", e.Type, e.Response.URL, e.Response.Status)
		}
	case *network.EventWebSocketCreated:
		tab.fault("a WebSocket to %s", e.URL)
	case *page.EventJavascriptDialogOpening:
		tab.fault("a dialog: %s", e.Message)
		go chromedp.Call(tab.ctx, page.HandleJavaScriptDialog, page.HandleJavaScriptDialogParams{Accept: true})
	}
}

// admit lets a request pass if it is to the server under test. Others get no answer.
func (tab *Tab) admit(e *fetch.EventRequestPaused) {
	if tab.mayRequest(e.Request.URL) {
		// An error means that the tab no longer waits for the answer.
		_, _ = chromedp.Call(tab.ctx, fetch.ContinueRequest, fetch.ContinueRequestParams{RequestID: e.RequestID})
		return
	}
	tab.fault("a request to %s (%s)", e.Request.URL, e.ResourceType)
	_, _ = chromedp.Call(tab.ctx, fetch.FailRequest,
		fetch.FailRequestParams{RequestID: e.RequestID, ErrorReason: network.ErrorReasonBlockedByClient})
}

func (tab *Tab) mayRequest(address string) bool {
	u, err := url.Parse(address)
	if err != nil {
		return false
	}
	local := u.Scheme == "data" || u.Scheme == "blob" || u.Scheme == "about"
	return local || u.Scheme+"://"+u.Host == tab.origin
}

// isFile reports whether the response is for a file that the page needs to be shown. Pages
// themselves, and what scripts fetch, may have any status. Chromium asks for an icon on its own.
func isFile(e *network.EventResponseReceived) bool {
	switch e.Type {
	case network.ResourceTypeDocument, network.ResourceTypeXHR, network.ResourceTypeFetch:
		return false
	case network.ResourceTypeOther:
		return !strings.HasSuffix(e.Response.URL, "/favicon.ico")
	}
	return true
}

func exception(e *runtime.ExceptionDetails) string {
	if e.Exception != nil && e.Exception.Description != "" {
		return e.Exception.Description
	}
	return e.Text
}

// describe returns the arguments of a call of the console.
func describe(args []*runtime.RemoteObject) (text string) {
	for i, arg := range args {
		if i > 0 {
			text += " "
		}
		if arg.Description != "" {
			text += arg.Description
		} else {
			text += string(arg.Value)
		}
	}
	return text
}
