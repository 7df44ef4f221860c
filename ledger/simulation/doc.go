// Package simulation runs whole federations on a virtual clock: the protocol between instances (package pair) as
// instances run it, on a network, a bank and machines that fail, among peers that lie.
//
// One seed is one world: two to five hosts over some months. Everything happens in one loop over a heap of events,
// without goroutines, and every choice is drawn from one seeded source, so that a seed is the same run every time,
// down to the hash of its trace. Months have ten days, because what the protocol can suffer depends on what
// overlaps, not on how long it is quiet.
//
// Each host has a database in memory that takes a decision of package pair as a whole or not at all, as a
// transaction does. It can be copied and put back, as a backup is. The bank and the network are outside of it and
// are never put back. Who lies may sign anything, in its own name only: a document carries its author.
//
// When all is quiet again, both sides of each pair must tell the same, or one of them must have said openly that
// something is wrong; and every host's books must hold by themselves (protocol §10).
package simulation
