package signature_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/fedflattr/flattrd/federation/signature"
)

// Signature headers as other servers write them, and as nobody should.
func TestCavageSpellings(t *testing.T) {
	t.Parallel()
	const bad, key = signature.CodeBad, signature.CodeKey
	cases := []struct {
		name            string
		pattern, become string
		code            signature.Code
	}{
		{"spaces after commas", `",`, `", `, ""},
		{"spaces and tabs around commas", `",`, "\" ,\t", ""},
		{"another order", `^(keyId="[^"]*"),(.*)$`, `$2,$1`, ""},
		{"an unknown parameter", `^`, `opaque="a,b=c",v=2,`, ""},
		{"capitals in the list", `host`, `Host`, ""},
		{"spaces in the list", `host date`, `  host   date `, ""},
		{"a comma at the end", `$`, `,`, ""},
		{"a parameter twice", `^`, `keyId="https://evil.example/key",`, bad},
		{"the signature twice", `^`, `signature="AAAA",`, bad},
		{"an escaped quote", `main-key`, `main\"key`, bad},
		{"an open quote", `"$`, ``, bad},
		{"no quotes", `keyId="([^"]*)"`, `keyId=$1`, bad},
		{"no comma", `",`, `"`, bad},
		{"a scheme before it", `^`, `Signature `, bad},
		{"no keyId", `keyId="[^"]*",`, ``, key},
		{"an empty keyId", `keyId="[^"]*"`, `keyId=""`, key},
		{"a space in the keyId", `main-key`, `main key`, key},
		{"no signature", `,signature="[^"]*"`, ``, bad},
		{"an empty signature", `signature="[^"]*"`, `signature=""`, bad},
		{"not base64", `signature="[^"]*"`, `signature="!"`, bad},
		{"base64 cut", `.."$`, `"`, bad},
		{"another signature", `signature="...`, `signature="AAA`, bad},
		{"a header signed twice", `date`, `date date`, bad},
		{"an unknown special name", `date`, `date (x)`, bad},
		{"itself", `date`, `date signature`, bad},
		{"the other place for it", `date`, `date authorization`, bad},
		{"(created) without created", `date`, `date (created)`, bad},
		{"(expires) without expires", `date`, `date (expires)`, bad},
		{"thirty-three headers", `date`, `date` + strings.Repeat(" x", 33), bad},
		{"too long", `^`, `x="` + strings.Repeat("x", 8<<10) + `",`, bad},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r, body := signedPost(t, signature.Cavage, makeRSA())
			changeSignature(c.pattern, c.become)(r)
			signed, err := signature.Parse(r, body, expect(noon))
			if needsKey := c.code == "" || c.name == "another signature"; needsKey != (err == nil) {
				t.Fatalf("Parse says %v", err) // what can be refused without a key must be
			}
			if err == nil {
				err = signed.Verify(makeRSA().Public())
			}
			wantCode(t, err, c.code)
		})
	}
}

// Exactly one signature: with two, each of two readers could believe another.
func TestOneSignature(t *testing.T) {
	t.Parallel()
	for _, kind := range kinds {
		r, body := signedPost(t, kind, makeRSA())
		r.Header.Add("Signature", r.Header.Get("Signature"))
		wantCode(t, accept(r, body, expect(noon), makeRSA().Public()), signature.CodeBad)
	}
	r, body := signedPost(t, signature.RFC9421, makeRSA())
	r.Header.Add("Signature-Input", r.Header.Get("Signature-Input"))
	wantCode(t, accept(r, body, expect(noon), makeRSA().Public()), signature.CodeBad)

	r, body = signedPost(t, signature.RFC9421, makeRSA())
	r.Header.Set("Signature", r.Header.Get("Signature")+", sig2=:AA==:")
	_, err := signature.Parse(r, body, expect(noon))
	wantCode(t, err, signature.CodeBad)
	r.Header.Set("Signature", "sig2=:AA==:")
	_, err = signature.Parse(r, body, expect(noon))
	wantCode(t, err, signature.CodeBad)

	// One of each kind: the header they share can't be read as both.
	r, body = signedPost(t, signature.Cavage, makeRSA())
	other, _ := signedPost(t, signature.RFC9421, makeRSA())
	r.Header["Signature-Input"] = other.Header["Signature-Input"]
	wantCode(t, accept(r, body, expect(noon), makeRSA().Public()), signature.CodeBad)
	r.Header.Set("Signature", `sig1="not bytes"`)
	wantCode(t, accept(r, body, expect(noon), makeRSA().Public()), signature.CodeBad)
	r.Header.Del("Signature")
	wantCode(t, accept(r, body, expect(noon), makeRSA().Public()), signature.CodeBad)
}

// go-fed/httpsig splits at every comma; a keyId may hold one.
func TestCommaInKeyID(t *testing.T) {
	t.Parallel()
	const id = "https://a.example/users/alice?keys=1,2#main-key"
	r, body := signedPost(t, signature.Cavage, rename(t, makeRSA(), id))
	wantCode(t, accept(r, body, expect(noon), rename(t, makeRSA(), id).Public()), "")
}

// A request that a server hands on has no Host header but a Host; one that some
// middleware put there must not count.
func TestHostHeaderBesideHost(t *testing.T) {
	t.Parallel()
	r, body := signedPost(t, signature.Cavage, makeRSA())
	r.Header["Host"] = []string{"evil.example"}
	wantCode(t, accept(r, body, expect(noon), makeRSA().Public()), "")
	req := dressed(t, http.MethodPost, inboxURL, like, goodDigest(t))
	req.Header.Set("Host", "evil.example")
	cavageOver(t, req, makeRSA(), "(request-target)", "host", "date", "digest")
	r, body = received(t, req)
	wantCode(t, accept(r, body, expect(noon), makeRSA().Public()), signature.CodeBad)
}
