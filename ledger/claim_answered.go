package ledger

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/fedflattr/flattrd/ledger/journal"
)

// ClaimAnswer is a peer's answer to a claim of ours, its proof checked.
type ClaimAnswer struct {
	IRI      string // the claim
	Host     string // who answers
	Accepted bool
	Payto    string    // of an Accept: where to pay; may be ""
	Refusals []Refusal // when not accepted; at least one
}

// ClaimAnswered records the first answer to a claim. Accepted: it waits for payment. Refused: the
// money of the refused lines goes back to its givers and the rest is offered again under the next n.
// The same answer again changes nothing. ErrConflict: a different one; the first stands and the peer
// is frozen. ErrRefused: not that peer's claim.
func (l *Ledger) ClaimAnswered(ctx context.Context, a ClaimAnswer) error {
	a.Refusals = knownReasons(a.Refusals)
	tx, err := l.begin(ctx)
	if err != nil {
		return err
	}
	defer tx.Rollback(context.WithoutCancel(ctx))
	open, err := tx.openMonth(ctx)
	if err != nil {
		return err
	}
	c, err := row[Claim](tx.Query(ctx, claimQuery+` where c.iri = $1 and c.direction = 'out' for no key update of c`, a.IRI))
	var conflict error
	switch {
	case err != nil:
	case c.Host != a.Host:
		err = fmt.Errorf("%w: %s doesn't answer %s", ErrRefused, a.Host, a.IRI)
	case c.Answer != nil:
		conflict, err = tx.answeredAgain(ctx, c, a)
	case a.Accepted:
		failpoint("answer.accept")
		err = tx.accepted(ctx, c, a.Payto)
	default:
		failpoint("answer.reject")
		var rest []Line
		var givers []int64
		if rest, givers, err = tx.refusedBy(ctx, c, a.Refusals, open); err == nil {
			err = tx.topUp(ctx, open, givers...) // what came back fills the open month's budgets
		}
		if err == nil {
			_, err = tx.sweepLeft(ctx, open, givers...)
		}
		if err == nil {
			failpoint("answer.returned")
			err = tx.succeed(ctx, c, rest)
		}
	}
	if err == nil {
		err = tx.commit(ctx)
	}
	failpoint("answer.committed")
	if !a.Accepted {
		failpoint("answer.refused")
	}
	return errors.Join(err, conflict)
}

// knownReasons files a reason that we don't know under "blocked", which says that the other side
// won't take it: it is honoured all the same, and the signed answer is kept with the word it used
// (protocol §8).
func knownReasons(all []Refusal) []Refusal {
	known := slices.Clone(all)
	for i, r := range known {
		switch r.Reason {
		case "", "unknown-payee", "not-accepting", "blocked", "deleted": // "" is malformed, and found so later
		default:
			known[i].Reason = "blocked"
		}
	}
	return known
}

// answeredAgain: the first answer stands; another freezes the pair, and that is kept.
func (tx *Tx) answeredAgain(ctx context.Context, c Claim, a ClaimAnswer) (conflict, err error) {
	same := (*c.Answer == "accept") == a.Accepted
	if same && !a.Accepted {
		_, first, err := readLines(ctx, tx, c.ID)
		if err != nil {
			return nil, err
		}
		again := slices.SortedFunc(slices.Values(a.Refusals), func(x, y Refusal) int { return cmp.Compare(x.Payee, y.Payee) })
		same = slices.Equal(first, again)
	}
	if same {
		return nil, nil
	}
	return fmt.Errorf("%w: a second answer to %s differs from the first", ErrConflict, c.IRI),
		tx.freeze(ctx, c.Peer, "two different answers to "+c.IRI)
}

func (tx *Tx) accepted(ctx context.Context, c Claim, payto string) error {
	if _, err := tx.Exec(ctx, `update peer set payto = $2 where id = $1 and $2 <> ''`, c.Peer, payto); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `
		update claim set state = 'accepted', answer = 'accept', answered_at = $2 where id = $1`, c.ID, tx.at); err != nil {
		return err
	}
	return tx.settleClaim(ctx, c.ID)
}

// lineReasons are what a payee's home may refuse a line for (protocol §8).
var lineReasons = map[string]bool{"unknown-payee": true, "not-accepting": true, "blocked": true, "deleted": true}

