package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/fedflattr/flattrd/ledger"
	"github.com/fedflattr/flattrd/ledger/journal"
)

// Slots says how long and how often each path of the journal is driven.
type Slots struct {
	Seconds float64 // each
	Rounds  int     // all paths in turn, so that what else the machine does hits them alike; medians are told
}

// Transfers is what the journal does, against what the database does at least. Durable is what the server
// says of fsync and synchronous_commit: where one is off, nothing here counts.
type Transfers struct {
	Durable map[string]string `json:"durable"`
	Single  []Versus          `json:"single"` // a transfer against one UPDATE by key and one INSERT
	Hot     Versus            `json:"hot"`    // all into one account, against accounts of their own
	RowLock Load              `json:"hotWithoutCommitter"`
	Batch   Versus            `json:"batch"`   // journal.MostInBatch transfers a call, against single ones
	Deposit Versus            `json:"deposit"` // the use case, which writes more than its transfer, against the bare transaction
	Made    int64             `json:"transfers"`
}

// Versus is a path and what it is held against. Ratio is the median of the rounds' own ratios of rates.
type Versus struct {
	Writers int     `json:"writers"`
	Ours    Load    `json:"ours"`
	Against Load    `json:"against"`
	Ratio   float64 `json:"ratio"`
}

const (
	holders  = 1000 // members with means
	manyWrit = 32
	firstRef = 1 << 40 // of transfers that book no row
)

// Journal drives transfers through an empty database's tables: every path in every round.
func Journal(ctx context.Context, pool *pgxpool.Pool, outbox ledger.Outbox, s Slots) (t Transfers, err error) {
	config := pool.Config()
	config.MaxConns = manyWrit + 4
	if pool, err = pgxpool.NewWithConfig(ctx, config); err != nil {
		return t, err
	}
	defer pool.Close()
	d, err := newDesk(ctx, pool, outbox)
	if err != nil {
		return t, err
	}
	paths := d.paths()
	measured := make([][]Load, len(paths))
	for round := range s.Rounds {
		for i, p := range paths {
			l, err := drive(ctx, p.writers, p.each, s.Seconds, p.step)
			if err != nil {
				return t, fmt.Errorf("%s, round %d: %w", p.name, round, err)
			}
			measured[i] = append(measured[i], l)
		}
	}
	t.Made = d.made.Load()
	return t, d.tell(ctx, &t, paths, measured)
}

// path is one way in which money, or what stands for it, is moved.
type path struct {
	name    string
	writers int
	each    int // transfers of a step
	step    func(ctx context.Context, writer int) error
}

// paths are in the order in which tell reads them: each beside what it is compared with.
func (d *desk) paths() []path {
	return []path{
		{"bare", 1, 1, d.bare}, {"single", 1, 1, d.single},
		{"bare", 8, 1, d.bare}, {"single", 8, 1, d.single},
		{"bare", manyWrit, 1, d.bare}, {"single", manyWrit, 1, d.single},
		{"distinct", manyWrit, 1, d.distinct}, {"hot", manyWrit, 1, d.hot}, {"rowLock", manyWrit, 1, d.rowLock},
		{"batch", 2, journal.MostInBatch, d.batch}, {"deposit", manyWrit, 1, d.deposit},
	}
}

func (d *desk) tell(ctx context.Context, t *Transfers, paths []path, measured [][]Load) error {
	versus := func(ours, against int) Versus {
		ratios := make([]float64, len(measured[ours]))
		for i := range ratios {
			ratios[i] = measured[ours][i].Rate / measured[against][i].Rate
		}
		return Versus{Writers: paths[ours].writers, Ours: inTheMiddle(measured[ours]), Against: inTheMiddle(measured[against]),
			Ratio: median(ratios, func(r float64) float64 { return r })}
	}
	t.Single = []Versus{versus(1, 0), versus(3, 2), versus(5, 4)}
	t.Hot, t.RowLock, t.Batch, t.Deposit = versus(7, 6), inTheMiddle(measured[8]), versus(9, 5), versus(10, 4)
	t.Durable = map[string]string{}
	for _, name := range []string{"fsync", "synchronous_commit"} {
		var v string
		if err := d.pool.QueryRow(ctx, `select current_setting($1)`, name).Scan(&v); err != nil {
			return err
		}
		t.Durable[name] = v
	}
	return nil
}

func inTheMiddle(all []Load) Load { return median(all, func(l Load) float64 { return l.Rate }) }

// desk is where transfers are asked for.
type desk struct {
	pool     *pgxpool.Pool
	ledger   *ledger.Ledger
	operator int64
	together *journal.Committer[journal.Entry, int64, struct{}]
	made     atomic.Int64
}

