package journal

import (
	"fmt"
	"math"
	"slices"
)

// row is an entry with its account ids and, for Posted and Void, what its reservation held.
type row struct {
	Entry
	debit, credit *account
	held          *reservation
}

// judge finds what of a batch is new and may be written, the batch as a whole: money may pass through. A
// reservation must have been there before the batch.
func (s *standing) judge(entries []Entry) (fresh []row, err error) {
	for _, e := range entries {
		r, again, err := s.resolve(e)
		if err != nil {
			return nil, err
		}
		if again {
			continue
		}
		if r.held != nil {
			r.held.resolved = true
		}
		if !r.add() {
			return nil, r.overdraft(r.debit)
		}
		fresh = append(fresh, r)
	}
	for _, r := range fresh {
		if a := r.overdrawn(); a != nil {
			return nil, r.overdraft(a)
		}
	}
	return fresh, nil
}

// judgeEach judges entry by entry, each after those before it that stand.
func (s *standing) judgeEach(entries []Entry, verdicts []error) (fresh []row) {
	for i, e := range entries {
		r, again, err := s.resolve(e)
		if err == nil && !again {
			if err = s.enter(r); err == nil {
				fresh = append(fresh, r)
			}
		}
		verdicts[i] = err
	}
	return fresh
}

// enter takes a row into the standing, or leaves it as it was.
func (s *standing) enter(r row) error {
	debit, credit := r.debit.change, r.credit.change
	fits := r.add()
	if a := r.overdrawn(); a != nil || !fits {
		r.debit.change, r.credit.change = debit, credit
		if a == nil {
			a = r.debit
		}
		return r.overdraft(a)
	}
	s.known[r.key()] = r.Entry
	switch {
	case r.held != nil:
		r.held.resolved = true
	case r.Phase == Pending:
		s.held[r.key()] = &reservation{debit: r.debit, credit: r.credit, amount: r.Amount}
	}
	return nil
}

// resolve turns an entry into a row: accounts, and for Posted and Void their reservation, which each may be
// resolved once. Again: it is in the books.
func (s *standing) resolve(e Entry) (r row, again bool, err error) {
	if err := e.malformed(); err != nil {
		return row{}, false, err
	}
	if old, ok := s.known[e.key()]; ok && !old.same(e) {
		return row{}, false, e.reused()
	} else if ok {
		return row{}, true, nil
	}
	r = row{Entry: e, debit: s.named[e.Debit], credit: s.named[e.Credit]}
	if !e.resolves() {
		return r, false, nil
	}
	r.held = s.held[key{e.Kind, e.Ref, Pending}]
	if r.held == nil || r.held.resolved {
		return row{}, false, fmt.Errorf("%w: %s %d", ErrPending, e.Kind, e.Ref)
	}
	r.debit, r.credit = r.held.debit, r.held.credit
	if e.Phase == Void {
		r.Amount = r.held.amount
	}
	if r.Amount > r.held.amount {
		return row{}, false, fmt.Errorf("%w: %s %d posts more than it reserved", ErrOverdraft, e.Kind, e.Ref)
	}
	return r, false, nil
}

// totals are an account's, or what a batch adds to them, in micro-units.
type totals struct{ debits, credits, debitsPending, creditsPending int64 }

// account is a locked account.
type account struct {
	id int64
	Account
	normal         string
	before, change totals
	taken          int64 // what a batch takes from it, whatever it gives
}

// add nets a row into what its accounts change by. It tells whether that fits into an account's totals.
func (r row) add() bool {
	d, c := &r.debit.change, &r.credit.change
	if r.Phase == Pending {
		d.debitsPending, c.creditsPending = d.debitsPending+r.Amount, c.creditsPending+r.Amount
	}
	if r.held != nil {
		d.debitsPending, c.creditsPending = d.debitsPending-r.held.amount, c.creditsPending-r.held.amount
	}
	if r.Phase == Single || r.Phase == Posted {
		d.debits, c.credits = d.debits+r.Amount, c.credits+r.Amount
	}
	return r.debit.fits() && r.credit.fits()
}

// fits: no total went past what a bigint holds. It is asked after each addition, so that one that did is
// below zero.
func (a *account) fits() bool {
	b, c := a.before, a.change
	return c.debits >= 0 && c.credits >= 0 && b.debits <= math.MaxInt64-c.debits && b.credits <= math.MaxInt64-c.credits &&
		b.debitsPending+c.debitsPending >= 0 && b.creditsPending+c.creditsPending >= 0
}

// overdrawn is the account of a row that breaks its sign rule: the table's CHECK said once more in Go, so
// that the refusal names the account.
func (r row) overdrawn() *account {
	for _, a := range []*account{r.debit, r.credit} {
		d, c := a.before.debits+a.change.debits, a.before.credits+a.change.credits
		dp, cp := a.before.debitsPending+a.change.debitsPending, a.before.creditsPending+a.change.creditsPending
		if a.normal == "C" && c-d < dp || a.normal == "D" && d-c < cp {
			return a
		}
	}
	return nil
}

func (r row) overdraft(a *account) error {
	return fmt.Errorf("%w: %s of %d", ErrOverdraft, a.Kind, a.Owner)
}

// changed are the accounts of rows, in the order of their ids.
func changed(rows []row) []*account {
	all := make([]*account, 0, 2*len(rows))
	for _, r := range rows {
		all = append(all, r.debit, r.credit)
	}
	slices.SortFunc(all, func(a, b *account) int { return int(a.id - b.id) })
	return slices.Compact(all)
}
