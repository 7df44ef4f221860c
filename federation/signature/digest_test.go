package signature_test

import (
	"crypto/md5"
	"crypto/sha512"
	"encoding/base64"
	"net/http"
	"strings"
	"testing"

	"github.com/fedflattr/flattrd/federation/signature"
)

// Case S2, a, b and d: a true signature beside another body.
func TestBodies(t *testing.T) {
	t.Parallel()
	other := strings.Replace(like, "flattrs/1", "flattrs/2", 1)
	cases := []struct {
		name   string
		kind   signature.Kind
		change func(r *http.Request, body []byte) []byte
		code   signature.Code
	}{
		{"untouched", signature.Cavage, nil, ""},
		{"untouched", signature.RFC9421, nil, ""},
		{"a: body swapped", signature.Cavage, swap(other), signature.CodeDigest},
		{"a: body swapped", signature.RFC9421, swap(other), signature.CodeDigest},
		{"a: body cut", signature.Cavage, swap(like[:20]), signature.CodeDigest},
		{"a: no body", signature.RFC9421, swap(""), signature.CodeDigest},
		{"b: digest made for it", signature.Cavage, redigest(other), signature.CodeBad},
		{"b: digest made for it", signature.RFC9421, redigest(other), signature.CodeBad},
		{"d: the other digest wrong", signature.Cavage, set("Content-Digest", "sha-256=:AAAA:"), signature.CodeDigest},
		{"d: the other digest wrong", signature.RFC9421, set("Digest", "SHA-256=AAAA"), signature.CodeDigest},
		{"d: the other digest right", signature.Cavage, both, ""},
		{"d: the other digest right", signature.RFC9421, both, ""},
		{"d: the signed digest wrong", signature.Cavage, wrong("Digest"), signature.CodeDigest},
		{"d: the signed digest wrong", signature.RFC9421, wrong("Content-Digest"), signature.CodeDigest},
	}
	for _, c := range cases {
		t.Run(string(c.kind)+"/"+c.name, func(t *testing.T) {
			t.Parallel()
			r, body := signedPost(t, c.kind, makeRSA())
			if c.change != nil {
				body = c.change(r, body)
			}
			wantCode(t, accept(r, body, expect(noon), makeRSA().Public()), c.code)
		})
	}
}

// Case S2, c, and what must be taken: SHA-256 in any spelling and company.
func TestDigests(t *testing.T) {
	t.Parallel()
	right := goodDigest(t)
	hash := strings.TrimPrefix(right, "SHA-256=")
	wide, weak := sha512.Sum512([]byte(like)), md5.Sum([]byte(like))
	sha512Field := "SHA-512=" + base64.StdEncoding.EncodeToString(wide[:])
	md5Field := "MD5=" + base64.StdEncoding.EncodeToString(weak[:])
	cases := []struct {
		digest string
		code   signature.Code
	}{
		{right, ""},
		{"sha-256=" + hash, ""},
		{"Sha-256=" + hash, ""},
		{sha512Field + "," + right, ""},
		{right + ", " + md5Field + " ,unixsum=30637", ""},
		{md5Field + ", " + right, ""},
		{right + "," + right, ""},
		{sha512Field, signature.CodeDigest},
		{md5Field, signature.CodeDigest},
		{"whirl=" + hash, signature.CodeDigest},
		{"SHA-256", signature.CodeDigest},
		{"SHA-256=", signature.CodeDigest},
		{"SHA-256=" + strings.TrimRight(hash, "="), signature.CodeDigest},
		{"SHA-256=" + hash + hash, signature.CodeDigest},
		{"SHA-256=not base64!", signature.CodeDigest},
		{"SHA-256=AAAA," + right, signature.CodeDigest},
		{right + ",SHA-256=AAAA", signature.CodeDigest},
		{right + ",", signature.CodeDigest},
		{",", signature.CodeDigest},
	}
	for _, c := range cases {
		t.Run(c.digest, func(t *testing.T) {
			t.Parallel()
			req := dressed(t, http.MethodPost, inboxURL, like, c.digest)
			cavageOver(t, req, makeRSA(), "(request-target)", "host", "date", "digest")
			r, body := received(t, req)
			wantCode(t, accept(r, body, expect(noon), makeRSA().Public()), c.code)
		})
	}
}

