package ledger

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/fedflattr/flattrd/ledger/journal"
)

// Bodies we send stay under 64 kB (protocol §11), so a line must fit into one with room to spare: the things
// of a payee who has more go into lines of further claims of the same month.
const (
	maxLineThings = 100
	maxLineBytes  = 40_000
	maxClaimLines = 1_000_000
)

// given is what a settled month's givers gave a thing.
type given struct {
	object  string
	payee   string
	member  int64 // the payee, when ours, else 0
	peer    int64 // the payee's instance, when not ours, else 0
	flattrs int64
	amount  int64
}

// draft is a claim before it has a number: what a month's givers gave to the members of one other instance.
type draft struct {
	peer   int64
	amount int64
	digest string
	lines  []ClaimLine
}

// draftClaims makes a settled month's claims, in order of the peers. all is sorted by payee and object.
func draftClaims(all []given) (drafts []draft, err error) {
	byPeer := map[int64][]given{}
	for _, g := range all {
		if g.peer != 0 {
			byPeer[g.peer] = append(byPeer[g.peer], g)
		}
	}
	for _, peer := range slices.Sorted(maps.Keys(byPeer)) {
		for _, packed := range packLines(payeeLines(byPeer[peer])) {
			d, err := newDraft(peer, packed)
			if err != nil {
				return nil, err
			}
			drafts = append(drafts, d)
		}
	}
	return drafts, nil
}

func newDraft(peer int64, lines []Line) (d draft, err error) {
	d = draft{peer: peer, lines: make([]ClaimLine, len(lines))}
	for i, line := range lines {
		d.lines[i] = ClaimLine{Payee: line.Payee, Amount: line.Amount, Things: line.thingsJSON()}
		d.amount += line.Amount
	}
	d.digest, err = LinesDigest(lines)
	return d, err
}

// offerClaims offers a settled month's claims; it returns what is to be booked.
func (tx *Tx) offerClaims(ctx context.Context, period string, drafts []draft) ([]journal.Entry, error) {
	type creditor struct {
		ID   int64
		Host string
		N    int32 // the last that is used
	}
	ids := make([]int64, len(drafts))
	for i, d := range drafts {
		ids[i] = d.peer
	}
	peers, err := rows[creditor](tx.Query(ctx, `
		select p.id, p.host, coalesce(max(c.n), 0)::int as n from peer p
		left join claim c on c.peer = p.id and c.direction = 'out' and c.period = $2 and c.currency = $3
		where p.id = any($1) group by p.id, p.host`, ids, period, tx.l.inst.Currency))
	if err != nil {
		return nil, err
	}
	creditors := map[int64]creditor{}
	for _, p := range peers {
		creditors[p.ID] = p
	}
	var offers []Claim
	var lines [][]ClaimLine
	for _, d := range drafts {
		p := creditors[d.peer]
		p.N++
		creditors[d.peer] = p
		c := tx.offer(Peer{ID: p.ID, Host: p.Host}, period, p.N, d)
		offers, lines = append(offers, c), append(lines, d.lines)
		tx.tell(Message{Kind: TellClaim, Key: c.IRI, To: p.Host})
	}
	return tx.insertOffers(ctx, offers, lines)
}

