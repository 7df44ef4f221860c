//go:build planted

package pair

import "sync/atomic"

// Bugs are the bugs that this build can plant, for showing that the simulation finds them. To plant another:
// name it here, and ask planted("its name") where the protocol's rule is decided, so that the rule is broken
// while it is planted. flattrd simulate --plant NAME runs with it and must find a violation.
var Bugs = []string{
	"answer-anew",           // a claim that is known is judged again instead of answered as before
	"book-twice",            // a claim that comes again is booked again
	"digest-ignored",        // lines that don't have the offer's digest are taken
	"total-ignored",         // lines that don't add up to the offer are taken
	"tombstone-forgotten",   // a superseded claim that was never seen isn't remembered
	"accepted-superseded",   // an accepted claim is superseded all the same
	"second-answer",         // a second answer replaces the first
	"content-unseen",        // other content under the same id is taken for the same
	"refusal-keeps",         // the money of a refused line isn't given back
	"successor-whole",       // the successor offers refused lines again
	"overpaid",              // a payment may allocate more than is open
	"allocation-unreserved", // an order doesn't reserve what it pays
	"netting-in-flight",     // netting touches what is in an unanswered payment
	"netting-one-sided",     // netting is booked by who proposes it, not by who accepts it
	"statement-blind",       // what the peer lacks isn't sent again
	"contradiction-blind",   // records that contradict each other don't freeze
	"reconcile-skipped",     // nothing is held after a start
	"draft-offered",         // a draft is offered though an own offer came back
	"strangers-payees",      // lines for payees that nobody knows are taken
	"short-forgiven",        // what is short of a payment isn't owed again
	"missed-kept",           // what wasn't received stays reserved
	"adoption-unbooked",     // an own offer that comes back isn't booked
	"adopted-to-givers",     // refused lines of an offer that came back go to givers whom the books don't know
	"release-unasked",       // any statement ends a hold, not only the answer to ours
	"release-lacking",       // a hold ends though the peer has what we lack

	// A rule of whoever stores and tells what this package decides: Planted asks for it.
	"offered-at-once", // a settled month is offered though an own offer for it has come back
}

var bug atomic.Pointer[string]

// Plant plants a bug, for the whole process; "" takes it out.
func Plant(name string) { bug.Store(&name) }

// Planted tells callers of this package whether a bug of theirs is planted.
func Planted(name string) bool { return planted(name) }

func planted(name string) bool { p := bug.Load(); return p != nil && *p == name }
