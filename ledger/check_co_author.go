package ledger

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// coAuthorInvariants: versions of splits, what authors answered to flattrs, and what they got agree.
var coAuthorInvariants = []invariant{
	// A version of ours is in force only with everybody's consent, those of the version before included.
	{"split-version", `
		select format('thing_split %s (thing %s, version %s) is %s with %s asked and %s refused', v.id, v.thing, v.version, v.state, p.asked, p.refused) as row
		from thing_split v join thing t on t.id = v.thing and t.button is not null
		cross join lateral (select count(*) filter (where state = 'asked') as asked, count(*) filter (where state = 'refused') as refused,
		  count(*) as parts from thing_split_part where split = v.id) p
		where p.parts = 0 or case v.state when 'consented' then p.asked + p.refused > 0 when 'refused' then p.refused = 0
		  when 'proposed' then p.asked = 0 or p.refused > 0 else false end
		union all
		select format('thing_split %s (thing %s, version %s) is in force from %s on, consented at %s', v.id, v.thing, v.version, v.period, v.decided_at)
		from thing_split v join thing t on t.id = v.thing and t.button is not null
		where v.period < to_char(v.decided_at at time zone 'UTC', 'YYYY-MM')
		union all
		select format('thing_split %s (thing %s, version %s) leaves out %s', v.id, v.thing, v.version, o.payee)
		from thing_split v join thing t on t.id = v.thing and t.button is not null
		cross join lateral (
		  select t.payee union select p.payee from thing_split_part p where p.weight > 0 and p.split = (
		    select b.id from thing_split b where b.thing = v.thing and b.version < v.version and b.state = 'consented' order by b.version desc limit 1)) o
		where not exists (select from thing_split_part p where p.split = v.id and p.payee = o.payee)
		union all
		select format('thing %s has %s versions that are proposed', v.thing, count(*))
		from thing_split v join thing t on t.id = v.thing and t.button is not null
		where v.state = 'proposed' group by v.thing having count(*) > 1`},
	{"split-payee", `
		select format('thing_split_part %s is member %s and %s', p.id, p.member, p.payee) as row
		from thing_split_part p join member m on m.id = p.member cross join instance i where p.payee <> i.base_url || '/users/' || m.name`},
	// Everybody with a weight is asked for a flattr on a co-authored thing, and its state is what their answers come to.
	{"flattr-part", `
		select format('flattr_part %s of flattr %s, part %s', x.id, x.flattr, x.part) as row
		from flattr_part x join thing_split_part p on p.id = x.part join thing_split v on v.id = p.split
		left join flattr f on f.id = x.flattr and f.period = x.period
		where (f.giver, f.thing) is distinct from (x.giver, v.thing) or f.state = 'unfunded' or p.weight = 0
		  or v.state <> 'consented' or v.period > x.period or x.state = 'sent' and p.member is not null
		union all
		select format('flattr_part %s of flattr %s: part %s of the same version isn''t asked', min(x.id), x.flattr, o.id)
		from flattr_part x join thing_split_part p on p.id = x.part join thing_split_part o on o.split = p.split and o.weight > 0
		where not exists (select from flattr_part y where y.flattr = x.flattr and y.part = o.id) group by x.flattr, o.id
		union all
		select format('flattr_part %s of flattr %s is of another version', max(x.id), x.flattr)
		from flattr_part x join thing_split_part p on p.id = x.part group by x.flattr having count(distinct p.split) > 1
		union all
		select format('flattr %s is %s, its parts (' || x.names || ') are %s', f.id, f.state, x.state)
		from (select flattr, period, string_agg('flattr_part ' || id, ', ' order by id) as names, ` + partsState + ` from flattr_part group by flattr, period) x
		join flattr f on f.id = x.flattr and f.period = x.period
		where f.state in ('sent', 'held', 'accepted', 'rejected') and f.state <> x.state`},
	{"received-part", `
		select format('received_part %s of %s', x.id, x.flattr) as row
		from received_part x join thing_split_part p on p.id = x.part
		left join received_flattr r on r.id = x.flattr and r.period = x.period
		left join thing_split v on v.id = p.split left join thing t on t.id = v.thing
		where x.member is distinct from p.member or t.iri is distinct from r.object
		union all
		select format('received_flattr %s is answered %s, its parts (' || x.names || ') %s', r.id, r.answer, x.answer)
		from (select flattr, period, string_agg('received_part ' || id, ', ' order by id) as names, case when bool_or(answer = 'tentative') then 'tentative'
		    when bool_or(answer = 'accept') then 'accept' else 'reject' end as answer from received_part group by flattr, period) x
		join received_flattr r on r.id = x.flattr and r.period = x.period where r.undone_at is null and r.answer <> x.answer`},
}

