// Package embed is what stands on other people's pages: the <flattr-button> script, the badge for
// places without JavaScript, and the one way in which both write counts.
//
// The script is a single file without a build, to be linked or copied. It keeps to what measuring
// taught: styles by adoptedStyleSheets and nodes by createElement, so that a page's strict
// Content-Security-Policy and Trusted Types hold; no cookie, no storage, no frame; counts are asked
// without credentials; the window is opened inside the click, because browsers block it later. A
// test keeps it below 3 kB compressed.
package embed

import (
	_ "embed"
	"strconv"
)

// Script is the <flattr-button> element.
//
//go:embed button.js
var Script []byte

// Compact writes a count: grouped digits below 100,000, then one decimal, rounded down, with k and M
// in English and Tsd. and Mio. in German. The script follows the same rule.
func Compact(lang string, n int64) string {
	point, group, thousand, million := ".", ",", "k", "M"
	if lang == "de" {
		point, group, thousand, million = ",", ".", " Tsd.", " Mio."
	}
	switch {
	case n < 100_000:
		return grouped(n, group)
	case n < 1_000_000:
		return tenths(n/100, point) + thousand
	default:
		return tenths(n/100_000, point) + million
	}
}

func grouped(n int64, group string) string {
	digits := strconv.FormatInt(n, 10)
	if len(digits) <= 3 {
		return digits
	}
	return digits[:len(digits)-3] + group + digits[len(digits)-3:]
}

func tenths(n int64, point string) string {
	whole := strconv.FormatInt(n/10, 10)
	if n%10 == 0 {
		return whole
	}
	return whole + point + strconv.FormatInt(n%10, 10)
}

// Badge draws the button as an image, with a count or, for "", without. The count must be what
// Compact writes: nothing of it is escaped.
func Badge(count string) []byte {
	width, title, counted := 78, "Flattr", ""
	if count != "" {
		box := 14 + 8*len(count)
		width, title = width+box, "Flattr: "+count
		counted = `<path fill="#fbf8f2" d="M78 1h` + strconv.Itoa(box-4) + `a3 3 0 0 1 3 3v20a3 3 0 0 1-3 3h-` +
			strconv.Itoa(box-4) + `z"/><text x="` + strconv.Itoa(77+box/2) +
			`" y="18.5" text-anchor="middle" fill="#12393e">` + count + `</text>`
	}
	w := strconv.Itoa(width)
	return []byte(`<svg xmlns="http://www.w3.org/2000/svg" width="` + w + `" height="28" viewBox="0 0 ` + w +
		` 28" role="img" aria-label="` + title + `"><title>` + title + `</title>` +
		`<rect width="` + w + `" height="28" rx="4" fill="#0d5560"/>` + mark +
		`<g font-family="Verdana,DejaVu Sans,sans-serif" font-size="12" font-weight="700">` +
		`<text x="30" y="18.5" fill="#fff">Flattr</text>` + counted + `</g></svg>`)
}

// mark is an F of equal blocks, one of them given away.
const mark = `<path fill="#fff" d="M9 7h4v4H9zM14 7h4v4h-4zM19 7h4v4h-4zM9 12h4v4H9zM9 17h4v4H9z"/>` +
	`<path fill="#f2a26b" d="M14 12h4v4h-4z"/>`
