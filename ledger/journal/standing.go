package journal

import (
	"cmp"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"
)

// standing is what the books say about a batch: its accounts, which are locked, and what is known of its keys.
type standing struct {
	named map[Account]*account
	byID  map[int64]*account
	known map[key]Entry        // transfers that are there
	held  map[key]*reservation // by the key of the pending transfer
}

// reservation is a pending transfer that an entry resolves.
type reservation struct {
	debit, credit *account
	amount        int64
	resolved      bool
}

func newStanding() *standing {
	return &standing{named: map[Account]*account{}, byID: map[int64]*account{}, known: map[key]Entry{}, held: map[key]*reservation{}}
}

// read asks for all of it, in an order: what comes after the locks is true until the transaction ends.
func (s *standing) read(b Book, entries []Entry) *pgx.Batch {
	entries = slices.DeleteFunc(slices.Clone(entries), func(e Entry) bool { return e.malformed() != nil })
	var batch pgx.Batch
	kinds, owners := accounts(entries)
	resolved, reservations := resolving(entries)
	batch.Queue(openAccounts, kinds, owners, b.Currency)
	batch.Queue(lockAccounts, kinds, owners, b.Currency, resolved, reservations).Query(s.readAccounts)
	if len(resolved) > 0 {
		batch.Queue(findReservations, resolved, reservations).Query(s.readReservations)
	}
	kinds, refs, phases := keys(entries)
	batch.Queue(knownTransfers, kinds, refs, phases).Query(s.readKnown)
	return &batch
}

// openAccounts creates the accounts that don't exist yet. The order is sorted, so that two transactions
// creating the same accounts wait instead of deadlocking.
const openAccounts = `
	insert into account (kind, owner, currency, normal)
	select kind, owner, $3, case when kind in ('bank','receivable','advance','loss') then 'D'
	                             when kind in ('suspense', 'recovery') then 'B' else 'C' end
	from unnest((select $1::text[]), (select $2::bigint[])) as k (kind, owner)
	where not exists (select from account a where a.kind = k.kind and a.owner = k.owner and a.currency = $3)
	order by kind, owner
	on conflict do nothing`

// accounts are those that entries name, each once and sorted, as columns.
func accounts(entries []Entry) (kinds []string, owners []int64) {
	named := map[Account]bool{}
	for _, e := range entries {
		if !e.resolves() {
			named[e.Debit], named[e.Credit] = true, true
		}
	}
	for _, a := range slices.SortedFunc(maps.Keys(named), compare) {
		kinds, owners = append(kinds, a.Kind), append(owners, a.Owner)
	}
	return kinds, owners
}

func compare(a, b Account) int {
	return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Owner, b.Owner))
}

// lockAccounts locks those that entries name and those of the reservations that they resolve.
const lockAccounts = `
	select id, kind, owner, normal, debits_posted, credits_posted, debits_pending, credits_pending
	from account where id = any (array(
	  select a.id from unnest((select $1::text[]), (select $2::bigint[])) as k (kind, owner)
	  cross join lateral (select id from account a where a.kind = k.kind and a.owner = k.owner and a.currency = $3 offset 0) a
	  union all
	  select unnest(array[p.debit_account, p.credit_account])
	  from (select kind, ref, 'pending' as phase from unnest((select $4::text[]), (select $5::bigint[])) as r (kind, ref)) k ` + byKey + `))
	order by id for no key update`

// byKey finds the transfers p that have the keys k: one by one, because a plan that is made while there are few
// would read all keys, and be kept when there are many.
const byKey = `
	cross join lateral (
	  select p.kind, p.ref, p.phase, p.debit_account, p.credit_account, p.amount
	  from transfer_key h join transfer p on p.id = h.transfer and p.batch = h.batch
	  where h.kind = k.kind and h.ref = k.ref and h.phase = k.phase offset 0) p`

func (s *standing) readAccounts(locked pgx.Rows) error {
	var a account
	t := &a.before
	_, err := pgx.ForEachRow(locked, []any{&a.id, &a.Kind, &a.Owner, &a.normal, &t.debits, &t.credits, &t.debitsPending, &t.creditsPending}, func() error {
		one := a
		s.named[a.Account], s.byID[a.id] = &one, &one
		return nil
	})
	return err
}

// findReservations finds what entries resolve, and whether that was resolved before.
const findReservations = `
	select p.kind, p.ref, p.debit_account, p.credit_account, p.amount, exists (
	  select from transfer_key r where r.kind = p.kind and r.ref = p.ref and r.phase in ('post','void'))
	from (select kind, ref, 'pending' as phase from unnest((select $1::text[]), (select $2::bigint[])) as r (kind, ref)) k ` + byKey

// resolving are the keys of the reservations that entries resolve.
func resolving(entries []Entry) (kinds []string, refs []int64) {
	for _, e := range entries {
		if e.resolves() {
			kinds, refs = append(kinds, e.Kind), append(refs, e.Ref)
		}
	}
	return kinds, refs
}

func (s *standing) readReservations(found pgx.Rows) error {
	k := key{phase: Pending}
	var r reservation
	var debit, credit int64
	_, err := pgx.ForEachRow(found, []any{&k.kind, &k.ref, &debit, &credit, &r.amount, &r.resolved}, func() error {
		one := r
		if one.debit, one.credit = s.byID[debit], s.byID[credit]; one.debit != nil && one.credit != nil {
			s.held[k] = &one
		}
		return nil
	})
	return err
}

// knownTransfers finds what of a batch is in the books.
const knownTransfers = `
	select p.kind, p.ref, p.phase, p.debit_account, p.credit_account, p.amount
	from unnest((select $1::text[]), (select $2::bigint[]), (select $3::text[])) as k (kind, ref, phase) ` + byKey

func keys(entries []Entry) (kinds []string, refs []int64, phases []string) {
	for _, e := range entries {
		kinds, refs, phases = append(kinds, e.Kind), append(refs, e.Ref), append(phases, e.Phase)
	}
	return kinds, refs, phases
}

// readKnown leaves out the names of accounts that aren't this batch's: who repeats a key with others is
// refused by that.
func (s *standing) readKnown(found pgx.Rows) error {
	var e Entry
	var debit, credit int64
	_, err := pgx.ForEachRow(found, []any{&e.Kind, &e.Ref, &e.Phase, &debit, &credit, &e.Amount}, func() error {
		e.Debit, e.Credit = s.nameOf(debit), s.nameOf(credit)
		s.known[e.key()] = e
		return nil
	})
	return err
}

func (s *standing) nameOf(id int64) Account {
	if a := s.byID[id]; a != nil {
		return a.Account
	}
	return Account{}
}
