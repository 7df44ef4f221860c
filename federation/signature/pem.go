package signature

import (
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"strings"
)

// maxPEM is the longest text that is looked at, in bytes: an RSA-4096 public key
// takes 800, a private one 3 300.
const maxPEM = 8 << 10

// PEM is the key as SubjectPublicKeyInfo ("BEGIN PUBLIC KEY"), the one form that
// all servers read; PeerTube and Lemmy refuse PKCS #1.
func (k PublicKey) PEM() (string, error) {
	der, err := x509.MarshalPKIXPublicKey(k.key)
	if err != nil {
		return "", refuse(CodeKey, "key", "%v", err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})), nil
}

// ParsePublicPEM reads SubjectPublicKeyInfo or, for the sake of old servers,
// PKCS #1; the rules of NewPublicKey hold. Refusals carry CodeKey.
func ParsePublicPEM(id, owner, text string) (PublicKey, error) {
	block, err := onlyBlock(text)
	if err != nil {
		return PublicKey{}, err
	}
	var key crypto.PublicKey
	switch block.Type {
	case "PUBLIC KEY":
		key, err = x509.ParsePKIXPublicKey(block.Bytes)
	case "RSA PUBLIC KEY":
		key, err = x509.ParsePKCS1PublicKey(block.Bytes)
	default:
		err = fmt.Errorf("is a %.80q", block.Type)
	}
	if err != nil {
		return PublicKey{}, refuse(CodeKey, "publicKeyPem", "%v", err)
	}
	return NewPublicKey(id, owner, key)
}

// PEM is the secret as PKCS #8, for the key store.
func (k PrivateKey) PEM() (string, error) {
	der, err := x509.MarshalPKCS8PrivateKey(k.key)
	if err != nil {
		return "", fmt.Errorf("encode %s: %w", k, err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), nil
}

// ParsePrivatePEM reads what PEM wrote. Its errors never quote the text.
func ParsePrivatePEM(id, owner, text string) (PrivateKey, error) {
	block, err := onlyBlock(text)
	if err != nil {
		return PrivateKey{}, err
	}
	if block.Type != "PRIVATE KEY" {
		return PrivateKey{}, refuse(CodeKey, "private key", "must be PKCS #8 (BEGIN PRIVATE KEY)")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return PrivateKey{}, refuse(CodeKey, "private key", "isn't PKCS #8")
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return PrivateKey{}, refuse(CodeKey, "private key", "can't sign")
	}
	return NewPrivateKey(id, owner, signer)
}

// onlyBlock refuses text around the block: two readers of two blocks may each
// pick another key.
func onlyBlock(text string) (*pem.Block, error) {
	if len(text) > maxPEM {
		return nil, refuse(CodeKey, "PEM", "has %d bytes, may have %d", len(text), maxPEM)
	}
	text = strings.TrimSpace(text)
	block, rest := pem.Decode([]byte(text))
	if block == nil || !strings.HasPrefix(text, "-----BEGIN") || len(rest) > 0 {
		return nil, refuse(CodeKey, "PEM", "must be one block and nothing else")
	}
	return block, nil
}
