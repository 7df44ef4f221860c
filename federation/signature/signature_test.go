package signature_test

import (
	"bufio"
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	rfc9421 "github.com/dadrus/httpsig"
	cavage "github.com/go-fed/httpsig"

	"github.com/fedflattr/flattrd/federation/signature"
)

// The tests are two instances: alice at a.example sends, b.example receives.
const (
	alice    = "https://a.example/users/alice"
	rsaID    = alice + "#main-key"
	edID     = alice + "#ed25519-key"
	inboxURL = "https://b.example/users/Bob/inbox"
	like     = `{"@context":"https://www.w3.org/ns/activitystreams","id":"https://a.example/flattrs/1","type":"Like"}`
)

var noon = time.Date(2026, time.November, 24, 12, 0, 0, 0, time.UTC)

// expect is what b.example expects at a time.
func expect(now time.Time) signature.Expect {
	return signature.Expect{Scheme: "https", Host: "b.example", Now: now}
}

var makeRSA = sync.OnceValue(func() signature.PrivateKey {
	key, err := signature.GenerateRSA(rsaID, alice)
	if err != nil {
		panic(err)
	}
	return key
})

var makeEd25519 = sync.OnceValue(func() signature.PrivateKey {
	key, err := signature.GenerateEd25519(edID, alice)
	if err != nil {
		panic(err)
	}
	return key
})

// bare is a key as other libraries take it.
func bare(t testing.TB, key signature.PrivateKey) crypto.Signer {
	t.Helper()
	text, err := key.PEM()
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode([]byte(text))
	secret, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return secret.(crypto.Signer)
}

func request(t testing.TB, method, url, body string) *http.Request {
	t.Helper()
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	req, err := http.NewRequest(method, url, reader)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/activity+json")
	return req
}

// received sends a request over the wire, as text, and reads it as a server does.
func received(t testing.TB, req *http.Request) (*http.Request, []byte) {
	t.Helper()
	var wire bytes.Buffer
	if err := req.Write(&wire); err != nil {
		t.Fatal(err)
	}
	got, err := http.ReadRequest(bufio.NewReader(&wire))
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(got.Body)
	if err != nil {
		t.Fatal(err)
	}
	return got, body
}

// accept runs both steps, as an inbox does.
func accept(r *http.Request, body []byte, want signature.Expect, key signature.PublicKey) error {
	signed, err := signature.Parse(r, body, want)
	if err != nil {
		return err
	}
	return signed.Verify(key)
}

// wantCode fails unless err is a refusal with this code ("" for none).
func wantCode(t testing.TB, err error, code signature.Code) {
	t.Helper()
	if code == "" && err != nil {
		t.Fatalf("refused: %v", err)
	}
	if got := signature.CodeOf(err); got != code {
		t.Fatalf("got %q (%v), want %q", got, err, code)
	}
}

// signedPost is alice's Like, signed and received: the request that must be taken,
// from which the cases below are made.
func signedPost(t testing.TB, kind signature.Kind, key signature.PrivateKey) (*http.Request, []byte) {
	t.Helper()
	req := request(t, http.MethodPost, inboxURL, like)
	signAs(t, kind, req, like, key)
	return received(t, req)
}

func signAs(t testing.TB, kind signature.Kind, req *http.Request, body string, key signature.PrivateKey) {
	t.Helper()
	sign := signature.SignCavage
	if kind == signature.RFC9421 {
		sign = signature.SignRFC9421
	}
	if err := sign(req, []byte(body), key, noon); err != nil {
		t.Fatal(err)
	}
}

// cavageOver signs any set of headers with the bare library, as a careless server
// would. Headers must be set before; the Digest is left as it is.
func cavageOver(t testing.TB, req *http.Request, key signature.PrivateKey, names ...string) {
	t.Helper()
	secret := bare(t, key)
	algorithm := cavage.RSA_SHA256
	if _, ok := secret.(ed25519.PrivateKey); ok {
		algorithm = cavage.ED25519
	}
	signer, _, err := cavage.NewSigner([]cavage.Algorithm{algorithm}, cavage.DigestSha256, names, cavage.Signature, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := signer.SignRequest(secret, key.ID, req, nil); err != nil {
		t.Fatal(err)
	}
}

// dressed is a request with all the headers that draft-cavage may sign.
func dressed(t testing.TB, method, url, body, digest string) *http.Request {
	t.Helper()
	req := request(t, method, url, body)
	req.Header.Set("Date", noon.Format(http.TimeFormat))
	req.Header.Set("Host", req.URL.Host)
	if digest != "" {
		req.Header.Set("Digest", digest)
	}
	return req
}

// rfc9421Over signs any set of components with the bare library, at the machine's
// time, with its own ideas of expiry, nonce and alg.
func rfc9421Over(t testing.TB, req *http.Request, key signature.PrivateKey, names ...string) {
	t.Helper()
	secret := bare(t, key)
	algorithm := rfc9421.Ed25519
	if _, ok := secret.(*rsa.PrivateKey); ok {
		algorithm = rfc9421.RsaPkcs1v15Sha256
	}
	signer, err := rfc9421.NewSigner(rfc9421.Key{KeyID: key.ID, Algorithm: algorithm, Key: secret},
		rfc9421.WithComponents(names...), rfc9421.WithContentDigestAlgorithm(rfc9421.Sha256), rfc9421.WithTTL(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	header, err := signer.Sign(rfc9421.MessageFromRequest(req))
	if err != nil {
		t.Fatal(err)
	}
	req.Header = header
}
