package audit

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"github.com/gowebpki/jcs"
	"github.com/multiformats/go-multibase"
)

// signed is a document with its proof taken off.
type signed struct {
	root     object
	content  string // SHA-256 over the JCS of the document without proof: what two sides compare
	method   string // the key that the proof names
	value    []byte
	toVerify []byte // what the key signed
}

// readSigned takes a document with an eddsa-jcs-2022 proof apart (FEP-8b32, vc-di-eddsa §3.3): signed are the hash
// of the proof without its value and the hash of the document without its proof, both in JCS. Where two readers
// could read two things, JCS has no form, and there is nothing to verify.
func readSigned(body []byte) (*signed, error) {
	canonical, err := jcs.Transform(body)
	if err != nil {
		return nil, fmt.Errorf("no canonical form: %w", err)
	}
	document, err := membersOf(canonical)
	if err != nil {
		return nil, err
	}
	proof, err := membersOf(document["proof"])
	if err != nil {
		return nil, fmt.Errorf("proof: %w", err)
	}
	delete(document, "proof")
	bare, err := together(document)
	if err != nil {
		return nil, err
	}
	s := &signed{content: sha256Hex(bare)}
	if s.root, err = readObject(bare); err != nil {
		return nil, err
	}
	if _, other := document["signature"]; other { // a linked data signature beside the proof isn't part of what is proved
		delete(document, "signature")
		if bare, err = together(document); err != nil {
			return nil, err
		}
	}
	return s, s.takeProof(proof, document["@context"], bare)
}

func (s *signed) takeProof(proof map[string]json.RawMessage, context json.RawMessage, bare []byte) error {
	for name, want := range map[string]string{"type": "DataIntegrityProof", "cryptosuite": "eddsa-jcs-2022", "proofPurpose": "assertionMethod"} {
		if got := textOf(proof[name]); got != want {
			return fmt.Errorf("proof: %s is %q", name, got)
		}
	}
	if own, ok := proof["@context"]; ok && !bytes.Equal(own, context) {
		return errors.New("proof: another @context than the document's")
	}
	encoding, value, err := multibase.Decode(textOf(proof["proofValue"]))
	if err != nil || encoding != multibase.Base58BTC {
		return errors.New("proof: no proofValue in base58btc")
	}
	s.method, s.value = textOf(proof["verificationMethod"]), value
	delete(proof, "proofValue")
	options, err := together(proof)
	if err != nil {
		return err
	}
	first, second := sha256.Sum256(options), sha256.Sum256(bare)
	s.toVerify = append(first[:], second[:]...)
	return nil
}

// by tells whether the owner of a key signed the document.
func (s *signed) by(key ed25519.PublicKey) bool {
	return len(key) == ed25519.PublicKeySize && ed25519.Verify(key, s.toVerify, s.value)
}

func membersOf(raw []byte) (map[string]json.RawMessage, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil || members == nil {
		return nil, errors.New("isn't an object")
	}
	return members, nil
}

// together is the JCS of an object's members.
func together(members map[string]json.RawMessage) ([]byte, error) {
	raw, err := json.Marshal(members)
	if err != nil {
		return nil, err
	}
	return jcs.Transform(raw)
}

func textOf(raw json.RawMessage) string {
	var text string
	_ = json.Unmarshal(raw, &text) // what is no text is as good as none
	return text
}

// multikey reads an Ed25519 key as actors publish it (FEP-521a).
func multikey(text string) (ed25519.PublicKey, error) {
	if !strings.HasPrefix(text, "z") {
		return nil, errors.New("no key in base58btc")
	}
	_, raw, err := multibase.Decode(text)
	if err != nil {
		return nil, err
	}
	key, ok := bytes.CutPrefix(raw, []byte{0xed, 0x01})
	if !ok || len(key) != ed25519.PublicKeySize {
		return nil, errors.New("no Ed25519 key")
	}
	return key, nil
}

// publicOf is the public part of a private key in PEM, as a Multikey.
func publicOf(private string) (string, error) {
	block, _ := pem.Decode([]byte(private))
	if block == nil {
		return "", errors.New("no PEM")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return "", err
	}
	secret, ok := key.(ed25519.PrivateKey)
	if !ok {
		return "", errors.New("no Ed25519 key")
	}
	return multibase.Encode(multibase.Base58BTC, append([]byte{0xed, 0x01}, secret.Public().(ed25519.PublicKey)...))
}

// fingerprint is what operators compare: the first 128 bits of the SHA-256 of the key's SubjectPublicKeyInfo.
func fingerprint(key ed25519.PublicKey) string {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(der)
	groups := make([]string, 8)
	for i := range groups {
		groups[i] = hex.EncodeToString(sum[2*i : 2*i+2])
	}
	return strings.Join(groups, " ")
}
