package signature

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"

	rfc9421 "github.com/dadrus/httpsig"
	cavage "github.com/go-fed/httpsig"
)

// Kind is how a request was signed.
type Kind string

const (
	Cavage  Kind = "draft-cavage"
	RFC9421 Kind = "rfc9421"
)

// algorithm is the one algorithm of a key type, by its name in each kind.
type algorithm struct {
	cavage  cavage.Algorithm
	rfc9421 rfc9421.SignatureAlgorithm
}

var (
	rsaSHA256   = algorithm{cavage.RSA_SHA256, rfc9421.RsaPkcs1v15Sha256}
	pureEd25519 = algorithm{cavage.ED25519, rfc9421.Ed25519}
)

func (k PublicKey) algorithm() algorithm  { return algorithmOf(k.key) }
func (k PrivateKey) algorithm() algorithm { return k.Public().algorithm() }

func algorithmOf(key crypto.PublicKey) algorithm {
	switch key.(type) {
	case *rsa.PublicKey:
		return rsaSHA256
	case ed25519.PublicKey:
		return pureEd25519
	}
	return algorithm{} // unreachable behind check, and no library knows ""
}

// named says whether a sender may call this algorithm so. hs2019 means "see the
// key", which is what we do anyway; naming none means the same.
func (a algorithm) named(kind Kind, name string) bool {
	switch {
	case name == "":
		return true
	case kind == Cavage:
		return name == "hs2019" || name == string(a.cavage)
	default:
		return name == string(a.rfc9421)
	}
}

// checkAlgorithmName refuses what fits no key at all (hmac-sha256, none,
// rsa-sha1), before a key is looked up for it.
func checkAlgorithmName(kind Kind, name string) error {
	if rsaSHA256.named(kind, name) || pureEd25519.named(kind, name) {
		return nil
	}
	return refuse(CodeAlgorithm, "algorithm", "%.80q isn't taken", name)
}
