package ledger

import (
	"context"
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

// offer makes an outgoing claim, to be stored with its lines.
func (tx *Tx) offer(p Peer, period string, n int32, d draft) Claim {
	return Claim{Direction: "out", Peer: p.ID, Period: period, Currency: tx.l.inst.Currency, N: n, State: Offered,
		IRI: tx.l.inst.ClaimIRI(p.Host, period, tx.l.inst.Currency, n), LineCount: int32(len(d.lines)), Amount: d.amount, Digest: d.digest}
}
