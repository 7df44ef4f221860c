package ledger

import (
	"context"
	"crypto/sha256"
	"encoding/hex"

	"github.com/jackc/pgx/v5"
)

// canonicalRows says the state of an instance in business keys, amounts and states: no row ids, no
// times, no random parts, nothing that depends on the order in which things arrived. Reservations
// that a larger one replaced are history, not state.
const canonicalRows = `
	with who as (select id, name from member), via as (select id, host from peer)
	select line from (
	select format('account %s %s %s %s %s %s %s', a.kind, coalesce(m.name, p.host, '-'), a.currency,
	  a.debits_posted, a.credits_posted, a.debits_pending, a.credits_pending) as line
	from account a
	left join who m on m.id = a.owner and a.kind in ('means', 'earned', 'announced')
	left join via p on p.id = a.owner and a.kind in ('payable', 'receivable', 'peer_credit', 'recovery', 'advance')
	where (a.debits_posted, a.credits_posted, a.debits_pending, a.credits_pending) <> (0, 0, 0, 0)
	union all
	select format('month %s %s %s %s', period, state, unused, funding) from month
	union all
	select format('reservation %s %s %s %s', m.name, r.period, r.amount, case when o.state <> 'settled' then 'reserved'
	  when exists (select from share s where s.giver = r.member and s.period = r.period) then 'settled' else 'rolled' end)
	from reservation r left join who m on m.id = r.member left join month o on o.period = r.period where r.state <> 'released'
	union all
	select format('flattr %s %s %s %s %s %s %s', m.name, t.payee, t.url, f.period, f.state, coalesce(f.reason, '-'), f.carry_count)
	from flattr f left join who m on m.id = f.giver left join thing t on t.id = f.thing where f.state <> 'undone'
	union all
	select format('unclaimed_flattr %s %s %s %s %s', m.name, u.url, w.state, extract(day from w.expires_at - w.made_at), coalesce(f.period, '-'))
	from unclaimed_flattr w left join who m on m.id = w.giver left join unclaimed_thing u on u.id = w.thing left join flattr f on f.id = w.flattr
	union all
	select distinct format('received %s %s %s %s %s %s', r.giver, coalesce(m.name, '-'), coalesce(b.url, r.object), r.period, r.answer, coalesce(r.reason, '-'))
	from received_flattr r left join who m on m.id = r.member left join button b on b.id = r.button where r.undone_at is null
	union all
	select format('share %s %s %s %s %s', m.name, s.period, t.payee, t.url, s.amount)
	from share s left join who m on m.id = s.giver left join thing t on t.id = s.thing
	union all
	select format('pledge %s %s %s %s %s', m.name, q.period, q.amount, q.state, q.part) from pledge q left join who m on m.id = q.member
	union all
	select format('collection %s %s %s %s %s %s', period, part, givers, amount, open, settled_at is not null) from collection
	union all
	select format('earning %s %s %s %s %s', m.name, e.period, e.flattrs, e.amount, e.part) from earning e left join who m on m.id = e.member
	union all
	select format('return %s %s %s %s %s %s', m.name, b.period, t.payee, t.url, coalesce(p.payee, '-'), b.amount)
	from share_return b left join who m on m.id = b.giver left join thing t on t.id = b.thing left join thing_split_part p on p.id = b.part
	union all
	select format('split %s %s %s %s %s', t.payee, t.url, v.version, v.state, coalesce(v.period, '-'))
	from thing_split v left join thing t on t.id = v.thing
	union all
	select format('split_part %s %s %s %s %s %s', t.payee, t.url, v.version, p.payee, p.weight, p.state)
	from thing_split_part p left join thing_split v on v.id = p.split left join thing t on t.id = v.thing
	union all
	select format('flattr_part %s %s %s %s %s %s %s', m.name, f.period, t.payee, t.url, p.payee, x.state, coalesce(x.reason, '-'))
	from flattr_part x join flattr f on f.id = x.flattr and f.period = x.period and f.state <> 'undone' left join who m on m.id = x.giver
	left join thing t on t.id = f.thing left join thing_split_part p on p.id = x.part
	union all
	select format('share_part %s %s %s %s %s %s', m.name, k.period, t.payee, t.url, p.payee, k.amount)
	from share_part k left join who m on m.id = k.giver left join thing t on t.id = k.thing left join thing_split_part p on p.id = k.part
	union all
	select distinct format('received_part %s %s %s %s %s %s', r.giver, m.name, r.object, r.period, x.answer, coalesce(x.reason, '-'))
	from received_part x join received_flattr r on r.id = x.flattr and r.period = x.period and r.undone_at is null left join who m on m.id = x.member
	union all
	select format('settlement %s %s %s %s %s %s %s', period, stage, givers, done, flattrs, amount, rolled) from settlement
	union all
	select format('claim %s %s %s %s %s %s %s %s %s %s %s %s', c.direction, p.host, c.period, c.currency, coalesce(c.n::text, 'draft'), c.amount, c.line_count, c.state, coalesce(c.answer, '-'),
	  coalesce(o.n, 0), case when c.adopted then 'adopted' else '-' end, c.part)
	from claim c left join via p on p.id = c.peer left join claim o on o.id = c.supersedes
	union all
	select format('claim_line %s %s %s %s %s %s %s %s', c.direction, p.host, c.period, coalesce(c.n::text, 'draft'), l.payee, coalesce(l.split, 0), l.amount, coalesce(l.refused, '-'))
	from claim_line l left join claim c on c.id = l.claim left join via p on p.id = c.peer
	union all
	select format('payment %s %s %s %s %s %s %s %s %s', y.direction, p.host, y.method, y.amount, y.currency, y.state, coalesce(y.received, 0),
	  case when y.adopted then 'adopted' else '-' end,
	  (select string_agg(format('%s/%s/%s=%s:%s', c.direction, c.period, c.n, a.amount, coalesce(a.confirmed, 0)), ',' order by c.direction, c.period, c.n)
	   from payment_allocation a left join claim c on c.id = a.claim where a.payment = y.id))
	from payment y left join via p on p.id = y.peer
	union all
	select format('line_allocation %s %s %s %s %s %s %s %s %s', p.host, c.period, c.n, l.payee, a.amount, a.repaid, a.reinstated, a.recovered, coalesce(w.name, '-'))
	from line_allocation a left join who w on w.id = a.member left join claim_line l on l.id = a.line left join claim c on c.id = l.claim left join via p on p.id = c.peer
	union all
	select format('advance %s %s %s %s', p.host, c.period, c.n, a.amount)
	from advance a left join claim c on c.id = a.claim left join via p on p.id = c.peer
	union all
	select format('line_advance %s %s %s %s %s', p.host, c.period, c.n, l.payee, a.amount)
	from line_advance a left join claim_line l on l.id = a.line left join claim c on c.id = l.claim left join via p on p.id = c.peer
	union all
	select format('write_off %s %s %s %s %s', p.host, coalesce(o.amount, 0), coalesce(o.lost, 0), o.state, o.proposed) from write_off o left join via p on p.id = o.peer
	union all
	select format('write_off_line %s %s %s %s %s %s', p.host, c.period, c.n, l.payee, a.amount, a.lost)
	from write_off_line a left join claim_line l on l.id = a.line left join claim c on c.id = l.claim left join via p on p.id = c.peer
	union all
	select format('deposit %s %s %s', m.name, d.amount, d.reference) from deposit d left join who m on m.id = d.member
	union all
	select format('reversal %s %s %s %s %s %s %s', m.name, d.reference, v.cause, v.reason, v.taken, v.lost, coalesce(v.lowered, 0))
	from reversal v left join deposit d on d.id = v.deposit left join who m on m.id = d.member
	union all
	select format('fee_rate %s %s', period, basis_points) from fee_rate
	union all
	select format('fee %s %s %s %s', m.name, f.period, max(f.gross), sum(f.amount)) from fee f left join who m on m.id = f.member group by m.name, f.period
	union all
	select format('departure %s %s %s', m.name, d.iban, coalesce(g.name, '-')) from departure d left join who m on m.id = d.member left join who g on g.id = d.cause
	union all
	select format('donation %s %s %s %s %s', d.source, coalesce(d.period, '-'), coalesce(m.name, '-'), d.amount, coalesce(g.name, '-'))
	from donation d left join who m on m.id = d.member left join who g on g.id = d.cause
	union all
	select format('withdrawal %s %s %s %s %s', coalesce(m.name, '-'), w.source, w.amount, w.iban, w.state) from withdrawal w left join who m on m.id = w.member
	union all
	select format('transfer %s %s %s %s %s %s %s', t.kind, t.phase, d.kind, coalesce(dm.name, dp.host, '-'), c.kind, coalesce(cm.name, cp.host, '-'), t.amount)
	from transfer t left join account d on d.id = t.debit_account left join account c on c.id = t.credit_account
	left join who dm on dm.id = d.owner and d.kind in ('means', 'earned', 'announced')
	left join via dp on dp.id = d.owner and d.kind in ('payable', 'receivable', 'peer_credit', 'recovery', 'advance')
	left join who cm on cm.id = c.owner and c.kind in ('means', 'earned', 'announced')
	left join via cp on cp.id = c.owner and c.kind in ('payable', 'receivable', 'peer_credit', 'recovery', 'advance')
	where t.phase in ('single', 'post')
	) canonical order by line collate "C"`

