package web

import (
	"bytes"
	"embed"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/fedflattr/flattrd/ledger"
)

//go:embed all:templates
var templates embed.FS

// pageSet is every page of one language, each with its layout.
type pageSet map[string]*template.Template

// page is what every template is given; Data is the page's own.
type page struct {
	Instance ledger.Instance
	Lang     string
	Path     string // of this page, for the language form to come back to
	Member   *ledger.Member
	Operator bool
	Popup    bool
	Notice   string
	Test     *time.Time // the clock's time, in test instances
	Status   int
	Data     any
}

// parsePages parses each page once per language, so that {{t "key"}} knows its language.
func (s *Site) parsePages() (map[string]pageSet, error) {
	files, err := fs.Glob(templates, "templates/*.html")
	if err != nil {
		return nil, err
	}
	all := make(map[string]pageSet, len(languages))
	for _, lang := range languages {
		set := pageSet{}
		for _, file := range files {
			name := strings.TrimSuffix(path.Base(file), ".html")
			if strings.HasPrefix(name, "_") {
				continue
			}
			t := template.New(name).Funcs(s.funcs(s.words[lang]))
			if set[name], err = t.ParseFS(templates, "templates/_*.html", file); err != nil {
				return nil, err
			}
		}
		all[lang] = set
	}
	return all, nil
}

// funcs are the templates' words, bound to one language.
func (s *Site) funcs(sp *speech) template.FuncMap {
	code := s.ledger.Instance().Currency
	return template.FuncMap{
		"t":           sp.say,
		"tn":          sp.count,
		"reason":      sp.reason,
		"rule":        sp.rule,
		"money":       func(micro int64) template.HTML { return sp.money.html(micro, code) },
		"sum":         func(micro int64) string { return sp.money.text(micro, code) },
		"day":         sp.timeTag,
		"date":        sp.day,
		"month":       sp.month,
		"host":        hostOf,
		"handle":      handleOf,
		"web":         s.webLink,
		"asset":       s.assets.path,
		"input":       newInput,
		"hue":         hue,
		"compact":     sp.compact,
		"list":        func(items ...any) []any { return items },
		"sub":         func(a, b int64) int64 { return a - b },
		"cycle":       func(i int) int { return i % hues },
		"under":       under,
		"symbol":      func() string { return symbol(code, sp.lang) },
		"plain":       sp.plain,
		"percent":     sp.percent,
		"filled":      filled,
		"legible":     legible,
		"fingerprint": s.fingerprint,
		"peerpath":    peerPath,
		"faulty":      func(f form) bool { return len(f.Errors) > 0 },
	}
}

// legible is a name or title without what can't be seen (ledger.Legible): other instances may send
// anything. What has nothing else is a dash.
func legible(line string) string {
	if seen := strings.TrimSpace(ledger.Visible(line)); seen != "" {
		return seen
	}
	return "–"
}

// under tells whether a page belongs to a link of the navigation.
func under(page, href string) bool {
	page, _, _ = strings.Cut(page, "?")
	return page == href || strings.HasPrefix(page, href+"/")
}

// render writes a page. It is built in memory first, so that a fault leaves no half page.
func (s *Site) render(w http.ResponseWriter, r *http.Request, v visit, status int, name string, data any) error {
	p := page{Instance: s.ledger.Instance(), Lang: v.lang, Path: r.URL.RequestURI(), Member: v.member,
		Operator: v.operator(), Popup: v.frame == popupFrame, Status: status, Data: data}
	if v.frame.personal() {
		p.Notice = s.sessions.PopString(r.Context(), sessionNotice)
	}
	if s.test != nil {
		now := s.ledger.Now()
		p.Test = &now
	}
	var b bytes.Buffer
	if err := s.pages[v.lang][name].ExecuteTemplate(&b, "layout", p); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Language", v.lang)
	w.WriteHeader(status)
	_, err := b.WriteTo(w)
	return err
}

// show renders a page that is all right.
func (s *Site) show(w http.ResponseWriter, r *http.Request, v visit, name string, data any) error {
	return s.render(w, r, v, http.StatusOK, name, data)
}
