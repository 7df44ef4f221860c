// Package federationtest is many instances in one process, for tests: each with its own database,
// ledger, keys and HTTP address on the loopback, all with one clock that is turned by hand, and between
// them a network that is told how bad it is.
//
// What runs is the real thing from the ledger's outbox to the ledger behind the other side's inbox:
// messages are rendered, signed, posted, verified and received as in production. Only who decides when
// a message is tried is a test's own: the Network, in place of the job queue.
//
//	w := federationtest.New(t, federationtest.Weather{}, federationtest.Host{Name: "a"}, federationtest.Host{Name: "b"})
//	... act on w.At("a").Ledger ...
//	w.Turn(at)  // the clock goes on; what is due meanwhile is delivered
//	w.Quiet()   // and what is left
//
// A zero Weather is calm: every message arrives once, at once, in the order in which it was told. Rough
// weather loses attempts before and after the receiver's commit, repeats what has arrived, and holds
// messages back, all drawn from the network's seed: the same seed does the same again.
package federationtest
