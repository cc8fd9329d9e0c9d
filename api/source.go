package api

import "embed"

// Source is the text of this package: the comments on its types and members are what the OpenAPI document says of them.
//
//go:embed *.go
var Source embed.FS
