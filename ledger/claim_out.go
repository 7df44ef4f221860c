package ledger

import (
	"context"
	"errors"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/fedflattr/flattrd/ledger/journal"
)

// Bodies we send stay under 64 kB (protocol §11), so a line must fit into one with room to spare: the things
// of a payee who has more go into lines of further claims of the same month. So do lines beyond what a claim
// may have. Nobody takes more than this (protocol §8).
const (
	MaxLineThings = 100       // of a line
	MaxLineBytes  = 40_000    // of a line's JCS
	MaxClaimLines = 1_000_000 // of a claim
)

// MaxLinesBytes is how many bytes so many lines of a claim have at most in all.
func MaxLinesBytes(lines int) int { return 16_000_000 + 1_000*lines }

// given is what a settled month's givers gave a thing.
type given struct {
	object  string
	payee   string
	rank    int   // the payee's place, sorted by text
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
	byPeer := map[int64][][]given{}
	for _, mine := range chunkBy(all, func(g given) string { return g.payee }) {
		if peer := mine[0].peer; peer != 0 {
			byPeer[peer] = append(byPeer[peer], mine)
		}
	}
	for _, peer := range slices.Sorted(maps.Keys(byPeer)) {
		claims, err := draftPeer(peer, byPeer[peer])
		if err != nil {
			return nil, err
		}
		drafts = append(drafts, claims...)
	}
	return drafts, nil
}

// draftPeer makes one peer's claims: one, unless a payee has several lines, as no payee stands twice in one claim.
func draftPeer(peer int64, payees [][]given) (claims []draft, err error) {
	var open []*drafting
	for _, mine := range payees {
		at := 0
		for line := range payeeLines(mine) {
			for at < len(open) && !open[at].takes(line) {
				at++
			}
			if at == len(open) {
				open = append(open, newDrafting(peer))
			}
			if err := open[at].add(line); err != nil {
				return nil, err
			}
			at++
		}
	}
	for _, d := range open {
		claims = append(claims, d.close())
	}
	return claims, nil
}

// drafting is a draft that still gets lines. Each is written as JSON once, for the digest and to be stored.
type drafting struct {
	draft
	told  *linesDigest
	bytes int
}

func newDrafting(peer int64) *drafting {
	return &drafting{draft: draft{peer: peer}, told: newLinesDigest()}
}

// takes tells whether a claim has room for one more line.
func (d *drafting) takes(line Line) bool {
	n := len(d.lines) + 1
	return n <= MaxClaimLines && d.bytes+lineBytes(line) <= MaxLinesBytes(n)
}

func (d *drafting) add(line Line) error {
	d.bytes += lineBytes(line)
	things, err := d.told.add(line)
	d.lines = append(d.lines, ClaimLine{Payee: line.Payee, Amount: line.Amount, Things: things})
	d.amount += line.Amount
	return err
}

func (d *drafting) close() draft {
	d.digest = d.told.String()
	return d.draft
}

// creditor is a peer to whose members a settled month owes something.
type creditor struct {
	ID   int64
	Host string
	N    int32 // the last that is used
	Held bool  // reconcile first: its claims stay drafts until statements are compared
	Back bool  // an own offer of the month was returned by it: what stands there instead is a draft, and is released
}

// offerClaims offers a settled month's claims, or keeps them as drafts. It returns what is to be booked, and whose
// drafts are to be released after that.
func (tx *Tx) offerClaims(ctx context.Context, period string, part int32, drafts []draft) (claims []journal.Entry, release []Peer, err error) {
	creditors, err := tx.creditors(ctx, period, drafts)
	if err != nil {
		return nil, nil, err
	}
	var offers []Claim
	var lines [][]ClaimLine
	for _, d := range drafts {
		p := creditors[d.peer]
		c := tx.offer(Peer{ID: p.ID, Host: p.Host}, period, p.N+1, d)
		switch {
		case p.Held, p.Back:
			c.State, c.N, c.IRI = ClaimDraft, 0, ""
		default:
			p.N++
			tx.tell(Message{Kind: TellClaim, Key: c.IRI, To: p.Host})
		}
		offers, lines = append(offers, c), append(lines, d.lines)
	}
	for _, p := range creditors {
		if p.Back && !p.Held {
			release = append(release, Peer{ID: p.ID, Host: p.Host})
			err = errors.Join(err, tx.lockID(ctx, claimsFor+p.Host)) // before any account
		}
	}
	if err == nil {
		claims, err = tx.insertOffers(ctx, part, offers, lines)
	}
	return claims, release, err
}

