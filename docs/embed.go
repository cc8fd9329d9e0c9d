// Package docs has the documents as files, for the guide that a running server shows.
package docs

import "embed"

// Files are the documents, with the configurations of reverse proxies in integrations.
//
//go:embed *.md integrations
var Files embed.FS
