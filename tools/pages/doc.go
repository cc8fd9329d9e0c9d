// Package pages tests the pages of a running server in Chromium: what axe-core finds, what is wider
// than a narrow screen, errors in the console, and requests to anything but the server.
package pages
