package signature_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/fedflattr/flattrd/federation/signature"
)

// goodDigest is the Digest of the Like that all these tests send.
func goodDigest(t testing.TB) string {
	t.Helper()
	req := request(t, http.MethodPost, inboxURL, like)
	signAs(t, signature.Cavage, req, like, makeRSA())
	return req.Header.Get("Digest")
}

// Case S1, a to f, and the ways around it: a real key, a true signature, but over
// too little.
func TestCavageCoverage(t *testing.T) {
	t.Parallel()
	all := []string{"(request-target)", "host", "date", "digest"}
	cases := []struct {
		name    string
		covered []string
		code    signature.Code
	}{
		{"the full set", all, ""},
		{"in another order", []string{"digest", "date", "host", "(request-target)"}, ""},
		{"more than the full set", append([]string{"content-type"}, all...), ""},
		{"a: date", []string{"date"}, signature.CodeCoverage},
		{"b: target and date", []string{"(request-target)", "date"}, signature.CodeCoverage},
		{"c: no digest", []string{"(request-target)", "host", "date"}, signature.CodeCoverage},
		{"d: no target", []string{"host", "date", "digest"}, signature.CodeCoverage},
		{"no host", []string{"(request-target)", "date", "digest"}, signature.CodeCoverage},
		{"no time", []string{"(request-target)", "host", "digest"}, signature.CodeCoverage},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			req := dressed(t, http.MethodPost, inboxURL, like, goodDigest(t))
			cavageOver(t, req, makeRSA(), c.covered...)
			r, body := received(t, req)
			wantCode(t, accept(r, body, expect(noon), makeRSA().Public()), c.code)
		})
	}
}

func TestCavageCoverageByHand(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name   string
		change func(r *http.Request)
		code   signature.Code
	}{
		{"e: empty list", changeSignature(`headers="[^"]*"`, `headers=""`), signature.CodeCoverage},
		{"e: no list, which means date", changeSignature(`headers="[^"]*",`, ``), signature.CodeCoverage},
		{"f: no signature", func(r *http.Request) { r.Header.Del("Signature") }, signature.CodeMissing},
		{"in the Authorization header", func(r *http.Request) {
			r.Header.Set("Authorization", "Signature "+r.Header.Get("Signature"))
			r.Header.Del("Signature")
		}, signature.CodeMissing},
		{"a signed header was taken out", func(r *http.Request) { r.Header.Del("Digest") }, signature.CodeCoverage},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r, body := signedPost(t, signature.Cavage, makeRSA())
			c.change(r)
			wantCode(t, accept(r, body, expect(noon), makeRSA().Public()), c.code)
		})
	}
}

// Case S1, g: the same for RFC 9421, signed by another library.
func TestRFC9421Coverage(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name    string
		covered []string
		code    signature.Code
	}{
		{"the full set", []string{"@method", "@target-uri", "content-digest"}, ""},
		{"more than the full set", []string{"@authority", "@method", "@target-uri", "@path", "@query", "@request-target", "@scheme", "content-digest", "content-type", "host"}, ""},
		{"no @method", []string{"@target-uri", "content-digest"}, signature.CodeCoverage},
		{"no @target-uri", []string{"@method", "content-digest"}, signature.CodeCoverage},
		{"authority and path are no target", []string{"@method", "@authority", "@path", "content-digest"}, signature.CodeCoverage},
		{"no content-digest", []string{"@method", "@target-uri"}, signature.CodeCoverage},
		{"content-digest of one algorithm", []string{"@method", "@target-uri", `content-digest;key="sha-256"`}, signature.CodeBad},
		{"nothing", nil, signature.CodeCoverage},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			req := request(t, http.MethodPost, inboxURL, like)
			req.Header.Set("Host", req.Host)
			req.Header.Set("Content-Digest", "sha-256=:AAAA:") // the library replaces it where it signs it
			rfc9421Over(t, req, makeEd25519(), c.covered...)
			if !strings.Contains(req.Header.Get("Signature-Input"), `"content-digest"`) {
				req.Header.Del("Content-Digest")
			}
			r, body := received(t, req)
			wantCode(t, accept(r, body, expect(time.Now()), makeEd25519().Public()), c.code)
		})
	}
}

