package view

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"path"
	"strings"
	"sync"
)

//go:embed assets
var assetFiles embed.FS

// Asset is a file that every page loads. Its path contains a digest of its content, so that
// browsers keep it.
type Asset struct {
	Path, ContentType string
	Content           []byte
	// Compressed returns the content by gzip.
	Compressed func() []byte
}

// AssetPrefix begins the paths of assets.
const AssetPrefix = "/assets"

// assets returns the assets by file name. They are read when a server first needs them: most
// commands show no page.
var assets = sync.OnceValue(readAssets)

// assetTypes are the media types by the end of the name.
var assetTypes = map[string]string{
	".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml",
}

func readAssets() map[string]Asset {
	all := map[string]Asset{}
	entries, err := fs.ReadDir(assetFiles, "assets")
	if err != nil {
		panic("view: " + err.Error())
	}
	for _, e := range entries {
		content, err := assetFiles.ReadFile("assets/" + e.Name())
		if err != nil {
			panic("view: " + err.Error())
		}
		end := path.Ext(e.Name())
		sum := sha256.Sum256(content)
		name := strings.TrimSuffix(e.Name(), end) + "-" + hex.EncodeToString(sum[:6]) + end
		all[e.Name()] = Asset{
			Path: AssetPrefix + "/" + name, ContentType: assetTypes[end],
			Content: content, Compressed: sync.OnceValue(func() []byte { return compress(content) }),
		}
	}
	return all
}

func compress(content []byte) []byte {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err == nil {
		_, err = w.Write(content)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		panic("view: " + err.Error()) // a buffer takes everything
	}
	return b.Bytes()
}

// AssetPath returns the path of an asset by the name of its file.
func AssetPath(name string) string { return assets()[name].Path }

// Assets returns all assets by their paths.
func Assets() map[string]Asset {
	byPath := map[string]Asset{}
	for _, a := range assets() {
		byPath[a.Path] = a
	}
	return byPath
}
