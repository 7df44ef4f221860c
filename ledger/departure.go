package ledger

import (
	"context"
	"errors"
	"slices"

	"github.com/almerlucke/go-iban/iban"

	"github.com/fedflattr/flattrd/ledger/journal"
)

// Leaving is what a member who leaves wants to become of the money that is here or comes later.
type Leaving struct {
	IBAN  string // where means and earnings are paid back to; "": nowhere
	Give  bool   // what isn't paid goes to the cause
	Cause string // name of the member here who gets it; "": the instance's cause
}

// departure is how a member left.
type departure struct {
	Member int64
	IBAN   string `db:"iban"`
	Cause  *int64 // nil: the instance's
}

// Leave closes an account. What a bank could move is paid to the account that is given, in whole cents, or goes to the
// cause; without either the account must be empty (ErrFunds). A giver's clicks until then settle, under a name that says
// nothing; what rolls over or comes back goes the same way as the rest. Fractions of a cent, and what other instances owe a
// payee and pay later, go to the cause. Buttons are removed; the name is never given again; our givers' flattrs that
// aren't settled take nothing any more, and claim lines that come later are refused as "deleted". FieldError: iban
// (form), cause (unknown). ErrClosed: a month is being settled; it takes a moment.
func (l *Ledger) Leave(ctx context.Context, by int64, o Leaving) error {
	if o.IBAN != "" {
		parsed, err := iban.NewIBAN(o.IBAN)
		if err != nil {
			return refused("iban", "form")
		}
		o.IBAN = parsed.Code
	}
	return l.tx(ctx, func(tx *Tx) error {
		open, err := tx.holdMonths(ctx)
		if err != nil {
			return err
		}
		tx.at = l.Now() // behind the months' locks, see closePart
		if _, err := tx.activeMember(ctx, by, true); err != nil {
			return err
		}
		if o.IBAN == "" && !o.Give {
			if err := tx.hasNothing(ctx, by); err != nil {
				return err
			}
		}
		d, err := tx.depart(ctx, by, o)
		if err != nil {
			return err
		}
		if err := tx.takesNothing(ctx, by); err != nil {
			return err
		}
		if err := tx.voidLeft(ctx, by); err != nil {
			return err
		}
		if err := tx.closeAccount(ctx, by, open); err != nil {
			return err
		}
		return tx.settleLeft(ctx, open, []departure{d}, journal.Means, journal.Earned)
	})
}

// depart stores how somebody leaves.
func (tx *Tx) depart(ctx context.Context, by int64, o Leaving) (d departure, err error) {
	d = departure{Member: by, IBAN: o.IBAN}
	if o.Cause != "" {
		var cause int64
		err := tx.QueryRow(ctx, `select id from member where name = $1 and deleted_at is null and id <> $2`, o.Cause, by).Scan(&cause)
		if errors.Is(notFound(err), ErrNotFound) {
			return d, refused("cause", "unknown")
		}
		if err != nil {
			return d, err
		}
		d.Cause = &cause
	}
	_, err = tx.Exec(ctx, `insert into departure (member, iban, cause, created_at) values ($1, $2, $3, $4)`,
		d.Member, d.IBAN, d.Cause, tx.at)
	return d, err
}

// closeAccount removes what others see of a member, takes back clicks that never counted, and ends the rest.
func (tx *Tx) closeAccount(ctx context.Context, by int64, open string) error {
	if _, err := tx.Exec(ctx, `update button set removed_at = $2 where owner = $1 and removed_at is null`, by, tx.at); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `
		update flattr set state = 'undone', undone_at = $3 where giver = $1 and period = $2 and state = 'unfunded'`, by, open, tx.at); err != nil {
		return err
	}
	if err := tx.dropUnclaimed(ctx, by); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `
		update member set deleted_at = $2, password_hash = '', budget = 0, epoch = epoch + 1, display_name = 'deleted ' || id
		where id = $1`, by, tx.at)
	return err
}

// left is what of one who left is free on one account.
type left struct {
	departure
	Kind     string // journal.Means | journal.Earned
	Free     int64
	Reserved int64
}

const leftQuery = `
	select d.member, d.iban, d.cause, a.kind,
	  a.credits_posted - a.debits_posted - a.debits_pending as free, a.debits_pending as reserved
	from departure d join account a on a.owner = d.member and a.kind in ('means', 'earned')
	where a.credits_posted - a.debits_posted > a.debits_pending`

