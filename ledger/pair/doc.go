// Package pair is the protocol between two instances as a pure state machine: claim, answer, payment, netting,
// statement (protocol §§8, 9). It decides; whoever calls it stores, books and tells.
//
// Each function takes what one side has on record, and what came, and returns a Decision: the records as they
// stand afterwards, what is booked, and what the peer is told. It reads no clock, no database and no network, so
// that the same code runs in package ledger, in a transaction on PostgreSQL, and in package simulation, in
// memory, a thousand federations a second.
//
// The seam for planted bugs is the function planted: see plant_on.go.
package pair
