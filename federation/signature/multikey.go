package signature

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"strings"

	"github.com/multiformats/go-multibase"
)

// multicodecEd25519 is the multicodec prefix of an Ed25519 public key, 0xed as a
// varint: it is what makes every such key begin with z6Mk (FEP-521a).
var multicodecEd25519 = []byte{0xed, 0x01}

// maxBase58 is the longest base58 text that is decoded, in bytes: a signature
// takes 89, and decoding takes quadratic time.
const maxBase58 = 100

// Multikey is the key as FEP-521a publishes it in assertionMethod
// (publicKeyMultibase, base58btc). Ed25519 only.
func (k PublicKey) Multikey() (string, error) {
	key, ok := k.key.(ed25519.PublicKey)
	if !ok {
		return "", refuse(CodeKey, "publicKeyMultibase", "must be an Ed25519 key, not %T", k.key)
	}
	return encodeBase58(append(bytes.Clone(multicodecEd25519), key...)), nil
}

// ParseMultikey reads a publicKeyMultibase that holds an Ed25519 key. Refusals
// carry CodeKey.
func ParseMultikey(id, owner, text string) (PublicKey, error) {
	raw, ok := decodeBase58(text)
	if !ok {
		return PublicKey{}, refuse(CodeKey, "publicKeyMultibase", "%.80q isn't base58btc", text)
	}
	key, ok := bytes.CutPrefix(raw, multicodecEd25519)
	if !ok {
		return PublicKey{}, refuse(CodeKey, "publicKeyMultibase", "%.80q isn't an Ed25519 key", text)
	}
	return NewPublicKey(id, owner, ed25519.PublicKey(key))
}

// Fingerprint is what two operators read to each other before they trust an
// accounting key: the first 128 bits of the SHA-256 of its SubjectPublicKeyInfo
// in DER, in eight groups of four hex digits. `openssl pkey -pubin -outform DER |
// sha256sum` shows the same digits. It is "" for the zero key.
func (k PublicKey) Fingerprint() string {
	der, err := x509.MarshalPKIXPublicKey(k.key)
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

func encodeBase58(raw []byte) string {
	text, err := multibase.Encode(multibase.Base58BTC, raw)
	if err != nil {
		panic("base58btc is known to go-multibase: " + err.Error())
	}
	return text
}

func decodeBase58(text string) ([]byte, bool) {
	if len(text) > maxBase58 || !strings.HasPrefix(text, "z") {
		return nil, false
	}
	_, raw, err := multibase.Decode(text)
	return raw, err == nil
}
