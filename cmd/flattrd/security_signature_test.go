//go:build linux

package main

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fedflattr/flattrd/federation/vocab"
)

// scene is what the signature cases play on: an instance with a button, and bob, who is elsewhere.
type scene struct {
	*subject
	out   *outside
	bob   stranger
	thing string
	likes int
}

func newScene(t *testing.T) *scene {
	t.Helper()
	program(t)
	t.Parallel()
	out := newOutside(t)
	s := &scene{subject: serveAt(t, 0, out.reach()...), out: out, bob: out.person(t, "good.localhost", "bob")}
	s.thing = s.button(t, "signed")
	t.Cleanup(func() { out.untrapped(t) })
	return s
}

// like is a new flattr by an actor, ready to be signed.
func (s *scene) like(p stranger) (*http.Request, []byte) {
	s.likes++
	body := p.like(numbered("", s.likes), s.thing, s.now().UTC().Format("2006-01"))
	return s.post(body), body
}

// S1: a signature that leaves out what matters is no signature.
func TestS1Coverage(t *testing.T) {
	s := newScene(t)
	for name, headers := range map[string]string{"a": "date", "b": "(request-target) date", "c": "(request-target) host date",
		"d": "host date digest", "e": "", "e-absent": "-"} {
		t.Run(name, func(t *testing.T) {
			r, _ := s.like(s.bob)
			cavage{keyID: s.bob.keyID, key: s.bob.key, algorithm: "rsa-sha256", headers: headers}.sign(t, r)
			s.out.quiet(t, func() { s.refuses(t, r, http.StatusUnauthorized, "sig.coverage") })
		})
	}
	t.Run("f", func(t *testing.T) {
		r, _ := s.like(s.bob)
		s.out.quiet(t, func() { s.refuses(t, r, http.StatusUnauthorized, "sig.missing") })
	})
	for i, missing := range standard {
		t.Run("g-"+missing, func(t *testing.T) {
			r, body := s.like(s.bob)
			s.bob.rfc9421(s.now(), slices.Delete(slices.Clone(standard), i, i+1)...).sign(t, r, body)
			s.out.quiet(t, func() { s.refuses(t, r, http.StatusUnauthorized, "sig.coverage") })
		})
	}
	t.Run("g-created", func(t *testing.T) {
		r, body := s.like(s.bob)
		rfc9421{s.bob.keyID, s.bob.key, standard, fmt.Sprintf(`;keyid="%s"`, s.bob.keyID)}.sign(t, r, body)
		s.out.quiet(t, func() { s.refuses(t, r, http.StatusUnauthorized, "sig.coverage") })
	})
	t.Run("full", func(t *testing.T) {
		r, _ := s.like(s.bob)
		s.takes(t, s.bob.sign(t, r))
		r, body := s.like(s.bob)
		s.takes(t, s.bob.rfc9421(s.now(), standard...).sign(t, r, body))
	})
}

