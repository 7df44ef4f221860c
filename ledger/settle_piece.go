package ledger

import (
	"context"
	"encoding/binary"
	"fmt"
	"iter"

	"github.com/jackc/pgx/v5"

	"github.com/fedflattr/flattrd/ledger/journal"
)

// piece is a run of givers that a worker has in memory; its buffers serve one run after the other.
type piece struct {
	b    *building
	conn *pgx.Conn

	budgets []budgetToSplit
	clicks  []click

	shares    journal.CopyRows
	transfers journal.CopyRows
	splitter  splitter
	scratch   []byte

	sums []sum // what this worker has given so far, by the things' places
	totals
}

type budgetToSplit struct {
	Reservation int64
	Member      int64
	Amount      int64
	Account     int64 // the giver's means
	Name        string
}

// click is an accepted flattr; at is its thing's place in the catalogue.
type click struct {
	giver, thing int64
	at           int32
}

// settle reads, splits and writes the givers after one up to another.
func (p *piece) settle(ctx context.Context, after, upto int64) error {
	if err := p.read(ctx, after, upto); err != nil {
		return err
	}
	<-p.b.filled
	if err := p.b.things.place(ctx, p.conn, p.clicks); err != nil {
		return err
	}
	if err := p.split(); err != nil {
		return err
	}
	if err := p.shares.Send(ctx, p.conn.PgConn(), p.b.table(), "giver, thing, amount"); err != nil {
		return err
	}
	if err := p.b.batch.Send(ctx, p.conn.PgConn(), &p.transfers); err != nil {
		return err
	}
	p.b.done.Add(int64(len(p.budgets)))
	return nil
}

// read reads budgets and clicks, both in order of the givers. The subqueries keep PostgreSQL from taking
// their three like conditions for independent ones, and so from looking up accounts one by one.
func (p *piece) read(ctx context.Context, after, upto int64) (err error) {
	found, err := p.conn.Query(ctx, `
		select r.id, r.member, r.amount, a.id, m.name
		from (select id, member, amount from `+p.b.reservations()+`
		      where period = $1 and state <> 'released' and member > $2 and member <= $3 offset 0) r
		join (select id, name from member where id > $2 and id <= $3 offset 0) m on m.id = r.member
		join (select id, owner from account where kind = 'means' and currency = $4 and owner > $2 and owner <= $3 offset 0) a
		  on a.owner = r.member
		order by r.member`, p.b.period, after, upto, p.b.batch.Currency)
	if err != nil {
		return err
	}
	p.budgets = p.budgets[:0]
	var one budgetToSplit
	if _, err := pgx.ForEachRow(found, []any{&one.Reservation, &one.Member, &one.Amount, &one.Account, &one.Name},
		func() error { p.budgets = append(p.budgets, one); return nil }); err != nil {
		return err
	}
	return p.readClicks(ctx, after, upto)
}

// readClicks reads a row per giver, with the things as an array, as they come in binary: a row per click and
// scanning by reflection would take longer than splitting.
func (p *piece) readClicks(ctx context.Context, after, upto int64) error {
	found, err := p.conn.Query(ctx, `
		select giver, array_agg(thing) from (
		  select giver, thing from flattr where period = $1 and state = 'accepted' and giver > $2 and giver <= $3
		  order by giver, thing) c
		group by giver order by giver`, p.b.period, after, upto)
	if err != nil {
		return err
	}
	defer found.Close()
	p.clicks = p.clicks[:0]
	for found.Next() {
		v := found.RawValues()
		giver := bigint(v[0])
		for thing := range bigints(v[1]) {
			p.clicks = append(p.clicks, click{giver: giver, thing: thing})
		}
	}
	return found.Err()
}

// bigint is a bigint in binary format.
func bigint(raw []byte) int64 { return int64(binary.BigEndian.Uint64(raw)) }

// bigints are the elements of a one-dimensional bigint[] without nulls in binary format (PostgreSQL,
// array_send): five words of header, then each element after its length.
func bigints(array []byte) iter.Seq[int64] {
	const header, element = 20, 12
	return func(yield func(int64) bool) {
		for at := header; at+element <= len(array); at += element {
			if !yield(bigint(array[at+4:])) {
				return
			}
		}
	}
}

// split divides each budget over its giver's clicks. Both are in order of the givers.
func (p *piece) split() error {
	p.b.things.mu.RLock()
	defer p.b.things.mu.RUnlock()
	p.sums = append(p.sums, make([]sum, len(p.b.things.all)-len(p.sums))...)
	rest := p.clicks
	for _, budget := range p.budgets {
		n := 0
		for p.b.pledged && len(rest) > 0 && rest[0].giver < budget.Member {
			rest = rest[1:] // hasn't paid
		}
		for n < len(rest) && rest[n].giver == budget.Member {
			n++
		}
		p.b.batch.Add(&p.transfers, kindBudget, journal.Resolution{Ref: budget.Reservation, Posted: n > 0 || p.b.donates,
			Debit: budget.Account, Credit: p.b.clearing, Amount: budget.Amount})
		if n == 0 {
			p.rolled += budget.Amount
			continue
		}
		p.posts, p.flattrs, p.shared = p.posts+1, p.flattrs+int64(n), p.shared+budget.Amount
		p.share(budget, rest[:n])
		rest = rest[n:]
	}
	if len(rest) > 0 && !p.b.pledged {
		return fmt.Errorf("%w: member %d has accepted flattrs in %s and no budget", ErrInvariant, rest[0].giver, p.b.period)
	}
	return nil
}

// share writes one giver's shares.
func (p *piece) share(budget budgetToSplit, mine []click) {
	giver := p.b.l.inst.MemberIRI(budget.Name)
	parts := p.splitter.split(budget.Amount, len(mine), func(i int) Tie {
		return tieOf(&p.scratch, p.b.period, giver, p.b.things.all[mine[i].at].object)
	})
	for i, part := range parts {
		p.shares.Row(3)
		p.shares.Int(budget.Member)
		p.shares.Int(mine[i].thing)
		p.shares.Int(part)
		sum := &p.sums[mine[i].at]
		sum.flattrs++
		sum.amount += part
	}
}

// add adds what a worker did to the whole.
func (b *building) add(p *piece) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.totals.posts += p.posts
	b.totals.flattrs += p.flattrs
	b.totals.shared += p.shared
	b.totals.rolled += p.rolled
	b.workers = append(b.workers, p.sums)
}
