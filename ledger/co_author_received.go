package ledger

import (
	"context"
	"errors"
	"slices"
	"strings"
)

// ReasonOtherSplit rejects a Like that names another version of a thing's split than the one in force.
const ReasonOtherSplit = "other-split"

// receivedPart is what we answer to a Like for one of our members.
type receivedPart struct {
	Payee  string
	Answer string
	Reason string
}

// askedVersion is the version that a Like is judged by; false: its thing isn't co-authored, as far as we know. A thing
// of ours has the version in force; of another's, a member of ours has consented to the one that the Like names, in a
// month before, and no later one is known to be in force.
func (tx *Tx) askedVersion(ctx context.Context, r ReceivedLike) (v SplitVersion, shared, stale bool, err error) {
	var thing int64
	var ours bool
	err = tx.QueryRow(ctx, `
		select t.id, t.button is not null from thing t where t.iri = $1 and ($2 > 0 or exists (
		  select from thing_split v where v.thing = t.id and v.state = 'consented' and v.period <= $3))`,
		r.Object, r.Split, r.Period).Scan(&thing, &ours)
	if errors.Is(notFound(err), ErrNotFound) {
		return v, false, false, nil
	}
	if err != nil {
		return v, false, false, err
	}
	v, err = split(ctx, tx, inForce("$1", "$2"), thing, r.Period)
	if errors.Is(err, ErrNotFound) || err == nil && !ours && v.Version < r.Split {
		v, err = split(ctx, tx, `thing = $1 and version = $2 and state <> 'withdrawn'`, thing, r.Split)
		if errors.Is(err, ErrNotFound) || err == nil && ours {
			return v, true, true, nil
		}
	}
	return v, true, v.Version != r.Split, err
}

// receiveShared judges and stores a Like on a co-authored thing, once for each author of ours.
func (tx *Tx) receiveShared(ctx context.Context, r receivedRow, open string, v SplitVersion, stale bool) (receivedFlattr, error) {
	k := likeFacts{soon: tx.opensSoon(r.Period, open)}
	if err := tx.QueryRow(ctx, monthForLike, r.Period).Scan(&k.month); err != nil && notFound(err) != ErrNotFound {
		return receivedFlattr{}, err
	}
	r.button = tx.buttonOf(r.Object)
	answers, total := map[int64]judgement{}, rejected(ReasonOtherSplit)
	if stale && r.button != nil { // its home may have missed what is in force
		tx.tell(Message{Kind: TellPage, Key: *r.button, To: r.Host})
	}
	if !stale {
		total = rejected(ReasonUnknownThing)
		for _, p := range v.Parts {
			if p.Member == nil || p.Weight == 0 {
				continue
			}
			j, err := tx.judgePart(ctx, k, r.ReceivedLike, v, p)
			if err != nil {
				return receivedFlattr{}, err
			}
			answers[p.ID], total = j, total.with(j, len(answers) == 0)
		}
	}
	f, err := tx.insertReceived(ctx, r, total)
	if err != nil {
		return f, err
	}
	for _, p := range v.Parts {
		j, ok := answers[p.ID]
		if !ok {
			continue
		}
		answered := &tx.at
		if j.answer == "tentative" {
			answered = nil
		}
		if _, err := tx.Exec(ctx, `
			insert into received_part (flattr, part, member, period, answer, reason, answered_at)
			values ($1, $2, $3, $4, $5, nullif($6, ''), $7)`, r.ID, p.ID, p.Member, r.Period, j.answer, j.reason, answered); err != nil {
			return f, err
		}
	}
	return f, nil
}

// buttonOf is the id of a thing of ours; nil: it is another's.
func (tx *Tx) buttonOf(iri string) *string {
	if id, ours := strings.CutPrefix(iri, tx.l.inst.ButtonIRI("")); ours {
		return &id
	}
	return nil
}

