package signature_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/gowebpki/jcs"
	"github.com/multiformats/go-multibase"

	"github.com/fedflattr/flattrd/federation/signature"
)

const accountingID = "https://a.example/actor#accounting-key"

// claim is an Offer as instances exchange it (protocol §8).
const claim = `{
  "@context": ["https://www.w3.org/ns/activitystreams", {"fl": "https://fedflattr.org/ns#"}],
  "type": "Offer", "id": "https://a.example/claims/2026-11/b.example/EUR/1",
  "actor": "https://a.example/actor", "to": "https://b.example/actor",
  "object": {"type": "Agreement", "fl:period": "2026-11", "fl:assetCode": "EUR", "fl:assetScale": 6,
    "fl:lineCount": 1, "fl:digest": "sha-256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", "fl:supersedes": null,
    "stipulates": {"type": "Commitment", "resourceQuantity": {"hasUnit": "one", "hasNumericalValue": "123450000"}},
    "summary": "f\u00fcr B\u00f6b \u20ac <&> 😀 \u2028", "z": [1.50, -0.25, true, [], {}]}
}
`

func accountingKey(t testing.TB) signature.PrivateKey {
	t.Helper()
	key, err := signature.GenerateEd25519(accountingID, "https://a.example/actor")
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func prove(t testing.TB, doc string, key signature.PrivateKey) string {
	t.Helper()
	proved, err := signature.Prove([]byte(doc), key, noon)
	if err != nil {
		t.Fatal(err)
	}
	return string(proved)
}

// The published vector of FEP-8b32 (fep-8b32.feature, CC0): the same secret key,
// document and time must give the same proof.
func TestFEP8b32Vector(t *testing.T) {
	t.Parallel()
	const doc = `{"@context":["https://www.w3.org/ns/activitystreams","https://w3id.org/security/data-integrity/v2"],` +
		`"id":"https://server.example/activities/1","type":"Create","actor":"https://server.example/users/alice",` +
		`"object":{"id":"https://server.example/objects/1","type":"Note","attributedTo":"https://server.example/users/alice",` +
		`"content":"Hello world","location":{"type":"Place","longitude":-71.184902,"latitude":25.273962}}}`
	const value = "z42ffGu6AUKPCFcFPiabmUvnGLPJzC7e4DGWC52NUasSSH37UMa9c58tdgVszUcZfytxa4fQ5TYHaJENCxUDe9SdL"
	const method = "https://server.example/users/alice#ed25519-key"

	_, secret, err := multibase.Decode("z3u2en7t5LR2WtQH5PfFqMqwVHBeXouLzo6haApm8XHqvjxq")
	if err != nil {
		t.Fatal(err)
	}
	key, err := signature.NewPrivateKey(method, "https://server.example/users/alice", ed25519.NewKeyFromSeed(secret[2:]))
	if err != nil {
		t.Fatal(err)
	}
	proved, err := signature.Prove([]byte(doc), key, time.Date(2023, 2, 24, 23, 36, 38, 0, time.UTC))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(proved), `"proofValue":"`+value+`"`) {
		t.Errorf("another proof: %s", proved)
	}
	public, err := signature.ParseMultikey(method, "", "z6MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQ7XJPt4swbTQ2")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := signature.VerifyProof(proved, public); err != nil || got != method {
		t.Errorf("%q: %v", got, err)
	}
}

func TestProofRoundTrip(t *testing.T) {
	t.Parallel()
	key := accountingKey(t)
	for _, doc := range []string{claim, `{}`, ` { } `, `{"a":"}"}`, `{"type":"Offer"}`} {
		proved := prove(t, doc, key)
		if again := prove(t, doc, key); again != proved {
			t.Errorf("two proofs of one document:\n%s\n%s", proved, again)
		}
		if method := signature.ProofMethod([]byte(proved)); method != accountingID {
			t.Errorf("names %q", method)
		}
		if method, err := signature.VerifyProof([]byte(proved), key.Public()); err != nil || method != accountingID {
			t.Errorf("%s: %v", proved, err)
		}
		last := strings.LastIndex(doc, "}")
		if !strings.HasPrefix(proved, doc[:last]) || !strings.HasSuffix(proved, doc[last:]) {
			t.Errorf("the document was changed: %s", proved)
		}
	}
}