// refusedBy returns the refused lines' shares to their givers' means. It returns the lines that are
// left, and the givers.
func (tx *Tx) refusedBy(ctx context.Context, c Claim, refusals []Refusal, open string) (rest []Line, givers []int64, err error) {
	reasons := map[string]string{}
	for _, r := range refusals {
		if !lineReasons[r.Reason] {
			return nil, nil, &ClaimFault{Code: "malformed", Detail: "no reason to refuse a line: " + r.Reason}
		}
		reasons[r.Payee] = r.Reason
	}
	lines, _, err := readLines(ctx, tx, c.ID)
	if err != nil {
		return nil, nil, err
	}
	rest = slices.DeleteFunc(slices.Clone(lines), func(l Line) bool { return reasons[l.Payee] != "" })
	if len(refusals) == 0 || len(lines)-len(rest) != len(refusals) {
		return nil, nil, &ClaimFault{Code: "malformed", Detail: "rejected lines must name payees of the claim, each once"}
	}
	var payees, why []string
	for _, r := range refusals {
		payees, why = append(payees, r.Payee), append(why, r.Reason)
	}
	if _, err := tx.Exec(ctx, `
		update claim_line l set refused = r.reason from unnest($2::text[], $3::text[]) as r (payee, reason)
		where l.claim = $1 and l.payee = r.payee`, c.ID, payees, why); err != nil {
		return nil, nil, err
	}
	entries, givers, err := tx.returnShares(ctx, c)
	if err != nil {
		return nil, nil, err
	}
	return rest, givers, booked(journal.Post(ctx, tx.book(open), entries...))
}

// succeed offers what is left of a refused claim under the next n.
func (tx *Tx) succeed(ctx context.Context, c Claim, rest []Line) error {
	state := Refused
	if len(rest) > 0 {
		state = Superseded
	}
	if _, err := tx.Exec(ctx, `
		update claim set state = $2, answer = 'reject', answered_at = $3 where id = $1`, c.ID, state, tx.at); err != nil {
		return err
	}
	if len(rest) == 0 {
		return nil
	}
	next, lines, err := tx.nextOffer(ctx, Peer{ID: c.Peer, Host: c.Host}, c.Period, rest)
	if err != nil {
		return err
	}
	next.Supersedes, next.Origin = &c.ID, c.Origin
	if next.Origin == nil {
		next.Origin = &c.ID
	}
	tx.tell(Message{Kind: TellClaim, Key: next.IRI, To: c.Host})
	_, err = tx.insertClaim(ctx, next, lines)
	return err
}

// lineShares are the shares behind a claim's lines: those of the things that a line names.
const lineShares = `
	select l.id as line, l.claim, s.giver, s.thing, s.period, s.amount
	from claim_line l join claim c on c.id = l.claim and c.direction = 'out'
	cross join lateral jsonb_array_elements(l.things) as x
	join thing t on t.iri = x->>'object'
	join flattr f on f.thing = t.id and f.period = c.period and f.state = 'accepted'
	join share s on s.giver = f.giver and s.thing = f.thing and s.period = c.period`

// returnShares marks the shares of a claim's refused lines as returned, each once. It returns what is to
// be booked for that, and whose means grow.
func (tx *Tx) returnShares(ctx context.Context, c Claim) (entries []journal.Entry, givers []int64, err error) {
	if _, err := tx.Exec(ctx, `
		select from member where id in (
		  select s.giver from (`+lineShares+` where l.claim = $1 and l.refused is not null) s)
		order by id for no key update`, c.ID); err != nil {
		return nil, nil, err
	}
	type back struct{ ID, Giver, Amount int64 }
	all, err := rows[back](tx.Query(ctx, `
		insert into share_return (giver, thing, period, claim, amount, created_at)
		select s.giver, s.thing, s.period, $1, s.amount, $2
		from (`+lineShares+` where l.claim = $1 and l.refused is not null and s.amount > 0) s
		order by s.giver, s.thing
		returning id, giver, amount`, c.ID, tx.at))
	if err != nil {
		return nil, nil, err
	}
	for _, b := range all {
		entries = append(entries, journal.Entry{Kind: kindReturn, Ref: b.ID, Phase: journal.Single, Amount: b.Amount,
			Debit: of(journal.Payable, c.Peer), Credit: of(journal.Means, b.Giver)})
		givers = append(givers, b.Giver)
	}
	return entries, slices.Compact(givers), nil
}
