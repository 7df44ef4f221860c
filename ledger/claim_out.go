package ledger

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/fedflattr/flattrd/ledger/journal"
)

// Bodies we send stay under 64 kB (protocol §11): a claim takes as many lines as surely fit; more
// go into further claims of the same month.
const (
	maxLines      = 200
	maxLineThings = 100
	maxClaimBytes = 40_000
)

// payeeLine is a line being built, with the shares that it sums.
type payeeLine struct {
	Line
	shares []*settledShare
}

// offerClaims makes the claims of a settled month, books what they owe, and tells the peers.
func (tx *Tx) offerClaims(ctx context.Context, period, open string, shares []*settledShare) error {
	byPeer := map[int64][]*settledShare{}
	for _, s := range shares {
		if s.peer != nil {
			byPeer[*s.peer] = append(byPeer[*s.peer], s)
		}
	}
	for _, peer := range slices.Sorted(maps.Keys(byPeer)) {
		p, err := row[Peer](ctx, tx, `select `+peerColumns+` from peer where id = $1`, peer)
		if err != nil {
			return err
		}
		for _, lines := range packLines(payeeLines(byPeer[peer])) {
			if err := tx.offerClaim(ctx, p, period, open, lines); err != nil {
				return err
			}
		}
	}
	return nil
}

// payeeLines sums shares into one line per payee, zero sums left out; a payee with very many things
// gets several pieces. Sorted by payee.
func payeeLines(shares []*settledShare) []payeeLine {
	slices.SortStableFunc(shares, func(a, b *settledShare) int {
		return cmp.Or(cmp.Compare(a.payee, b.payee), cmp.Compare(a.object, b.object))
	})
	var lines []payeeLine
	for _, mine := range chunkBy(shares, func(s *settledShare) string { return s.payee }) {
		things := chunkBy(mine, func(s *settledShare) string { return s.object })
		for _, piece := range pieces(things) {
			if line := sumLine(piece); line.Amount > 0 {
				lines = append(lines, line)
			}
		}
	}
	return lines
}

// pieces cuts a payee's things into as many lines as it takes for each to fit into a claim.
func pieces(things [][]*settledShare) (all [][][]*settledShare) {
	size := 0
	for _, clicks := range things {
		bytes, last := thingBytes(clicks[0].object), len(all)-1
		if last < 0 || size+bytes > maxClaimBytes || len(all[last]) == maxLineThings {
			all, size, last = append(all, nil), 0, last+1
		}
		all[last] = append(all[last], clicks)
		size += bytes
	}
	return all
}

// thingBytes is the most that a thing takes in a line's JSON.
func thingBytes(object string) int { return 80 + len(object) }

func sumLine(things [][]*settledShare) payeeLine {
	line := payeeLine{Line: Line{Payee: things[0][0].payee}}
	for _, clicks := range things {
		t := LineThing{Object: clicks[0].object, Flattrs: int64(len(clicks))}
		for _, s := range clicks {
			t.Amount += s.amount
		}
		line.Amount += t.Amount
		line.Things = append(line.Things, t)
		line.shares = append(line.shares, clicks...)
	}
	hideSmall(line.Things)
	return line
}

// packLines fills claims with lines; no payee stands twice in one claim.
func packLines(lines []payeeLine) [][]payeeLine {
	var claims [][]payeeLine
	size, previous := 0, ""
	for _, line := range lines {
		bytes := 200 + len(line.Payee)
		for _, t := range line.Things {
			bytes += thingBytes(t.Object)
		}
		last := len(claims) - 1
		if last < 0 || size+bytes > maxClaimBytes || len(claims[last]) == maxLines || line.Payee == previous {
			claims, size, last = append(claims, nil), 0, last+1
		}
		claims[last] = append(claims[last], line)
		size, previous = size+bytes, line.Payee
	}
	return claims
}

func (tx *Tx) offerClaim(ctx context.Context, p Peer, period, open string, lines []payeeLine) error {
	plain := make([]Line, len(lines))
	for i, line := range lines {
		plain[i] = line.Line
	}
	id, c, err := tx.writeOffer(ctx, p, period, plain, nil, nil)
	if err != nil {
		return err
	}
	for _, line := range lines {
		for _, s := range line.shares {
			s.claim = &id
		}
	}
	if err := tx.post(ctx, open, journal.Entry{Kind: kindClaim, Ref: id, Phase: journal.Single,
		Debit: of(journal.Clearing, 0), Credit: of(journal.Payable, p.ID), Amount: c.Amount}); err != nil {
		return err
	}
	return tx.tell(ctx, Message{Kind: TellClaim, Key: c.IRI, To: p.Host})
}

