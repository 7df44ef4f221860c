package signature_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/fedflattr/flattrd/federation/signature"
)

var kinds = []signature.Kind{signature.Cavage, signature.RFC9421}

// Case S5, a and g: a request for another host, left as it is or readdressed.
func TestHosts(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name, host string
		code       signature.Code
	}{
		{"ours", "b.example", ""},
		{"the port that https implies", "b.example:443", ""},
		{"g: another host", "c.example", signature.CodeTarget},
		{"g: another port", "b.example:8443", signature.CodeTarget},
		{"g: the port of http", "b.example:80", signature.CodeTarget},
		{"g: a longer name", "b.example.evil.example", signature.CodeTarget},
		{"g: a shorter name", "example", signature.CodeTarget},
		{"g: with a dot", "b.example.", signature.CodeTarget},
		{"g: none", "", signature.CodeTarget},
	}
	for _, kind := range kinds {
		for _, c := range cases {
			t.Run(string(kind)+"/"+c.name, func(t *testing.T) {
				t.Parallel()
				req := request(t, http.MethodPost, inboxURL, like)
				req.Host = c.host
				if c.host == "" {
					req.URL.Host = "unused.example"
				}
				signAs(t, kind, req, like, makeRSA())
				r, body := received(t, req)
				r.Host = c.host
				wantCode(t, accept(r, body, expect(noon), makeRSA().Public()), c.code)
			})
		}
	}
}

// A name's case is none of its owner's; the signature has the spelling on the wire.
func TestHostsInCapitals(t *testing.T) {
	t.Parallel()
	req := request(t, http.MethodPost, inboxURL, like)
	req.Host = "B.Example"
	signAs(t, signature.Cavage, req, like, makeRSA())
	r, body := received(t, req)
	want := signature.Expect{Scheme: "https", Host: "b.EXAMPLE:443", Now: noon}
	wantCode(t, accept(r, body, want, makeRSA().Public()), "")
}

// Case S5, a: signed for a.example, sent to b.example with b's Host header.
func TestReaddressed(t *testing.T) {
	t.Parallel()
	for _, kind := range kinds {
		req := request(t, http.MethodPost, strings.Replace(inboxURL, "b.example", "a.example", 1), like)
		signAs(t, kind, req, like, makeRSA())
		r, body := received(t, req)
		wantCode(t, accept(r, body, expect(noon), makeRSA().Public()), signature.CodeTarget)
		r.Host = "b.example"
		wantCode(t, accept(r, body, expect(noon), makeRSA().Public()), signature.CodeBad)
	}
}

// Case S5, b to d: another path, another query, another method.
func TestTargets(t *testing.T) {
	t.Parallel()
	const page = "/users/bob?page=1"
	cases := []struct {
		name, method string
		target       string // where it arrives; it was signed for page
		code         signature.Code
	}{
		{"untouched", http.MethodGet, page, ""},
		{"b: another path", http.MethodGet, "/users/eve?page=1", signature.CodeBad},
		{"b: a longer path", http.MethodGet, "/users/bob/?page=1", signature.CodeBad},
		{"b: an escaped path", http.MethodGet, "/users/%62ob?page=1", signature.CodeBad},
		{"c: another query", http.MethodGet, "/users/bob?page=2", signature.CodeBad},
		{"c: more query", http.MethodGet, "/users/bob?page=1&x=1", signature.CodeBad},
		{"c: no query", http.MethodGet, "/users/bob", signature.CodeBad},
		{"c: the query in the path", http.MethodGet, "/users/bob%3Fpage=1", signature.CodeBad},
		{"another method", http.MethodHead, page, signature.CodeBad},
		{"d: a GET replayed as a POST", http.MethodPost, page, signature.CodeCoverage},
		{"no path", http.MethodGet, "*", signature.CodeBad},
	}
	for _, kind := range kinds {
		for _, c := range cases {
			t.Run(string(kind)+"/"+c.name, func(t *testing.T) {
				t.Parallel()
				req := request(t, http.MethodGet, "https://b.example"+page, "")
				signAs(t, kind, req, "", makeRSA())
				r, body := received(t, req)
				r.Method, r.RequestURI = c.method, c.target
				wantCode(t, accept(r, body, expect(noon), makeRSA().Public()), c.code)
			})
		}
	}
}

// Case S5, c and d for a POST, where nothing is tried twice.
func TestPostTargets(t *testing.T) {
	t.Parallel()
	for _, kind := range kinds {
		for _, target := range []string{"/users/eve/inbox", "/users/bob/inbox", "/users/Bob/inbox?x=1", "/users/Bob/inbox/"} {
			r, body := signedPost(t, kind, makeRSA())
			r.RequestURI = target
			wantCode(t, accept(r, body, expect(noon), makeRSA().Public()), signature.CodeBad)
		}
		r, body := signedPost(t, kind, makeRSA())
		r.Method = http.MethodPut
		wantCode(t, accept(r, body, expect(noon), makeRSA().Public()), signature.CodeBad)
	}
}

