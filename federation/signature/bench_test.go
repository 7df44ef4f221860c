package signature_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/fedflattr/flattrd/federation/signature"
)

// The figures decide how many deliveries and inbox requests a core can carry:
// signing is what limits an outbox, verifying an inbox.

func BenchmarkSign(b *testing.B) {
	for _, kind := range kinds {
		for _, key := range []signature.PrivateKey{makeRSA(), makeEd25519()} {
			b.Run(string(kind)+"/"+short(key), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					req := request(b, http.MethodPost, inboxURL, like)
					signAs(b, kind, req, like, key)
				}
			})
		}
	}
}

func BenchmarkParse(b *testing.B) {
	for _, kind := range kinds {
		b.Run(string(kind), func(b *testing.B) {
			r, body := signedPost(b, kind, makeRSA())
			b.ReportAllocs()
			for b.Loop() {
				if _, err := signature.Parse(r, body, expect(noon)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkParseAndVerify(b *testing.B) {
	for _, kind := range kinds {
		for _, key := range []signature.PrivateKey{makeRSA(), makeEd25519()} {
			b.Run(string(kind)+"/"+short(key), func(b *testing.B) {
				r, body := signedPost(b, kind, key)
				b.ReportAllocs()
				for b.Loop() {
					if err := accept(r, body, expect(noon), key.Public()); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkProve(b *testing.B) {
	key := accountingKey(b)
	b.ReportAllocs()
	for b.Loop() {
		prove(b, claim, key)
	}
}

func BenchmarkVerifyProof(b *testing.B) {
	key := accountingKey(b)
	line := `{"payee":"https://b.example/users/bob","amount":"1234","things":[{"object":"https://b.example/buttons/7f3k","flattrs":12}]},`
	lines := `{"lines":[` + strings.TrimSuffix(strings.Repeat(line, 200), ",") + `]}`
	for name, doc := range map[string]string{"claim": claim, "200 lines": lines} {
		proved := []byte(prove(b, doc, key))
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(proved)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := signature.VerifyProof(proved, key.Public()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func short(key signature.PrivateKey) string {
	if key.ID == rsaID {
		return "RSA-2048"
	}
	return "Ed25519"
}
