package signature

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// What a proof of ours is, and the only one that is verified (FEP-8b32).
const (
	proofType    = "DataIntegrityProof"
	cryptosuite  = "eddsa-jcs-2022"
	proofPurpose = "assertionMethod"
)

// proofMembers are all that a proof may hold. Others change what a proof means
// (expires, domain, challenge, previousProof): what isn't enforced isn't taken.
var proofMembers = []string{
	"@context", "type", "cryptosuite", "created", "verificationMethod", "proofPurpose", "proofValue",
}

// Prove adds a proof to a document: an object without proof or (linked data)
// signature, whose bytes stay as they are. The same document, key and second give
// the same bytes. The key must be Ed25519; created is cut to seconds.
//
// The document's @context is copied into the proof (vc-di-eddsa §3.3.1), so that
// its terms can't be given another meaning.
func Prove(doc []byte, key PrivateKey, created time.Time) ([]byte, error) {
	if err := key.Public().check(); err != nil {
		return nil, err
	}
	secret, ok := key.key.(ed25519.PrivateKey)
	if !ok {
		return nil, refuse(CodeKey, "key", "%s must be Ed25519", key)
	}
	document, err := readObject(doc)
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"proof", "signature"} {
		if _, there := document[name]; there {
			return nil, refuse(CodeBad, name, "is there already")
		}
	}
	proof, err := proofOptions(document["@context"], key.ID, created)
	if err != nil {
		return nil, err
	}
	data, err := hashData(document, proof)
	if err != nil {
		return nil, err
	}
	proof["proofValue"] = quoted(encodeBase58(ed25519.Sign(secret, data)))
	return insertProof(doc, proof, len(document) == 0)
}

// VerifyProof proves that the owner of this key made the document's one proof, and
// returns the proof's verification method, which is the key's ID. A `signature`
// beside it (linked data signature) is left out first, as FEP-8b32 demands: it is
// not vouched for.
//
// Errors are *Error: CodeMissing, CodeBad, CodeAlgorithm, CodeKey.
func VerifyProof(doc []byte, key PublicKey) (string, error) {
	if err := key.check(); err != nil {
		return "", err
	}
	public, ok := key.key.(ed25519.PublicKey)
	if !ok {
		return "", refuse(CodeKey, "key", "must be Ed25519, not %T", key.key)
	}
	document, err := readObject(doc)
	if err != nil {
		return "", err
	}
	proof, value, err := takeProof(document)
	if err != nil {
		return "", err
	}
	method, _ := proof.text("verificationMethod")
	if method != key.ID {
		return "", refuse(CodeKey, "verificationMethod", "is %.80q, the key is %.80q", method, key.ID)
	}
	data, err := hashData(document, proof)
	if err != nil {
		return "", err
	}
	if !ed25519.Verify(public, data, value) {
		return "", refuse(CodeBad, "proofValue", "isn't by this key over this document")
	}
	return method, nil
}

// ProofMethod is the verification method that a document's proof names, for looking
// the key up before VerifyProof; "" if there is no such proof. It is a claim.
func ProofMethod(doc []byte) string {
	if len(doc) > maxDocument {
		return ""
	}
	document, err := objectOf("document", doc)
	if err != nil {
		return ""
	}
	proof, err := objectOf("proof", document["proof"])
	if err != nil {
		return ""
	}
	method, _ := proof.text("verificationMethod")
	return method
}

func proofOptions(context json.RawMessage, method string, created time.Time) (members, error) {
	if created.IsZero() {
		return nil, fmt.Errorf("prove as %s: no time given", method)
	}
	proof := members{
		"type":               quoted(proofType),
		"cryptosuite":        quoted(cryptosuite),
		"created":            quoted(created.UTC().Format(time.RFC3339)),
		"verificationMethod": quoted(method),
		"proofPurpose":       quoted(proofPurpose),
	}
	if context != nil {
		proof["@context"] = context
	}
	return proof, nil
}

// takeProof parts a document from its proof, and the proof from its value: what
// remains of both is what was signed.
func takeProof(document members) (members, []byte, error) {
	raw, there := document["proof"]
	if !there {
		return nil, nil, refuse(CodeMissing, "proof", "there is none")
	}
	proof, err := objectOf("proof", raw) // a set or chain of proofs is an array
	if err != nil {
		return nil, nil, err
	}
	delete(document, "proof")
	delete(document, "signature")
	if err := checkProof(proof, document["@context"]); err != nil {
		return nil, nil, err
	}
	text, _ := proof.text("proofValue")
	value, ok := decodeBase58(text)
	if !ok {
		return nil, nil, refuse(CodeBad, "proofValue", "%.80q isn't base58btc", text)
	}
	delete(proof, "proofValue")
	return proof, value, nil
}

// checkProof is stricter than vc-di-eddsa §3.3.2 in one thing: there a document may
// have contexts behind those of the proof, which nobody signed.
func checkProof(proof members, context json.RawMessage) error {
	for name := range proof {
		if !slices.Contains(proofMembers, name) {
			return refuse(CodeBad, "proof", "member %.80q isn't taken", name)
		}
	}
	for name, want := range map[string]string{"type": proofType, "cryptosuite": cryptosuite} {
		if got, _ := proof.text(name); got != want {
			return refuse(CodeAlgorithm, name, "%.80q isn't taken", got)
		}
	}
	if purpose, _ := proof.text("proofPurpose"); purpose != proofPurpose {
		return refuse(CodeBad, "proofPurpose", "must be %s", proofPurpose)
	}
	created, _ := proof.text("created")
	if _, err := time.Parse(time.RFC3339, created); err != nil {
		return refuse(CodeBad, "created", "%.80q isn't a time", created)
	}
	if ours, there := proof["@context"]; there && !bytes.Equal(ours, context) {
		return refuse(CodeBad, "@context", "isn't the one that was signed")
	}
	return nil
}

// hashData is what the key signs (vc-di-eddsa §3.3.4): the hash of the proof without
// its value, then the hash of the document without its proof.
func hashData(document, proof members) ([]byte, error) {
	var data []byte
	for _, part := range []members{proof, document} {
		canonical, err := part.canonical()
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256(canonical)
		data = append(data, sum[:]...)
	}
	return data, nil
}

// insertProof puts the proof before the last brace, and leaves every other byte
// alone.
func insertProof(doc []byte, proof members, empty bool) ([]byte, error) {
	value, err := proof.canonical()
	if err != nil {
		return nil, err
	}
	end := bytes.LastIndexByte(doc, '}')
	proved := bytes.Clone(doc[:end])
	if !empty {
		proved = append(proved, ',')
	}
	proved = append(proved, `"proof":`...)
	proved = append(proved, value...)
	proved = append(proved, doc[end:]...)
	if len(proved) > maxDocument {
		return nil, refuse(CodeBad, "document", "has %d bytes with its proof, may have %d", len(proved), maxDocument)
	}
	return proved, nil
}

func quoted(text string) json.RawMessage {
	raw, err := json.Marshal(text)
	if err != nil {
		panic("a string is always JSON: " + err.Error())
	}
	return raw
}
