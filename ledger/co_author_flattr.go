package ledger

import (
	"context"
	"fmt"

	"github.com/google/uuid"
)

// coAuthored tells whether the thing t has a split in force in the month of f.
const coAuthored = `exists (select from thing_split v where v.thing = t.id and v.state = 'consented' and v.period <= f.period)`

// authorOf tells whether an actor gets a part of a thing in a month, if the thing is co-authored.
func (tx *Tx) authorOf(ctx context.Context, thing int64, period, actor string) (is bool, err error) {
	err = tx.QueryRow(ctx, `
		select exists (select from thing_split_part p where p.payee = $3 and p.weight > 0 and p.split = (
		  select id from thing_split where `+inForce("$1", "$2")+` order by version desc limit 1))`, thing, period, actor).Scan(&is)
	return is, err
}

// sendParts lets a flattr on a co-authored thing count: authors of this instance answer at once, the others' homes
// are told, one Like for each.
func (tx *Tx) sendParts(ctx context.Context, id uuid.UUID) error {
	if _, err := tx.Exec(ctx, `
		insert into flattr_part (flattr, part, period, giver, state, reason, answered_at)
		select f.id, p.id, f.period, f.giver, x.state, case when x.state = 'rejected' then 'not-accepting' end,
		  case when x.state <> 'sent' then $2::timestamptz end
		from flattr f join thing_split_part p on p.weight > 0 and p.split = (
		  select v.id from thing_split v where v.thing = f.thing and v.state = 'consented' and v.period <= f.period order by v.version desc limit 1)
		left join member m on m.id = p.member
		cross join lateral (select case when m.id is null then 'sent' when m.deleted_at is not null then 'rejected'
		  when `+tx.l.inst.gives("p.member", "f.period")+` then 'accepted' else 'held' end as state) x
		where f.id = $1 order by p.id`, id, tx.at); err != nil {
		return err
	}
	if err := tx.sumParts(ctx, "flattr", id); err != nil {
		return err
	}
	return tx.tellParts(ctx, TellLike, id, `x.state = 'sent'`)
}

// tellParts tells those homes of a flattr's authors that a condition on the parts x names.
func (tx *Tx) tellParts(ctx context.Context, kind string, id uuid.UUID, where string) error {
	type host struct{ Payee string }
	found, err := rows[host](tx.Query(ctx, `
		select min(p.payee) as payee from flattr_part x join thing_split_part p on p.id = x.part
		where x.flattr = $1 and p.peer is not null and `+where+` group by p.peer order by 1`, id))
	for _, h := range found {
		tx.tell(Message{Kind: kind, Key: id.String(), To: h.Payee})
	}
	return err
}

// sumParts makes the states of flattrs what their parts come to: with any answer missing none is final, and with
// any that accepts the flattr is accepted. What was rejected, undone or carried stays. of: the column that names them, flattr or period.
func (tx *Tx) sumParts(ctx context.Context, of string, arg any) error {
	_, err := tx.Exec(ctx, `
		update flattr f set state = x.state, answered_at = case when x.state <> 'sent' then $1::timestamptz end,
		  reason = case when x.state = 'rejected' then x.reason end
		from (select flattr, period, `+partsState+` from flattr_part where `+of+` = $2 group by flattr, period) x
		where x.flattr = f.id and x.period = f.period and f.state in ('unfunded', 'sent', 'held', 'accepted') and x.state <> f.state`, tx.at, arg)
	return err
}

// partsState is what the parts of a flattr come to.
const partsState = `
	min(reason) as reason, case when bool_or(state = 'sent') then 'sent' when bool_or(state = 'held') then 'held'
	  when bool_or(state = 'accepted') then 'accepted' when bool_or(state = 'rejected') then 'rejected' else 'expired' end as state`

// answerParts records what a home, or one payee there, answers for its own. false: the flattr's thing isn't co-authored.
func (tx *Tx) answerParts(ctx context.Context, f Flattr, v Verdict) (bool, error) {
	var shared bool
	if err := tx.QueryRow(ctx, `select exists (select from flattr_part where flattr = $1)`, f.ID).Scan(&shared); err != nil || !shared {
		return false, err
	}
	parts, err := ids(tx.Query(ctx, `
		select x.id from flattr_part x join thing_split_part p on p.id = x.part join peer r on r.id = p.peer
		where x.flattr = $1 and r.host = $2 and $3 in (p.payee, coalesce(nullif(r.actor, ''), $4))`,
		f.ID, v.Host, v.Actor, tx.l.inst.actorOf(v.Host)))
	if err != nil {
		return true, err
	}
	if len(parts) == 0 {
		return true, fmt.Errorf("%w: %s doesn't answer for this flattr", ErrRefused, v.Actor)
	}
	state, reason, err := v.state()
	if err != nil || f.State != Sent && f.State != Held {
		return true, err
	}
	if _, err := tx.Exec(ctx, `
		update flattr_part set state = $2, reason = $3, answered_at = $4 where id = any($1) and state in ('sent', 'held')`,
		parts, state, reason, tx.at); err != nil {
		return true, err
	}
	return true, tx.sumParts(ctx, "flattr", f.ID)
}

// finishHeldParts gives authors of ours their one final answer for a month that closes.
func (tx *Tx) finishHeldParts(ctx context.Context, period string) error {
	gives := tx.l.inst.gives("p.member", "x.period")
	if _, err := tx.Exec(ctx, `
		update flattr_part x set answered_at = $2, state = case when `+gives+` then 'accepted' else 'rejected' end,
		  reason = case when `+gives+` then null else 'not-accepting' end
		from thing_split_part p where p.id = x.part and p.member is not null and x.period = $1 and x.state = 'held'`, period, tx.at); err != nil {
		return err
	}
	return tx.sumParts(ctx, "period", period)
}

// leaveParts: a member who leaves takes no part any more in what isn't settled; the other authors get theirs.
func (tx *Tx) leaveParts(ctx context.Context, member int64) error {
	periods, err := rows[struct{ Period string }](tx.Query(ctx, `
		with left_out as (
		  update flattr_part x set state = 'rejected', reason = $2, answered_at = $3 from thing_split_part p, month m
		  where p.id = x.part and p.member = $1 and m.period = x.period and m.state <> 'settled' and x.state in ('held', 'accepted')
		  returning x.period)
		select distinct period from left_out order by period`, member, ReasonNotAccepting, tx.at))
	for _, p := range periods {
		if err == nil {
			err = tx.sumParts(ctx, "period", p.Period)
		}
	}
	return err
}

// expireParts: after the third carry a missing answer counts as refused, if anybody has accepted. Else the whole
// flattr expires with its settlement.
func (tx *Tx) expireParts(ctx context.Context, period string) error {
	if _, err := tx.Exec(ctx, `
		update flattr_part x set state = 'expired', answered_at = $2 from flattr f
		where f.id = x.flattr and f.period = $1 and f.state in ('sent', 'held') and f.carry_count = $3
		  and x.period = $1 and x.state in ('sent', 'held')
		  and exists (select from flattr_part a where a.flattr = f.id and a.state = 'accepted')`, period, tx.at, maxCarries); err != nil {
		return err
	}
	return tx.sumParts(ctx, "period", period)
}