// settledPart is an author's part of a settled share, as it must be and as it is.
type settledPart struct {
	Giver, Thing int64
	Period       string
	Share        int64
	Name         string
	IRI          string
	Part         *int64 // nil: nobody takes it, and it is stored
	Payee        *string
	Weight       int64
	ID           *int64
	Amount       *int64
}

// checkParts divides every settled share of a co-authored thing again.
func (l *Ledger) checkParts(ctx context.Context, tx pgx.Tx) ([]Violation, error) {
	all, err := rows[settledPart](tx.Query(ctx, `
		with due as (
		  select f.giver, f.thing, f.period, p.id as part, p.payee, p.weight
		  from flattr_part x join flattr f on f.id = x.flattr and f.period = x.period and f.state = 'accepted'
		  join month m on m.period = f.period and m.state = 'settled'
		  join thing_split_part p on p.id = x.part where x.state = 'accepted' and not exists (
		    select from pledge q where q.period = f.period and q.member = f.giver and not `+partSettled+`))
		select coalesce(d.giver, k.giver) as giver, coalesce(d.thing, k.thing) as thing, coalesce(d.period, k.period) as period,
		  coalesce(s.amount, 0) as share, coalesce(m.name, '') as name, coalesce(t.iri, '') as iri, d.part, d.payee,
		  coalesce(d.weight, 0)::bigint as weight, k.id, k.amount
		from due d full join share_part k on (k.giver, k.thing, k.period, k.part) = (d.giver, d.thing, d.period, d.part)
		left join share s on s.giver = coalesce(d.giver, k.giver) and s.thing = coalesce(d.thing, k.thing) and s.period = coalesce(d.period, k.period)
		left join member m on m.id = coalesce(d.giver, k.giver) left join thing t on t.id = coalesce(d.thing, k.thing)
		order by 3, 1, 2, 8`))
	if err != nil {
		return nil, fmt.Errorf("check share-part: %w", err)
	}
	type key struct {
		period string
		shareKey
	}
	var found []Violation
	for _, mine := range chunkBy(all, func(s settledPart) key { return key{s.Period, shareKey{s.Giver, s.Thing}} }) {
		found = append(found, l.checkShareParts(mine)...)
	}
	return found, nil
}

func (l *Ledger) checkShareParts(mine []settledPart) (found []Violation) {
	wrong := func(s settledPart, want string) {
		found = append(found, Violation{"share-part", fmt.Sprintf("share_part %s (thing_split_part %s) of share %d/%d/%s: %s, want %s",
			text(s.ID), text(s.Part), s.Giver, s.Thing, s.Period, text(s.Amount), want)})
	}
	var weights []int64
	var ties []Tie
	var of []settledPart
	for _, s := range mine {
		if s.Part == nil {
			wrong(s, "none")
			continue
		}
		tie := PartTie(s.Period, l.inst.MemberIRI(s.Name), s.IRI, *s.Payee)
		weights, ties, of = append(weights, s.Weight), append(ties, tie), append(of, s)
	}
	if len(of) == 0 {
		return found
	}
	for i, amount := range SplitByTie(mine[0].Share, weights, ties) {
		if s := of[i]; s.Amount == nil || *s.Amount != amount {
			wrong(s, fmt.Sprint(amount))
		}
	}
	return found
}
