// Package federation is how one instance and the others speak: ActivityPub with HTTP signatures,
// and money promised by proofs.
//
// # What comes in
//
// inbox limits and reads the body, checks the signature before anything in it is believed, proves in
// both directions that key, owner and activity's actor are one identity, and then one switch hands
// each kind of activity to the ledger, whose transaction ends before 202 is answered. What moves
// money must also carry a proof by the sender's accounting key, which is pinned when the peer is first
// met.
//
// # What goes out
//
// The ledger enqueues messages in its own transaction (Outbox, over River). Deliver renders each from
// rows that don't change, signs it afresh, posts it, and turns the status into a verdict by one table.
// Documents with a proof are stored before they are first sent, so that every retry says the same to
// the byte.
//
// # What is served
//
// Actors, buttons, WebFinger with the intents, NodeInfo, collections and the human-readable terms of
// our namespace's JSON.
//
// The pure parts are packages of their own: vocab (documents), signature (who said it), guard (where
// we may connect to).
package federation
