// Package audit proves an instance's books from the outside. It shares no code with the ledger, the federation
// or the pages, and imports nothing of ours: it is a second reading of the protocol (FEDERATION.md) and of the
// schema, so that an error in the first reading isn't repeated here. It only reads.
//
// # The model on one page, for an auditor
//
// Amounts are int64 micro-units, 10⁻⁶ of the currency's unit; months are UTC, YYYY-MM. First facts are what
// somebody did or signed:
//
//	member, thing, peer     who gives and receives, what was flattred, other instances
//	deposit                 money arrived at the bank for a member
//	reversal                an operator took a deposit back: from the giver's means, or as a loss
//	reservation             what a member's budget holds back for a month
//	pledge                  what a member promises for a month that is paid afterwards
//	flattr                  a member's click on a thing in a month, and how the payee's home answered
//	payment                 a bank transfer from or to another instance, with allocations to claims; or a netting, whose
//	                        allocations pay as much of both sides' claims
//	departure               how a member left, and whose the rest is
//	withdrawal              money leaves by bank to a payee, or back to a giver
//	document                a claim, payment or answer as its sender signed it, with an accounting key
//
// Everything else is derived from them, and this package derives it again:
//
//	share                   a settled month's budget, divided equally over its giver's accepted flattrs: the
//	                        largest remainder, ties by SHA-256 over month, giver and thing (protocol §7)
//	earning                 what the shares give a member here in a month
//	claim, claim_line       what the shares give the members of another instance; or, coming in, what its signed
//	                        offer says
//	share_return            a share of a line that its payee's home refused, back to its giver, once
//	line_allocation         what a received payment pays each line of a claim, by largest remainder
//	settlement              a month's totals
//	collection              a part of a pledge month's settlement: which promises were paid in time for it
//	fee                     what the instance keeps of what a payee gets of a month, at its published rate
//	donation                what no flattr took of a month's budgets, if its policy gives that to the cause; what a member
//	                        who left has left
//	transfer, transfer_key  one for each thing that moves money: (kind, ref, phase) names the row that it books
//	account                 the sums of its transfers
//
// Money comes in by deposit (bank to means), is held back by a reservation (means to clearing, pending), and is
// given when the month is settled: to payees here (earned) or to another instance (payable). There the same claim
// is a receivable and, line by line, announced to the payees; a payment turns announced into earned. What is
// earned is withdrawn (earned to bank). A reservation of a giver without an accepted flattr rolls over.
//
// # After a restored backup
//
// What was signed and lost comes back from the peer and stands as it was signed: a claim of ours is owed out of the
// peer's account recovery (recovery to payable), and what of it is refused goes back there. What was settled again
// for the same month is a draft until statements are compared, and then gives way (payable to recovery). A peer's
// claim that comes back with our own answer gives to recovery what is for nobody who is known here. Such claims are
// marked adopted: their lines are held to the signed documents, not to shares and members, and so these must be
// there.
//
// # What a finding is
//
// A row that isn't what the first facts make it, a row that should be there and isn't, one that nothing explains,
// or a signed document that is missing, isn't by the key of its sender, or says something else than the rows.
// Transfers and first facts are matched one to one, so books that were altered with all sums kept are found too.
//
// # What it can't find
//
// First facts that were altered before anybody else signed for them, together with all that follows: a flattr
// moved between two things of one member of this instance is the flattr as far as these books go. Whoever can
// write the table of keys can sign anything as this instance or its peers; therefore the keys that were used are
// listed, and those got from elsewhere (Options.Keys) are believed instead. That the bank account holds what the
// account "bank" says is for the bank's statement to show. Between a claim's or payment's commit and the keeping
// of its signed document lies a moment: a process that died there leaves a missing document until the peer sends
// it again.
//
// # Work and memory
//
// Large tables are read through cursors in one transaction: givers in order, each with reservations, flattrs,
// shares and returns side by side; transfers in order of their keys beside the facts that call for them. Members,
// accounts, things and the heads of claims and payments are held in memory, flattrs, shares, lines and transfers
// aren't.
package audit
