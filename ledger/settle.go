package ledger

import (
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/fedflattr/flattrd/ledger/journal"
)

// SettleMonth divides a closed month's budgets over its finally accepted flattrs, credits our own
// payees, offers claims to the other instances, carries what has no final answer, and rolls over
// budgets without a flattr. One transaction publishes all of it, so that a crash at any point leaves
// nothing, and a second run does nothing. ErrClosed: the month isn't closed or still in grace.
func (l *Ledger) SettleMonth(ctx context.Context, period string) error {
	defer failpoint("settle.committed")
	return l.tx(ctx, func(tx *Tx) error {
		m, err := row[Month](tx.Query(ctx, `select `+monthColumns+` from month where period = $1 for update`, period))
		switch {
		case err != nil:
			return err
		case m.State == "settled":
			return nil
		case m.State == "open" || tx.at.Before(m.ClosedAt.Add(tx.l.inst.Grace())):
			return fmt.Errorf("%w: %s is open or in grace", ErrClosed, period)
		}
		open, err := tx.openMonth(ctx)
		if err != nil {
			return err
		}
		failpoint("settle.locked")
		if err := tx.settle(ctx, period, open); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `
			update month set state = 'settled', settled_at = $2 where period = $1`, period, tx.at); err != nil {
			return err
		}
		failpoint("settle.before-commit")
		return nil
	})
}

func (tx *Tx) settle(ctx context.Context, period, open string) error {
	// Members before accounts, as everywhere: budgets are topped up below.
	if _, err := tx.Exec(ctx, `
		select from member where id in (select member from reservation where period = $1)
		order by id for no key update`, period); err != nil {
		return err
	}
	shares, rolled, err := tx.split(ctx, period)
	if err != nil {
		return err
	}
	failpoint("settle.split")
	if err := tx.settleBudgets(ctx, period, open, shares, rolled); err != nil {
		return err
	}
	if err := tx.bookShares(ctx, period, open, shares); err != nil {
		return err
	}
	failpoint("settle.booked")
	return tx.carry(ctx, period, open)
}

// settledShare is a share with what its destination needs.
type settledShare struct {
	flattr      uuid.UUID
	giver       int64
	thing       int64
	object      string
	payee       string
	member      *int64 // the payee, when ours
	peer        *int64 // the payee's instance, when not
	reservation int64
	budget      int64
	giverName   string
	amount      int64
	claim       *int64
}