// writeOffer stores an outgoing claim under the next unused n.
func (tx *Tx) writeOffer(ctx context.Context, p Peer, period string, lines []Line, supersedes, origin *int64) (int64, Claim, error) {
	c := Claim{Direction: "out", Peer: p.ID, Period: period, Currency: tx.l.inst.Currency, State: Offered,
		LineCount: int32(len(lines)), Supersedes: supersedes, Origin: origin}
	// Two answers that are refusals of two claims of a month both look for the next n.
	if err := tx.lockID(ctx, "offers to "+p.Host); err != nil {
		return 0, c, err
	}
	if err := tx.QueryRow(ctx, `
		select coalesce(max(n), 0) + 1 from claim
		where direction = 'out' and peer = $1 and period = $2 and currency = $3`,
		p.ID, period, c.Currency).Scan(&c.N); err != nil {
		return 0, c, err
	}
	c.IRI = tx.l.inst.ClaimIRI(p.Host, period, c.Currency, c.N)
	stored := make([]ClaimLine, len(lines))
	for i, line := range lines {
		things, err := line.thingsJSON()
		if err != nil {
			return 0, c, err
		}
		stored[i] = ClaimLine{Payee: line.Payee, Amount: line.Amount, Things: things}
		c.Amount += line.Amount
	}
	var err error
	if c.Digest, err = LinesDigest(lines); err != nil {
		return 0, c, err
	}
	id, err := tx.insertClaim(ctx, c, stored)
	return id, c, err
}

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
	var conflict error
	err := l.tx(ctx, func(tx *Tx) error {
		conflict = nil
		open, err := tx.openMonth(ctx)
		if err != nil {
			return err
		}
		c, err := row[Claim](ctx, tx, claimQuery+` where c.iri = $1 and c.direction = 'out' for no key update of c`, a.IRI)
		switch {
		case err != nil:
			return err
		case c.Host != a.Host:
			return fmt.Errorf("%w: %s doesn't answer %s", ErrRefused, a.Host, a.IRI)
		case c.Answer != nil:
			conflict, err = tx.answeredAgain(ctx, c, a)
			return err
		case a.Accepted:
			failpoint("answer.accept")
			return tx.accepted(ctx, c, a.Payto)
		}
		failpoint("answer.reject")
		return tx.refusedBy(ctx, c, a.Refusals, open)
	})
	failpoint("answer.committed")
	if !a.Accepted {
		failpoint("answer.refused")
	}
	return errors.Join(err, conflict)
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

// refusedBy returns the refused lines' shares and offers the rest.
func (tx *Tx) refusedBy(ctx context.Context, c Claim, refusals []Refusal, open string) error {
	reasons := map[string]string{}
	for _, r := range refusals {
		if !lineReasons[r.Reason] {
			return &ClaimFault{Code: "malformed", Detail: "no reason to refuse a line: " + r.Reason}
		}
		reasons[r.Payee] = r.Reason
	}
	lines, _, err := readLines(ctx, tx, c.ID)
	if err != nil {
		return err
	}
	rest := slices.DeleteFunc(slices.Clone(lines), func(l Line) bool { return reasons[l.Payee] != "" })
	if len(refusals) == 0 || len(lines)-len(rest) != len(refusals) {
		return &ClaimFault{Code: "malformed", Detail: "rejected lines must name payees of the claim, each once"}
	}
	for payee, reason := range reasons {
		if _, err := tx.Exec(ctx, `update claim_line set refused = $3 where claim = $1 and payee = $2`,
			c.ID, payee, reason); err != nil {
			return err
		}
	}
	if err := tx.returnShares(ctx, c, open); err != nil {
		return err
	}
	failpoint("answer.returned")
	return tx.succeed(ctx, c, rest)
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
	origin := c.Origin
	if origin == nil {
		origin = &c.ID
	}
	_, next, err := tx.writeOffer(ctx, Peer{ID: c.Peer, Host: c.Host}, c.Period, rest, &c.ID, origin)
	if err != nil {
		return err
	}
	return tx.tell(ctx, Message{Kind: TellClaim, Key: next.IRI, To: c.Host})
}

// returnShares gives the shares of a claim's refused lines back to their givers' means, each once,
// and lets that fill the open month's budgets.
func (tx *Tx) returnShares(ctx context.Context, c Claim, open string) error {
	type back struct{ ID, Giver, Amount int64 }
	all, err := rows[back](ctx, tx, `
		select s.id, s.giver, s.amount from share s join thing t on t.id = s.thing
		join claim_line l on l.claim = $1 and l.payee = t.payee and l.refused is not null
		join member m on m.id = s.giver
		where s.claim = coalesce($2, $1) and s.amount > 0
		order by s.giver, s.id for no key update of m`, c.ID, c.Origin)
	if err != nil {
		return err
	}
	entries := make([]journal.Entry, len(all))
	for i, b := range all {
		if _, err := tx.Exec(ctx, `
			insert into share_return (share, claim, amount, created_at) values ($1, $2, $3, $4)`,
			b.ID, c.ID, b.Amount, tx.at); err != nil {
			return err
		}
		entries[i] = journal.Entry{Kind: kindReturn, Ref: b.ID, Phase: journal.Single, Amount: b.Amount,
			Debit: of(journal.Payable, c.Peer), Credit: of(journal.Means, b.Giver)}
	}
	if err := tx.post(ctx, open, entries...); err != nil {
		return err
	}
	for _, mine := range chunkBy(all, func(b back) int64 { return b.Giver }) {
		if err := tx.topUp(ctx, mine[0].Giver, open); err != nil {
			return err
		}
	}
	return nil
}
