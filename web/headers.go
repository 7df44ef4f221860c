package web

import (
	"net/http"
	"net/url"
	"strings"
)

// frame is how a route's answers may be used by other pages; it decides the security headers.
type frame int

const (
	pageFrame  frame = iota + 1 // ours alone
	popupFrame                  // opened by other sites, and redirecting to other instances
	embedFrame                  // read by other sites: script, badge, counts
	assetFrame                  // styles and scripts of our own pages
)

// policy is a page's Content-Security-Policy but for form-action. Nothing inline, nothing foreign.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; form-action "

// secure sets the headers that hold for every answer of a frame, errors included.
func (s *Site) secure(f frame, h http.Header) {
	h.Set("X-Content-Type-Options", "nosniff")
	if s.https() {
		h.Set("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
	}
	// Same-origin, not no-referrer: under no-referrer browsers send "Origin: null" with our own
	// forms, and those without Sec-Fetch-Site would fail the cross-origin check.
	h.Set("Referrer-Policy", "same-origin")
	switch f {
	case pageFrame:
		h.Set("Content-Security-Policy", policy+"'self'")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
	case popupFrame:
		// No opener policy: it would cut the page that opened us, and with it the thanks it waits for.
		h.Set("Content-Security-Policy", policy+s.formTargets())
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
	case embedFrame:
		h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
		h.Set("Access-Control-Allow-Origin", "*")
		h.Set("Cross-Origin-Resource-Policy", "cross-origin")
		h.Set("Timing-Allow-Origin", "*")
	case assetFrame:
		h.Set("Content-Security-Policy", "default-src 'none'")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
	}
}

// joinPopup gives a page of ours the headers of the popup: the login within it.
func (s *Site) joinPopup(h http.Header) {
	h.Del("Cross-Origin-Opener-Policy")
	s.secure(popupFrame, h)
}

// formTargets are where a popup's form may end: Chromium checks form-action on redirects as well,
// and the home can be any instance.
func (s *Site) formTargets() string {
	if s.test != nil {
		return "'self' https: http://*.localhost:*"
	}
	return "'self' https:"
}

func (s *Site) https() bool { return strings.HasPrefix(s.ledger.Instance().BaseURL, "https://") }

// webLink tells whether a URL may be followed from here: https, or a test instance's http.
func (s *Site) webLink(raw string) bool {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.User != nil {
		return false
	}
	return u.Scheme == "https" || s.test != nil && u.Scheme == "http" && localhost(u.Hostname())
}

func localhost(host string) bool { return host == "localhost" || strings.HasSuffix(host, ".localhost") }

// sameOrigin tells whether two absolute URLs have the same scheme, host and port.
func sameOrigin(a, b string) bool {
	x, err := url.Parse(a)
	y, err2 := url.Parse(b)
	return err == nil && err2 == nil && x.Host != "" && x.User == nil && x.Scheme == y.Scheme &&
		strings.EqualFold(x.Host, y.Host)
}

// origin is a URL's scheme, host and port, as a browser's postMessage wants it.
func origin(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" {
		return ""
	}
	return strings.ToLower(u.Scheme + "://" + u.Host)
}
