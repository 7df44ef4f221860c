// Package ledger is the product: members, buttons, flattrs, months and money, and what must be told
// to which other instance.
//
// # The model on one page
//
// A member pays in (Deposit) and sets a monthly budget. What the budget holds back for a month is a
// Reservation: a pending transfer from the member's means. A Flattr is one click on one Thing in the
// open month and carries no amount. It is unfunded until a budget runs, then sent to the payee's home,
// which answers: accepted, held (the payee isn't giving yet) or rejected. A thing of this instance
// answers at once.
//
// A Month is open, closed (grace: answers and undos in flight land), frozen and settled. Settlement divides
// each reserved budget over the accepted flattrs (Split), posts the reservation, credits payees of this
// instance (earning), and offers each other instance a Claim with a line per payee. What has no final
// answer is carried, what no flattr took rolls over. It is built aside, where nobody sees it, by workers
// that each split one run of givers after the other, and published in one transaction. When a month opens,
// budgets are reserved member by member (reserving).
//
// In a pledge month budgets are promised (Pledge) and move nothing until they are paid: after 14 days, and three times a
// month later, what the givers' means cover is reserved and settled as one part of the month (Collection).
//
// What nobody can be paid for yet is an UnclaimedThing. A click on it (UnclaimedFlattr) waits in no month and is out of
// reach of every budget, until the thing is Payable: then it becomes a flattr of the open month that carries it.
//
// Months partition what grows: flattrs, received flattrs, shares and transfers.
//
// A thing may have several authors (SplitVersion): each consents to a version, which is in force from the next first of a
// month on. A flattr on it is answered for each author (flattr_part), and its share is divided by weight among those who
// take it (SplitByTie, share_part).
//
// The payees' home accepts a claim, and the money is announced; or refuses lines, and then nothing is
// posted, the shares of those lines return to their givers, and the rest is offered again. The operator
// pays by bank (Payment, with allocations to claims); what the other side confirms as arrived becomes
// available to the payees, who withdraw it (Withdrawal). A giver gets back what isn't given (a Withdrawal of means), and
// who leaves says where money goes that is here or comes later (Leave). A deposit that wasn't one is taken back (Reversal): what of it was given already is this instance's loss.
//
// Operators answer for each peer: its key, what of its debts is advanced (SetAdvanceLimit, advance), what is given up
// by two of them (WriteOff), what is disputed, and what happened (PeerEvent).
//
// # Accounts
//
//	bank D         money at the operator's bank
//	means C        paid in, not given yet            per member
//	clearing C     a month between givers and payees; zero when quiet
//	earned C       available to a payee              per member
//	payable C      owed to another instance          per peer
//	receivable D   owed by another instance          per peer
//	announced C    accepted for a payee, unpaid      per member
//	peer_credit C  a peer paid more than it owed     per peer
//	suspense       sent by bank, not acknowledged
//	advance D      available to payees, not paid by the peer yet    per peer
//	fee C          kept of what payees get
//	cause C        given to the instance's cause
//	loss D         lost by this instance: advanced and written off, or charged back after it was given
//
// # Invariants, and where each is enforced
//
//  1. A transfer moves one amount between two accounts of one currency and is never changed: by its
//     shape and a trigger in the database; its accounts are locked when it is written and never deleted, and
//     check "books" names one that isn't there; accounts are the sums of their transfers: journal.Post,
//     journal.PostEach and journal.Settlement, and check "account-totals".
//  2. No account breaks its sign rule, reservations counted; no budget is spent twice: what journal judges
//     before it writes, and CHECK account_no_overdraft; a unique index per (member, month).
//  3. Per giver and settled month Σ shares + rolled over = reserved budget; at most one return per
//     share: Split's tests, the sums that settlement compares before it publishes, checks "share-split" and
//     "shares-sum", a unique key of share_return. A share's parts are
//     all of it: SplitByTie's test, storeParts, check "share-part".
//  4. Per pair A's payable = B's receivable when quiet: each side holds its account to its claims,
//     check "peer-balance"; both sides together in package federation's tests and the demo.
//  5. Same id, effect at most once: derived keys with unique constraints (transfer_key); a month's partitions
//     are attached once; ReceiveFlattr, ReceiveClaim,
//     ClaimAnswered, ReceivePayment and PaymentAnswered compare what is known first.
//  6. Members' money is what came in less what was paid out: checks "books" and "zero-sum"; over all
//     instances in the demo and in package federation's tests.
//
// # Transactions
//
// Every exported method is one use case and one transaction whose time is read once. The open month's
// row is locked first (shared by clicks, exclusively by close), then members, then business rows, then
// accounts in id order. Two use cases are several: CloseMonth and SettleMonth end in pieces, which a crash
// leaves to the next Tick; a settlement's publication locks the accounts as a whole. And where many meet in an
// account of the instance, one transaction is many use cases: deposits, withdrawals and budgets that come at once
// are committed together, each with its own verdict (journal.Committer). Messages are enqueued in the same commit (Outbox). A use case that PostgreSQL
// lets give way to another is done again here; what other instances cause is done again by the inbox
// (GaveWay), so that few functions stand between it and each statement.
package ledger
