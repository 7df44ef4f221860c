//go:build linux

package main

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fedflattr/flattrd/federation/vocab"
)

// Signatures are put together here and not by the product, so that they can be wrong in every way.

// post is an unsigned message to the shared inbox, with its time and digest.
func (s *subject) post(body []byte) *http.Request { return s.postTo("/inbox", body) }

func (s *subject) postTo(path string, body []byte) *http.Request {
	r, err := http.NewRequest(http.MethodPost, s.door+path, bytes.NewReader(body))
	if err != nil {
		panic(err)
	}
	r.Host = s.host
	r.Header.Set("Content-Type", vocab.AS2MediaType)
	r.Header.Set("Date", s.now().UTC().Format(http.TimeFormat))
	r.Header.Set("Digest", digestOf(body))
	return r
}

func digestOf(body []byte) string {
	sum := sha256.Sum256(body)
	return "SHA-256=" + base64.StdEncoding.EncodeToString(sum[:])
}

func contentDigestOf(body []byte) string {
	sum := sha256.Sum256(body)
	return "sha-256=:" + base64.StdEncoding.EncodeToString(sum[:]) + ":"
}

// usual is what the fediverse signs.
const usual = "(request-target) host date digest"

// cavage is one draft-cavage signature.
type cavage struct {
	keyID     string
	key       crypto.Signer
	algorithm string                   // "" says none
	headers   string                   // "-" leaves the parameter out
	extra     string                   // further parameters, such as created=1
	by        func(text []byte) []byte // how to sign, if not as the key's type does
	method    string                   // signed instead of the real one
	target    string                   // signed instead of the real one
	host      string                   // signed instead of the real one
}

// sign signs a request as its sender usually does, and returns it.
func (p stranger) sign(t *testing.T, r *http.Request) *http.Request {
	t.Helper()
	return cavage{keyID: p.keyID, key: p.key, algorithm: "rsa-sha256", headers: usual}.sign(t, r)
}

func (c cavage) sign(t *testing.T, r *http.Request) *http.Request {
	t.Helper()
	covered := c.headers
	if covered == "-" {
		covered = "date"
	}
	var lines []string
	for _, name := range strings.Fields(covered) {
		lines = append(lines, name+": "+c.value(r, name))
	}
	text := []byte(strings.Join(lines, "\n"))
	by := c.by
	if by == nil {
		by = func(text []byte) []byte { return signWith(t, c.key, text) }
	}
	value := fmt.Sprintf(`keyId="%s"`, c.keyID)
	if c.algorithm != "" {
		value += fmt.Sprintf(`,algorithm="%s"`, c.algorithm)
	}
	if c.headers != "-" {
		value += fmt.Sprintf(`,headers="%s"`, c.headers)
	}
	if c.extra != "" {
		value += "," + c.extra
	}
	value += fmt.Sprintf(`,signature="%s"`, base64.StdEncoding.EncodeToString(by(text)))
	r.Header.Set("Signature", value)
	return r
}

func (c cavage) value(r *http.Request, name string) string {
	switch name {
	case "(request-target)":
		method, target := strings.ToLower(r.Method), r.URL.RequestURI()
		if c.method != "" {
			method = c.method
		}
		if c.target != "" {
			target = c.target
		}
		return method + " " + target
	case "(created)", "(expires)":
		_, value, _ := strings.Cut(c.extra, strings.Trim(name, "()")+"=")
		value, _, _ = strings.Cut(value, ",")
		return value
	case "host":
		if c.host != "" {
			return c.host
		}
		return r.Host
	}
	return strings.Join(r.Header.Values(name), ", ")
}

// signWith is PKCS #1 v1.5 over SHA-256, or Ed25519.
func signWith(t *testing.T, key crypto.Signer, text []byte) []byte {
	t.Helper()
	if _, ok := key.Public().(ed25519.PublicKey); ok {
		return must[[]byte](t)(key.Sign(rand.Reader, text, crypto.Hash(0)))
	}
	return must[[]byte](t)(key.Sign(rand.Reader, hashed(text), crypto.SHA256))
}

func hashed(text []byte) []byte {
	sum := sha256.Sum256(text)
	return sum[:]
}

// rfc9421 is one signature of that kind.
type rfc9421 struct {
	keyID      string
	key        crypto.Signer
	components []string
	parameters string // behind the components: ;created=…;keyid=…
}

// standard are the components that Mastodon signs.
var standard = []string{"@method", "@target-uri", "content-digest"}

func (p stranger) rfc9421(at time.Time, components ...string) rfc9421 {
	return rfc9421{p.keyID, p.key, components, fmt.Sprintf(`;created=%d;keyid="%s"`, at.Unix(), p.keyID)}
}

func (f rfc9421) sign(t *testing.T, r *http.Request, body []byte) *http.Request {
	t.Helper()
	r.Header.Del("Digest")
	if r.Header.Get("Content-Digest") == "" {
		r.Header.Set("Content-Digest", contentDigestOf(body))
	}
	var text, names strings.Builder
	for i, name := range f.components {
		value := r.Header.Get(name)
		switch name {
		case "@method":
			value = r.Method
		case "@target-uri":
			value = "http://" + r.Host + r.URL.RequestURI()
		}
		fmt.Fprintf(&text, "%q: %s\n", name, value)
		if i > 0 {
			names.WriteByte(' ')
		}
		fmt.Fprintf(&names, "%q", name)
	}
	input := "(" + names.String() + ")" + f.parameters
	text.WriteString(`"@signature-params": ` + input)
	r.Header.Set("Signature-Input", "sig1="+input)
	r.Header.Set("Signature", "sig1=:"+base64.StdEncoding.EncodeToString(signWith(t, f.key, []byte(text.String())))+":")
	return r
}
