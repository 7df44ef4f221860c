package web

import (
	"net/url"
	"testing"
)

func TestCanonicalURL(t *testing.T) {
	for typed, want := range map[string]string{
		" HTTPS://Blog.Example ":                       "https://blog.example/",
		"https://blog.example:443/a":                   "https://blog.example/a",
		"http://blog.example:80/a/":                    "http://blog.example/a/",
		"http://blog.example:8080/A?b=C#d":             "http://blog.example:8080/A?b=C",
		"https://blog.example/a?utm_source=x":          "https://blog.example/a",
		"https://blog.example/a?p=2&fbclid=1&q=%C3%BC": "https://blog.example/a?p=2&q=%C3%BC",
		"https://blog.example/a?":                      "https://blog.example/a",
		"https://bücher.example/ü":                     "https://xn--bcher-kva.example/%C3%BC",
		"https://blog.example/a%2Fb":                   "https://blog.example/a%2Fb",
	} {
		if got, err := canonicalURL(typed); err != nil || got != want {
			t.Errorf("%q: %q, %v; want %q", typed, got, err, want)
		}
	}
	for _, bad := range []string{"", "blog.example", "ftp://blog.example", "javascript:alert(1)", "https://", "https:///x",
		"https://u:p@blog.example/", "https:blog.example", "https://blog .example/", "https://[::1]/"} {
		if got, err := canonicalURL(bad); err == nil {
			t.Errorf("%q was taken as %q", bad, got)
		}
	}
}

// FuzzCanonicalURL: the canonical form is canonical, and is an address a browser can open.
func FuzzCanonicalURL(f *testing.F) {
	for _, s := range []string{"https://a.example/", "HTTP://B.example:80?x=1&utm_a=b#c", "https://ü.example/%2e%2e/?a&&b=", "https://a.example/?%zz"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, typed string) {
		once, err := canonicalURL(typed)
		if err != nil {
			return
		}
		again, err := canonicalURL(once)
		if err != nil || again != once {
			t.Errorf("%q became %q, then %q (%v)", typed, once, again, err)
		}
		u, err := url.Parse(once)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.Fragment != "" || u.User != nil {
			t.Errorf("%q became %q", typed, once)
		}
	})
}

// FuzzParseHome: whatever a stranger types as a home, what is asked over the network is one handle
// or one host.
func FuzzParseHome(f *testing.F) {
	for _, s := range []string{"@a@b.example", "b.example", "https://b.example/@a", "a@b@c", "b.example/../x", "b.example:80", "//b.example"} {
		f.Add(s)
	}
	s := &Site{}
	f.Fuzz(func(t *testing.T, typed string) {
		address, host, err := s.parseHome(typed)
		if err != nil {
			return
		}
		u, err := url.Parse("https://" + host + "/")
		if err != nil || u.Host != host || u.Port() != "" || u.Path != "/" {
			t.Errorf("%q: host %q", typed, host)
		}
		if address != host && (len(address) <= len(host)+1 || address[len(address)-len(host)-1:] != "@"+host) {
			t.Errorf("%q: address %q at %q", typed, address, host)
		}
	})
}