// Hash is a SHA-256 (hex) over the instance's canonical rows and over everything that Check finds.
// Two runs of the same history have the same hash, whatever crashed, repeated or was reordered in
// between; any altered amount or state changes it.
func (l *Ledger) Hash(ctx context.Context) (string, error) {
	var hash string
	err := l.snapshot(ctx, func(tx pgx.Tx) error {
		lines, err := l.lines(ctx, tx)
		if err != nil {
			return err
		}
		found, err := l.check(ctx, tx)
		hash = digest(lines, found)
		return err
	})
	return hash, err
}

func digest(lines []string, found []Violation) string {
	h := sha256.New()
	for _, line := range lines {
		h.Write([]byte(line + "\n"))
	}
	for _, v := range found {
		h.Write([]byte(v.String() + "\n"))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Lines returns the canonical rows that Hash is made of, for comparing two instances' histories.
func (l *Ledger) Lines(ctx context.Context) ([]string, error) {
	var lines []string
	err := l.snapshot(ctx, func(tx pgx.Tx) (err error) {
		lines, err = l.lines(ctx, tx)
		return err
	})
	return lines, err
}

func (l *Ledger) lines(ctx context.Context, tx pgx.Tx) ([]string, error) {
	r, err := tx.Query(ctx, canonicalRows)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(r, pgx.RowTo[string])
}
