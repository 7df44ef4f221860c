// Package signature says who sent a request or wrote a document, and signs ours.
//
// Two things are signed in the fediverse. An HTTP request carries a signature
// over its target, host, time and body, in one of two kinds: draft-cavage-http-
// signatures-12, which everybody speaks, and RFC 9421, which is replacing it.
// A document carries a proof inside (FEP-8b32, cryptosuite eddsa-jcs-2022), which
// stays checkable when the request is long gone: money is promised by proofs.
//
// # Reading a signed request
//
// The caller has limited and read the body. Then, and before anything in the
// body is believed:
//
//	signed, err := signature.Parse(r, body, signature.Expect{Scheme: "https", Host: host, Now: now})
//	key := …                       // look signed.KeyID up: stored, or fetched
//	err = signed.Verify(key)       // now KeyID is proven; before, it was a claim
//	…                              // key.Owner must be the activity's actor, proven both ways
//
// Parse holds no key and does no arithmetic worth mentioning, so a request that
// could never be accepted costs no look-up. It refuses a signature that covers
// too little, a body that isn't the one digested, a time outside the window and
// a request meant for another host. The libraries beneath check none of these:
// go-fed/httpsig compares one string with one signature, whatever that string
// covers. There is one path for both kinds, and exactly one signature is used.
//
// # Which algorithm
//
// The key's type decides: RSA (2048 to 4096 bits) means PKCS #1 v1.5 with
// SHA-256, Ed25519 means Ed25519. A sender may name its algorithm; a name that
// doesn't fit is refused, and none is ever obeyed. So a public key can't be
// mistaken for the secret of a MAC.
//
// # Purity
//
// No network, no storage, no package state, and time is a parameter. One place
// leaks: go-fed/httpsig compares a draft-cavage (created) or (expires) with the
// machine's own clock as well (ten seconds). We never send either.
package signature
