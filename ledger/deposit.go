package ledger

import (
	"context"
	"errors"
	"regexp"
	"slices"
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
	Reversed  bool
	Again     bool `db:"-"` // it was recorded before this call, which booked nothing
}

const depositQuery = `
	select d.id, d.member, m.name, d.amount, d.reference, d.created_at, v.id is not null as reversed
	from deposit d join member m on m.id = d.member left join reversal v on v.deposit = d.id`

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
	return l.deposits.Commit(ctx, paidIn{operator, name, amount, reference})
}

// paidIn is a booking of the bank's that an operator records.
type paidIn struct {
	operator  int64
	name      string
	amount    int64
	reference string
}

// recordDeposits records what came while the bank's account was being changed for others. No reference is in
// it twice.
func (tx *Tx) recordDeposits(ctx context.Context, all []paidIn) ([]journal.Verdict[Deposit], error) {
	journal.AtOnce(tx.Tx) // a giver's first deposit opens an account
	period, err := tx.openMonth(ctx)
	if err != nil {
		return nil, err
	}
	verdicts := make([]journal.Verdict[Deposit], len(all))
	payees, err := tx.payees(ctx, all, verdicts)
	if err != nil {
		return nil, err
	}
	made, known, err := tx.insertDeposits(ctx, all, payees)
	if err != nil {
		return nil, err
	}
	var entries []journal.Entry
	var members []int64
	for i, p := range all {
		v := &verdicts[i]
		if v.Err != nil {
			continue
		}
		v.Result = known[p.reference]
		d := &v.Result
		if d.Member != payees[i] || d.Amount != p.amount {
			v.Err = ErrConflict
		} else if d.Again = !made[d.ID]; !d.Again {
			entries = append(entries, journal.Entry{Kind: kindDeposit, Ref: d.ID, Phase: journal.Single,
				Debit: bank(), Credit: of(journal.Means, d.Member), Amount: d.Amount})
			members = append(members, d.Member)
		}
	}
	if err := booked(journal.Post(ctx, tx.book(period), entries...)); err != nil || len(members) == 0 {
		return verdicts, err
	}
	slices.Sort(members)
	return verdicts, tx.topUp(ctx, period, slices.Compact(members)...)
}

// payees finds and locks the members that are paid in for, and refuses what isn't an operator's or nobody's.
func (tx *Tx) payees(ctx context.Context, all []paidIn, verdicts []journal.Verdict[Deposit]) ([]int64, error) {
	names, byName, operators := make([]string, len(all)), map[string]int64{}, map[int64]error{}
	for i, p := range all {
		names[i] = p.name
		if _, asked := operators[p.operator]; asked {
			continue
		}
		err := tx.operator(ctx, p.operator)
		if err != nil && !errors.Is(err, ErrRefused) && !errors.Is(err, ErrNotFound) {
			return nil, err
		}
		operators[p.operator] = err
	}
	type payee struct {
		ID   int64
		Name string
	}
	found, err := rows[payee](tx.Query(ctx, `
		select id, name from member where name = any($1) and deleted_at is null order by id for no key update`, names))
	for _, m := range found {
		byName[m.Name] = m.ID
	}
	payees := make([]int64, len(all))
	for i, p := range all {
		payees[i] = byName[p.name]
		if verdicts[i].Err = operators[p.operator]; verdicts[i].Err == nil && payees[i] == 0 {
			verdicts[i].Err = refused("name", "unknown")
		}
		if verdicts[i].Err != nil {
			payees[i] = 0
		}
	}
	return payees, err
}

// insertDeposits adds those whose reference is new, in order, so that two such wait instead of deadlocking, and
// finds all by their references. A payee of 0 gets nothing.
func (tx *Tx) insertDeposits(ctx context.Context, all []paidIn, payees []int64) (made map[int64]bool, known map[string]Deposit, err error) {
	var operators, amounts []int64
	var references []string
	for _, p := range all {
		operators, amounts, references = append(operators, p.operator), append(amounts, p.amount), append(references, p.reference)
	}
	fresh, err := ids(tx.Query(ctx, `
		insert into deposit (member, amount, reference, recorded_by, created_at)
		select member, amount, reference, operator, $5
		from unnest($1::bigint[], $2::bigint[], $3::text[], $4::bigint[]) as p (member, amount, reference, operator)
		where member > 0 order by reference
		on conflict (reference) do nothing returning id`, payees, amounts, references, operators, tx.at))
	if err != nil {
		return nil, nil, err
	}
	found, err := rows[Deposit](tx.Query(ctx, depositQuery+` where d.reference = any($1)`, references))
	made, known = map[int64]bool{}, map[string]Deposit{}
	for _, id := range fresh {
		made[id] = true
	}
	for _, d := range found {
		known[d.Reference] = d
	}
	return made, known, err
}

// Deposits lists the latest 200 deposits.
func (l *Ledger) Deposits(ctx context.Context) ([]Deposit, error) {
	return rows[Deposit](l.pool.Query(ctx, depositQuery+` order by d.id desc limit 200`))
}
