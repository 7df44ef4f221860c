package signature

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"fmt"
)

// Limits of a key. Below 2048 bits RSA is weak; above 4096 a stranger's key
// makes us work: 16384 bits cost a hundred times what 2048 do.
const (
	minRSABits = 2048
	maxRSABits = 4096
	maxKeyID   = 2048 // bytes
)

// PublicKey is the key of somebody, fit for use: it was checked when it was made,
// and the zero value verifies nothing.
type PublicKey struct {
	ID    string // keyId, or the verification method: https://a.example/users/alice#main-key
	Owner string // who says the key is theirs; that they do is for the caller to prove
	key   crypto.PublicKey
}

// PrivateKey signs as its owner. It prints as its id, never as its secret.
type PrivateKey struct {
	ID    string
	Owner string
	key   crypto.Signer
}

// GenerateRSA makes a key of 2048 bits, which every fediverse server takes
// (about 50 ms of CPU).
func GenerateRSA(id, owner string) (PrivateKey, error) {
	key, err := rsa.GenerateKey(rand.Reader, minRSABits)
	if err != nil {
		return PrivateKey{}, fmt.Errorf("generate RSA key %s: %w", id, err)
	}
	return NewPrivateKey(id, owner, key)
}

// GenerateEd25519 makes a key for proofs and RFC 9421.
func GenerateEd25519(id, owner string) (PrivateKey, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return PrivateKey{}, fmt.Errorf("generate Ed25519 key %s: %w", id, err)
	}
	return NewPrivateKey(id, owner, key)
}

// NewPrivateKey takes an *rsa.PrivateKey or an ed25519.PrivateKey, by the same
// rules as NewPublicKey.
func NewPrivateKey(id, owner string, key crypto.Signer) (PrivateKey, error) {
	switch key.(type) {
	case *rsa.PrivateKey, ed25519.PrivateKey:
	default:
		return PrivateKey{}, refuse(CodeKey, "key", "must be RSA or Ed25519, not %T", key)
	}
	if _, err := NewPublicKey(id, owner, key.Public()); err != nil {
		return PrivateKey{}, err
	}
	return PrivateKey{ID: id, Owner: owner, key: key}, nil
}

// NewPublicKey takes an *rsa.PublicKey of 2048 to 4096 bits or an
// ed25519.PublicKey; anything else is refused with CodeKey.
func NewPublicKey(id, owner string, key crypto.PublicKey) (PublicKey, error) {
	public := PublicKey{ID: id, Owner: owner, key: key}
	if err := public.check(); err != nil {
		return PublicKey{}, err
	}
	return public, nil
}

// Public is the half that is published.
func (k PrivateKey) Public() PublicKey {
	if k.key == nil {
		return PublicKey{ID: k.ID, Owner: k.Owner}
	}
	return PublicKey{ID: k.ID, Owner: k.Owner, key: k.key.Public()}
}

// String keeps the secret out of logs, whatever verb prints the key.
func (k PrivateKey) String() string { return "private key " + k.ID }

// GoString does the same for %#v.
func (k PrivateKey) GoString() string { return k.String() }

// sign is PKCS #1 v1.5 over SHA-256 or Ed25519 over the message itself, as the
// key's type says.
func (k PrivateKey) sign(message []byte) ([]byte, error) {
	if _, isRSA := k.key.(*rsa.PrivateKey); isRSA {
		digest := sha256.Sum256(message)
		return k.key.Sign(rand.Reader, digest[:], crypto.SHA256)
	}
	return k.key.Sign(rand.Reader, message, crypto.Hash(0))
}

func (k PublicKey) check() error {
	if err := checkKeyID(k.ID); err != nil {
		return err
	}
	switch key := k.key.(type) {
	case *rsa.PublicKey:
		return checkRSA(key)
	case ed25519.PublicKey:
		return checkEd25519(key)
	default:
		return refuse(CodeKey, "key", "must be RSA or Ed25519, not %T", k.key)
	}
}

// checkRSA also refuses small exponents (e=1 makes every message its own
// signature): an odd e above 2^16, as FIPS 186-5 §A.1.1 has it.
func checkRSA(key *rsa.PublicKey) error {
	if key == nil || key.N == nil {
		return refuse(CodeKey, "RSA key", "has no modulus")
	}
	if bits := key.N.BitLen(); bits < minRSABits || bits > maxRSABits {
		return refuse(CodeKey, "RSA key", "has %d bits, must have %d to %d", bits, minRSABits, maxRSABits)
	}
	if key.E <= 1<<16 || key.E%2 == 0 {
		return refuse(CodeKey, "RSA key", "has exponent %d, must be odd and above 65536", key.E)
	}
	return nil
}

// checkKeyID keeps ids to what both kinds of signature can carry unescaped: an
// id that must be quoted is an id that two parsers read differently.
func checkKeyID(id string) error {
	if id == "" || len(id) > maxKeyID {
		return refuse(CodeKey, "keyId", "has %d bytes, must have 1 to %d", len(id), maxKeyID)
	}
	for i := range len(id) {
		if c := id[i]; c <= ' ' || c > '~' || c == '"' || c == '\\' {
			return refuse(CodeKey, "keyId", "%.80q has a character that no URL has", id)
		}
	}
	return nil
}