// settleLeft pays what those who left have free on accounts of the kinds, or gives it to their causes. Fractions of a
// cent wait as long as something is reserved that they may be paid with. The month is locked.
func (tx *Tx) settleLeft(ctx context.Context, open string, gone []departure, kinds ...string) error {
	members := make([]int64, len(gone))
	for i, d := range gone {
		members[i] = d.Member
	}
	slices.Sort(members)
	if _, err := tx.Exec(ctx, `select from member where id = any($1) order by id for no key update`, members); err != nil {
		return err
	}
	all, err := rows[left](tx.Query(ctx, leftQuery+` and d.member = any($1) and a.kind = any($2) order by d.member, a.kind`, members, kinds))
	if err != nil {
		return err
	}
	var entries []journal.Entry
	for _, x := range all {
		made, err := tx.settleOne(ctx, x)
		if err != nil {
			return err
		}
		entries = append(entries, made...)
	}
	return booked(journal.Post(ctx, tx.book(open), entries...))
}

func (tx *Tx) settleOne(ctx context.Context, x left) (entries []journal.Entry, err error) {
	if paid := WholeCents(x.Free); x.IBAN != "" && paid > 0 {
		w, err := tx.orderLeft(ctx, x, paid, nil)
		if err != nil {
			return nil, err
		}
		entries = append(entries, w.entry(journal.Pending))
		x.Free -= paid
	}
	if x.Free == 0 || x.IBAN != "" && x.Reserved > 0 {
		return entries, nil
	}
	given, err := tx.donateLeft(ctx, x, x.Free)
	return append(entries, given), err
}

// orderLeft asks for a withdrawal for one who left; by is the operator who does it by hand.
func (tx *Tx) orderLeft(ctx context.Context, x left, amount int64, by *int64) (w Withdrawal, err error) {
	w = Withdrawal{Member: x.Member, Source: x.Kind, Amount: amount, Iban: x.IBAN, Reference: newReference()}
	err = tx.QueryRow(ctx, `
		insert into withdrawal (member, source, amount, iban, state, reference, asked_by, created_at)
		values ($1, $2, $3, $4, 'requested', $5, $6, $7) returning id`,
		w.Member, w.Source, w.Amount, w.Iban, w.Reference, by, tx.at).Scan(&w.ID)
	return w, err
}

// donateLeft gives what one left to the cause: the member's own, if that one is still here.
func (tx *Tx) donateLeft(ctx context.Context, x left, amount int64) (e journal.Entry, err error) {
	var id int64
	var cause *int64
	err = tx.QueryRow(ctx, `
		insert into donation (source, member, amount, cause, created_at)
		values ($1, $2, $3, (select id from member where id = $4 and deleted_at is null), $5) returning id, cause`,
		x.Kind, x.Member, amount, x.Cause, tx.at).Scan(&id, &cause)
	return journal.Entry{Kind: kindDonation, Ref: id, Phase: journal.Single, Amount: amount,
		Debit: of(x.Kind, x.Member), Credit: causeAccount(cause)}, err
}

// causeAccount is where a cause's money goes; nil is the instance's.
func causeAccount(member *int64) journal.Account {
	if member == nil {
		return of(journal.Cause, 0)
	}
	return of(journal.Earned, *member)
}

// sweepLeft does what settleLeft does for those of the members who left, for all if none are named, as far as means have
// become free since: a budget rolled over, or a refused line came back. Whose refund was refused waits for an operator.
func (tx *Tx) sweepLeft(ctx context.Context, open string, members ...int64) (more bool, err error) {
	gone, err := rows[departure](tx.Query(ctx, `
		select member, iban, cause from (`+leftQuery+`) x
		where x.kind = 'means' and (x.iban = '' or x.free >= 10000 or x.reserved = 0) and ($1::bigint[] is null or x.member = any($1))
		  and not exists (select from withdrawal w where w.member = x.member and w.source = 'means' and w.state = 'refused' and w.decided_at >= (
		    select created_at from departure d where d.member = x.member))
		order by x.member limit $2`, members, reserveChunk))
	if err != nil || len(gone) == 0 {
		return false, err
	}
	return len(gone) == reserveChunk, tx.settleLeft(ctx, open, gone, journal.Means)
}