func TestRFC9421CoverageByHand(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name            string
		pattern, become string
		code            signature.Code
	}{
		{"g: no created", `;created=[0-9]+`, ``, signature.CodeCoverage},
		{"no keyid", `;keyid="[^"]*"`, ``, signature.CodeKey},
		{"a component twice", `\(`, `("@method" `, signature.CodeBad},
		{"a header that isn't there", `\(`, `("x-no" `, signature.CodeCoverage},
		{"a component of responses", `\(`, `("@status" `, signature.CodeBad},
		{"a component with parameters", `"@method"`, `"@method";req`, signature.CodeBad},
		{"a component that is a number", `\(`, `(1 `, signature.CodeBad},
		{"a component that is a display string, on which httpsfv panics", `\(`, `(%"x" `, signature.CodeBad},
		{"a component in capitals", `"content-digest"`, `"Content-Digest"`, signature.CodeBad},
		{"an unknown parameter", `;created`, `;x=1;created`, signature.CodeBad},
		{"created as text", `;created=([0-9]+)`, `;created="$1"`, signature.CodeBad},
		{"created as a fraction", `;created=([0-9]+)`, `;created=$1.5`, signature.CodeBad},
		{"created before clocks", `;created=([0-9]+)`, `;created=-$1`, signature.CodeBad},
		{"not a list", `\(.*`, `1`, signature.CodeBad},
		{"not a dictionary", `^.*`, `((`, signature.CodeBad},
		{"two signatures", `^(.*)$`, `$1, sig2=("@method")`, signature.CodeBad},
		{"none", `^.*$`, ``, signature.CodeBad},
		{"under another label", `^sig1`, `sig2`, signature.CodeBad},
		{"too long", `;keyid="`, `;nonce="` + strings.Repeat("x", 8<<10) + `";keyid="`, signature.CodeBad},
		{"thirty-three components", `\(`, `(` + strings.Repeat(`"x" `, 33), signature.CodeBad},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r, body := signedPost(t, signature.RFC9421, makeEd25519())
			before := r.Header.Get("Signature-Input")
			after := regexp.MustCompile(c.pattern).ReplaceAllString(before, c.become)
			if before == after {
				t.Fatalf("%s changes nothing in %s", c.pattern, before)
			}
			r.Header.Set("Signature-Input", after)
			_, err := signature.Parse(r, body, expect(noon)) // before a key is looked up
			wantCode(t, err, c.code)
		})
	}
}

// A GET has no body, so nothing to digest, unless it comes with one after all.
func TestGetNeedsNoDigest(t *testing.T) {
	t.Parallel()
	for _, kind := range []signature.Kind{signature.Cavage, signature.RFC9421} {
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			req := request(t, method, "https://b.example/users/bob", "")
			signAs(t, kind, req, "", makeRSA())
			r, body := received(t, req)
			wantCode(t, accept(r, body, expect(noon), makeRSA().Public()), "")
			wantCode(t, accept(r, []byte(like), expect(noon), makeRSA().Public()), signature.CodeCoverage)
		}
	}
}

// An empty POST is signed as empty, or somebody could fill it.
func TestEmptyPostNeedsDigest(t *testing.T) {
	t.Parallel()
	for _, kind := range []signature.Kind{signature.Cavage, signature.RFC9421} {
		req := request(t, http.MethodPost, inboxURL, "")
		signAs(t, kind, req, "", makeRSA())
		r, body := received(t, req)
		wantCode(t, accept(r, body, expect(noon), makeRSA().Public()), "")
		wantCode(t, accept(r, []byte(like), expect(noon), makeRSA().Public()), signature.CodeDigest)
	}
	req := dressed(t, http.MethodPost, inboxURL, "", "")
	cavageOver(t, req, makeRSA(), "(request-target)", "host", "date")
	r, body := received(t, req)
	wantCode(t, accept(r, body, expect(noon), makeRSA().Public()), signature.CodeCoverage)
}

func changeSignature(pattern, become string) func(*http.Request) {
	return func(r *http.Request) {
		before := r.Header.Get("Signature")
		after := regexp.MustCompile(pattern).ReplaceAllString(before, become)
		if before == after {
			panic(pattern + " changes nothing in " + before)
		}
		r.Header.Set("Signature", after)
	}
}