// S2: the body is the one that was digested, and the digest the one that was signed.
func TestS2Body(t *testing.T) {
	s := newScene(t)
	other := s.bob.like("other", s.thing, "2026-01")
	sum512 := sha512.Sum512(other)
	wrong := func(r *http.Request, digest string) *http.Request {
		r.Header.Set("Digest", digest)
		return r
	}
	for name, build := range map[string]func(r *http.Request, body []byte) *http.Request{
		"a": func(r *http.Request, _ []byte) *http.Request { // the body is another
			signed := s.bob.sign(t, r)
			swapped := s.post(other)
			swapped.Header = signed.Header
			return swapped
		},
		"c-sha512": func(_ *http.Request, _ []byte) *http.Request {
			return s.bob.sign(t, wrong(s.post(other), "SHA-512="+base64.StdEncoding.EncodeToString(sum512[:])))
		},
		"c-md5": func(_ *http.Request, _ []byte) *http.Request {
			return s.bob.sign(t, wrong(s.post(other), "MD5=Q2hlY2sgSW50ZWdyaXR5IQ=="))
		},
		"c-unknown": func(_ *http.Request, _ []byte) *http.Request {
			return s.bob.sign(t, wrong(s.post(other), "unixsum=30637"))
		},
		"c-unparsable": func(_ *http.Request, _ []byte) *http.Request { return s.bob.sign(t, wrong(s.post(other), "SHA-256")) },
		"d-content-digest-right": func(r *http.Request, body []byte) *http.Request {
			r.Header.Set("Content-Digest", contentDigestOf(body))
			return s.bob.sign(t, wrong(r, digestOf(other)))
		},
		"d-digest-right": func(r *http.Request, _ []byte) *http.Request {
			r.Header.Set("Content-Digest", contentDigestOf(other))
			return s.bob.sign(t, r)
		},
		"rfc9421-content-digest": func(r *http.Request, body []byte) *http.Request {
			r.Header.Set("Content-Digest", contentDigestOf(other))
			return s.bob.rfc9421(s.now(), standard...).sign(t, r, body)
		},
	} {
		t.Run(name, func(t *testing.T) {
			r, body := s.like(s.bob)
			s.out.quiet(t, func() { s.refuses(t, build(r, body), http.StatusUnauthorized, "sig.digest") })
		})
	}
	t.Run("b", func(t *testing.T) { // digested anew, not signed anew
		r, _ := s.like(s.bob)
		signed := s.bob.sign(t, r)
		swapped := s.post(other)
		swapped.Header.Set("Signature", signed.Header.Get("Signature"))
		s.refuses(t, swapped, http.StatusUnauthorized, "sig.bad")
	})
	for i, form := range []string{"sha-256=%s", "SHA-256=%s", "Sha-256=%s", "sha-256=%s,unixsum=30637", "SHA-512=xx==,SHA-256=%s",
		"md5=xx==, sha-256=%s"} {
		t.Run(numbered("taken-", i), func(t *testing.T) { // after b: whoever forges bob doesn't lock him out
			r, body := s.like(s.bob)
			s.takes(t, s.bob.sign(t, wrong(r, fmt.Sprintf(form, strings.TrimPrefix(digestOf(body), "SHA-256=")))))
		})
	}
}

// S3: key, owner and actor are one identity, or nothing is believed and nobody remembered.
func TestS3Owner(t *testing.T) {
	s := newScene(t)
	mallory := s.out.person(t, "evil.localhost", "mallory")
	neighbour := s.out.actor(t, "good.localhost", "/users/nat", "Person", mallory.key, nil)
	keyDocument := func(id string) map[string]any {
		return map[string]any{"@context": "https://w3id.org/security/v1", "id": id, "type": "Key",
			"owner": s.bob.id, "publicKeyPem": pemOf(t, mallory.key.Public())}
	}
	forged := func(t *testing.T, keyID string) *http.Request {
		r, _ := s.like(s.bob)
		return cavage{keyID: keyID, key: mallory.key, algorithm: "rsa-sha256", headers: usual}.sign(t, r)
	}
	put := func(host, path, media string) string {
		id := s.out.at(host, path)
		s.out.document(host, path, media, keyDocument(id))
		return id
	}
	for name, keyID := range map[string]string{
		"a":      mallory.keyID,
		"a-host": neighbour.keyID, // somebody else on bob's own host
		"b":      put("evil.localhost", "/keys/1", vocab.AS2MediaType),
		"b-host": put("good.localhost", "/keys/1", vocab.AS2MediaType), // on bob's own host: bob must list it
		"c":      put("good.localhost", "/files/key.txt", "text/plain"),
		"c-html": put("good.localhost", "/files/key.html", "text/html"),
		"c-json": put("good.localhost", "/files/key.json", "application/json"),
		"c-ld":   put("good.localhost", "/files/key.jsonld", "application/ld+json"),
		"d":      s.bob.id + "#second-key",
		"d-path": s.bob.id + "/main-key",
	} {
		t.Run(name, func(t *testing.T) {
			if name == "d-path" { // a server that serves the actor at any address below it
				s.out.document("good.localhost", "/users/bob/main-key", vocab.AS2MediaType, s.bob.document(t, "Person"))
			}
			s.refuses(t, forged(t, keyID), http.StatusForbidden, "sig.owner")
		})
	}
	t.Run("a-known", func(t *testing.T) { // and when the key is known already
		r, _ := s.like(neighbour)
		s.takes(t, neighbour.sign(t, r))
		s.refuses(t, forged(t, neighbour.keyID), http.StatusForbidden, "sig.owner")
	})
	t.Run("squatted", func(t *testing.T) { // eve lists bob's key as hers: she doesn't take its place
		eve := s.out.actor(t, "evil.localhost", "/users/eve", "Person", mallory.key, func(doc map[string]any) {
			id := s.out.at("evil.localhost", "/users/eve")
			doc["publicKey"] = []any{doc["publicKey"],
				map[string]any{"id": s.bob.keyID, "owner": id, "publicKeyPem": pemOf(t, mallory.key.Public())}}
		})
		r, _ := s.like(eve)
		s.takes(t, eve.sign(t, r))
		s.refuses(t, forged(t, s.bob.keyID), http.StatusUnauthorized, "sig.bad")
		for range 3 {
			r, _ := s.like(s.bob)
			s.takes(t, s.bob.sign(t, r))
		}
		if n := column[int](t, s.subject, `select count(*) from remote_key where id = $1 and actor = $2`, s.bob.keyID, s.bob.id); n[0] != 1 {
			t.Error("bob's key isn't bob's")
		}
	})
	if asked := s.out.asked("good.localhost", "/users/bob"); len(asked) > 4 {
		t.Errorf("bob's document was asked for %d times", len(asked))
	}
}

