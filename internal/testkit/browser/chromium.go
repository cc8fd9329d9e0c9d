// Package browser drives a real Chromium in the tests of pages. It is the only package that imports
// chromedp.
//
// All tests of a package share one Chromium, and each test has tabs of its own, with their own
// cookies. A package that uses it has
//
//	func TestMain(m *testing.M) { os.Exit(browser.Main(m)) }
//
// and a test reads as what a person does:
//
//	tab := browser.Open(t, server.URL)
//	tab.Visit("/sign-in")
//	tab.Fill("E-mail", "eve@claviger.example")
//	tab.Follow(browser.Button("Sign in"))
//	tab.See("Your keys")
//	tab.ExpectAccessible(browser.AllRules)
//
// A test fails if its pages write an error to the console, break the Content-Security-Policy, open
// a dialog, lack a file, or request anything from another origin, which gets no answer.
//
// The files:
//
//	chromium.go  the one Chromium of a package, the flag -screenshots
//	tab.go       Tab: open a page, in a size and a colour scheme, read it, take a screenshot
//	element.go   find elements as people and screen readers do, click, fill, press keys
//	watch.go     what must not happen while a page is open
//	layout.go    what is wider than the page
//	axe.go       accessibility, with axe-core
package browser

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"
)

var screenshots = flag.String("screenshots", "", "the folder for the screenshots of tests; none are taken without it")

// Domain is a domain all of whose names lead to this machine in Chromium. To a browser, an address
// such as http://keys.claviger.test is not loopback, so that it gets no special rights.
const Domain = "claviger.test"

// Main runs the tests of a package, then ends the Chromium that they started. It returns the exit
// code.
func Main(m *testing.M) int {
	inMain = true
	defer func() { end() }()
	return m.Run()
}

var (
	// inMain is set while Main runs.
	inMain bool
	// end ends the Chromium.
	end = func() {}
)

// start starts the Chromium of this package at the first call.
var start = sync.OnceValues(func() (context.Context, error) {
	if !inMain {
		return nil, errors.New("nothing would end Chromium: call browser.Main in TestMain")
	}
	program, err := exec.LookPath("chromium")
	if err != nil {
		return nil, fmt.Errorf("%w: run scripts/need-chromium, or `make test-programs`", err)
	}
	folder, err := os.MkdirTemp("", "claviger-browser-")
	if err != nil {
		return nil, err
	}
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options(program, folder)...)
	ctx, cancel := chromedp.NewContext(allocator)
	end = func() {
		cancel()
		stop() // waits for the process
		os.RemoveAll(folder)
	}
	return ctx, chromedp.Do(ctx)
})

// options returns how Chromium is started: without a window, in an empty folder, and without any
// request of its own.
func options(program, folder string) []chromedp.ExecAllocatorOption {
	list := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(program), chromedp.UserDataDir(folder), chromedp.Env("HOME=" + folder),
		chromedp.Flag("host-resolver-rules", "MAP *."+Domain+" 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"),
	}
	for _, name := range []string{
		"headless", "no-sandbox", "disable-quic", "no-first-run", "disable-background-networking",
		"disable-component-update", "disable-sync", "hide-scrollbars",
		// Debian's Chromium is started with what needs a graphics processor, or emulates one.
		"disable-gpu", "disable-gpu-rasterization", "disable-software-rasterizer",
	} {
		list = append(list, chromedp.Flag(name, true))
	}
	return list
}
