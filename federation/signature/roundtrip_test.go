package signature_test

import (
	"crypto"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	rfc9421 "github.com/dadrus/httpsig"
	cavage "github.com/go-fed/httpsig"

	"github.com/fedflattr/flattrd/federation/signature"
)

// Over a real connection, through net/http on both ends.
func TestRoundTripOverHTTP(t *testing.T) {
	t.Parallel()
	keys := map[string]signature.PrivateKey{rsaID: makeRSA(), edID: makeEd25519()}
	server := httptest.NewServer(nil)
	t.Cleanup(server.Close)
	host := strings.TrimPrefix(server.URL, "http://")
	server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		signed, err := signature.Parse(r, body, signature.Expect{Scheme: "http", Host: host, Now: time.Now()})
		if err == nil {
			err = signed.Verify(keys[signed.KeyID].Public())
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusUnauthorized)
		}
	})
	for _, kind := range kinds {
		for _, key := range keys {
			for _, body := range []string{"", like} {
				method := map[bool]string{true: http.MethodPost, false: http.MethodGet}[body != ""]
				req := request(t, method, server.URL+"/users/b%C3%B6b/inbox?page=1&a=b%20c", body)
				sign := signature.SignCavage
				if kind == signature.RFC9421 {
					sign = signature.SignRFC9421
				}
				if err := sign(req, []byte(body), key, time.Now()); err != nil {
					t.Fatal(err)
				}
				answer, err := server.Client().Do(req)
				if err != nil {
					t.Fatal(err)
				}
				text, _ := io.ReadAll(answer.Body)
				answer.Body.Close()
				if answer.StatusCode != http.StatusOK {
					t.Errorf("%s %s %s: %s", kind, method, key.ID, text)
				}
			}
		}
	}
}

// What we sign stands before the bare libraries, as it will before others.
func TestOthersVerifyOurs(t *testing.T) {
	t.Parallel()
	for _, key := range []signature.PrivateKey{makeRSA(), makeEd25519()} {
		secret := bare(t, key)
		old, modern := cavage.ED25519, rfc9421.Ed25519
		if key.ID == rsaID {
			old, modern = cavage.RSA_SHA256, rfc9421.RsaPkcs1v15Sha256
		}
		r, _ := signedPost(t, signature.Cavage, key)
		verifier, err := cavage.NewVerifier(r)
		if err != nil {
			t.Fatal(err)
		}
		if err := verifier.Verify(secret.Public(), old); err != nil || verifier.KeyId() != key.ID {
			t.Errorf("%s: %v", verifier.KeyId(), err)
		}
		if err := verifyRFC9421(t, key.ID, modern, secret.Public()); err != nil {
			t.Error(err)
		}
	}
}

// verifyRFC9421 signs now, since the library's clock is the machine's.
func verifyRFC9421(t *testing.T, id string, algorithm rfc9421.SignatureAlgorithm, public crypto.PublicKey) error {
	t.Helper()
	key := map[string]signature.PrivateKey{rsaID: makeRSA(), edID: makeEd25519()}[id]
	req := request(t, http.MethodPost, inboxURL, like)
	if err := signature.SignRFC9421(req, []byte(like), key, time.Now()); err != nil {
		t.Fatal(err)
	}
	verifier, err := rfc9421.NewVerifier(rfc9421.Key{KeyID: id, Algorithm: algorithm, Key: public},
		rfc9421.WithValidateAllSignatures(),
		rfc9421.WithRequiredComponents("@method", "@target-uri", "content-digest"),
		rfc9421.WithValidityTolerance(10*time.Second),
		rfc9421.WithExpiredTimestampRequired(false))
	if err != nil {
		t.Fatal(err)
	}
	return verifier.Verify(rfc9421.MessageFromRequest(req))
}

// The headers that other servers look for (Mastodon, Misskey, PeerTube).
func TestHeadersWeSend(t *testing.T) {
	t.Parallel()
	r, _ := signedPost(t, signature.Cavage, makeRSA())
	const digest = "SHA-256=Ew6KTYJz3+bZqP2pXRl0dnkdkAxZPfUmYDRtBcW2tpY="
	for name, want := range map[string]string{"Date": "Tue, 24 Nov 2026 12:00:00 GMT", "Digest": digest} {
		if got := r.Header.Get(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	const start = `keyId="https://a.example/users/alice#main-key",algorithm="hs2019",headers="(request-target) host date digest",signature="`
	if got := r.Header.Get("Signature"); !strings.HasPrefix(got, start) {
		t.Errorf("got %s", got)
	}
	r, _ = signedPost(t, signature.RFC9421, makeRSA())
	const input = `sig1=("@method" "@target-uri" "content-digest");created=1795521600;keyid="https://a.example/users/alice#main-key"`
	if got := r.Header.Get("Signature-Input"); got != input {
		t.Errorf("got  %s\nwant %s", got, input)
	}
	if got := r.Header.Get("Content-Digest"); got != "sha-256=:"+strings.TrimPrefix(digest, "SHA-256=")+":" {
		t.Errorf("got %s", got)
	}
}

// A retry signs the same request anew, with either kind, and one signature is left.
func TestSigningAgain(t *testing.T) {
	t.Parallel()
	req := request(t, http.MethodPost, inboxURL, like)
	for i, kind := range []signature.Kind{signature.Cavage, signature.Cavage, signature.RFC9421, signature.RFC9421, signature.Cavage} {
		now := noon.Add(time.Duration(i) * time.Hour)
		sign := signature.SignCavage
		if kind == signature.RFC9421 {
			sign = signature.SignRFC9421
		}
		if err := sign(req, []byte(like), makeRSA(), now); err != nil {
			t.Fatal(err)
		}
		req.Body, _ = req.GetBody()
		r, body := received(t, req)
		signed, err := signature.Parse(r, body, expect(now))
		wantCode(t, err, "")
		wantCode(t, signed.Verify(makeRSA().Public()), "")
		if signed.Kind != kind {
			t.Errorf("signed as %s, read as %s", kind, signed.Kind)
		}
	}
}

func TestSigningAnotherBodyThanSent(t *testing.T) {
	t.Parallel()
	for _, body := range []string{"", like + " "} {
		req := request(t, http.MethodPost, inboxURL, like)
		if err := signature.SignCavage(req, []byte(body), makeRSA(), noon); err == nil {
			t.Errorf("SignCavage signs %q", body)
		}
		if err := signature.SignRFC9421(req, []byte(body), makeRSA(), noon); err == nil {
			t.Errorf("SignRFC9421 signs %q", body)
		}
	}
}

// What Parse reports, and that it leaves the request alone.
func TestParseReports(t *testing.T) {
	t.Parallel()
	for _, kind := range kinds {
		r, body := signedPost(t, kind, makeRSA())
		before := r.Clone(t.Context())
		signed, err := signature.Parse(r, body, expect(noon))
		wantCode(t, err, "")
		wantCode(t, signed.Verify(makeRSA().Public()), "")
		wantCode(t, signed.Verify(makeRSA().Public()), "") // and again
		if signed.KeyID != rsaID || signed.Kind != kind || !signed.Expires.IsZero() {
			t.Errorf("%+v", signed)
		}
		at := map[signature.Kind]time.Time{signature.Cavage: signed.Date, signature.RFC9421: signed.Created}[kind]
		if !at.Equal(noon) {
			t.Errorf("%s signed at %v", kind, at)
		}
		if !reflect.DeepEqual(r.Header, before.Header) || r.Host != before.Host || !reflect.DeepEqual(r.URL, before.URL) {
			t.Errorf("%s: the request was changed", kind)
		}
	}
}