// judgePart answers for one author, as for the owner of a thing that isn't shared. Who hasn't consented in a month
// before doesn't take it.
func (tx *Tx) judgePart(ctx context.Context, month likeFacts, r ReceivedLike, v SplitVersion, p SplitPart) (judgement, error) {
	k := month
	k.button, k.member = &p.Payee, p.Member
	k.own = slices.ContainsFunc(v.Parts, func(a SplitPart) bool { return a.Payee == r.Giver && a.Weight > 0 })
	err := tx.QueryRow(ctx, `
		select m.deleted_at is not null or b.removed_at is not null
		    or p.state <> 'consented' or not (p.answered_at < ($2::text || '-01')::date at time zone 'UTC'),
		  `+tx.l.inst.gives("m.id", "$2")+`
		from thing_split_part p join member m on m.id = p.member join thing_split v on v.id = p.split
		join thing t on t.id = v.thing left join button b on b.id = t.button where p.id = $1`, p.ID, r.Period).Scan(&k.gone, &k.gives)
	return k.judge(), err
}

// with adds another author's answer: the whole waits while any does, and else counts if anybody accepts.
func (j judgement) with(other judgement, first bool) judgement {
	rank := map[string]int{"reject": 0, "accept": 1, "tentative": 2}
	if first || rank[other.answer] > rank[j.answer] {
		return other
	}
	return j
}

// receivedParts are our answers to a Like on a co-authored thing, for telling.
func (tx *Tx) receivedParts(ctx context.Context, like string) ([]receivedPart, error) {
	return rows[receivedPart](tx.Query(ctx, `
		select p.payee, x.answer, coalesce(x.reason, '') as reason
		from received_part x join thing_split_part p on p.id = x.part where x.flattr = $1 order by p.payee collate "C"`, like))
}

// tellAnswers tells the giver's home: for each author of ours, or once.
func (tx *Tx) tellAnswers(ctx context.Context, f receivedFlattr) error {
	if f.Member != nil || f.UndoneAt != nil {
		tx.tellAnswer(f)
		return nil
	}
	parts, err := tx.receivedParts(ctx, f.ID)
	for _, p := range parts {
		tx.tellAnswer(receivedFlattr{ID: f.ID + " " + p.Payee, Giver: f.Giver, Answer: p.Answer})
	}
	if err == nil && len(parts) == 0 {
		tx.tellAnswer(f)
	}
	return err
}

// finishReceivedParts gives the held ones of a month that closes their one final answer.
func (tx *Tx) finishReceivedParts(ctx context.Context, period string) error {
	gives := tx.l.inst.gives("x.member", "x.period")
	type final struct{ ID, Giver, Answer string }
	told, err := rows[final](tx.Query(ctx, `
		update received_part x set answered_at = $2, answer = case when `+gives+` then 'accept' else 'reject' end,
		  reason = case when `+gives+` then null else 'not-accepting' end
		from thing_split_part p, received_flattr r
		where p.id = x.part and r.id = x.flattr and r.period = x.period and x.period = $1 and x.answer = 'tentative' and r.undone_at is null
		returning r.id || ' ' || p.payee as id, r.giver, x.answer`, period, tx.at))
	if err != nil {
		return err
	}
	for _, f := range told {
		tx.tellAnswer(receivedFlattr{ID: f.ID, Giver: f.Giver, Answer: f.Answer})
	}
	_, err = tx.Exec(ctx, `
		update received_flattr r set answer = x.answer, answered_at = $2, reason = case when x.answer = 'reject' then x.reason end
		from (select flattr, min(reason) as reason, case when bool_or(answer = 'tentative') then 'tentative'
		    when bool_or(answer = 'accept') then 'accept' else 'reject' end as answer from received_part where period = $1 group by flattr) x
		where r.id = x.flattr and r.period = $1 and r.answer = 'tentative' and x.answer <> 'tentative'`, period, tx.at)
	return err
}

// partAnswer is what was answered to a Like for one author, for telling.
func (l *Ledger) partAnswer(ctx context.Context, like, payee string) (LikeAnswer, error) {
	a := LikeAnswer{Payee: payee, Part: true}
	err := l.pool.QueryRow(ctx, `
		select r.id, r.giver, r.object, r.period, coalesce(x.reason, ''), r.received_at
		from received_part x join thing_split_part p on p.id = x.part join received_flattr r on r.id = x.flattr and r.period = x.period
		where x.flattr = $1 and p.payee = $2`, like, payee).Scan(&a.Like, &a.Giver, &a.Object, &a.Period, &a.Reason, &a.ReceivedAt)
	return a, notFound(err)
}
