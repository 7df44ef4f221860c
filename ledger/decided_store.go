package ledger

import (
	"context"
	"errors"
	"slices"

	"github.com/fedflattr/flattrd/ledger/pair"
)

// decided is a claim as package pair decides about it.
func (c Claim) decided() pair.Claim {
	d := pair.Claim{Row: c.ID, IRI: c.IRI, Incoming: c.Direction == "in", Period: c.Period, N: c.N, Amount: c.Amount,
		Digest: c.Digest, Content: c.Content, State: pair.State(c.State), Adopted: c.Adopted, Allocated: c.Allocated, Paid: c.Paid}
	if c.Answer != nil {
		d.Answer = *c.Answer
	}
	return d
}

// claimOnRecord reads and locks a claim with this peer, without its lines; nil: there is none. ErrRefused: it is
// another's.
func (tx *Tx) claimOnRecord(ctx context.Context, p Peer, iri string) (*pair.Claim, error) {
	c, err := row[Claim](tx.Query(ctx, claimQuery+` where c.iri = $1 for no key update of c`, iri))
	switch {
	case errors.Is(err, ErrNotFound):
		return nil, nil
	case err != nil:
		return nil, err
	case c.Peer != p.ID:
		return nil, notTheirs(iri, p)
	}
	d := c.decided()
	return &d, nil
}

func (w *decided) updateClaim(ctx context.Context, c pair.Claim) error {
	if _, err := w.Exec(ctx, `
		update claim set state = $2, answer = nullif($3, ''), iri = nullif($4, ''), n = nullif($5, 0),
		  content = case when direction = 'in' then $6 else content end,
		  answered_at = case when $3 <> '' then coalesce(answered_at, $7) end,
		  confirmed_at = case when $2 = 'confirmed' then coalesce(confirmed_at, $7) end
		where id = $1`, c.Row, c.State, c.Answer, c.IRI, c.N, c.Content, w.at); err != nil || len(c.Refusals) == 0 {
		return err
	}
	var payees, why []string
	for _, r := range c.Refusals {
		payees, why = append(payees, r.Payee), append(why, r.Reason)
	}
	_, err := w.Exec(ctx, `
		update claim_line l set refused = r.reason from unnest($2::text[], $3::text[]) as r (payee, reason)
		where l.claim = $1 and l.payee = r.payee and l.refused is distinct from r.reason`, c.Row, payees, why)
	return err
}

// newClaim is the row of a claim that is new.
func (w *decided) newClaim(d pair.Claim) Claim {
	c := Claim{Direction: direction(d.Incoming), Peer: w.peer.ID, Period: d.Period, Currency: w.l.inst.Currency, N: d.N,
		IRI: d.IRI, Amount: d.Amount, LineCount: int32(len(d.Lines)), Digest: d.Digest, State: string(d.State), Adopted: d.Adopted}
	if d.Incoming {
		c.Content = d.Content
	}
	if d.Answer != "" {
		c.Answer, c.AnsweredAt = &d.Answer, &w.at
	}
	if d.Supersedes != "" {
		old := w.claims[d.Supersedes]
		c.Supersedes = &old
	}
	return c
}

// digest completes new offers of ours.
func (w *decided) digest(claims []pair.Claim) error {
	for i, c := range claims {
		if c.Row != 0 || c.Incoming || c.Digest != "" {
			continue
		}
		var lines []Line
		for _, stored := range w.linesOf(c) {
			line, err := stored.line()
			if err != nil {
				return err
			}
			lines = append(lines, line)
		}
		var err error
		if claims[i].Digest, err = LinesDigest(lines); err != nil {
			return err
		}
	}
	return nil
}

// linesOf are those of w's lines that a new claim has.
func (w *decided) linesOf(d pair.Claim) (lines []ClaimLine) {
	all := w.lines
	if from, ok := w.from[d.Supersedes]; ok {
		all = from
	}
	for _, line := range all {
		if _, ok := slices.BinarySearchFunc(d.Lines, line.Payee, byPayee); !ok {
			continue
		}
		if !d.Incoming {
			line = ClaimLine{Payee: line.Payee, Split: line.Split, Amount: line.Amount, Things: line.Things}
		}
		lines = append(lines, line)
	}
	if !d.Incoming {
		refuseAs(lines, d.Refusals) // it may come back with its answer
	}
	return lines
}

func byPayee(line pair.Line, payee string) int {
	switch {
	case line.Payee < payee:
		return -1
	case line.Payee > payee:
		return 1
	}
	return 0
}

func direction(incoming bool) string {
	if incoming {
		return "in"
	}
	return "out"
}

func (w *decided) updatePayment(ctx context.Context, y pair.Payment) error {
	if _, err := w.Exec(ctx, `
		update payment set state = $2, received = case when $2 = 'confirmed' then $3::bigint end,
		  paid_at = case when $2 in ('ordered', 'cancelled') then paid_at else coalesce(paid_at, $4) end,
		  answered_at = case when $2 in ('confirmed', 'not_received') then coalesce(answered_at, $4) end
		where id = $1`, y.Row, y.State, y.Received, w.at); err != nil || y.State != pair.Paid {
		return err
	}
	_, err := w.Exec(ctx, `
		update payment_allocation a set confirmed = d.confirmed
		from unnest($2::text[], $3::bigint[], $4::bigint[]) as d (iri, amount, confirmed) join claim c on c.iri = d.iri
		where a.claim = c.id and a.payment = $1`, slices.Insert(allocated(y), 0, any(y.Row))...)
	return err
}

// allocated are a payment's allocations as arguments: claims, amounts, what of them is confirmed.
func allocated(y pair.Payment) []any {
	var iris []string
	var amounts []int64
	var confirmed []*int64
	for _, a := range y.Allocations {
		iris, amounts = append(iris, a.Claim), append(amounts, a.Amount)
		part := &a.Confirmed
		if y.State != pair.Paid {
			part = nil
		}
		confirmed = append(confirmed, part)
	}
	return []any{iris, amounts, confirmed}
}

func (w *decided) insertPayment(ctx context.Context, y pair.Payment) (id int64, err error) {
	if !y.Incoming {
		y.Content = "" // what we have signed is in the archive
	}
	err = w.QueryRow(ctx, `
		insert into payment (direction, peer, iri, amount, currency, method, content, reference, state,
		  created_at, paid_at, answered_at, received, recorded_by, adopted)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11,
		  case when $9 in ('confirmed', 'not_received') then $10::timestamptz end,
		  case when $9 = 'confirmed' then $12::bigint end, $13,
		  $1 = 'out' and $9 in ('confirmed', 'not_received')) returning id`,
		direction(y.Incoming), w.peer.ID, y.IRI, y.Amount, w.l.inst.Currency, y.Method, y.Content, y.Reference, y.State,
		w.at, w.paidAt, y.Received, w.by).Scan(&id)
	if err != nil {
		return 0, err
	}
	_, err = w.Exec(ctx, `
		insert into payment_allocation (payment, claim, amount, confirmed)
		select $1, c.id, d.amount, d.confirmed
		from unnest($2::text[], $3::bigint[], $4::bigint[]) as d (iri, amount, confirmed) join claim c on c.iri = d.iri`,
		slices.Insert(allocated(y), 0, any(id))...)
	return id, err
}
