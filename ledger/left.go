package ledger

import (
	"context"

	"github.com/almerlucke/go-iban/iban"

	"github.com/fedflattr/flattrd/ledger/journal"
)

// Left is money of a member who left that an operator must decide on: its payment was refused.
type Left struct {
	Member int64
	Name   string
	Means  int64 // free, in micro-units; of this and Earned, whole cents can be paid
	Earned int64
}

// Left lists those with a cent or more, at most 200.
func (l *Ledger) Left(ctx context.Context) ([]Left, error) {
	return rows[Left](l.pool.Query(ctx, `
		select x.member, m.name, coalesce(sum(x.free) filter (where x.kind = 'means'), 0)::bigint as means,
		  coalesce(sum(x.free) filter (where x.kind = 'earned'), 0)::bigint as earned
		from (`+leftQuery+`) x join member m on m.id = x.member
		group by x.member, m.name having sum(x.free) >= 10000 order by x.member limit 200`))
}

// PayLeft asks for payment of all whole cents that a member left, to another account. FieldError: iban (form). ErrFunds:
// there is no whole cent. ErrNotFound: nobody who left.
func (l *Ledger) PayLeft(ctx context.Context, operator, member int64, account string) error {
	parsed, err := iban.NewIBAN(account)
	if err != nil {
		return refused("iban", "form")
	}
	return l.decideLeft(ctx, operator, member, func(tx *Tx, x left) (journal.Entry, error) {
		x.IBAN = parsed.Code
		amount := WholeCents(x.Free)
		if amount == 0 {
			return journal.Entry{}, nil
		}
		w, err := tx.orderLeft(ctx, x, amount, &operator)
		return w.entry(journal.Pending), err
	})
}

// GiveLeft gives all that a member left to the cause that was named, or the instance's.
func (l *Ledger) GiveLeft(ctx context.Context, operator, member int64) error {
	return l.decideLeft(ctx, operator, member, func(tx *Tx, x left) (journal.Entry, error) {
		return tx.donateLeft(ctx, x, x.Free)
	})
}

func (l *Ledger) decideLeft(ctx context.Context, operator, member int64, f func(*Tx, left) (journal.Entry, error)) error {
	return l.tx(ctx, func(tx *Tx) error {
		open, err := tx.openMonth(ctx)
		if err != nil {
			return err
		}
		if err := tx.operator(ctx, operator); err != nil {
			return err
		}
		if _, err := row[departure](tx.Query(ctx, `
			select d.member, d.iban, d.cause from departure d join member m on m.id = d.member where d.member = $1
			for no key update of m`, member)); err != nil {
			return err
		}
		all, err := rows[left](tx.Query(ctx, leftQuery+` and d.member = $1 order by a.kind`, member))
		if err != nil {
			return err
		}
		var entries []journal.Entry
		for _, x := range all {
			e, err := f(tx, x)
			if err != nil {
				return err
			}
			if e.Amount > 0 {
				entries = append(entries, e)
			}
		}
		if len(entries) == 0 {
			return ErrFunds
		}
		return booked(journal.Post(ctx, tx.book(open), entries...))
	})
}