// A list may come in several headers, and counts as a whole.
func TestDigestInTwoHeaders(t *testing.T) {
	t.Parallel()
	for second, code := range map[string]signature.Code{goodDigest(t): "", "SHA-256=AAAA": signature.CodeDigest, "MD5=AAAA": signature.CodeDigest} {
		req := dressed(t, http.MethodPost, inboxURL, like, "SHA-512=AAAA")
		req.Header.Add("Digest", second)
		cavageOver(t, req, makeRSA(), "(request-target)", "host", "date", "digest")
		r, body := received(t, req)
		wantCode(t, accept(r, body, expect(noon), makeRSA().Public()), code)
	}
}

// Content-Digest is a structured field: lower case, byte sequences.
func TestContentDigests(t *testing.T) {
	t.Parallel()
	hash := strings.TrimPrefix(goodDigest(t), "SHA-256=")
	wide := sha512.Sum512([]byte(like))
	cases := []struct {
		digest string
		code   signature.Code
	}{
		{"sha-256=:" + hash + ":", ""},
		{"sha-512=:" + base64.StdEncoding.EncodeToString(wide[:]) + ":, sha-256=:" + hash + ":", ""},
		{"unixsum=30637, sha-256=:" + hash + ":", ""},
		{"sha-512=:" + base64.StdEncoding.EncodeToString(wide[:]) + ":", signature.CodeDigest},
		{"sha-256=:AAAA:", signature.CodeDigest},
		{"sha-256=::", signature.CodeDigest},
		{"sha-256", signature.CodeDigest},
		{`sha-256="` + hash + `"`, signature.CodeDigest},
		{"sha-256=(:" + hash + ":)", signature.CodeDigest},
		{"SHA-256=:" + hash + ":", signature.CodeDigest},
		{"", signature.CodeDigest},
		{`x=%"a", sha-256=:` + hash + ":", signature.CodeDigest}, // httpsfv panics on it
	}
	for _, c := range cases {
		t.Run(c.digest, func(t *testing.T) {
			t.Parallel()
			// Unsigned, in a request whose Digest is signed: it counts all the same.
			r, body := signedPost(t, signature.Cavage, makeRSA())
			r.Header.Set("Content-Digest", c.digest)
			wantCode(t, accept(r, body, expect(noon), makeRSA().Public()), c.code)
		})
	}
}

func swap(body string) func(*http.Request, []byte) []byte {
	return func(*http.Request, []byte) []byte { return []byte(body) }
}

func set(name, value string) func(*http.Request, []byte) []byte {
	return func(r *http.Request, body []byte) []byte {
		r.Header.Set(name, value)
		return body
	}
}

func wrong(name string) func(*http.Request, []byte) []byte {
	return func(r *http.Request, body []byte) []byte {
		r.Header.Set(name, strings.Replace(r.Header.Get(name), "=", "=AAAA", 1))
		return both(r, body)
	}
}

// both adds whichever digest is missing, rightly made.
func both(r *http.Request, body []byte) []byte {
	for kind, name := range map[signature.Kind]string{signature.Cavage: "Digest", signature.RFC9421: "Content-Digest"} {
		if r.Header.Get(name) == "" {
			r.Header.Set(name, digestBy(kind, name, string(body)))
		}
	}
	return body
}

func redigest(body string) func(*http.Request, []byte) []byte {
	return func(r *http.Request, _ []byte) []byte {
		for kind, name := range map[signature.Kind]string{signature.Cavage: "Digest", signature.RFC9421: "Content-Digest"} {
			if r.Header.Get(name) != "" {
				r.Header.Set(name, digestBy(kind, name, body))
			}
		}
		return []byte(body)
	}
}

// digestBy lets our signer make the digest header of a body.
func digestBy(kind signature.Kind, name, body string) string {
	req, err := http.NewRequest(http.MethodPost, inboxURL, strings.NewReader(body))
	if err != nil {
		panic(err)
	}
	sign := signature.SignCavage
	if kind == signature.RFC9421 {
		sign = signature.SignRFC9421
	}
	if err := sign(req, []byte(body), makeEd25519(), noon); err != nil {
		panic(err)
	}
	return req.Header.Get(name)
}
