package ledger

import (
	"context"

	"github.com/fedflattr/flattrd/ledger/journal"
)

// Limit is what may be advanced to this instance's payees of what the peer owes them, in micro-units: nothing while its
// key isn't compared, another key is held, or it is frozen (protocol §9).
func (p Peer) Limit() int64 {
	if p.KeyConfirmedAt == nil || p.KeyHeldAt != nil || p.FrozenAt != nil {
		return 0
	}
	return p.AdvanceLimit
}

// alarmPercent of an advance limit in use is told to the operators.
const alarmPercent = 80

// Alarming tells whether so much is advanced that the limit's alarm is on.
func (p Peer) Alarming(advanced int64) bool {
	whole, _ := mulDiv(p.AdvanceLimit, alarmPercent, 100)
	return advanced > 0 && advanced >= whole
}

// SetAdvanceLimit sets what of a peer's accepted claims its payees may use before it is paid: whole cents, zero for
// nothing. What fits into a higher limit is advanced at once, oldest claims first; a lower one takes nothing back.
// FieldError "limit": amount, key-uncompared.
func (l *Ledger) SetAdvanceLimit(ctx context.Context, operator int64, host string, amount int64) error {
	if amount < 0 || amount > maxOwed || amount%microPerCent != 0 {
		return refused("limit", "amount")
	}
	return l.changePeer(ctx, operator, host, func(tx *Tx, p Peer, open string) error {
		if amount > 0 && p.KeyConfirmedAt == nil {
			return refused("limit", "key-uncompared")
		}
		if err := tx.limit(ctx, p, operator, amount); err != nil {
			return err
		}
		return tx.advanceMore(ctx, p.ID, open)
	})
}

// limit sets a peer's advance limit, and tells if what is advanced nearly uses up a lower one.
func (tx *Tx) limit(ctx context.Context, p Peer, operator, amount int64) error {
	lower := p
	lower.AdvanceLimit = amount
	used, err := journal.BalanceOf(ctx, tx, of(journal.Advance, p.ID), tx.l.inst.Currency)
	if err != nil {
		return err
	}
	if !p.Alarming(used.Posted) {
		tx.alarm(lower, 0, used.Posted)
	}
	if _, err := tx.Exec(ctx, `update peer set advance_limit = $2 where id = $1`, p.ID, amount); err != nil {
		return err
	}
	return tx.note(ctx, p.ID, "advance-limit", FormatPlain(amount), operator)
}

// advanceMore advances what the limit of a peer has room for, and books it.
func (tx *Tx) advanceMore(ctx context.Context, peer int64, open string) error {
	entries, err := tx.advance(ctx, peer, 0, 0)
	if err != nil {
		return err
	}
	return booked(journal.Post(ctx, tx.book(open), entries...))
}

// advance makes what a peer owes available to the payees as far as its limit has room: of one claim, or of all, oldest
// first, within a claim by largest remainder over its lines. freed is what is paid back in the same use case and not
// booked yet. The entries are to be booked with it, under the lock advancesOf, so that two at once don't use the
// same room. SQL stands in it and not below it: an inbox leads here.
func (tx *Tx) advance(ctx context.Context, peer, claim, freed int64) (entries []journal.Entry, err error) {
	p, err := row[Peer](tx.Query(ctx, `select `+peerColumns+` from peer where id = $1`, peer))
	if err != nil || p.Limit() == 0 {
		return nil, err
	}
	before := int64(0)
	if err := tx.QueryRow(ctx, `
		select coalesce(sum(debits_posted - credits_posted), 0)::bigint from account
		where kind = 'advance' and owner = $1 and currency = $2`, peer, tx.l.inst.Currency).Scan(&before); err != nil {
		return nil, err
	}
	before -= freed
	claims, err := ids(tx.Query(ctx, `
		select id from claim where direction = 'in' and peer = $1 and state = 'accepted' and ($2 = 0 or id = $2)
		order by period, n, id`, peer, claim))
	room := p.Limit() - before
	var got []available
	for i := 0; i < len(claims) && room > 0 && err == nil; i++ {
		var lines []standingLine
		if lines, err = rows[standingLine](tx.Query(ctx, lineStanding, claims[i])); err != nil {
			break
		}
		a := advanceOver(lines, room)
		if a.amount == 0 {
			continue
		}
		var id int64
		if err = tx.QueryRow(ctx, `insert into advance (claim, amount, created_at) values ($1, $2, $3) returning id`,
			claims[i], a.amount, tx.at).Scan(&id); err != nil {
			break
		}
		var made []int64
		made, err = ids(tx.Query(ctx, `
			insert into line_advance (advance, line, amount)
			select $1, line, amount from unnest($2::bigint[], $3::bigint[]) with ordinality as a (line, amount, place) order by place
			returning id`, id, a.lines, a.parts))
		for k, ref := range made {
			entries = append(entries, journal.Entry{Kind: kindAdvance, Ref: ref, Phase: journal.Single, Amount: a.parts[k],
				Debit: of(journal.Advance, peer), Credit: of(journal.Earned, a.members[k])})
			got = append(got, available{advance: ref, member: a.members[k], period: a.period, amount: a.parts[k]})
		}
		room -= a.amount
	}
	tx.alarm(p, before, p.Limit()-room)
	if err != nil {
		return nil, err
	}
	fees, err := tx.takeFees(ctx, got)
	return append(entries, fees...), err
}

// advanced is how an advance is divided.
type advanced struct {
	amount                int64
	lines, members, parts []int64
	period                string
}

// advanceOver divides what there is room for over lines.
func advanceOver(lines []standingLine, room int64) (a advanced) {
	total := int64(0)
	weights := make([]int64, len(lines))
	for i, l := range lines {
		weights[i] = l.advanceable()
		total += weights[i]
	}
	a.amount = min(room, total)
	for i, part := range SplitByWeight(a.amount, weights) {
		if part > 0 {
			a.lines, a.members, a.parts = append(a.lines, lines[i].ID), append(a.members, *lines[i].Member), append(a.parts, part)
			a.period = lines[i].Period
		}
	}
	return a
}

// alarm tells the operators' log, once it is committed, that an advance limit is nearly used up.
func (tx *Tx) alarm(p Peer, before, after int64) {
	if p.Alarming(after) && !p.Alarming(before) {
		tx.event("peer.advance-alarm", "host", p.Host, "advanced", FormatPlain(after), "limit", FormatPlain(p.AdvanceLimit))
	}
}

// advances are what one use case leads to: of a claim, or with 0 of all.
type advances struct{ claim, freed int64 }