// S4: the stored key's type decides the algorithm; weak keys and strange names cost next to nothing.
func TestS4Algorithm(t *testing.T) {
	s := newScene(t)
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rsa2048 := rsaKeyOf(t, "bob")
	withPEM := func(name, pem string) stranger {
		p := s.out.actor(t, "good.localhost", "/users/"+name, "Person", rsa2048, func(doc map[string]any) {
			doc["publicKey"].(map[string]any)["publicKeyPem"] = pem
		})
		return p
	}
	mac := func(text []byte) []byte {
		h := hmac.New(sha256.New, []byte(pemOf(t, rsa2048.Public())))
		h.Write(text)
		return h.Sum(nil)
	}
	bySHA1 := func(text []byte) []byte {
		sum := sha1.Sum(text)
		return must[[]byte](t)(rsa2048.Sign(rand.Reader, sum[:], crypto.SHA1))
	}
	byRSA := func(text []byte) []byte { return signWith(t, rsa2048, text) }
	random := func(n int) func([]byte) []byte {
		return func([]byte) []byte { b := make([]byte, n); _, _ = rand.Read(b); b[0] = 0; return b }
	}
	weak := keyOf(t, "weak", 1024)
	for _, c := range []struct {
		name, algorithm, pem string
		by                   func([]byte) []byte
		code                 string
	}{
		{"hmac", "hmac-sha256", pemOf(t, rsa2048.Public()), mac, "sig.algorithm"},
		{"hmac-unnamed", "", pemOf(t, rsa2048.Public()), mac, "sig.bad"},
		{"hmac-hs2019", "hs2019", pemOf(t, rsa2048.Public()), mac, "sig.bad"},
		{"none", "none", pemOf(t, rsa2048.Public()), random(1), "sig.algorithm"},
		{"empty", "", pemOf(t, rsa2048.Public()), random(256), "sig.bad"},
		{"rsa-sha1", "rsa-sha1", pemOf(t, rsa2048.Public()), bySHA1, "sig.algorithm"},
		{"sha1-unnamed", "", pemOf(t, rsa2048.Public()), bySHA1, "sig.bad"},
		{"ed25519-with-rsa", "rsa-sha256", pemOf(t, ed.Public()), byRSA, "sig.algorithm"},
		{"ed25519-with-rsa-hs2019", "hs2019", pemOf(t, ed.Public()), byRSA, "sig.bad"},
		{"rsa1024", "rsa-sha256", pemOf(t, weak.Public()), func(text []byte) []byte { return signWith(t, weak, text) }, "sig.key"},
		{"rsa16384", "rsa-sha256", pemOf(t, hugeKey(t)), random(2048), "sig.key"},
		{"e1", "rsa-sha256", pemOf(t, &rsa.PublicKey{N: rsa2048.N, E: 1}), padded, "sig.key"},
		{"e3", "rsa-sha256", pemOf(t, &rsa.PublicKey{N: rsa2048.N, E: 3}), padded, "sig.key"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s.turn(t, s.offset+time.Minute) // a host isn't asked for more unproven keys at a time than thirty
			took := time.Hour
			for try := range 3 { // the program does other things too: the least of three counts
				p := withPEM(numbered(c.name, try), c.pem)
				r, _ := s.like(p)
				cavage{keyID: p.keyID, algorithm: c.algorithm, headers: usual, by: c.by}.sign(t, r)
				before := cpuOf(t, s.process)
				got := s.send(t, r)
				took = min(took, cpuOf(t, s.process)-before)
				if got.status != http.StatusUnauthorized {
					t.Fatalf("status %d: %s", got.status, got.body)
				}
			}
			if took > 50*time.Millisecond {
				t.Errorf("took %v of CPU", took)
			}
			p := withPEM(c.name, c.pem)
			r, _ := s.like(p)
			cavage{keyID: p.keyID, algorithm: c.algorithm, headers: usual, by: c.by}.sign(t, r)
			s.refuses(t, r, http.StatusUnauthorized, c.code)
		})
	}
	t.Run("rfc9421-hmac", func(t *testing.T) {
		r, body := s.like(s.bob)
		f := s.bob.rfc9421(s.now(), standard...)
		f.parameters += `;alg="hmac-sha256"`
		s.refuses(t, f.sign(t, r, body), http.StatusUnauthorized, "sig.algorithm")
	})
	t.Run("taken", func(t *testing.T) {
		for name, key := range map[string]crypto.Signer{"rsa2048": rsa2048, "rsa4096": keyOf(t, "big", 4096), "ed25519": ed} {
			p := s.out.actor(t, "good.localhost", "/users/fine-"+name, "Person", key, nil)
			r, _ := s.like(p)
			s.takes(t, cavage{keyID: p.keyID, key: key, algorithm: "hs2019", headers: usual}.sign(t, r))
		}
		p := s.out.actor(t, "good.localhost", "/users/multikey", "Person", rsa2048, func(doc map[string]any) {
			id := s.out.at("good.localhost", "/users/multikey")
			doc["assertionMethod"] = []any{map[string]any{"id": id + "#ed25519-key", "type": "Multikey", "controller": id,
				"publicKeyMultibase": multikeyOf(t, ed.Public().(ed25519.PublicKey))}}
		})
		p.keyID, p.key = p.id+"#ed25519-key", ed
		r, body := s.like(p)
		s.takes(t, p.rfc9421(s.now(), standard...).sign(t, r, body))
	})
}

