package signature_test

import (
	"bufio"
	"bytes"
	"crypto/ed25519"
	"io"
	"net/http"
	"reflect"
	"testing"

	"github.com/fedflattr/flattrd/federation/signature"
)

// FuzzParse throws whole requests at both steps. Whatever they make of one, they
// must say it by a code, leave the request alone, and believe nothing but what was
// signed.
func FuzzParse(f *testing.F) {
	key := fixedKey(f, edID)
	for _, kind := range kinds {
		for _, body := range []string{"", like} {
			method := map[bool]string{true: http.MethodPost, false: http.MethodGet}[body != ""]
			req := request(f, method, inboxURL+"?page=1", body)
			signAs(f, kind, req, body, key)
			var wire bytes.Buffer
			if err := req.Write(&wire); err != nil {
				f.Fatal(err)
			}
			f.Add(wire.Bytes())
		}
	}
	f.Add([]byte("GET / HTTP/1.1\r\nHost: b.example\r\nSignature-Input: a=(0 %0\r\nSignature:\r\n\r\n"))
	f.Add([]byte("GET / HTTP/1.1\r\nHost: b.example\r\nSignature-Input: sig1=(1 :AA==: \"@query-param\";name=\"a\" x);created=1\r\nSignature: sig1=:AA==:\r\n\r\n"))
	f.Add([]byte("GET * HTTP/1.1\r\nHost: b.example\r\nSignature: keyId=\"a\",headers=\"(created) (expires) host\",created=-1,signature=\"AA==\"\r\n\r\n"))
	f.Fuzz(func(t *testing.T, wire []byte) {
		r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(wire)))
		if err != nil {
			return
		}
		body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
		if err != nil {
			return
		}
		before := r.Clone(t.Context())
		signed, err := signature.Parse(r, body, expect(noon))
		if err == nil {
			err = signed.Verify(key.Public())
		}
		if err == nil {
			wantWhatWasSigned(t, r, body)
		} else if signature.CodeOf(err) == "" {
			t.Errorf("refused without a code: %v", err)
		}
		if !reflect.DeepEqual(before.Header, r.Header) || before.Host != r.Host || before.RequestURI != r.RequestURI {
			t.Error("the request was changed")
		}
	})
}

// wantWhatWasSigned knows the seeds: a Like to bob's inbox, and a look at it, where
// draft-cavage lets the query go.
func wantWhatWasSigned(t *testing.T, r *http.Request, body []byte) {
	t.Helper()
	const inbox = "/users/Bob/inbox"
	posted := r.Method == http.MethodPost && string(body) == like
	read := r.Method == http.MethodGet && len(body) == 0
	if !posted && !read || r.URL.Path != inbox || r.URL.RawQuery != "page=1" {
		t.Errorf("believed %s %s %q", r.Method, r.URL, body)
	}
}

// FuzzProof gives documents to both directions. What can be proved must verify, and
// mean the same as before; what verifies must be one of the seeds, however written.
func FuzzProof(f *testing.F) {
	key := fixedKey(f, accountingID)
	known := map[string]bool{}
	for _, doc := range []string{claim, `{}`, `{"a":1.0}`, `{"\u20ac":"\ud83d\ude00"}`} {
		proved := prove(f, doc, key)
		known[string(canonical(f, []byte(proved)))] = true
		f.Add([]byte(doc))
		f.Add([]byte(proved))
	}
	f.Add([]byte(`{"a":1,"a":2}`))
	f.Add([]byte(`{"proof":[{}]}`))
	f.Add([]byte(`[{"a":1e999,"b":"\ud800"}`))
	f.Fuzz(func(t *testing.T, doc []byte) {
		signature.ProofMethod(doc)
		_, err := signature.VerifyProof(doc, key.Public())
		if err == nil && !known[string(canonical(t, without(t, doc, "signature")))] {
			t.Errorf("believed %s", doc)
		}
		if err != nil && signature.CodeOf(err) == "" {
			t.Errorf("refused without a code: %v", err)
		}
		proved, err := signature.Prove(doc, key, noon)
		if err != nil {
			return
		}
		if method, err := signature.VerifyProof(proved, key.Public()); err != nil || method != accountingID {
			t.Errorf("proved %s, but %v", proved, err)
		}
		if !bytes.Equal(canonical(t, without(t, proved, "proof")), canonical(t, doc)) {
			t.Errorf("proving changed %s to %s", doc, proved)
		}
	})
}

// fixedKey is the same in each of the fuzzer's processes, which share their inputs.
func fixedKey(f *testing.F, id string) signature.PrivateKey {
	f.Helper()
	key, err := signature.NewPrivateKey(id, alice, ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize)))
	if err != nil {
		f.Fatal(err)
	}
	return key
}