// newDesk makes an instance with members who have means enough, and the bare tables.
func newDesk(ctx context.Context, pool *pgxpool.Pool, outbox ledger.Outbox) (*desk, error) {
	if err := ledger.Create(ctx, pool, ledger.Instance{Host: "bench.example", BaseURL: base, Name: "bench", Currency: "EUR",
		Reciprocity: ledger.ReciprocityOff, GraceSeconds: 86400}, within); err != nil {
		return nil, err
	}
	l, err := ledger.Open(ctx, ledger.Options{Pool: pool, Now: func() time.Time { return within }, Outbox: outbox})
	if err != nil {
		return nil, err
	}
	op, err := l.CreateOperator(ctx, ledger.Joining{Name: "op", PasswordHash: "x", Language: "en"})
	if err != nil {
		return nil, err
	}
	for _, sql := range []string{`
		insert into member (name, display_name, password_hash, language, role, budget, created_at)
		select 'holder' || n, 'holder' || n, 'x', 'en', 'member', 1000000000000, '2026-10-15' from generate_series(1, ` + fmt.Sprint(holders) + `) n`,
		`create table bench_account (id bigint primary key, balance bigint not null) with (fillfactor = 50)`,
		`insert into bench_account select n, 0 from generate_series(1, ` + fmt.Sprint(holders) + `) n`,
		`create table bench_entry (account bigint not null, amount bigint not null, at timestamptz not null)`} {
		if _, err := pool.Exec(ctx, sql); err != nil {
			return nil, err
		}
	}
	if err := PayIn(ctx, pool, period, 1); err != nil {
		return nil, err
	}
	if _, err := pool.Exec(ctx, `update member set budget = 0`); err != nil { // a deposit is one transfer then
		return nil, err
	}
	d := &desk{pool: pool, ledger: l, operator: op.ID}
	d.together = journal.NewCommitter(func(e journal.Entry) int64 { return e.Ref }, d.commit)
	_, err = pool.Exec(ctx, "vacuum analyze")
	return d, err
}

// commit is the least use case: transfers and nothing else.
func (d *desk) commit(ctx context.Context, entries []journal.Entry) ([]journal.Verdict[struct{}], error) {
	verdicts := make([]journal.Verdict[struct{}], len(entries))
	return verdicts, journal.Pool{Pool: d.pool}.Do(ctx, func(tx pgx.Tx) error {
		errs, err := journal.PostEach(ctx, d.book(tx), entries...)
		for i := range errs {
			verdicts[i].Err = errs[i]
		}
		return err
	})
}

func (d *desk) book(tx pgx.Tx) journal.Book {
	return journal.Book{Tx: tx, At: within, Period: period, Currency: "EUR"}
}

// bare is the least that a durable change of a balance with a line for it can be.
func (d *desk) bare(ctx context.Context, _ int) error {
	account := rand.Int64N(holders) + 1
	return pgx.BeginFunc(ctx, d.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `update bench_account set balance = balance + $2 where id = $1`, account, 1); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `insert into bench_entry (account, amount, at) values ($1, $2, $3)`, account, 1, within)
		return err
	})
}

// move is a new transfer of a micro-unit.
func (d *desk) move(from, to journal.Account) journal.Entry {
	return journal.Entry{Kind: "deposit", Ref: firstRef + d.made.Add(1), Phase: journal.Single, Debit: from, Credit: to, Amount: 1}
}

// holder is the means of one of the members; the operator is the first of all.
func holder(n int) journal.Account {
	return journal.Account{Kind: journal.Means, Owner: int64(n%holders) + 2}
}

func (d *desk) random() journal.Entry {
	from := rand.IntN(holders)
	return d.move(holder(from), holder(from+1+rand.IntN(holders-1)))
}

func (d *desk) single(ctx context.Context, _ int) error {
	_, err := d.together.Commit(ctx, d.random())
	return err
}

func (d *desk) distinct(ctx context.Context, writer int) error {
	_, err := d.together.Commit(ctx, d.move(holder(2*writer), holder(2*writer+1)))
	return err
}

func (d *desk) hot(ctx context.Context, writer int) error {
	_, err := d.together.Commit(ctx, d.move(journal.Account{Kind: journal.Bank}, holder(writer)))
	return err
}

// rowLock is hot with a transaction for each transfer, all of which wait for the same row.
func (d *desk) rowLock(ctx context.Context, writer int) error {
	return journal.Pool{Pool: d.pool}.Do(ctx, func(tx pgx.Tx) error {
		return journal.Post(ctx, d.book(tx), d.move(journal.Account{Kind: journal.Bank}, holder(writer)))
	})
}

func (d *desk) batch(ctx context.Context, _ int) error {
	entries := make([]journal.Entry, journal.MostInBatch)
	for i := range entries {
		entries[i] = d.random()
	}
	return journal.Pool{Pool: d.pool}.Do(ctx, func(tx pgx.Tx) error { return journal.Post(ctx, d.book(tx), entries...) })
}

func (d *desk) deposit(ctx context.Context, writer int) error {
	_, err := d.ledger.RecordDeposit(ctx, d.operator, fmt.Sprintf("holder%d", writer+1), 10_000, fmt.Sprintf("bench %x", rand.Uint64()))
	return err
}