// creditors are the peers of drafts. A hold that they find can't end unless its end finds the drafts: it writes the
// row that they have written.
func (tx *Tx) creditors(ctx context.Context, period string, drafts []draft) (map[int64]*creditor, error) {
	ids := make([]int64, len(drafts))
	for i, d := range drafts {
		ids[i] = d.peer
	}
	peers, err := rows[creditor](tx.Query(ctx, `
		with held as (update standing set held_at = held_at where peer = any($1) and held_at is not null returning peer)
		select p.id, p.host, coalesce(max(c.n), 0)::int as n, exists (select from held h where h.peer = p.id) as held,
		  coalesce(bool_or(c.adopted), false) as back
		from peer p left join claim c on c.peer = p.id and c.direction = 'out' and c.period = $2 and c.currency = $3
		where p.id = any($1) group by p.id, p.host`, ids, period, tx.l.inst.Currency))
	creditors := map[int64]*creditor{}
	for i := range peers {
		creditors[peers[i].ID] = &peers[i]
	}
	return creditors, err
}

// insertOffers stores claims and all their lines at once, and returns what is to be booked.
func (tx *Tx) insertOffers(ctx context.Context, part int32, offers []Claim, lines [][]ClaimLine) ([]journal.Entry, error) {
	var b struct {
		peers, amounts                 []int64
		n, counts                      []int32
		iris, periods, digests, states []string
	}
	for _, c := range offers {
		b.peers, b.amounts, b.states = append(b.peers, c.Peer), append(b.amounts, c.Amount), append(b.states, c.State)
		b.n, b.counts = append(b.n, c.N), append(b.counts, c.LineCount)
		b.iris, b.periods, b.digests = append(b.iris, c.IRI), append(b.periods, c.Period), append(b.digests, c.Digest)
	}
	made, err := ids(tx.Query(ctx, `
		insert into claim (direction, peer, period, currency, n, iri, amount, line_count, digest, state, created_at, part)
		select 'out', peer, period, $9, nullif(n, 0), nullif(iri, ''), amount, lines, digest, state, $10, $11
		from unnest($1::bigint[], $2::text[], $3::int[], $4::text[], $5::bigint[], $6::int[], $7::text[], $8::text[])
		  with ordinality as c (peer, period, n, iri, amount, lines, digest, state, place) order by place
		returning id`, b.peers, b.periods, b.n, b.iris, b.amounts, b.counts, b.digests, b.states, tx.l.inst.Currency, tx.at, part))
	if err != nil {
		return nil, err
	}
	entries := make([]journal.Entry, len(offers))
	for i, c := range offers {
		for k := range lines[i] {
			lines[i][k].Claim = made[i]
		}
		entries[i] = journal.Entry{Kind: kindClaim, Ref: made[i], Phase: journal.Single,
			Debit: of(journal.Clearing, 0), Credit: of(journal.Payable, c.Peer), Amount: c.Amount}
	}
	_, err = tx.CopyFrom(ctx, pgx.Identifier{"claim_line"}, copiedLines, copyLines(lines...))
	return entries, err
}

// payeeLines are the lines of one payee, zero sums left out: one, or several for very many things.
func payeeLines(mine []given) iter.Seq[Line] {
	return func(yield func(Line) bool) {
		for _, piece := range pieces(mine) {
			if line := lineOf(piece); line.Amount > 0 && !yield(line) {
				return
			}
		}
	}
}

// pieces cuts a payee's things into as many lines as it takes for each to fit into a claim.
func pieces(things []given) (all [][]given) {
	size := 0
	for _, g := range things {
		bytes, last := thingBytes(g.object), len(all)-1
		if last < 0 || size+bytes > MaxLineBytes || len(all[last]) == MaxLineThings {
			all, size, last = append(all, nil), textBytes(g.payee), last+1
		}
		all[last] = append(all[last], g)
		size += bytes
	}
	return all
}

// thingBytes is the most that a thing takes in a line's JCS, and textBytes what is beside things.
func thingBytes(object string) int { return textBytes(object) }

func textBytes(address string) int { return 80 + len(address) + strings.Count(address, `"`) }

func lineBytes(l Line) int {
	n := textBytes(l.Payee)
	for _, t := range l.Things {
		n += thingBytes(t.Object)
	}
	return n
}

func lineOf(things []given) Line {
	line := Line{Payee: things[0].payee, Things: make([]LineThing, len(things))}
	for i, g := range things {
		line.Amount += g.amount
		line.Things[i] = LineThing{Object: g.object, Flattrs: g.flattrs, Amount: g.amount}
	}
	hideSmall(line.Things)
	return line
}

// offer makes an outgoing claim, to be stored with its lines.
func (tx *Tx) offer(p Peer, period string, n int32, d draft) Claim {
	return Claim{Direction: "out", Peer: p.ID, Period: period, Currency: tx.l.inst.Currency, N: n, State: Offered,
		IRI: tx.l.inst.ClaimIRI(p.Host, period, tx.l.inst.Currency, n), LineCount: int32(len(d.lines)), Amount: d.amount, Digest: d.digest}
}
