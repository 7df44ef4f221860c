package web

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"
)

func compressed(t *testing.T, content []byte) int {
	t.Helper()
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err == nil {
		_, err = z.Write(content)
	}
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Len()
}

// TestWeight holds the budgets: one style sheet of 10 kB, 8 kB of scripts, popups of 10 kB.
func TestWeight(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	scripts := 0
	for name, content := range s.a.Site.assets.byName {
		switch n := compressed(t, content); {
		case strings.HasSuffix(name, ".css") && n > 10<<10:
			t.Errorf("%s: %d bytes", name, n)
		case strings.HasSuffix(name, ".js"):
			scripts += n
		}
	}
	if scripts > 8<<10 {
		t.Errorf("%d bytes of scripts", scripts)
	}
	for path, most := range map[string]int{"/": 30, "/f/" + s.own.ID: 10, "/f/" + s.own.ID + "/done": 10, "/login": 10} {
		if n := compressed(t, []byte(s.browser().get(s.a.Base+path).Body)); n > most<<10 {
			t.Errorf("%s: %d bytes", path, n)
		}
	}
}

// TestStructure: every page says its language, has one heading of the first level, a name for each
// control, and no reference that leads nowhere.
func TestStructure(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.a.join("dora")
	browsers := map[string]*browser{"": s.browser()}
	for _, stop := range s.stops() {
		b, ok := browsers[stop.as]
		if !ok {
			b = s.browser().logIn(s.a, stop.as)
			browsers[stop.as] = b
		}
		b.from = ""
		b.get(s.a.Base + stop.path)
		for _, fault := range faults(b.Doc) {
			t.Errorf("%s: %s", stop.name, fault)
		}
	}
}

func faults(d *goquery.Document) (all []string) {
	fault := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	if d.Find("html[lang]").Length() != 1 || d.Find("title").Text() == "" || d.Find("meta[name=description]").Length() != 1 {
		fault("language, title or description is missing")
	}
	if n := d.Find("h1").Length(); n != 1 {
		fault("%d first headings", n)
	}
	if d.Find("main").Length() != 1 || d.Find("a.skip[href='#main']").Length() != 1 {
		fault("no way to skip to the content")
	}
	ids := map[string]bool{}
	d.Find("[id]").Each(func(_ int, e *goquery.Selection) {
		if id := e.AttrOr("id", ""); ids[id] {
			fault("id %s twice", id)
		} else {
			ids[id] = true
		}
	})
	for _, attribute := range []string{"for", "aria-describedby", "aria-labelledby"} {
		d.Find("[" + attribute + "]").Each(func(_ int, e *goquery.Selection) {
			for _, id := range strings.Fields(e.AttrOr(attribute, "")) {
				if !ids[id] {
					fault("%s=%s leads nowhere", attribute, id)
				}
			}
		})
	}
	d.Find("input:not([type=hidden]), textarea, select").Each(func(_ int, e *goquery.Selection) {
		if d.Find("label[for='"+e.AttrOr("id", "-")+"']").Length() == 0 && e.Closest("label").Length() == 0 {
			fault("input %s has no label", e.AttrOr("name", "?"))
		}
	})
	d.Find("button, a[href]").Each(func(_ int, e *goquery.Selection) {
		if strings.TrimSpace(e.Text()) == "" && e.AttrOr("aria-label", "") == "" && e.Find("img[alt]").Length() == 0 {
			fault("<%s> without a name", e.Nodes[0].Data)
		}
	})
	d.Find("img").Each(func(_ int, e *goquery.Selection) {
		if _, ok := e.Attr("alt"); !ok {
			fault("image without alt")
		}
	})
	d.Find("[style], style, script:not([src])").Each(func(_ int, e *goquery.Selection) { fault("inline style or script") })
	return all
}

var colour = regexp.MustCompile(`--([a-z0-9-]+): #([0-9a-f]{6})`)

// TestContrast computes what WCAG 1.4.3 asks of the palette, light and dark: 4.5 for text.
func TestContrast(t *testing.T) {
	css, err := staticFiles.ReadFile("static/app.css")
	if err != nil {
		t.Fatal(err)
	}
	light, dark, ok := strings.Cut(string(css), "prefers-color-scheme: dark")
	if !ok {
		t.Fatal("no dark palette")
	}
	for scheme, text := range map[string]string{"light": light, "dark": dark} {
		palette := map[string]float64{}
		for _, c := range colour.FindAllStringSubmatch(text, -1) {
			palette[c[1]] = luminance(t, c[2])
		}
		for _, pair := range []string{"ink paper", "ink sheet", "soft paper", "soft sheet", "brand paper", "brand sheet",
			"on-brand brand", "bad paper", "bad sheet", "bad bad-soft", "ink bad-soft", "good good-soft", "good paper", "good sheet",
			"accent sheet", "accent paper", "ink note", "ink brand-soft", "soft brand-soft", "paper bad"} {
			front, back, _ := strings.Cut(pair, " ")
			a, b := palette[front], palette[back]
			if ratio := (max(a, b) + 0.05) / (min(a, b) + 0.05); ratio < 4.5 {
				t.Errorf("%s: %s on %s is %.2f", scheme, front, back, ratio)
			}
		}
	}
}

// luminance is a colour's relative luminance (WCAG 2.2).
func luminance(t *testing.T, hex string) float64 {
	t.Helper()
	n, err := strconv.ParseUint(hex, 16, 32)
	if err != nil {
		t.Fatal(err)
	}
	part := func(shift uint) float64 {
		c := float64(n>>shift&0xff) / 255
		if c <= 0.04045 {
			return c / 12.92
		}
		return math.Pow((c+0.055)/1.055, 2.4)
	}
	return 0.2126*part(16) + 0.7152*part(8) + 0.0722*part(0)
}
