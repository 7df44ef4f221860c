package signature_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"github.com/multiformats/go-multibase"

	"github.com/fedflattr/flattrd/federation/signature"
)

func TestPEMRoundTrip(t *testing.T) {
	t.Parallel()
	for _, key := range []signature.PrivateKey{makeRSA(), makeEd25519()} {
		secret, err := key.PEM()
		if err != nil {
			t.Fatal(err)
		}
		again, err := signature.ParsePrivatePEM(key.ID, key.Owner, secret)
		if err != nil {
			t.Fatal(err)
		}
		text, err := key.Public().PEM()
		if err != nil || !strings.HasPrefix(text, "-----BEGIN PUBLIC KEY-----\n") {
			t.Fatalf("not SubjectPublicKeyInfo: %v\n%s", err, text)
		}
		public, err := signature.ParsePublicPEM(key.ID, key.Owner, "\n"+text+"\n\n")
		if err != nil {
			t.Fatal(err)
		}
		if public.Fingerprint() != again.Public().Fingerprint() || public.Owner != alice {
			t.Errorf("%s came back as another key", key.ID)
		}
	}
}

func TestPublicKeyInPKCS1IsReadAndWrittenAsSPKI(t *testing.T) {
	t.Parallel()
	modern, err := makeRSA().Public().PEM()
	if err != nil {
		t.Fatal(err)
	}
	key := bare(t, makeRSA()).Public().(*rsa.PublicKey)
	old := block("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(key))
	read, err := signature.ParsePublicPEM(rsaID, alice, old)
	if err != nil {
		t.Fatal(err)
	}
	if written, err := read.PEM(); err != nil || written != modern {
		t.Errorf("%v\n%s", err, written)
	}
}

// Case S4: weak, slow and strange keys never become keys.
func TestPublicKeysRefused(t *testing.T) {
	t.Parallel()
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	good, err := makeRSA().Public().PEM()
	if err != nil {
		t.Fatal(err)
	}
	secret, err := makeEd25519().PEM()
	if err != nil {
		t.Fatal(err)
	}
	cases := map[string]string{
		"RSA 1024":       spki(t, modulus(t, 1024, 65537)),
		"RSA 2047":       spki(t, modulus(t, 2047, 65537)),
		"RSA 4097":       spki(t, modulus(t, 4097, 65537)),
		"RSA 16384":      spki(t, modulus(t, 16384, 65537)),
		"e = 1":          spki(t, modulus(t, 2048, 1)),
		"e = 3":          spki(t, modulus(t, 2048, 3)),
		"e even":         spki(t, modulus(t, 2048, 65538)),
		"P-256":          spki(t, curve.Public()),
		"two keys":       good + good,
		"text before":    "hello\n" + good,
		"text after":     good + "hello",
		"not a key":      block("PUBLIC KEY", []byte("hello")),
		"a certificate":  block("CERTIFICATE", []byte("hello")),
		"a secret":       secret,
		"empty":          "",
		"9 kB of spaces": strings.Repeat(" ", 9<<10) + good,
	}
	for name, text := range cases {
		_, err := signature.ParsePublicPEM(rsaID, alice, text)
		if signature.CodeOf(err) != signature.CodeKey {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, key := range []crypto.PublicKey{nil, (*rsa.PublicKey)(nil), &rsa.PublicKey{E: 65537}, "key", []byte("key")} {
		_, err := signature.NewPublicKey(rsaID, alice, key)
		wantCode(t, err, signature.CodeKey)
	}
	for _, bits := range []int{2048, 3072, 4096} {
		_, err := signature.ParsePublicPEM(rsaID, alice, spki(t, modulus(t, bits, 65537)))
		wantCode(t, err, "")
	}
}

func TestPrivateKeysRefused(t *testing.T) {
	t.Parallel()
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	_, err = signature.NewPrivateKey(rsaID, alice, weak)
	wantCode(t, err, signature.CodeKey)

	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, err = signature.NewPrivateKey(rsaID, alice, curve)
	wantCode(t, err, signature.CodeKey)

	old := x509.MarshalPKCS1PrivateKey(weak)
	good, err := x509.MarshalPKCS8PrivateKey(bare(t, makeEd25519()))
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"", block("RSA PRIVATE KEY", old), block("PRIVATE KEY", old), block("PUBLIC KEY", good)} {
		_, err := signature.ParsePrivatePEM(rsaID, alice, text)
		wantCode(t, err, signature.CodeKey)
	}
}

func TestKeyIDsRefused(t *testing.T) {
	t.Parallel()
	key := bare(t, makeEd25519())
	ids := []string{"", "a b", "a\"b", `a\b`, "a\nb", "https://bücher.example/", strings.Repeat("a", 2049)}
	for _, id := range ids {
		_, err := signature.NewPrivateKey(id, alice, key)
		wantCode(t, err, signature.CodeKey)
	}
}

func TestSecretsAreNotPrinted(t *testing.T) {
	t.Parallel()
	key := makeEd25519()
	seed := hex.EncodeToString(bare(t, key).(ed25519.PrivateKey).Seed())
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		text := fmt.Sprintf(verb, key)
		plain := strings.ToLower(strings.NewReplacer(" ", "", "0x", "", ",", "").Replace(text))
		if strings.Contains(plain, seed[:8]) || !strings.Contains(text, "private key") && verb != "%x" {
			t.Errorf("%s prints %s", verb, text)
		}
	}
}

func TestMultikeyRoundTrip(t *testing.T) {
	t.Parallel()
	text, err := makeEd25519().Public().Multikey()
	if err != nil || !strings.HasPrefix(text, "z6Mk") {
		t.Fatalf("%q: %v", text, err)
	}
	read, err := signature.ParseMultikey(edID, alice, text)
	if err != nil {
		t.Fatal(err)
	}
	if read.Fingerprint() != makeEd25519().Public().Fingerprint() {
		t.Error("came back as another key")
	}
	_, err = makeRSA().Public().Multikey()
	wantCode(t, err, signature.CodeKey)
}

func TestMultikeysRefused(t *testing.T) {
	t.Parallel()
	good, err := makeEd25519().Public().Multikey()
	if err != nil {
		t.Fatal(err)
	}
	_, raw, err := multibase.Decode(good)
	if err != nil {
		t.Fatal(err)
	}
	other, err := multibase.Encode(multibase.Base64url, raw)
	if err != nil {
		t.Fatal(err)
	}
	cases := map[string]string{
		"empty":          "",
		"no prefix":      good[1:],
		"cut":            good[:len(good)-1],
		"longer":         good + "1",
		"base64url":      other,
		"not base58":     "z6MkO0Il",
		"secp256k1 key":  "zQ3shokFTS3brHcDQrn82RUDfCZESWL1ZdCEJwekUDPQiYBme",
		"a secret key":   "z3u2en7t5LR2WtQH5PfFqMqwVHBeXouLzo6haApm8XHqvjxq",
		"megabyte of it": "z" + strings.Repeat("6", 1<<20),
	}
	for name, text := range cases {
		spent := cpu(t, func() {
			if _, err := signature.ParseMultikey(edID, alice, text); signature.CodeOf(err) != signature.CodeKey {
				t.Errorf("%s: %v", name, err)
			}
		})
		if spent.Milliseconds() >= 50 {
			t.Errorf("%s refused in %v", name, spent)
		}
	}
}

// With a key of small order one signature fits all messages. The library takes
// it; we don't.
func TestKeysOfSmallOrder(t *testing.T) {
	t.Parallel()
	neutral := make(ed25519.PublicKey, 32)
	neutral[0] = 1
	forged := append(append([]byte{}, neutral...), make([]byte, 32)...)
	if !ed25519.Verify(neutral, []byte("I owe you 1 EUR"), forged) || !ed25519.Verify(neutral, []byte("I owe you nothing"), forged) {
		t.Fatal("crypto/ed25519 refuses it by now: the list can go")
	}
	last := "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
	zeros := strings.Repeat("0", 62)
	for _, point := range []string{
		"00" + zeros, "00" + zeros[:60] + "80", "01" + zeros, "01" + zeros[:60] + "80",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
		"ec" + last + "7f", "ec" + last + "ff", "ed" + last + "7f", "ed" + last + "ff", "ee" + last + "7f", "ee" + last + "ff",
	} {
		raw, err := hex.DecodeString(point)
		if err != nil || len(raw) != 32 {
			t.Fatalf("%s: %v", point, err)
		}
		_, err = signature.NewPublicKey(edID, alice, ed25519.PublicKey(raw))
		wantCode(t, err, signature.CodeKey)
	}
	_, err := signature.NewPublicKey(edID, alice, ed25519.PublicKey(neutral[:31]))
	wantCode(t, err, signature.CodeKey)
}

// The key is test-key-ed25519 of RFC 9421 §B.1.4; the digits are those of
// `openssl pkey -pubin -outform DER | sha256sum`.
func TestFingerprint(t *testing.T) {
	t.Parallel()
	key, err := signature.ParsePublicPEM(edID, alice, `-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAJrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=
-----END PUBLIC KEY-----`)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := key.Fingerprint(), "3457 1606 cb7a 0d71 be37 7e67 1ddc ccae"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := (signature.PublicKey{}).Fingerprint(); got != "" {
		t.Errorf("the zero key has %q", got)
	}
}

func TestZeroKeysDoNothing(t *testing.T) {
	t.Parallel()
	var secret signature.PrivateKey
	for _, sign := range []func() error{
		func() error { return signature.SignCavage(request(t, "GET", inboxURL, ""), nil, secret, noon) },
		func() error { return signature.SignRFC9421(request(t, "GET", inboxURL, ""), nil, secret, noon) },
		func() error { _, err := signature.Prove([]byte(`{}`), secret, noon); return err },
		func() error { _, err := signature.VerifyProof([]byte(`{"proof":{}}`), secret.Public()); return err },
	} {
		wantCode(t, sign(), signature.CodeKey)
	}
	r, body := signedPost(t, signature.Cavage, makeRSA())
	signed, err := signature.Parse(r, body, expect(noon))
	wantCode(t, err, "")
	wantCode(t, signed.Verify(signature.PublicKey{}), signature.CodeKey)
	wantCode(t, signed.Verify(signature.PublicKey{ID: rsaID}), signature.CodeKey)
}

// modulus is no real key, but has the size of one: refusing must not depend on
// arithmetic.
func modulus(t *testing.T, bits, exponent int) *rsa.PublicKey {
	t.Helper()
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), uint(bits-1)))
	if err != nil {
		t.Fatal(err)
	}
	n.SetBit(n, bits-1, 1)
	n.SetBit(n, 0, 1)
	return &rsa.PublicKey{N: n, E: exponent}
}

func spki(t *testing.T, key crypto.PublicKey) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return block("PUBLIC KEY", der)
}

func block(name string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: name, Bytes: der}))
}
