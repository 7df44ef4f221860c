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
		p, err := row[Peer](tx.Query(ctx, `select `+peerColumns+` from peer where id = $1`, peer))
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
	c, stored, err := tx.draftOffer(ctx, p, period, plain)
	if err != nil {
		return err
	}
	id, err := tx.insertClaim(ctx, c, stored)
	if err != nil {
		return err
	}
	for _, line := range lines {
		for _, s := range line.shares {
			s.claim = &id
		}
	}
	if err := booked(journal.Post(ctx, tx.book(open), journal.Entry{Kind: kindClaim, Ref: id, Phase: journal.Single,
		Debit: of(journal.Clearing, 0), Credit: of(journal.Payable, p.ID), Amount: c.Amount})); err != nil {
		return err
	}
	tx.tell(Message{Kind: TellClaim, Key: c.IRI, To: p.Host})
	return nil
}

// draftOffer makes an outgoing claim with the next unused n, to be stored with its lines. Refusals of
// two claims of a month don't find the same n: the shares that came back before have locked the peer's
// payable account.
func (tx *Tx) draftOffer(ctx context.Context, p Peer, period string, lines []Line) (Claim, []ClaimLine, error) {
	c := Claim{Direction: "out", Peer: p.ID, Period: period, Currency: tx.l.inst.Currency, State: Offered,
		LineCount: int32(len(lines))}
	if err := tx.QueryRow(ctx, `
		select coalesce(max(n), 0) + 1 from claim
		where direction = 'out' and peer = $1 and period = $2 and currency = $3`,
		p.ID, period, c.Currency).Scan(&c.N); err != nil {
		return c, nil, err
	}
	c.IRI = tx.l.inst.ClaimIRI(p.Host, period, c.Currency, c.N)
	stored := make([]ClaimLine, len(lines))
	for i, line := range lines {
		things, err := line.thingsJSON()
		if err != nil {
			return c, nil, err
		}
		stored[i] = ClaimLine{Payee: line.Payee, Amount: line.Amount, Things: things}
		c.Amount += line.Amount
	}
	var err error
	c.Digest, err = LinesDigest(lines)
	return c, stored, err
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
	for payee, reason := range reasons {
		if _, err := tx.Exec(ctx, `update claim_line set refused = $3 where claim = $1 and payee = $2`,
			c.ID, payee, reason); err != nil {
			return nil, nil, err
		}
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
	next, lines, err := tx.draftOffer(ctx, Peer{ID: c.Peer, Host: c.Host}, c.Period, rest)
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

// returnShares marks the shares of a claim's refused lines as returned, each once. It returns what is to
// be booked for that, and whose means grow.
func (tx *Tx) returnShares(ctx context.Context, c Claim) (entries []journal.Entry, givers []int64, err error) {
	type back struct{ ID, Giver, Amount int64 }
	all, err := rows[back](tx.Query(ctx, `
		select s.id, s.giver, s.amount from share s join thing t on t.id = s.thing
		join claim_line l on l.claim = $1 and l.payee = t.payee and l.refused is not null
		join member m on m.id = s.giver
		where s.claim = coalesce($2, $1) and s.amount > 0
		order by s.giver, s.id for no key update of m`, c.ID, c.Origin))
	if err != nil {
		return nil, nil, err
	}
	for _, b := range all {
		if _, err := tx.Exec(ctx, `
			insert into share_return (share, claim, amount, created_at) values ($1, $2, $3, $4)`,
			b.ID, c.ID, b.Amount, tx.at); err != nil {
			return nil, nil, err
		}
		entries = append(entries, journal.Entry{Kind: kindReturn, Ref: b.ID, Phase: journal.Single, Amount: b.Amount,
			Debit: of(journal.Payable, c.Peer), Credit: of(journal.Means, b.Giver)})
		givers = append(givers, b.Giver)
	}
	return entries, slices.Compact(givers), nil
}
