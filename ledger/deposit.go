package ledger

import (
	"context"
	"regexp"
	"strings"
	"time"

	"github.com/fedflattr/flattrd/ledger/journal"
)

// Deposit is money that a giver paid in by bank, as the operator recorded it.
type Deposit struct {
	ID        int64
	Member    int64
	Name      string
	Amount    int64
	Reference string // the bank's: unique, so that one booking can't be recorded twice
	CreatedAt time.Time
	Again     bool `db:"-"` // it was recorded before this call, which booked nothing
}

const depositQuery = `
	select d.id, d.member, m.name, d.amount, d.reference, d.created_at
	from deposit d join member m on m.id = d.member`

// standing is the text that givers write on all their transfers (DepositReference), with or without the
// number. It names the giver, not the booking: next month's transfer carries it too, and taken for a
// booking's reference it would hide that money.
var standing = regexp.MustCompile(`(?i)^flattr\s+@?[a-z0-9_]{1,30}(\s+[0-9]+)?$`)

// RecordDeposit books money that arrived for a member. The same reference again returns the first
// deposit, marked as Again, if all is the same (ErrConflict otherwise). FieldError: name unknown, amount,
// reference (required, too-long, standing).
func (l *Ledger) RecordDeposit(ctx context.Context, operator int64, name string, amount int64, reference string) (Deposit, error) {
	reference = strings.TrimSpace(reference)
	if reference == "" {
		return Deposit{}, refused("reference", "required")
	}
	if len(reference) > 140 {
		return Deposit{}, refused("reference", "too-long")
	}
	if standing.MatchString(reference) {
		return Deposit{}, refused("reference", "standing")
	}
	if amount <= 0 || amount > maxAmount || amount%microPerCent != 0 {
		return Deposit{}, refused("amount", "amount")
	}
	var d Deposit
	err := l.tx(ctx, func(tx *Tx) error {
		period, err := tx.openMonth(ctx)
		if err != nil {
			return err
		}
		if err := tx.operator(ctx, operator); err != nil {
			return err
		}
		d, err = tx.deposit(ctx, operator, name, amount, reference, period)
		return err
	})
	return d, err
}

func (tx *Tx) deposit(ctx context.Context, operator int64, name string, amount int64, reference, period string) (Deposit, error) {
	m, err := row[Member](tx.Query(ctx, `
		select `+memberColumns+` from member where name = $1 and deleted_at is null for no key update`, name))
	if err == ErrNotFound {
		return Deposit{}, refused("name", "unknown")
	}
	if err != nil {
		return Deposit{}, err
	}
	tag, err := tx.Exec(ctx, `
		insert into deposit (member, amount, reference, recorded_by, created_at)
		values ($1, $2, $3, $4, $5) on conflict (reference) do nothing`,
		m.ID, amount, reference, operator, tx.at)
	if err != nil {
		return Deposit{}, err
	}
	d, err := row[Deposit](tx.Query(ctx, depositQuery+` where d.reference = $1`, reference))
	switch {
	case err != nil:
		return d, err
	case d.Member != m.ID || d.Amount != amount:
		return d, ErrConflict
	case tag.RowsAffected() == 0:
		d.Again = true
		return d, nil
	}
	if err := booked(journal.Post(ctx, tx.book(period), journal.Entry{Kind: kindDeposit, Ref: d.ID, Phase: journal.Single,
		Debit: bank(), Credit: of(journal.Means, m.ID), Amount: amount})); err != nil {
		return d, err
	}
	return d, tx.topUp(ctx, period, m.ID)
}

// Deposits lists the latest 200 deposits.
func (l *Ledger) Deposits(ctx context.Context) ([]Deposit, error) {
	return rows[Deposit](l.pool.Query(ctx, depositQuery+` order by d.id desc limit 200`))
}
