package signature_test

import (
	"crypto/rsa"
	"net/http"
	"strings"
	"testing"

	cavage "github.com/go-fed/httpsig"

	"github.com/fedflattr/flattrd/federation/signature"
)

// Case S4: the key's type is the algorithm, whatever the sender calls it.
func TestCavageAlgorithmNames(t *testing.T) {
	t.Parallel()
	const bad, refused = signature.CodeBad, signature.CodeAlgorithm
	cases := []struct {
		name    string // in the request
		rsa, ed signature.Code
	}{
		{"hs2019", "", ""},
		{"", "", ""},
		{"rsa-sha256", "", refused},
		{"ed25519", refused, ""},
		{"rsa-sha1", refused, refused},
		{"rsa-sha512", refused, refused},
		{"hmac-sha256", refused, refused},
		{"none", refused, refused},
		{"RSA-SHA256", refused, refused},
	}
	for _, c := range cases {
		for _, k := range []struct {
			key  signature.PrivateKey
			code signature.Code
		}{{makeRSA(), c.rsa}, {makeEd25519(), c.ed}} {
			r, body := signedPost(t, signature.Cavage, k.key)
			if c.name != "hs2019" {
				changeSignature(`algorithm="hs2019"`, `algorithm="`+c.name+`"`)(r)
			}
			if err := accept(r, body, expect(noon), k.key.Public()); signature.CodeOf(err) != k.code {
				t.Errorf("%q with %s: %v, want %q", c.name, k.key.ID, err, k.code)
			}
		}
	}
	r, body := signedPost(t, signature.Cavage, makeRSA())
	changeSignature(`algorithm="hs2019",`, ``)(r)
	wantCode(t, accept(r, body, expect(noon), makeRSA().Public()), "")
	r, body = signedPost(t, signature.Cavage, makeRSA())
	changeSignature(`hs2019`, `none`)(r)
	_, err := signature.Parse(r, body, expect(noon)) // before a key is looked up
	wantCode(t, err, refused)
}

func TestRFC9421AlgorithmNames(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"hmac-sha256", "none", "rsa-pss-sha512", "ecdsa-p256-sha256", "rsa-v1_5-sha1", "hs2019"} {
		r, body := signedPost(t, signature.RFC9421, makeRSA())
		r.Header.Set("Signature-Input", r.Header.Get("Signature-Input")+`;alg="`+name+`"`)
		_, err := signature.Parse(r, body, expect(noon)) // before a key is looked up
		wantCode(t, err, signature.CodeAlgorithm)
	}
	// A name that fits another key type passes Parse, and meets its key in Verify.
	r, body := signedPost(t, signature.RFC9421, makeRSA())
	r.Header.Set("Signature-Input", r.Header.Get("Signature-Input")+`;alg="ed25519"`)
	signed, err := signature.Parse(r, body, expect(noon))
	wantCode(t, err, "")
	wantCode(t, signed.Verify(makeRSA().Public()), signature.CodeAlgorithm)
}

// Case S4: a MAC whose secret is the public key, which everybody knows. The bare
// library has MACs behind the same Verify.
func TestMACKeyedWithThePublicKey(t *testing.T) {
	t.Parallel()
	public, err := makeRSA().Public().PEM()
	if err != nil {
		t.Fatal(err)
	}
	req := dressed(t, http.MethodPost, inboxURL, like, goodDigest(t))
	signer, _, err := cavage.NewSigner([]cavage.Algorithm{cavage.HMAC_SHA256}, cavage.DigestSha256,
		[]string{"(request-target)", "host", "date", "digest"}, cavage.Signature, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := signer.SignRequest([]byte(public), rsaID, req, nil); err != nil {
		t.Fatal(err)
	}
	r, body := received(t, req)
	verifier, err := cavage.NewVerifier(r.Clone(t.Context()))
	if err != nil || verifier.Verify([]byte(public), cavage.HMAC_SHA256) != nil {
		t.Fatal("the attack isn't made well enough to be refused")
	}
	wantCode(t, accept(r, body, expect(noon), makeRSA().Public()), signature.CodeBad)
	changeSignature("hs2019", "hmac-sha256")(r)
	wantCode(t, accept(r, body, expect(noon), makeRSA().Public()), signature.CodeAlgorithm)
}

// Case S4: a signature of one type shown to a key of another, under its id.
func TestSignatureOfAnotherKeyType(t *testing.T) {
	t.Parallel()
	for _, kind := range []signature.Kind{signature.Cavage, signature.RFC9421} {
		asEd := rename(t, makeRSA(), edID)
		r, body := signedPost(t, kind, asEd)
		wantCode(t, accept(r, body, expect(noon), makeEd25519().Public()), signature.CodeBad)

		asRSA := rename(t, makeEd25519(), rsaID)
		r, body = signedPost(t, kind, asRSA)
		wantCode(t, accept(r, body, expect(noon), makeRSA().Public()), signature.CodeBad)
	}
}

// Case S3 begins here: the key must be the one that is named, even if its
// arithmetic comes out.
func TestKeyMustBeTheOneNamed(t *testing.T) {
	t.Parallel()
	for _, kind := range []signature.Kind{signature.Cavage, signature.RFC9421} {
		r, body := signedPost(t, kind, makeRSA())
		same := rename(t, makeRSA(), "https://evil.example/key").Public()
		wantCode(t, accept(r, body, expect(noon), same), signature.CodeKey)

		stranger, err := signature.GenerateEd25519(rsaID, alice)
		if err != nil {
			t.Fatal(err)
		}
		wantCode(t, accept(r, body, expect(noon), stranger.Public()), signature.CodeBad)
	}
}

// Case S4: refusing costs under 50 ms of CPU, even for 16384 bits and for the
// largest key that is taken, with a query that makes the verifier try twice.
func TestRefusingIsCheap(t *testing.T) {
	huge := spki(t, modulus(t, 16384, 65537))
	large, err := signature.ParsePublicPEM(rsaID, alice, spki(t, modulus(t, 4096, 1<<31-1)))
	if err != nil {
		t.Fatal(err)
	}
	req := request(t, http.MethodGet, "https://b.example/users/bob?page=1", "")
	signAs(t, signature.Cavage, req, "", makeRSA())
	r, body := received(t, req)
	changeSignature(`signature="[^"]*"`, `signature="`+strings.Repeat("AAAA", 170)+`AAA="`)(r)

	spent := cpu(t, func() {
		_, err := signature.ParsePublicPEM(rsaID, alice, huge)
		wantCode(t, err, signature.CodeKey)
	})
	if spent.Milliseconds() >= 50 {
		t.Errorf("RSA-16384 refused in %v", spent)
	}
	spent = cpu(t, func() { wantCode(t, accept(r, body, expect(noon), large), signature.CodeBad) })
	if spent.Milliseconds() >= 50 {
		t.Errorf("a bad RSA-4096 signature refused in %v", spent)
	}
}

// rename is the same secret under another id.
func rename(t *testing.T, key signature.PrivateKey, id string) signature.PrivateKey {
	t.Helper()
	secret := bare(t, key)
	if _, isRSA := secret.(*rsa.PrivateKey); !isRSA && key.ID == rsaID {
		t.Fatal("not the RSA key")
	}
	renamed, err := signature.NewPrivateKey(id, alice, secret)
	if err != nil {
		t.Fatal(err)
	}
	return renamed
}
