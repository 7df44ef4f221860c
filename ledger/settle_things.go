package ledger

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/jackc/pgx/v5"
)

// catalogue are the things that a month's flattrs are on. Each is read once, by whichever worker meets it
// first; where there are few in all they are read together before, which is a tenth of the work.
type catalogue struct {
	mu  sync.RWMutex
	at  map[int64]int32 // by id: the place in all
	all []given         // flattrs and amount are left at zero
}

// catalogueAtOnce is how many things are read together, whether they were flattred or not.
const catalogueAtOnce = 250_000

const thingsQuery = `select id, iri, payee, coalesce(member, 0), coalesce(peer, 0) from thing`

// fill reads all things if there are few. PostgreSQL's own estimate is good enough for that.
func (c *catalogue) fill(ctx context.Context, conn *pgx.Conn) error {
	var few bool
	if err := conn.QueryRow(ctx, `
		select reltuples between 0 and $1 from pg_class where oid = 'thing'::regclass`, catalogueAtOnce).Scan(&few); err != nil || !few {
		return err
	}
	return c.take(conn.Query(ctx, thingsQuery))
}

// take adds what a query found.
func (c *catalogue) take(found pgx.Rows, err error) error {
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	var id int64
	var g given
	_, err = pgx.ForEachRow(found, []any{&id, &g.object, &g.payee, &g.member, &g.peer}, func() error {
		if _, ok := c.at[id]; !ok { // else another worker was faster
			c.at[id] = int32(len(c.all))
			c.all = append(c.all, g)
		}
		return nil
	})
	return err
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

// gather returns what each thing got, sorted by payee and object. Payees are sorted first, because they are
// few: comparing all things by two texts takes longer.
func (c *catalogue) gather(workers [][]sum) []given {
	byPayee := map[string][]given{}
	for at, g := range c.all {
		for _, sums := range workers {
			if at < len(sums) {
				g.flattrs += sums[at].flattrs
				g.amount += sums[at].amount
			}
		}
		if g.flattrs > 0 {
			byPayee[g.payee] = append(byPayee[g.payee], g)
		}
	}
	all := make([]given, 0, len(c.all))
	for _, payee := range slices.Sorted(maps.Keys(byPayee)) {
		mine := byPayee[payee]
		slices.SortFunc(mine, func(x, y given) int { return cmp.Compare(x.object, y.object) })
		all = append(all, mine...)
	}
	return all
}
