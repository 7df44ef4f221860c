package signature

import (
	"bufio"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"net/http"
	"strings"
	"testing"
	"time"
)

// The request of draft-cavage-http-signatures Appendix C.
const cavageRequestText = "POST /foo?param=value&pet=dog HTTP/1.1\r\n" +
	"Host: example.com\r\nDate: Sun, 05 Jan 2014 21:31:40 GMT\r\nContent-Type: application/json\r\n" +
	"Digest: SHA-256=X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=\r\nContent-Length: 18\r\n"

// The request of RFC 9421 §B.2, without the Content-Digest that these don't sign.
const rfc9421Head = "POST /foo?param=Value&Pet=dog HTTP/1.1\r\nHost: example.com\r\n" +
	"Date: Tue, 20 Apr 2021 02:07:55 GMT\r\nContent-Type: application/json\r\nContent-Length: 18\r\n"

const vectorBody = `{"hello": "world"}`

const cavageKey = `-----BEGIN PUBLIC KEY-----
MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDCFENGw33yGihy92pDjZQhl0C3
6rPJj+CvfSC8+q28hxA161QFNUd13wuCTUcq0Qd2qsBe/2hFyc2DCJJg0h1L78+6
Z4UMR7EOcpfdUE9Hf3m/hs+FUR45uBJeDK1HSFHD8bHKD6kv8FPGfJTotc+2xjJw
oYi+1hqp1fIekaxsyQIDAQAB
-----END PUBLIC KEY-----`

// Appendix C: C.3 covers everything and is taken, C.1 and C.2 cover too little. The
// key has 1024 bits, so it must be smuggled past the door that refuses it.
func TestCavageAppendixC(t *testing.T) {
	t.Parallel()
	_, err := ParsePublicPEM("Test", "", cavageKey)
	if CodeOf(err) != CodeKey {
		t.Errorf("a key of 1024 bits: %v", err)
	}
	block, _ := pem.Decode([]byte(cavageKey))
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	key := PublicKey{ID: "Test", key: parsed.(*rsa.PublicKey)}
	for name, c := range map[string]struct {
		signature string
		code      Code
	}{
		"C.1": {`keyId="Test",algorithm="rsa-sha256",signature="SjWJWbWN7i0wzBvtPl8rbASWz5xQW6mcJmn+ibttBqtifLN7Sazz6m79cNfwwb8DMJ5cou1s7uEGKKCs+FLEEaDV5lp7q25WqS+lavg7T8hc0GppauB6hbgEKTwblDHYGEtbGmtdHgVCk9SuS13F0hZ8FD0k/5OxEPXe5WozsbM="`, CodeCoverage},
		"C.2": {`keyId="Test",algorithm="rsa-sha256",headers="(request-target) host date",signature="qdx+H7PHHDZgy4y/Ahn9Tny9V3GP6YgBPyUXMmoxWtLbHpUnXS2mg2+SbrQDMCJypxBLSPQR2aAjn7ndmw2iicw3HMbe8VfEdKFYRqzic+efkb3nndiv/x1xSHDJWeSWkx3ButlYSuBskLu6kd9Fswtemr3lgdDEmn04swr2Os0="`, CodeCoverage},
		"C.3": {`keyId="Test",algorithm="rsa-sha256",headers="(request-target) host date content-type digest content-length",signature="vSdrb+dS3EceC9bcwHSo4MlyKS59iFIrhgYkz8+oVLEEzmYZZvRs8rgOp+63LEM3v+MFHB32NfpB2bEKBIvB1q52LaEUHFv120V01IL+TAD48XaERZFukWgHoBTLMhYS2Gb51gWxpeIq8knRmPnYePbF5MOkR0Zkly4zKH7s1dE="`, ""},
	} {
		r := readVector(t, cavageRequestText+"Signature: "+c.signature+"\r\n\r\n"+vectorBody)
		want := Expect{Scheme: "http", Host: "example.com", Now: time.Date(2014, 1, 5, 21, 40, 0, 0, time.UTC)}
		signed, err := Parse(r, []byte(vectorBody), want)
		if CodeOf(err) != c.code {
			t.Errorf("%s: %v, want %q", name, err, c.code)
		}
		if c.code != "" {
			continue
		}
		if err := signed.envelope.prove(key); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if CodeOf(signed.Verify(key)) != CodeKey {
			t.Errorf("%s: a key of 1024 bits verifies", name)
		}
	}
}