// hugeKey has a modulus of 16384 bits. It needs no private half.
func hugeKey(t *testing.T) *rsa.PublicKey {
	t.Helper()
	n := must[*big.Int](t)(rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 16383)))
	n.SetBit(n, 16383, 1).SetBit(n, 0, 1)
	return &rsa.PublicKey{N: n, E: 65537}
}

// padded is what a signature comes to under the exponent 1: the padding and the hash themselves
// (RFC 8017 §9.2).
func padded(text []byte) []byte {
	info := append([]byte{0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01,
		0x05, 0x00, 0x04, 0x20}, hashed(text)...)
	em := append([]byte{0, 1}, bytes.Repeat([]byte{0xff}, 256-3-len(info))...)
	return append(append(em, 0), info...)
}

// S5: a signature is for one target, one host and one time.
func TestS5Target(t *testing.T) {
	s := newScene(t)
	body := s.bob.like("target", s.thing, s.now().UTC().Format("2006-01"))
	with := func(change func(c *cavage, r *http.Request), path string) func(t *testing.T) *http.Request {
		return func(t *testing.T) *http.Request {
			r := s.postTo(path, body)
			c := cavage{keyID: s.bob.keyID, key: s.bob.key, algorithm: "rsa-sha256", headers: usual}
			change(&c, r)
			return c.sign(t, r)
		}
	}
	for name, build := range map[string]func(t *testing.T) *http.Request{
		"a":  with(func(c *cavage, _ *http.Request) { c.host = "b.localhost" }, "/inbox"),
		"b":  with(func(c *cavage, _ *http.Request) { c.target = "/actor/inbox" }, "/inbox"),
		"b2": with(func(c *cavage, _ *http.Request) { c.target = "/inbox" }, "/users/op/inbox"),
		"c":  with(func(c *cavage, _ *http.Request) { c.target = "/inbox?x=1" }, "/inbox?x=2"),
		"c2": with(func(c *cavage, _ *http.Request) { c.target = "/inbox" }, "/inbox?x=1"),
		"d":  with(func(c *cavage, _ *http.Request) { c.method = "get" }, "/inbox"),
	} {
		t.Run(name, func(t *testing.T) { s.refuses(t, build(t), http.StatusUnauthorized, "sig.bad") })
	}
	t.Run("d-signed-get", func(t *testing.T) { // exactly as a GET is signed
		s.refuses(t, with(func(c *cavage, _ *http.Request) { c.method, c.headers = "get", "(request-target) host date" }, "/inbox")(t),
			http.StatusUnauthorized, "sig.coverage")
	})
	t.Run("rfc9421", func(t *testing.T) {
		r := s.post(body)
		s.bob.rfc9421(s.now(), standard...).sign(t, r, body)
		moved := s.postTo("/actor/inbox", body)
		moved.Header = r.Header
		s.refuses(t, moved, http.StatusUnauthorized, "sig.bad")
	})
	s.foreignHosts(t, body)
	s.ages(t)
}

