package web

import (
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/fedflattr/flattrd/ledger"
	"github.com/fedflattr/flattrd/web/embed"
)

// countAge: a count may be half a minute old for readers; who has just clicked asks past the cache.
const countAge = "public, max-age=30, stale-while-revalidate=600, stale-if-error=86400"

func (s *Site) count(w http.ResponseWriter, r *http.Request, _ visit) error {
	b, err := s.ledger.Button(r.Context(), param(r, "id"))
	if err != nil {
		return err
	}
	return sendCount(w, r, b)
}

func (s *Site) countByURL(w http.ResponseWriter, r *http.Request, _ visit) error {
	b, err := s.byOwnerURL(r)
	if err != nil {
		return err
	}
	return sendCount(w, r, b)
}

// sendCount answers {"n":41,"s":"active"}: nothing in it is about the reader.
func sendCount(w http.ResponseWriter, r *http.Request, b ledger.Button) error {
	state := "active"
	if b.RemovedAt != nil {
		state = "inactive"
	}
	n := strconv.FormatInt(b.Flattrs, 10)
	tag := `"` + n + state[:1] + `"`
	w.Header().Set("ETag", tag)
	w.Header().Set("Cache-Control", countAge)
	if r.Header.Get("If-None-Match") == tag {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	w.Header().Set("Content-Type", "application/json")
	_, err := w.Write([]byte(`{"n":` + n + `,"s":"` + state + `"}`))
	return err
}

func (s *Site) badge(w http.ResponseWriter, r *http.Request, _ visit) error {
	b, err := s.ledger.Button(r.Context(), param(r, "id"))
	return s.sendBadge(w, b, err)
}

func (s *Site) badgeByURL(w http.ResponseWriter, r *http.Request, _ visit) error {
	b, err := s.byOwnerURL(r)
	return s.sendBadge(w, b, err)
}

// sendBadge draws a button with its count; one that doesn't exist is drawn without, because a
// broken image on somebody's page helps nobody.
func (s *Site) sendBadge(w http.ResponseWriter, b ledger.Button, err error) error {
	count := ""
	switch {
	case err == nil && b.RemovedAt == nil:
		count = embed.Compact("en", b.Flattrs)
	case err != nil && !errors.Is(err, ledger.ErrNotFound):
		return err
	}
	w.Header().Set("Content-Type", "image/svg+xml")
	w.Header().Set("Cache-Control", "public, max-age=300, stale-while-revalidate=3600")
	_, err = w.Write(embed.Badge(count))
	return err
}

// embedScript is the button. Its address stays, so it is kept for an hour only.
func (s *Site) embedScript(w http.ResponseWriter, _ *http.Request, _ visit) error {
	w.Header().Set("Content-Type", "text/javascript; charset=utf-8")
	w.Header().Set("Cache-Control", "public, max-age=3600, stale-while-revalidate=86400")
	_, err := w.Write(embed.Script)
	return err
}

// compact is a count for reading.
func (sp *speech) compact(n int64) string { return embed.Compact(sp.lang, n) }

// plain is an amount as it is typed into a form.
func (sp *speech) plain(micro int64) string {
	text := ledger.FormatPlain(micro)
	if sp.lang == "de" {
		return strings.Replace(text, ".", ",", 1)
	}
	return text
}