// The key of RFC 9421 §B.1.4, and the signature it makes in §B.2.6 over a base that
// is put together as ours are. Ed25519 is deterministic, so it must be the same.
func TestRFC9421AppendixB26(t *testing.T) {
	t.Parallel()
	key, err := ParsePrivatePEM("test-key-ed25519", "", `-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIJ+DYvh6SEqVTm50DFtMDoQikTmiCqirVv9mWG9qfSnF
-----END PRIVATE KEY-----`)
	if err != nil {
		t.Fatal(err)
	}
	names := []string{"date", "@method", "@path", "@authority", "content-type", "content-length"}
	values := []string{"Tue, 20 Apr 2021 02:07:55 GMT", "POST", "/foo", "example.com", "application/json", "18"}
	input, err := signatureInput(names, key.ID, time.Unix(1618884473, 0))
	if err != nil {
		t.Fatal(err)
	}
	signed, err := key.sign([]byte(signatureBase(names, values, input)))
	if err != nil {
		t.Fatal(err)
	}
	const want = "wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw=="
	if got := base64.StdEncoding.EncodeToString(signed); got != want {
		t.Errorf("got %s\nover %s", got, signatureBase(names, values, input))
	}
}

// The same signature, whole: it is true, and covers no target, so the second guard
// behind checkCoverage must stop it too.
func TestRFC9421AppendixB26CoversTooLittle(t *testing.T) {
	t.Parallel()
	key, err := ParsePublicPEM("test-key-ed25519", "", "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAJrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=\n-----END PUBLIC KEY-----")
	if err != nil {
		t.Fatal(err)
	}
	r := readVector(t, rfc9421Head+
		`Signature-Input: sig-b26=("date" "@method" "@path" "@authority" "content-type" "content-length");created=1618884473;keyid="test-key-ed25519"`+"\r\n"+
		`Signature: sig-b26=:wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==:`+"\r\n\r\n"+vectorBody)
	signed, err := parseRFC9421(r, []byte(vectorBody), Expect{Host: "example.com"})
	if err != nil {
		t.Fatal(err)
	}
	if err := signed.Verify(key); CodeOf(err) != CodeBad {
		t.Errorf("verified: %v", err)
	}
}

// The signatures of RFC 9421 §B.2 show the mechanism, not our profile: all are valid,
// none covers what must be covered, and some are of kinds that we don't take.
func TestRFC9421AppendixBIsRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		headers string
		code    Code
	}{
		"B.2.1": {`Signature-Input: sig-b21=();created=1618884473;keyid="test-key-rsa-pss";nonce="b3k2pp5k7z-50gnwp.yemd"` + "\r\n" +
			`Signature: sig-b21=:d2pmTvmbncD3xQm8E9ZV2828BjQWGgiwAaw5bAkgibUopemLJcWDy/lkbbHAve4cRAtx31Iq786U7it++wgGxbtRxf8Udx7zFZsckzXaJMkA7ChG52eSkFxykJeNqsrWH5S+oxNFlD4dzVuwe8DhTSja8xxbR/Z2cOGdCbzR72rgFWhzx2VjBqJzsPLMIQKhO4DGezXehhWwE56YCE+O6c0mKZsfxVrogUvA4HELjVKWmAvtl6UnCh8jYzuVG5WSb/QEVPnP5TmcAnLH1g+s++v6d4s8m0gCw1fV5/SITLq9mhho8K3+7EPYTU8IU1bLhdxO5Nyt8C8ssinQ98Xw9Q==:`, CodeCoverage},
		"B.2.5": {`Signature-Input: sig-b25=("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret"` + "\r\n" +
			`Signature: sig-b25=:pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=:`, CodeCoverage},
		"B.2.6": {`Signature-Input: sig-b26=("date" "@method" "@path" "@authority" "content-type" "content-length");created=1618884473;keyid="test-key-ed25519"` + "\r\n" +
			`Signature: sig-b26=:wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==:`, CodeCoverage},
		"B.2.5 with its algorithm named": {`Signature-Input: sig-b25=("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret";alg="hmac-sha256"` + "\r\n" +
			`Signature: sig-b25=:pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=:`, CodeAlgorithm},
	} {
		r := readVector(t, rfc9421Head+c.headers+"\r\n\r\n"+vectorBody)
		_, err := Parse(r, []byte(vectorBody), Expect{Host: "example.com", Now: time.Unix(1618884473, 0)})
		if CodeOf(err) != c.code {
			t.Errorf("%s: %v, want %q", name, err, c.code)
		}
	}
}

func readVector(t *testing.T, text string) *http.Request {
	t.Helper()
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(text)))
	if err != nil {
		t.Fatal(err)
	}
	return r
}
