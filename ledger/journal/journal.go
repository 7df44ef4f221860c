// Package journal is the double entry: accounts and immutable transfers.
//
// A transfer is one row that takes an amount from a debit account and gives it to a credit account
// of the same currency, so the books balance by construction and all accounts sum to zero.
// A credit-normal account (what we owe: means, earned, payable …) may never be debited below zero;
// a debit-normal one (what we own: bank, receivable) never credited below zero. Reservations
// count: a pending transfer holds its amount on both sides until it is posted or voided, each of
// which is a new transfer. The rules stand twice, in Go before writing and as CHECKs in the tables.
//
// The idempotency key of a transfer is derived, never random: (kind, ref, phase), where ref is the
// id of the business row that the transfer books. Post is the writer of money; a month's settlement,
// which is too large for it, is built aside and attached (see Settlement).
package journal

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

// Errors of Post.
var (
	// ErrOverdraft: an account would break its sign rule, reservations counted.
	ErrOverdraft = errors.New("journal: overdraft")
	// ErrReused: the key exists with another body; nothing was written.
	ErrReused = errors.New("journal: key reused with another body")
	// ErrPending: a post or void without an open reservation of that key.
	ErrPending = errors.New("journal: no such reservation")
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
)

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

	id int64 // its transfer's
}

// Book is where Post writes: a transaction, its time, the month it books in and the currency.
type Book struct {
	Tx       pgx.Tx
	At       time.Time
	Period   string // YYYY-MM
	Currency string
}

// row is an entry with its account ids and, for Posted and Void, its reservation.
type row struct {
	Entry
	debit, credit int64
	reserved      int64
}

// Post writes the entries in one go, netted per account. Entries whose key exists with the same
// body, in the books or earlier among the entries, are left as they are; with another body nothing
// may be kept and ErrReused is returned: the transaction is to be rolled back.
// Accounts are created as needed, then locked in id order over the union of all entries, so that
// two batches can't deadlock.
//
// All statements stand here; what is made of their results is computed beside them.
func Post(ctx context.Context, b Book, entries ...Entry) error {
	entries, err := distinct(entries)
	if err != nil || len(entries) == 0 {
		return err
	}
	kinds, refs, phases := keys(entries)
	made, _ := b.Tx.Query(ctx, insertKeys, kinds, refs, phases, b.Period) // an error is in what it returns
	numbers, err := readNumbers(made)
	if err != nil {
		return err
	}
	entries, again := known(entries, numbers)
	if len(again) > 0 {
		kinds, refs, phases = keys(again)
		first, _ := b.Tx.Query(ctx, knownTransfers, kinds, refs, phases)
		if err := checkAgain(again, first); err != nil || len(entries) == 0 {
			return err
		}
	}
	kinds, owners := accounts(entries)
	if _, err := b.Tx.Exec(ctx, openAccounts, kinds, owners, b.Currency); err != nil {
		return fmt.Errorf("open accounts: %w", err)
	}
	named, _ := b.Tx.Query(ctx, namedAccounts, kinds, owners, b.Currency)
	ids, err := readIDs(named)
	if err != nil {
		return err
	}
	kinds, refs = resolving(entries)
	reserved, _ := b.Tx.Query(ctx, openReservations, kinds, refs)
	held, err := readReservations(reserved)
	if err != nil {
		return err
	}
	rows, err := resolve(entries, ids, held)
	if err != nil {
		return err
	}
	changes := net(rows)
	locked, _ := b.Tx.Query(ctx, lockAccounts, changes.ids)
	if err := changes.checkLimits(locked); err != nil {
		return err
	}
	if _, err := b.Tx.Exec(ctx, changeAccounts, changes.ids, changes.debits, changes.credits,
		changes.debitsPending, changes.creditsPending); err != nil {
		return err
	}
	_, err = b.Tx.CopyFrom(ctx, pgx.Identifier{"transfer"}, transferColumns, b.transfers(rows))
	return err
}

// insertKeys takes the keys that are free, and numbers their transfers. In order, so that two batches
// with the same keys wait instead of deadlocking.
const insertKeys = `
	insert into transfer_key (kind, ref, phase, transfer, batch)
	select kind, ref, phase, nextval('transfer_id'), $4
	from (select * from unnest($1::text[], $2::bigint[], $3::text[]) as k (kind, ref, phase) order by 1, 2, 3) k
	on conflict do nothing
	returning kind, ref, phase, transfer`

// knownTransfers finds what of a batch is in the books.
const knownTransfers = `
	select t.kind, t.ref, t.phase, d.kind, d.owner, c.kind, c.owner, t.amount
	from unnest($1::text[], $2::bigint[], $3::text[]) as k (kind, ref, phase)
	join transfer_key h using (kind, ref, phase)
	join transfer t on t.id = h.transfer and t.batch = h.batch
	join account d on d.id = t.debit_account
	join account c on c.id = t.credit_account`

type key struct {
	kind  string
	ref   int64
	phase string
}

func (e Entry) key() key { return key{e.Kind, e.Ref, e.Phase} }

func keys(entries []Entry) (kinds []string, refs []int64, phases []string) {
	for _, e := range entries {
		kinds, refs, phases = append(kinds, e.Kind), append(refs, e.Ref), append(phases, e.Phase)
	}
	return kinds, refs, phases
}

// distinct drops what stands earlier in the batch.
func distinct(entries []Entry) ([]Entry, error) {
	seen := map[key]Entry{}
	var err error
	return slices.DeleteFunc(slices.Clone(entries), func(e Entry) bool {
		old, ok := seen[e.key()]
		if ok && !old.same(e) {
			err = e.reused()
		}
		seen[e.key()] = e
		return ok
	}), err
}

func (e Entry) reused() error { return fmt.Errorf("%w: %s %d %s", ErrReused, e.Kind, e.Ref, e.Phase) }

func readNumbers(made pgx.Rows) (map[key]int64, error) {
	numbers := map[key]int64{}
	var k key
	var id int64
	_, err := pgx.ForEachRow(made, []any{&k.kind, &k.ref, &k.phase, &id}, func() error { numbers[k] = id; return nil })
	return numbers, err
}

// known parts the entries that got a number from those whose key was taken before.
func known(entries []Entry, numbers map[key]int64) (fresh, again []Entry) {
	for _, e := range entries {
		if id, ok := numbers[e.key()]; ok {
			e.id = id
			fresh = append(fresh, e)
		} else {
			again = append(again, e)
		}
	}
	return fresh, again
}

// checkAgain compares repeated entries with what the first said. A Posted or Void that isn't there was
// kept out by the other of the two.
func checkAgain(again []Entry, first pgx.Rows) error {
	seen := map[key]Entry{}
	var e Entry
	if _, err := pgx.ForEachRow(first, []any{&e.Kind, &e.Ref, &e.Phase, &e.Debit.Kind, &e.Debit.Owner,
		&e.Credit.Kind, &e.Credit.Owner, &e.Amount}, func() error { seen[e.key()] = e; return nil }); err != nil {
		return err
	}
	for _, e := range again {
		switch old, ok := seen[e.key()]; {
		case !ok:
			return fmt.Errorf("%w: %s %d", ErrPending, e.Kind, e.Ref)
		case !old.same(e):
			return e.reused()
		}
	}
	return nil
}

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
