package ledger

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"
)

// catalogue are the things that a month's flattrs are on. Each is read once, by whichever worker meets it
// first; where there are few in all they are read together before, which is a tenth of the work.
type catalogue struct {
	mu     sync.RWMutex
	at     map[int64]int32   // by id: the place in all
	all    []given           // flattrs and amount are zero until all is gathered
	payees map[string]string // each payee's text once
}

func newCatalogue() catalogue {
	return catalogue{at: map[int64]int32{}, payees: map[string]string{}}
}

// catalogueAtOnce is how many things are read together, whether they were flattred or not.
const catalogueAtOnce = 250_000

const thingsQuery = `select id, iri, payee, coalesce(member, 0), coalesce(peer, 0) from thing`

// fill reads all things if there are few. PostgreSQL's own estimate is good enough for that.
func (c *catalogue) fill(ctx context.Context, conn *pgx.Conn) error {
	var about int
	if err := conn.QueryRow(ctx, `
		select greatest(reltuples, -1)::bigint from pg_class where oid = 'thing'::regclass`).Scan(&about); err != nil || about < 0 || about > catalogueAtOnce {
		return err
	}
	c.mu.Lock()
	c.at, c.all = make(map[int64]int32, about), make([]given, 0, about)
	c.mu.Unlock()
	return c.take(conn.Query(ctx, thingsQuery))
}

// take adds what a query found.
func (c *catalogue) take(found pgx.Rows, err error) error {
	if err != nil {
		return err
	}
	defer found.Close()
	c.mu.Lock()
	defer c.mu.Unlock()
	for found.Next() { // as they come in binary: scanning by reflection takes twice as long
		v := found.RawValues()
		id := bigint(v[0])
		if _, ok := c.at[id]; ok { // another worker was faster
			continue
		}
		c.at[id] = int32(len(c.all))
		c.all = append(c.all, given{object: string(v[1]), payee: c.payee(v[2]), member: bigint(v[3]), peer: bigint(v[4])})
	}
	return found.Err()
}

func (c *catalogue) payee(text []byte) string {
	payee, ok := c.payees[string(text)]
	if !ok {
		payee = string(text)
		c.payees[payee] = payee
	}
	return payee
}

// place finds each click's thing, and reads those that nobody has met.
func (c *catalogue) place(ctx context.Context, conn *pgx.Conn, clicks []click) error {
	unknown := c.lookUp(clicks)
	if len(unknown) == 0 {
		return nil
	}
	if err := c.take(conn.Query(ctx, thingsQuery+` where id = any($1)`, unknown)); err != nil {
		return err
	}
	c.lookUp(clicks)
	return nil
}

func (c *catalogue) lookUp(clicks []click) (unknown []int64) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	for i := range clicks {
		at, ok := c.at[clicks[i].thing]
		if !ok {
			unknown = append(unknown, clicks[i].thing)
		}
		clicks[i].at = at
	}
	slices.Sort(unknown)
	return slices.Compact(unknown)
}

// sum is what a thing got.
type sum struct{ flattrs, amount int64 }

// gather returns what each thing got, sorted by payee, split and object, and is the end of the catalogue. Payees are
// sorted first, because they are few: comparing all things by two texts takes longer. What was divided is left out of
// its thing's; its authors' parts stand for it.
func (c *catalogue) gather(workers [][]sum, divided []dividedShare, parts []given) []given {
	for _, sums := range workers {
		for at, s := range sums {
			c.all[at].flattrs += s.flattrs
			c.all[at].amount += s.amount
		}
	}
	c.takeOut(divided)
	all := slices.DeleteFunc(c.all, func(g given) bool { return g.flattrs == 0 })
	for i := range parts {
		parts[i].payee = c.payee([]byte(parts[i].payee))
	}
	all = append(all, parts...)
	rank := make(map[string]int, len(c.payees))
	for i, payee := range slices.Sorted(maps.Keys(c.payees)) {
		rank[payee] = i
	}
	for i := range all {
		all[i].rank = rank[all[i].payee]
	}
	slices.SortFunc(all, func(x, y given) int {
		if x.rank != y.rank {
			return x.rank - y.rank
		}
		if x.split != y.split {
			return int(x.split - y.split)
		}
		return strings.Compare(x.object, y.object)
	})
	c.at, c.all, c.payees = nil, nil, nil
	return all
}