// foreignHosts: a request for a host that isn't served here is answered 421, however it is signed.
func (s *scene) foreignHosts(t *testing.T, body []byte) {
	t.Run("g", func(t *testing.T) {
		for _, host := range []string{"b.localhost", "a.localhost.evil.example", "127.0.0.1", "a.localhost:8080", "localhost"} {
			r := s.post(body)
			r.Host = host
			before := s.state(t)
			s.out.quiet(t, func() {
				if got := s.send(t, s.bob.sign(t, r)); got.status != http.StatusMisdirectedRequest {
					t.Errorf("%s: status %d, want 421", host, got.status)
				}
			})
			if s.state(t) != before {
				t.Errorf("%s: something changed", host)
			}
		}
	})
}

// ages: an hour either way for flattrs, and a refusal says what time it is here.
func (s *scene) ages(t *testing.T) {
	old := func(t *testing.T, r *http.Request) {
		got := s.refuses(t, r, http.StatusUnauthorized, "sig.age")
		date, err := http.ParseTime(got.header.Get("Date"))
		if err != nil || date.Sub(s.now()).Abs() > 5*time.Second {
			t.Errorf("Date is %q, our clock is %v", got.header.Get("Date"), s.now().UTC())
		}
	}
	dated := func(t *testing.T, off time.Duration) *http.Request {
		r, _ := s.like(s.bob)
		r.Header.Set("Date", s.now().Add(off).UTC().Format(http.TimeFormat))
		return s.bob.sign(t, r)
	}
	t.Run("e", func(t *testing.T) {
		for _, off := range []time.Duration{-2 * time.Hour, 2 * time.Hour, -61 * time.Minute, 61 * time.Minute} {
			old(t, dated(t, off))
		}
		s.takes(t, dated(t, -59*time.Minute))
		s.takes(t, dated(t, 59*time.Minute))
	})
	t.Run("f", func(t *testing.T) {
		for name, times := range map[string]string{"created in the future": "created=%d", "expires past": "expires=%d"} {
			at := s.now().Add(time.Hour)
			if name == "expires past" {
				at = s.now().Add(-time.Minute)
			}
			extra := fmt.Sprintf(times, at.Unix())
			special := "(" + strings.SplitN(times, "=", 2)[0] + ")"
			r, _ := s.like(s.bob)
			old(t, cavage{keyID: s.bob.keyID, key: s.bob.key, algorithm: "hs2019", headers: usual + " " + special, extra: extra}.sign(t, r))
			r, body := s.like(s.bob)
			f := s.bob.rfc9421(s.now(), standard...)
			if f.parameters += ";" + extra; name != "expires past" {
				f.parameters = fmt.Sprintf(`;%s;keyid="%s"`, extra, s.bob.keyID)
			}
			old(t, f.sign(t, r, body))
		}
	})
	t.Run("e-turned", func(t *testing.T) { // the clock that counts is the instance's
		s.turn(t, 36*time.Hour)
		r, _ := s.like(s.bob)
		r.Header.Set("Date", time.Now().UTC().Format(http.TimeFormat))
		old(t, s.bob.sign(t, r))
		s.takes(t, dated(t, 0))
	})
	t.Run("e-claims", func(t *testing.T) {
		s.passMonth(t)
		home := s.out.home(t, "peer.localhost")
		claim := home.claim(t, s.subject, lastMonth(s.now()), 1, line(s.subject, "op", s.thing, 1_000_000))
		s.meet(t, home)
		for _, off := range []time.Duration{-11 * time.Minute, 11 * time.Minute} {
			r := s.postTo("/actor/inbox", claim)
			r.Header.Set("Date", s.now().Add(off).UTC().Format(http.TimeFormat))
			old(t, home.sign(t, r))
		}
		r := s.postTo("/actor/inbox", claim)
		r.Header.Set("Date", s.now().Add(-9*time.Minute).UTC().Format(http.TimeFormat))
		s.takes(t, home.sign(t, r))
	})
}