// split reads the frozen month and computes every share; rolled are the reservations without a
// finally accepted flattr. A pure function of budgets, flattrs and answers.
func (tx *Tx) split(ctx context.Context, period string) (shares []*settledShare, rolled []int64, err error) {
	r, err := tx.Query(ctx, `
		select r.id, r.amount, m.id, m.name, f.id, t.id, t.iri, t.payee, t.member, t.peer
		from reservation r
		join member m on m.id = r.member
		left join flattr f on f.giver = r.member and f.period = r.period and f.state = 'accepted'
		left join thing t on t.id = f.thing
		where r.period = $1 and r.state = 'reserved'
		order by r.id, t.iri`, period)
	if err != nil {
		return nil, nil, err
	}
	var s settledShare
	var flattr *uuid.UUID
	var thing *int64
	var object, payee *string
	_, err = pgx.ForEachRow(r, []any{&s.reservation, &s.budget, &s.giver, &s.giverName, &flattr, &thing,
		&object, &payee, &s.member, &s.peer}, func() error {
		if flattr == nil {
			rolled = append(rolled, s.reservation)
			return nil
		}
		one := s
		one.flattr, one.thing, one.object, one.payee = *flattr, *thing, *object, *payee
		shares = append(shares, &one)
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	for _, mine := range chunkBy(shares, func(s *settledShare) int64 { return s.reservation }) {
		tx.divide(period, mine)
	}
	return shares, rolled, nil
}

// divide splits one giver's budget over that giver's shares.
func (tx *Tx) divide(period string, mine []*settledShare) {
	giver := tx.l.inst.MemberIRI(mine[0].giverName)
	ties := make([]Tie, len(mine))
	for i, s := range mine {
		ties[i] = TieOf(period, giver, s.object)
	}
	for i, part := range Split(mine[0].budget, ties) {
		mine[i].amount = part
	}
}

// chunkBy cuts a slice that is sorted by key into runs of the same key.
func chunkBy[T any, K comparable](all []T, key func(T) K) [][]T {
	var runs [][]T
	for start := 0; start < len(all); {
		end := start + 1
		for end < len(all) && key(all[end]) == key(all[start]) {
			end++
		}
		runs = append(runs, all[start:end])
		start = end
	}
	return runs
}

// settleBudgets posts the reservations that were split and releases those that roll over.
func (tx *Tx) settleBudgets(ctx context.Context, period, open string, shares []*settledShare, rolled []int64) error {
	var entries []journal.Entry
	var settled []int64
	for _, mine := range chunkBy(shares, func(s *settledShare) int64 { return s.reservation }) {
		settled = append(settled, mine[0].reservation)
		entries = append(entries, journal.Entry{Kind: kindBudget, Ref: mine[0].reservation,
			Phase: journal.Posted, Amount: mine[0].budget})
	}
	for _, id := range rolled {
		entries = append(entries, journal.Entry{Kind: kindBudget, Ref: id, Phase: journal.Void})
	}
	if _, err := tx.Exec(ctx, `
		update reservation set state = case when id = any($1) then 'settled' else 'rolled' end
		where period = $2 and state = 'reserved'`, settled, period); err != nil {
		return err
	}
	if err := booked(journal.Post(ctx, tx.book(open), entries...)); err != nil {
		return err
	}
	return tx.topUpRolled(ctx, rolled, open)
}

// topUpRolled lets money that rolled over fill the open month's budget, where it had been short.
func (tx *Tx) topUpRolled(ctx context.Context, rolled []int64, open string) error {
	givers, err := rows[struct{ Member int64 }](tx.Query(ctx, `
		select r.member from reservation r join member m on m.id = r.member
		where r.id = any($1) and m.deleted_at is null order by r.member`, rolled))
	if err != nil {
		return err
	}
	members := make([]int64, len(givers))
	for i, g := range givers {
		members[i] = g.Member
	}
	return tx.topUp(ctx, open, members...)
}

// bookShares credits our payees, offers the claims, and stores the shares.
func (tx *Tx) bookShares(ctx context.Context, period, open string, shares []*settledShare) error {
	if err := tx.bookEarnings(ctx, period, open, shares); err != nil {
		return err
	}
	if err := tx.offerClaims(ctx, period, open, shares); err != nil {
		return err
	}
	_, err := tx.CopyFrom(ctx, pgx.Identifier{"share"},
		[]string{"period", "giver", "flattr", "thing", "amount", "claim"},
		pgx.CopyFromSlice(len(shares), func(i int) ([]any, error) {
			s := shares[i]
			return []any{period, s.giver, s.flattr, s.thing, s.amount, s.claim}, nil
		}))
	return err
}

// bookEarnings credits what our givers gave to members of this instance; it is available at once.
func (tx *Tx) bookEarnings(ctx context.Context, period, open string, shares []*settledShare) error {
	type sum struct{ flattrs, amount int64 }
	sums := map[int64]*sum{}
	var members []int64
	for _, s := range shares {
		if s.member == nil || s.amount == 0 {
			continue
		}
		if sums[*s.member] == nil {
			sums[*s.member] = &sum{}
			members = append(members, *s.member)
		}
		sums[*s.member].flattrs++
		sums[*s.member].amount += s.amount
	}
	slices.Sort(members)
	var entries []journal.Entry
	for _, m := range members {
		var id int64
		if err := tx.QueryRow(ctx, `
			insert into earning (period, member, flattrs, amount) values ($1, $2, $3, $4) returning id`,
			period, m, sums[m].flattrs, sums[m].amount).Scan(&id); err != nil {
			return err
		}
		entries = append(entries, journal.Entry{Kind: kindEarning, Ref: id, Phase: journal.Single,
			Debit: of(journal.Clearing, 0), Credit: of(journal.Earned, m), Amount: sums[m].amount})
	}
	return booked(journal.Post(ctx, tx.book(open), entries...))
}
