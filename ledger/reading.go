package ledger

import (
	"context"
	"time"

	"github.com/fedflattr/flattrd/ledger/pair"
)

// statementMonths is how far a statement looks back: what is older isn't compared any more. A backup is never that
// old, and a statement stays small.
const statementMonths = 13

// statementGrace is how far apart the clocks may be by which a statement was made and is read, its way included: over a
// month's end, one side looks back a month further than the other.
const statementGrace = 24 * time.Hour

// statementSince is the first month of a statement that is made at a time.
func statementSince(at time.Time) string {
	return PeriodOf(time.Date(at.Year(), at.Month()-statementMonths, 1, 0, 0, 0, 0, time.UTC))
}

// Reading is our side of what we and a peer have on record, for a statement or against one.
type Reading struct {
	Records    []pair.Record
	Receivable int64           // micro-units, of all that is answered: what the peer owes our members
	Payable    int64           // and what we owe the peer's
	payments   map[string]bool // which of the records are payments
}

// tell is what a peer is told that lacks something.
func (r Reading) tell(lacks pair.Return) string {
	payment, answer := r.payments[lacks.ID], lacks.Part == pair.Answered
	switch {
	case lacks.Lost:
		return TellReturn
	case payment && answer:
		return TellPaymentAnswer
	case payment:
		return TellPayment
	case answer:
		return TellClaimAnswer
	}
	return TellClaim
}

// Balance is what is owed to us less what we owe, micro-units.
func (r Reading) Balance() int64 { return r.Receivable - r.Payable }

// reading reads our records with a peer, oldest first: those of a statement that we make, or those that one of the
// peer's may have, of which what it may leave out is marked.
func (tx *Tx) reading(ctx context.Context, p Peer, theirs bool) (r Reading, err error) {
	since, edge := statementSince(tx.at), ""
	if theirs {
		since, edge = statementSince(tx.at.Add(-statementGrace)), statementSince(tx.at.Add(statementGrace))
	}
	type held struct {
		IRI     string
		Ours    bool
		Payment bool
		Edge    bool
	}
	r.payments = map[string]bool{}
	found, err := rows[held](tx.Query(ctx, `
		select iri, ours, kind = 1 as payment, period < $3 as edge from (
		  select c.iri, c.direction = 'out' as ours, c.period, 0 as kind, c.n from claim c
		    where c.peer = $1 and c.iri is not null and (c.answer is not null or c.direction = 'out')
		  union all
		  select y.iri, y.direction = 'out', to_char(y.paid_at at time zone 'UTC', 'YYYY-MM'), 1, y.id from payment y
		    where y.peer = $1 and y.state in ('sent', 'announced', 'confirmed', 'not_received')) r
		where period >= $2 order by kind, period, n, iri`, p.ID, since, edge))
	if err != nil {
		return r, err
	}
	ids := make([]string, 0, 2*len(found))
	for _, f := range found {
		ids = append(ids, f.IRI, f.IRI+"#answer")
	}
	contents, err := tx.l.outbox.Contents(ctx, tx.Tx, ids)
	if err != nil {
		return r, err
	}
	for _, f := range found {
		if content := contents[f.IRI]; content != "" { // else it isn't signed yet
			r.payments[f.IRI] = f.Payment
			r.Records = append(r.Records, pair.Record{ID: f.IRI, Ours: f.Ours, Edge: f.Edge, Content: content,
				Answer: contents[f.IRI+"#answer"]})
		}
	}
	return r, tx.balance(ctx, p, contents, &r)
}

// Reading reads our records with a peer; ErrRefused: it is none.
func (l *Ledger) Reading(ctx context.Context, host string) (p Peer, r Reading, err error) {
	err = l.repeatable(ctx, func(tx *Tx) error {
		if p, err = tx.peerKnown(ctx, host); err == nil {
			r, err = tx.reading(ctx, p, false)
		}
		return err
	})
	return p, r, err
}

// balance sums what both sides' documents say is owed: accepted claims, less what payments and nettings have
// settled, as far as the answers are signed.
func (tx *Tx) balance(ctx context.Context, p Peer, contents map[string]string, r *Reading) error {
	unsigned := []string{} // not nil: that is NULL, and nothing is in or out of it
	for id := range contents {
		if contents[id+"#answer"] == "" {
			unsigned = append(unsigned, id)
		}
	}
	return tx.QueryRow(ctx, `
		with c as (
		  select c.direction, c.iri, c.amount from claim c
		  where c.peer = $1 and c.state in ('accepted', 'confirmed') and not c.iri = any($2)),
		a as (
		  select x.direction, a.confirmed from payment_allocation a join claim x on x.id = a.claim
		  join payment y on y.id = a.payment
		  where y.peer = $1 and y.state = 'confirmed' and not y.iri = any($2))
		select (coalesce((select sum(amount) from c where direction = 'in'), 0)
		      - coalesce((select sum(confirmed) from a where direction = 'in'), 0))::bigint,
		  (coalesce((select sum(amount) from c where direction = 'out'), 0)
		      - coalesce((select sum(confirmed) from a where direction = 'out'), 0))::bigint`,
		p.ID, unsigned).Scan(&r.Receivable, &r.Payable)
}
