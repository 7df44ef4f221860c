// Package journal is the double entry: accounts and immutable transfers.
//
// A transfer is one row that takes an amount from a debit account and gives it to a credit account
// of the same currency, so the books balance by construction and all accounts sum to zero.
// A credit-normal account (what we owe: means, earned, payable …) may never be debited below zero;
// a debit-normal one (what we own: bank, receivable, advance) never credited below zero. Reservations
// count: a pending transfer holds its amount on both sides until it is posted or voided, each of
// which is a new transfer. The rules stand twice, judged before writing and as CHECKs in the tables.
//
// The idempotency key of a transfer is derived, never random: (kind, ref, phase), where ref is the
// id of the business row that the transfer books. Post is the writer of money, and PostEach, where each
// entry is judged by itself; a month's settlement, which is too large for them, is built aside and attached
// (see Settlement). Live traffic that meets in one account goes through a Committer.
package journal

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

// Errors of Post and verdicts of PostEach.
var (
	// ErrOverdraft: an account would break its sign rule, reservations counted.
	ErrOverdraft = errors.New("journal: overdraft")
	// ErrReused: the key exists with another body.
	ErrReused = errors.New("journal: key reused with another body")
	// ErrPending: a post or void without an open reservation of that key.
	ErrPending = errors.New("journal: no such reservation")
	// ErrMalformed: no amount above zero, one account on both sides, or an account of a kind that isn't.
	ErrMalformed = errors.New("journal: malformed entry")
)

// Account kinds. Owner is a member's id, a peer's id, or 0 for the instance.
const (
	Bank       = "bank"        // D: money at the operator's bank
	Means      = "means"       // C: what a giver paid in and hasn't given yet
	Clearing   = "clearing"    // C: a month between givers and payees; zero when quiet
	Payable    = "payable"     // C: what we owe another instance's members
	Receivable = "receivable"  // D: what another instance owes our members
	Announced  = "announced"   // C: accepted for a payee, not paid yet
	Earned     = "earned"      // C: a payee may withdraw it
	PeerCredit = "peer_credit" // C: a peer paid more than it owed
	Suspense   = "suspense"    // B: sent by bank, but not acknowledged as received
	Advance    = "advance"     // D: made available to payees before the peer has paid it
	Cause      = "cause"       // C: given to the instance's cause, which the operator pays
	Fee        = "fee"         // C: kept by the instance of what its payees get
	Loss       = "loss"        // D: what this instance has lost
	Recovery   = "recovery"    // B, of a peer: between what was signed before a restore and what the books say now
)

var kinds = []string{Bank, Means, Clearing, Payable, Receivable, Announced, Earned, PeerCredit, Suspense, Advance, Cause, Fee, Loss, Recovery}

// Account names one account of the books' currency.
type Account struct {
	Kind  string
	Owner int64
}

// Phases of a transfer.
const (
	Single  = "single"  // moves at once
	Pending = "pending" // reserves
	Posted  = "post"    // moves a reservation, wholly or in part; the rest is released
	Void    = "void"    // releases a reservation
)

// Entry is one transfer to write. For Posted and Void, the accounts are the reservation's own and
// needn't be given; Void needs no amount.
type Entry struct {
	Kind   string // what kind of row it books: "deposit", "budget", …
	Ref    int64  // that row's id
	Phase  string
	Debit  Account
	Credit Account
	Amount int64 // micro-units, > 0
}

// Book is where Post writes: a transaction, its time, the month it books in and the currency. The
// transaction is of READ COMMITTED: what waited for a lock must see what was done meanwhile.
type Book struct {
	Tx       pgx.Tx
	At       time.Time
	Period   string // YYYY-MM
	Currency string
}

