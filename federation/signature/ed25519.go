package signature

import (
	"crypto/ed25519"
	"encoding/hex"
	"slices"
)

// smallOrder lists the y coordinates of the points whose order divides 8, with
// the sign bit cleared, and the unreduced forms of the first ones. With such a
// key one signature fits every message, so what it "signed" proves nothing, and
// signed offers must stay evidence. crypto/ed25519 takes them.
var smallOrder = []string{
	"0000000000000000000000000000000000000000000000000000000000000000", // order 4
	"0100000000000000000000000000000000000000000000000000000000000000", // order 1
	"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05", // order 8
	"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a", // order 8
	"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", // order 2: p-1
	"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", // p, unreduced 0
	"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", // p+1, unreduced 1
}

func checkEd25519(key ed25519.PublicKey) error {
	if len(key) != ed25519.PublicKeySize {
		return refuse(CodeKey, "Ed25519 key", "has %d bytes, must have %d", len(key), ed25519.PublicKeySize)
	}
	unsigned := slices.Clone(key)
	unsigned[31] &= 0x7f
	if slices.Contains(smallOrder, hex.EncodeToString(unsigned)) {
		return refuse(CodeKey, "Ed25519 key", "is of small order")
	}
	return nil
}