func TestProofMembers(t *testing.T) {
	t.Parallel()
	var doc struct {
		Context json.RawMessage `json:"@context"`
		Proof   map[string]any  `json:"proof"`
	}
	zone := time.FixedZone("UTC+1", 3600)
	proved, err := signature.Prove([]byte(claim), accountingKey(t), noon.Add(999*time.Millisecond).In(zone))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(proved, &doc); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"type": "DataIntegrityProof", "cryptosuite": "eddsa-jcs-2022", "proofPurpose": "assertionMethod",
		"verificationMethod": accountingID, "created": "2026-11-24T12:00:00Z",
	} {
		if doc.Proof[name] != want {
			t.Errorf("%s: %v", name, doc.Proof[name])
		}
	}
	context, err := json.Marshal(doc.Proof["@context"])
	if err != nil {
		t.Fatal(err)
	}
	if a, b := canonical(t, context), canonical(t, doc.Context); !bytes.Equal(a, b) {
		t.Errorf("proof has context %s, document %s", a, b)
	}
}

// What a document means is signed, not how it is written.
func TestProofOutlivesRespelling(t *testing.T) {
	t.Parallel()
	key := accountingKey(t)
	proved := prove(t, claim, key)
	respelt := map[string][]byte{"canonical": canonical(t, []byte(proved))}
	var tree any
	if err := json.Unmarshal([]byte(proved), &tree); err != nil {
		t.Fatal(err)
	}
	indented, err := json.MarshalIndent(tree, "", "\t")
	if err != nil {
		t.Fatal(err)
	}
	respelt["indented, HTML escaped"] = indented
	respelt["escapes"] = []byte(strings.ReplaceAll(proved, "Offer", `\u004fffer`))
	respelt["a linked data signature"] = []byte(strings.Replace(proved, `"type": "Offer"`, `"signature": {"type": "RsaSignature2017"}, "type": "Offer"`, 1))
	for name, doc := range respelt {
		if _, err := signature.VerifyProof(doc, key.Public()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestProofOfChangedDocument(t *testing.T) {
	t.Parallel()
	key := accountingKey(t)
	proved := prove(t, claim, key)
	const bad = signature.CodeBad
	cases := []struct {
		name, from, to string
		code           signature.Code
	}{
		{"an amount", `"123450000"`, `"923450000"`, bad},
		{"the type of an amount", `"123450000"`, `123450000`, bad},
		{"a number", `"fl:assetScale": 6`, `"fl:assetScale": 2`, bad},
		{"null", `"fl:supersedes": null`, `"fl:supersedes": ""`, bad},
		{"a name", `"fl:period"`, `"fl:Period"`, bad},
		{"something taken out", `"fl:assetCode": "EUR", `, ``, bad},
		{"something put in", `"type": "Offer"`, `"type": "Offer", "x": 1`, bad},
		{"an order", `1.50, -0.25`, `-0.25, 1.50`, bad},
		{"a nested signature", `"type": "Agreement"`, `"type": "Agreement", "signature": {}`, bad},
		{"the context", `{"fl": "https://fedflattr.org/ns#"}`, `{"fl": "https://evil.example/ns#"}`, bad},
		{"a context behind it", `{"fl": "https://fedflattr.org/ns#"}]`, `{"fl": "https://fedflattr.org/ns#"}, "https://evil.example/"]`, bad},
		{"created", `2026-11-24T12:00:00Z`, `2026-11-24T12:00:01Z`, bad},
		{"no created", `"created":"2026-11-24T12:00:00Z",`, ``, bad},
		{"created as no time", `2026-11-24T12:00:00Z`, `noon`, bad},
		{"the purpose", `"assertionMethod"`, `"authentication"`, bad},
		{"no purpose", `"proofPurpose":"assertionMethod",`, ``, bad},
		{"the suite", `"eddsa-jcs-2022"`, `"eddsa-rdfc-2022"`, signature.CodeAlgorithm},
		{"no suite", `"cryptosuite":"eddsa-jcs-2022",`, ``, signature.CodeAlgorithm},
		{"the type of proof", `"DataIntegrityProof"`, `"Ed25519Signature2020"`, signature.CodeAlgorithm},
		{"the method", `#accounting-key"`, `#main-key"`, signature.CodeKey},
		{"no method", `,"verificationMethod":"` + accountingID + `"`, ``, signature.CodeKey},
		{"an expiry", `"proof":{`, `"proof":{"expires":"2030-01-01T00:00:00Z",`, bad},
		{"a domain", `"proof":{`, `"proof":{"domain":"b.example",`, bad},
		{"a value in capitals", `"proofValue"`, `"ProofValue"`, bad},
		{"a value in base64", `"proofValue":"z`, `"proofValue":"m`, bad},
		{"a short value", `"proofValue":"z`, `"proofValue":"z2","y":"`, bad},
		{"a value that is a number", `"proofValue":"z`, `"proofValue":5,"y":"`, bad},
		{"two values", `"proofValue":`, `"proofValue":"z2","proofValue":`, bad},
		{"two types", `"type": "Offer"`, `"type": "Offer", "type": "Offer"`, bad},
		{"no proof", `"proof":`, `"x":`, signature.CodeMissing},
		{"a proof that is null", `"proof":`, `"proof":null,"x":`, bad},
		{"a proof that is text", `"proof":`, `"proof":"","x":`, bad},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			changed := strings.Replace(proved, c.from, c.to, 1)
			if changed == proved {
				t.Fatalf("no %s in %s", c.from, proved)
			}
			_, err := signature.VerifyProof([]byte(changed), key.Public())
			wantCode(t, err, c.code)
		})
	}
}

// One proof: a set would need a rule which of them counts.
func TestProofSets(t *testing.T) {
	t.Parallel()
	key := accountingKey(t)
	head, proof, _ := strings.Cut(strings.TrimSpace(prove(t, `{"a":1}`, key)), `"proof":`)
	proof = strings.TrimSuffix(proof, "}")
	for _, set := range []string{"[]", "[" + proof + "]", "[" + proof + "," + proof + "]"} {
		doc := []byte(head + `"proof":` + set + "}")
		_, err := signature.VerifyProof(doc, key.Public())
		wantCode(t, err, signature.CodeBad)
		if method := signature.ProofMethod(doc); method != "" {
			t.Errorf("%s names %q", doc, method)
		}
	}
	_, err := signature.VerifyProof([]byte(head+`"proof":`+proof+`,"proof":`+proof+`}`), key.Public())
	wantCode(t, err, signature.CodeBad)
}

func TestProofByAnotherKey(t *testing.T) {
	t.Parallel()
	proved := []byte(prove(t, claim, accountingKey(t)))
	_, err := signature.VerifyProof(proved, accountingKey(t).Public()) // same id, other key
	wantCode(t, err, signature.CodeBad)
	_, err = signature.VerifyProof(proved, makeEd25519().Public())
	wantCode(t, err, signature.CodeKey)
	_, err = signature.VerifyProof(proved, makeRSA().Public())
	wantCode(t, err, signature.CodeKey)
	_, err = signature.Prove([]byte(claim), makeRSA(), noon)
	wantCode(t, err, signature.CodeKey)
	nameless := accountingKey(t).Public()
	nameless.ID = ""
	_, err = signature.VerifyProof(bytes.Replace(proved, []byte(accountingID), nil, 1), nameless)
	wantCode(t, err, signature.CodeKey)
}

// proveByHand makes a valid signature over any document and any proof, from the
// specification (vc-di-eddsa §3.3) and not from our code. Both come without their
// last brace.
func proveByHand(t *testing.T, key signature.PrivateKey, doc, options string) []byte {
	t.Helper()
	first, second := sha256.Sum256(canonical(t, []byte(options+"}"))), sha256.Sum256(canonical(t, []byte(doc+"}")))
	value, err := multibase.Encode(multibase.Base58BTC,
		ed25519.Sign(bare(t, key).(ed25519.PrivateKey), append(first[:], second[:]...)))
	if err != nil {
		t.Fatal(err)
	}
	return []byte(doc + `,"proof":` + options + `,"proofValue":"` + value + `"}}`)
}

// The arithmetic comes out in all of these; what is refused is what they say.
func TestProofsMadeByHand(t *testing.T) {
	t.Parallel()
	key := accountingKey(t)
	const doc = `{"@context":"https://www.w3.org/ns/activitystreams","type":"Note"`
	const options = `{"type":"DataIntegrityProof","cryptosuite":"eddsa-jcs-2022","created":"2026-11-24T12:00:00.5+01:00",` +
		`"verificationMethod":"` + accountingID + `","proofPurpose":"assertionMethod"`
	const bad = signature.CodeBad
	cases := []struct {
		name, doc, from, to string
		code                signature.Code
	}{
		{"no context in the proof, which is allowed", doc, ``, ``, ""},
		{"the same context", doc, `{"type"`, `{"@context":"https://www.w3.org/ns/activitystreams","type"`, ""},
		{"another context", doc, `{"type"`, `{"@context":"https://evil.example/","type"`, bad},
		{"a context and none in the document", `{"type":"Note"`, `{"type"`, `{"@context":"https://evil.example/","type"`, bad},
		{"another purpose", doc, `assertionMethod`, `authentication`, bad},
		{"no purpose", doc, `,"proofPurpose":"assertionMethod"`, ``, bad},
		{"created as no time", doc, `2026-11-24T12`, `noon`, bad},
		{"no created", doc, `"created":"2026-11-24T12:00:00.5+01:00",`, ``, bad},
		{"an expiry", doc, `{"type"`, `{"expires":"2020-01-01T00:00:00Z","type"`, bad},
		{"a domain", doc, `{"type"`, `{"domain":"c.example","type"`, bad},
		{"a chain", doc, `{"type"`, `{"previousProof":"urn:uuid:1","type"`, bad},
		{"another suite", doc, `eddsa-jcs-2022`, `eddsa-rdfc-2022`, signature.CodeAlgorithm},
		{"another type", doc, `DataIntegrityProof`, `Ed25519Signature2020`, signature.CodeAlgorithm},
		{"no method", doc, `,"verificationMethod":"` + accountingID + `"`, ``, signature.CodeKey},
		{"a document over the limit", doc + `,"content":"` + strings.Repeat("x", 1<<20) + `"`, ``, ``, bad},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			changed := strings.Replace(options, c.from, c.to, 1)
			if changed == options && c.from != c.to {
				t.Fatalf("no %s in %s", c.from, options)
			}
			_, err := signature.VerifyProof(proveByHand(t, key, c.doc, changed), key.Public())
			wantCode(t, err, c.code)
		})
	}
	proved := string(proveByHand(t, key, doc, options))
	_, err := signature.VerifyProof([]byte(strings.Replace(proved, `streams",`, `streams#",`, 1)), key.Public())
	wantCode(t, err, bad)
}