// Old Mastodon versions leave the query out of (request-target): taken for a GET,
// and for nothing else.
func TestQueryLeftOut(t *testing.T) {
	t.Parallel()
	for method, code := range map[string]signature.Code{
		http.MethodGet: "", http.MethodPost: signature.CodeBad, http.MethodDelete: signature.CodeBad,
	} {
		req := request(t, method, "https://b.example/outbox", "")
		signAs(t, signature.Cavage, req, "", makeRSA())
		r, body := received(t, req)
		r.RequestURI = "/outbox?page=true"
		wantCode(t, accept(r, body, expect(noon), makeRSA().Public()), code)
	}
}

// The spelling on the wire is what counts, and what a router makes of it doesn't.
func TestPathsAsOnTheWire(t *testing.T) {
	t.Parallel()
	for _, kind := range kinds {
		for _, path := range []string{"/", "/a%2Fb", "/%E2%82%AC", "/caf%c3%a9", "/a+b%20c", "/a//b", "//c.example/", "/?", "/a?", "/a?b=%2F+", "/(a);b=c,d:e@f"} {
			req := request(t, http.MethodGet, "https://b.example"+path, "")
			signAs(t, kind, req, "", makeRSA())
			r, body := received(t, req)
			r.URL.Path, r.URL.RawPath = "/rewritten/by/a/router", ""
			if err := accept(r, body, expect(noon), makeRSA().Public()); err != nil {
				t.Errorf("%s %s: %v", kind, path, err)
			}
		}
	}
}

// net/url would respell these, so RFC 9421 can't be sure what was signed.
func TestPathsWithoutNormalForm(t *testing.T) {
	t.Parallel()
	req := request(t, http.MethodGet, "https://b.example/a%22b", "")
	signAs(t, signature.RFC9421, req, "", makeRSA())
	quoted, none := received(t, req)
	quoted.RequestURI = `/a"b`
	wantCode(t, accept(quoted, none, expect(noon), makeRSA().Public()), signature.CodeBad)
	for _, target := range []string{"/a\"b", "/a b", "/a#b", "/%zz", "/\x80"} {
		r, body := signedPost(t, signature.RFC9421, makeRSA())
		r.RequestURI = target
		wantCode(t, accept(r, body, expect(noon), makeRSA().Public()), signature.CodeBad)
	}
}

// OPTIONS * and CONNECT have no path; a true signature over one is for no inbox.
func TestTargetThatIsNoPath(t *testing.T) {
	t.Parallel()
	req := dressed(t, http.MethodGet, "https://b.example/", "", "")
	r, body := received(t, req)
	req.URL.Path = "*"
	cavageOver(t, req, makeRSA(), "(request-target)", "host", "date")
	r.Header, r.RequestURI = req.Header, "*"
	wantCode(t, accept(r, body, expect(noon), makeRSA().Public()), signature.CodeBad)
}

// A proxy may ask with the whole URL (RFC 9112 §3.2.2); its host is the one that
// counts, and net/http has made it the request's.
func TestAbsoluteForm(t *testing.T) {
	t.Parallel()
	for _, kind := range kinds {
		r, body := signedPost(t, kind, makeRSA())
		r.RequestURI = inboxURL
		r.URL.Scheme, r.URL.Host = "https", "b.example"
		wantCode(t, accept(r, body, expect(noon), makeRSA().Public()), "")
		r.RequestURI = "https://b.example"
		wantCode(t, accept(r, body, expect(noon), makeRSA().Public()), signature.CodeBad)
	}
}

// Behind a proxy the request looks like plain http; the public scheme is signed.
func TestScheme(t *testing.T) {
	t.Parallel()
	for scheme, code := range map[string]signature.Code{"https": "", "": "", "http": signature.CodeBad} {
		r, body := signedPost(t, signature.RFC9421, makeRSA())
		want := signature.Expect{Scheme: scheme, Host: "b.example", Now: noon}
		wantCode(t, accept(r, body, want, makeRSA().Public()), code)
	}
	for _, host := range []string{"b.localhost:8480", "b.localhost", "b.localhost:80"} {
		req := request(t, http.MethodPost, "http://"+host+"/inbox", like)
		signAs(t, signature.RFC9421, req, like, makeRSA())
		r, body := received(t, req)
		want := signature.Expect{Scheme: "http", Host: host, Now: noon}
		wantCode(t, accept(r, body, want, makeRSA().Public()), "")
		r.Host = strings.TrimSuffix(host, ":80")
		_, err := signature.Parse(r, body, want)
		wantCode(t, err, "")
	}
}

func TestNothingExpectedFitsNothing(t *testing.T) {
	t.Parallel()
	for _, kind := range kinds {
		r, body := signedPost(t, kind, makeRSA())
		_, err := signature.Parse(r, body, signature.Expect{Scheme: "https", Now: noon})
		wantCode(t, err, signature.CodeTarget)
		_, err = signature.Parse(r, body, signature.Expect{Scheme: "https", Host: "b.example"})
		wantCode(t, err, signature.CodeAge)
		r.Host = ""
		_, err = signature.Parse(r, body, signature.Expect{Scheme: "https", Now: noon})
		wantCode(t, err, signature.CodeTarget)
	}
}
