package ledger

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
)

// shareKey names a giver's share of a thing within a month.
type shareKey struct{ giver, thing int64 }

// taker is an author who takes a part of a flattr.
type taker struct {
	ID     int64 // of the part
	Payee  string
	Weight int64
}

// dividedShare is what an author gets of a share, in micro-units.
type dividedShare struct {
	shareKey
	part, amount int64
}

// findCoAuthored tells which few of the month's things are co-authored: for all others nothing else is done.
func (b *building) findCoAuthored(ctx context.Context, conn *pgx.Conn) error {
	found, err := ids(conn.Query(ctx, `
		select distinct v.thing from flattr_part x join thing_split_part p on p.id = x.part join thing_split v on v.id = p.split
		where x.period = $1`, b.period))
	if err != nil || len(found) == 0 {
		return err
	}
	b.coAuthored = map[int64]bool{}
	for _, thing := range found {
		b.coAuthored[thing] = true
	}
	return nil
}

// readTakers reads who takes what of the givers' flattrs on co-authored things.
func (p *piece) readTakers(ctx context.Context, after, upto int64) error {
	type row struct {
		Giver, Thing, ID int64
		Payee            string
		Weight           int64
	}
	found, err := rows[row](p.conn.Query(ctx, `
		select x.giver, v.thing, p.id, p.payee, p.weight::bigint
		from flattr_part x join flattr f on f.id = x.flattr and f.period = x.period and f.state = 'accepted'
		join thing_split_part p on p.id = x.part join thing_split v on v.id = p.split
		where x.period = $1 and x.state = 'accepted' and x.giver > $2 and x.giver <= $3`, p.b.period, after, upto))
	p.takers = map[shareKey][]taker{}
	for _, r := range found {
		key := shareKey{r.Giver, r.Thing}
		p.takers[key] = append(p.takers[key], taker{r.ID, r.Payee, r.Weight})
	}
	return err
}

// divideShare divides a giver's share of a co-authored thing. One that wasn't asked about as such, because it was
// flattred before this instance knew, is the payee's.
func (p *piece) divideShare(period, giver string, c click, amount int64) {
	key := shareKey{c.giver, c.thing}
	takers := p.takers[key]
	if len(takers) == 0 {
		return
	}
	object := p.b.things.all[c.at].object
	weights, ties := make([]int64, len(takers)), make([]Tie, len(takers))
	for i, t := range takers {
		weights[i], ties[i] = t.Weight, tieOf(&p.scratch, period, giver, object, t.Payee)
	}
	for i, part := range SplitByTie(amount, weights, ties) {
		p.divided = append(p.divided, dividedShare{key, takers[i].ID, part})
	}
}

// takeOut leaves of each thing what its payee alone gets. A share's parts stand together.
func (c *catalogue) takeOut(divided []dividedShare) {
	for _, parts := range chunkBy(divided, func(d dividedShare) shareKey { return d.shareKey }) {
		g := &c.all[c.at[parts[0].thing]]
		g.flattrs--
		for _, d := range parts {
			g.amount -= d.amount
		}
	}
}

// SplitByTie divides a share's micro-units over its takers' weights by largest remainder, ties by hash (protocol §7): it
// is the same in whatever order they come. It panics as SplitByWeight does.
func SplitByTie(amount int64, weights []int64, ties []Tie) []int64 {
	order := make([]place, len(weights))
	for i := range weights {
		order[i] = place{ties[i], i}
	}
	slices.SortFunc(order, func(a, b place) int { return bytes.Compare(a.tie[:], b.tie[:]) })
	sorted := make([]int64, len(weights))
	for k, o := range order {
		sorted[k] = weights[o.i]
	}
	parts := make([]int64, len(weights))
	for k, part := range SplitByWeight(amount, sorted) {
		parts[order[k].i] = part
	}
	return parts
}

// PartTie is the tie of an author's part of a flattr: SHA-256 over month, giver, thing and payee (IRIs), each preceded
// by its length.
func PartTie(period, giver, thing, payee string) Tie {
	return tieOf(new([]byte), period, giver, thing, payee)
}

// givenParts are what the month gave each author, to stand beside what it gave the things that have one payee.
func (b *building) givenParts(ctx context.Context, conn *pgx.Conn) ([]given, error) {
	if len(b.divided) == 0 {
		return nil, nil
	}
	of := map[int64]sum{}
	for _, d := range b.divided {
		s := of[d.part]
		of[d.part] = sum{flattrs: s.flattrs + 1, amount: s.amount + d.amount}
	}
	var parts []int64
	for id := range of {
		parts = append(parts, id)
	}
	type author struct {
		ID           int64
		Object       string
		Payee        string
		Split        int32
		Member, Peer int64
	}
	found, err := rows[author](conn.Query(ctx, `
		select p.id, t.iri as object, p.payee, v.version as split, coalesce(p.member, 0) as member, coalesce(p.peer, 0) as peer
		from thing_split_part p join thing_split v on v.id = p.split join thing t on t.id = v.thing
		where p.id = any($1) order by p.id`, parts))
	all := make([]given, len(found))
	for i, a := range found {
		all[i] = given{object: a.Object, payee: a.Payee, split: a.Split, member: a.Member, peer: a.Peer,
			flattrs: of[a.ID].flattrs, amount: of[a.ID].amount}
	}
	return all, err
}

// giversOf are whose shares were divided, which are sorted by giver.
func giversOf(divided []dividedShare) (givers []int64) {
	for _, mine := range chunkBy(divided, func(d dividedShare) int64 { return d.giver }) {
		givers = append(givers, mine[0].giver)
	}
	return givers
}

// storeParts makes the divided shares the books: each share's parts are all of it.
func (tx *Tx) storeParts(ctx context.Context, b *building) error {
	if len(b.divided) == 0 {
		return nil
	}
	slices.SortFunc(b.divided, func(x, y dividedShare) int {
		return cmp.Or(cmp.Compare(x.giver, y.giver), cmp.Compare(x.thing, y.thing), cmp.Compare(x.part, y.part))
	})
	if _, err := tx.CopyFrom(ctx, pgx.Identifier{"share_part"}, []string{"giver", "thing", "period", "part", "amount"},
		pgx.CopyFromSlice(len(b.divided), func(i int) ([]any, error) {
			d := b.divided[i]
			return []any{d.giver, d.thing, b.period, d.part, d.amount}, nil
		})); err != nil {
		return err
	}
	var wrong int64
	givers := giversOf(b.divided) // other givers' are in other parts of the settlement
	if err := tx.QueryRow(ctx, fmt.Sprintf(`
		select count(*) from (select giver, thing, sum(amount) as amount from share_part where period = $1 and giver = any($2) group by giver, thing) k
		left join %s s on s.giver = k.giver and s.thing = k.thing where s.amount is distinct from k.amount`, b.table()), b.period, givers).Scan(&wrong); err != nil {
		return err
	}
	if wrong > 0 {
		return fmt.Errorf("%w: settlement of %s: parts of %d shares aren't all of them", ErrInvariant, b.period, wrong)
	}
	return nil
}
