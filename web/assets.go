package web

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"

	"github.com/fedflattr/flattrd/ledger"
)

//go:embed static
var staticFiles embed.FS

// assets are the static files, each under a name that holds the hash of its content, so that
// browsers may keep it for ever.
type assets struct {
	byName map[string][]byte // app.3f2a….css
	names  map[string]string // app.css -> app.3f2a….css
}

func loadAssets() (assets, error) {
	a := assets{byName: map[string][]byte{}, names: map[string]string{}}
	files, err := fs.ReadDir(staticFiles, "static")
	if err != nil {
		return a, err
	}
	for _, f := range files {
		content, err := staticFiles.ReadFile("static/" + f.Name())
		if err != nil {
			return a, err
		}
		sum := sha256.Sum256(content)
		ext := path.Ext(f.Name())
		hashed := strings.TrimSuffix(f.Name(), ext) + "." + hex.EncodeToString(sum[:6]) + ext
		a.byName[hashed], a.names[f.Name()] = content, hashed
	}
	return a, nil
}

// path is where a static file is served; a name that isn't there is an error of the template.
func (a assets) path(name string) (string, error) {
	hashed, ok := a.names[name]
	if !ok {
		return "", &fs.PathError{Op: "asset", Path: name, Err: fs.ErrNotExist}
	}
	return "/static/" + hashed, nil
}

func (s *Site) static(w http.ResponseWriter, r *http.Request, _ visit) error {
	name := param(r, "file")
	content, ok := s.assets.byName[name]
	if !ok {
		return ledger.ErrNotFound
	}
	w.Header().Set("Content-Type", mime.TypeByExtension(path.Ext(name)))
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	_, err := w.Write(content)
	return err
}

// favicon answers the path that browsers try unasked; pages name the SVG themselves.
func (s *Site) favicon(w http.ResponseWriter, _ *http.Request, _ visit) error {
	w.Header().Set("Content-Type", "image/svg+xml")
	w.Header().Set("Cache-Control", "public, max-age=86400")
	_, err := w.Write(s.assets.byName[s.assets.names["icon.svg"]])
	return err
}

// robots lets people be found by their profile and things, and keeps crawlers off what is personal
// or asks other instances.
func (s *Site) robots(w http.ResponseWriter, _ *http.Request, _ visit) error {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "public, max-age=86400")
	_, err := w.Write([]byte("User-agent: *\nDisallow: /intents/\nDisallow: /admin\nDisallow: /login\nDisallow: /join\nDisallow: /waiting\n"))
	return err
}