// insertOffers stores claims and all their lines at once, and returns what is to be booked.
func (tx *Tx) insertOffers(ctx context.Context, offers []Claim, lines [][]ClaimLine) ([]journal.Entry, error) {
	var b struct {
		peers, amounts         []int64
		n, counts              []int32
		iris, periods, digests []string
	}
	for _, c := range offers {
		b.peers, b.amounts = append(b.peers, c.Peer), append(b.amounts, c.Amount)
		b.n, b.counts = append(b.n, c.N), append(b.counts, c.LineCount)
		b.iris, b.periods, b.digests = append(b.iris, c.IRI), append(b.periods, c.Period), append(b.digests, c.Digest)
	}
	made, err := ids(tx.Query(ctx, `
		insert into claim (direction, peer, period, currency, n, iri, amount, line_count, digest, state, created_at)
		select 'out', peer, period, $8, n, iri, amount, lines, digest, 'offered', $9
		from unnest($1::bigint[], $2::text[], $3::int[], $4::text[], $5::bigint[], $6::int[], $7::text[])
		  with ordinality as c (peer, period, n, iri, amount, lines, digest, place) order by place
		returning id`, b.peers, b.periods, b.n, b.iris, b.amounts, b.counts, b.digests, tx.l.inst.Currency, tx.at))
	if err != nil {
		return nil, err
	}
	var all []ClaimLine
	entries := make([]journal.Entry, len(offers))
	for i, c := range offers {
		for _, line := range lines[i] {
			line.Claim = made[i]
			all = append(all, line)
		}
		entries[i] = journal.Entry{Kind: kindClaim, Ref: made[i], Phase: journal.Single,
			Debit: of(journal.Clearing, 0), Credit: of(journal.Payable, c.Peer), Amount: c.Amount}
	}
	_, err = tx.CopyFrom(ctx, pgx.Identifier{"claim_line"}, copiedLines, copyLines(all))
	return entries, err
}

// payeeLines makes one line per payee, zero sums left out; a payee with very many things gets several
// pieces. Sorted by payee.
func payeeLines(all []given) []Line {
	var lines []Line
	for _, mine := range chunkBy(all, func(g given) string { return g.payee }) {
		for _, piece := range pieces(mine) {
			if line := lineOf(piece); line.Amount > 0 {
				lines = append(lines, line)
			}
		}
	}
	return lines
}

// pieces cuts a payee's things into as many lines as it takes for each to fit into a claim.
func pieces(things []given) (all [][]given) {
	size := 0
	for _, g := range things {
		bytes, last := thingBytes(g.object), len(all)-1
		if last < 0 || size+bytes > maxLineBytes || len(all[last]) == maxLineThings {
			all, size, last = append(all, nil), 0, last+1
		}
		all[last] = append(all[last], g)
		size += bytes
	}
	return all
}

// thingBytes is the most that a thing takes in a line's JSON.
func thingBytes(object string) int { return 80 + len(object) }

func lineOf(things []given) Line {
	line := Line{Payee: things[0].payee, Things: make([]LineThing, len(things))}
	for i, g := range things {
		line.Amount += g.amount
		line.Things[i] = LineThing{Object: g.object, Flattrs: g.flattrs, Amount: g.amount}
	}
	hideSmall(line.Things)
	return line
}

// packLines makes claims of lines that are sorted by payee: one, unless a payee has several lines, as no payee
// stands twice in one claim.
func packLines(lines []Line) [][]Line {
	var claims [][]Line
	at := 0
	for i, line := range lines {
		if at++; i == 0 || lines[i-1].Payee != line.Payee {
			at = 0
		}
		for at < len(claims) && len(claims[at]) == maxClaimLines {
			at++
		}
		if at == len(claims) {
			claims = append(claims, nil)
		}
		claims[at] = append(claims[at], line)
	}
	return claims
}

// nextOffer makes an outgoing claim with the next unused n. Refusals of two claims of a month don't find
// the same n: the shares that came back before have locked the peer's payable account.
func (tx *Tx) nextOffer(ctx context.Context, p Peer, period string, lines []Line) (Claim, []ClaimLine, error) {
	var n int32
	if err := tx.QueryRow(ctx, `
		select coalesce(max(n), 0) + 1 from claim
		where direction = 'out' and peer = $1 and period = $2 and currency = $3`,
		p.ID, period, tx.l.inst.Currency).Scan(&n); err != nil {
		return Claim{}, nil, err
	}
	d, err := newDraft(p.ID, lines)
	return tx.offer(p, period, n, d), d.lines, err
}

// offer makes an outgoing claim, to be stored with its lines.
func (tx *Tx) offer(p Peer, period string, n int32, d draft) Claim {
	return Claim{Direction: "out", Peer: p.ID, Period: period, Currency: tx.l.inst.Currency, N: n, State: Offered,
		IRI: tx.l.inst.ClaimIRI(p.Host, period, tx.l.inst.Currency, n), LineCount: int32(len(d.lines)), Amount: d.amount, Digest: d.digest}
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