// What two decoders read differently can't be proved, nor what JCS would change.
func TestDocumentsThatCannotBeProved(t *testing.T) {
	t.Parallel()
	key := accountingKey(t)
	docs := []string{
		``, `null`, `[]`, `"a"`, `5`, `{`, `{}{}`, `{} x`, `{"a":1,}`, `{a:1}`, "{\"a\":\"\xff\"}", `{"a":"\ud800"}`,
		`{"a":1,"a":2}`, `{"a":{"b":1,"b":1}}`, `{"a":1,"\u0061":2}`, `{"proof":{}}`, `{"proof":null}`, `{"signature":{}}`,
		`{"a":9007199254740993}`, `{"a":0.1000000000000000055}`, `{"a":1e3}`, `{"a":-0}`, `{"a":1e-400}`, `{"a":1e400}`,
		`{"a":NaN}`, `{"a":01}`, `{"a":"` + strings.Repeat("x", 1<<20) + `"}`, `{"a":"` + strings.Repeat("x", 1<<20-100) + `"}`,
	}
	for _, doc := range docs {
		_, err := signature.Prove([]byte(doc), key, noon)
		if signature.CodeOf(err) != signature.CodeBad {
			t.Errorf("%.60s: %v", doc, err)
		}
	}
	for _, number := range []string{"0", "1.0", "-1.50", "9007199254740991", "1e+21", "0.1", "5e-7", "1.5e+300", "123456789012345680"} {
		doc := `{"a":` + number + `}`
		if !strings.HasPrefix(prove(t, doc, key), `{"a":`+number+`,`) {
			t.Errorf("%s was respelt", number)
		}
	}
	if _, err := signature.Prove([]byte(`{}`), key, time.Time{}); err == nil {
		t.Error("proved at no time")
	}
}