// Post writes the entries in one go, netted per account. Entries whose key exists with the same
// body, in the books or earlier among the entries, are left as they are. After an error nothing may be
// kept: the transaction is to be rolled back.
//
// Accounts are created as needed, then locked in id order over the union of all entries, so that two
// batches can't deadlock; that comes first, so that what is then read of keys and balances stays true.
// New transfers between accounts that are there are one statement, which a transaction of Pool.Do sends with its
// next one or with COMMIT (the verdict is that of Do then); else all that is read is asked for in one
// round trip, and all that is written goes in another.
func Post(ctx context.Context, b Book, entries ...Entry) error {
	if sql, args, sent := b.short(entries); sent {
		return nil
	} else if args != nil {
		if done, err := b.Tx.Exec(ctx, sql, args...); err != nil || done.RowsAffected() > 0 {
			return err
		}
	}
	entries, err := distinct(entries)
	if err != nil || len(entries) == 0 {
		return err
	}
	s := newStanding()
	if err := b.Tx.SendBatch(ctx, s.read(b, entries)).Close(); err != nil {
		return err
	}
	fresh, err := s.judge(entries)
	if err != nil || len(fresh) == 0 {
		return err
	}
	return b.Tx.SendBatch(ctx, s.write(b, fresh)).Close()
}

// PostEach is Post for entries that have nothing to do with each other: each is judged by itself, in order,
// as if it were posted alone after those before it. A verdict is nil if its entry is in the books now,
// booked or known before with the same body, else one of this package's errors: such an entry leaves
// nothing but, at most, an empty account. err is of the whole: nothing may be kept.
func PostEach(ctx context.Context, b Book, entries ...Entry) (verdicts []error, err error) {
	verdicts = make([]error, len(entries))
	if sql, args, sent := b.short(entries); sent {
		return verdicts, nil
	} else if args != nil {
		if done, err := b.Tx.Exec(ctx, sql, args...); err != nil || done.RowsAffected() > 0 {
			return verdicts, err
		}
	}
	s := newStanding()
	if err := b.Tx.SendBatch(ctx, s.read(b, entries)).Close(); err != nil {
		return nil, err
	}
	fresh := s.judgeEach(entries, verdicts)
	if len(fresh) == 0 {
		return verdicts, nil
	}
	return verdicts, b.Tx.SendBatch(ctx, s.write(b, fresh)).Close()
}

type key struct {
	kind  string
	ref   int64
	phase string
}

func (e Entry) key() key { return key{e.Kind, e.Ref, e.Phase} }

// resolves: it posts or voids a reservation.
func (e Entry) resolves() bool { return e.Phase == Posted || e.Phase == Void }

func (e Entry) malformed() error {
	switch {
	case e.Amount <= 0 && e.Phase != Void:
		return fmt.Errorf("%w: amount %d of %s %d", ErrMalformed, e.Amount, e.Kind, e.Ref)
	case e.resolves():
		return nil
	case e.Debit == e.Credit:
		return fmt.Errorf("%w: %s %d from %s of %d to itself", ErrMalformed, e.Kind, e.Ref, e.Debit.Kind, e.Debit.Owner)
	}
	for _, a := range []Account{e.Debit, e.Credit} {
		if !slices.Contains(kinds, a.Kind) {
			return fmt.Errorf("%w: %s %d and an account of kind %q", ErrMalformed, e.Kind, e.Ref, a.Kind)
		}
	}
	return nil
}

func (e Entry) reused() error { return fmt.Errorf("%w: %s %d %s", ErrReused, e.Kind, e.Ref, e.Phase) }

// same tells whether a repeated entry says what the first said.
func (e Entry) same(again Entry) bool {
	switch e.Phase {
	case Void:
		return true
	case Posted:
		return e.Amount == again.Amount
	}
	return e.Amount == again.Amount && e.Debit == again.Debit && e.Credit == again.Credit
}

// distinct drops what stands earlier in the batch, and refuses what can't be in any.
func distinct(entries []Entry) ([]Entry, error) {
	seen := map[key]Entry{}
	var err error
	return slices.DeleteFunc(slices.Clone(entries), func(e Entry) bool {
		if bad := e.malformed(); bad != nil {
			err = bad
		}
		old, ok := seen[e.key()]
		if ok && !old.same(e) {
			err = e.reused()
		}
		seen[e.key()] = e
		return ok
	}), err
}