// Two amounts that JCS writes alike must not share a signature.
func TestProofOfRoundedNumber(t *testing.T) {
	t.Parallel()
	key := accountingKey(t)
	proved := prove(t, `{"amount":9007199254740992}`, key)
	_, err := signature.VerifyProof([]byte(strings.Replace(proved, "992", "993", 1)), key.Public())
	wantCode(t, err, signature.CodeBad)
}

func TestProofMethodOfNothing(t *testing.T) {
	t.Parallel()
	for _, doc := range []string{
		``, `null`, `[]`, `{}`, `{"proof":null}`, `{"proof":5}`, `{"proof":{}}`, `{"proof":{"verificationMethod":5}}`,
		`{"proof":{"VerificationMethod":"x"}}`, `{"Proof":{"verificationMethod":"x"}}`, `{"proof":{"verificationMethod":null}}`,
		`{"proof":{"verificationMethod":"x"},"a":"` + strings.Repeat("x", 1<<20) + `"}`,
	} {
		if method := signature.ProofMethod([]byte(doc)); method != "" {
			t.Errorf("%.60s names %q", doc, method)
		}
	}
}

func canonical(t testing.TB, doc []byte) []byte {
	t.Helper()
	text, err := jcs.Transform(doc)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// without takes one member out of an object.
func without(t testing.TB, doc []byte, name string) []byte {
	t.Helper()
	var object map[string]json.RawMessage
	if err := json.Unmarshal(doc, &object); err != nil {
		t.Fatal(err)
	}
	delete(object, name)
	text, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
