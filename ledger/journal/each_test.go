package journal_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"pgregory.net/rapid"

	"github.com/fedflattr/flattrd/ledger/journal"
)

// TestVerdicts: entries of one batch that have nothing to do with each other.
func TestVerdicts(t *testing.T) {
	t.Parallel()
	pool := empty(t)
	batch := []struct {
		entry journal.Entry
		want  error
	}{
		{move(1, bank, alice, 100), nil},
		{move(1, bank, alice, 100), nil},
		{move(1, bank, alice, 101), journal.ErrReused},
		{move(2, alice, bob, 101), journal.ErrOverdraft},
		{move(2, alice, bob, 60), nil}, // the key was refused with another body, and so is free
		{move(3, alice, anna, 41), journal.ErrOverdraft},
		{move(4, bank, bank, 5), journal.ErrMalformed},
		{move(5, bank, journal.Account{Kind: "pocket"}, 5), journal.ErrMalformed},
		{move(6, bank, alice, 0), journal.ErrMalformed},
		{hold(7, alice, clearing, 40), nil},
		{hold(8, alice, clearing, 1), journal.ErrOverdraft},
		{part(7, 41), journal.ErrOverdraft},
		{void(9), journal.ErrPending},
		{part(7, 30), nil}, // of what was reserved in the same batch
		{part(7, 30), nil},
		{void(7), journal.ErrPending},
		{move(10, alice, bob, 10), nil},
	}
	entries := make([]journal.Entry, len(batch))
	for i, b := range batch {
		entries[i] = b.entry
	}
	for _, entries := range [][]journal.Entry{entries, entries} { // what is in the books already gets the same answers
		verdicts, err := postEach(pool, entries...)
		if err != nil {
			t.Fatal(err)
		}
		for i, b := range batch {
			want := b.want
			if entries[i] == move(2, alice, bob, 101) && say(t, pool, bob) != "70/0" {
				t.Error("bob has", say(t, pool, bob))
			}
			if !errors.Is(verdicts[i], want) && !errors.Is(verdicts[i], journal.ErrReused) || (want == nil) != (verdicts[i] == nil) {
				t.Errorf("%+v: %v, want %v", entries[i], verdicts[i], want)
			}
		}
		if a, b, c := say(t, pool, alice), say(t, pool, bob), say(t, pool, clearing); a != "0/0" || b != "70/0" || c != "30/0" {
			t.Errorf("alice %s, bob %s, clearing %s", a, b, c)
		}
	}
}

func postEach(pool *pgxpool.Pool, entries ...journal.Entry) (verdicts []error, err error) {
	ctx := context.Background()
	return verdicts, journal.Pool{Pool: pool}.Do(ctx, func(tx pgx.Tx) (err error) {
		verdicts, err = journal.PostEach(ctx, journal.Book{Tx: tx, At: noon, Period: "2026-11", Currency: "EUR"}, entries...)
		return err
	})
}

// numbered is an entry that is known by when it was asked for.
type numbered struct {
	n int
	journal.Entry
}

func (n numbered) number() int { return n.n }

// clerk commits entries in batches and notes in which order.
type clerk struct {
	pool   *pgxpool.Pool
	mu     sync.Mutex
	done   []numbered
	errs   []error
	larger int // batches of more than one
}

func (c *clerk) batch(ctx context.Context, all []numbered) (verdicts []journal.Verdict[struct{}], err error) {
	for range 8 {
		if verdicts, err = c.once(ctx, all); !journal.GaveWay(err) {
			break
		}
	}
	return verdicts, err
}

func (c *clerk) once(ctx context.Context, all []numbered) ([]journal.Verdict[struct{}], error) {
	entries := make([]journal.Entry, len(all))
	for i, n := range all {
		entries[i] = n.Entry
	}
	var errs []error
	err := journal.Pool{Pool: c.pool}.Do(ctx, func(tx pgx.Tx) (err error) {
		errs, err = journal.PostEach(ctx, journal.Book{Tx: tx, At: noon, Period: "2026-11", Currency: "EUR"}, entries...)
		return err
	})
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	c.done, c.errs = append(c.done, all...), append(c.errs, errs...)
	c.larger += min(1, len(all)-1)
	c.mu.Unlock()
	verdicts := make([]journal.Verdict[struct{}], len(all))
	for i := range errs {
		verdicts[i].Err = errs[i]
	}
	return verdicts, nil
}

// TestCommitterAgainstOneByOne: what many ask for at once, in batches, comes to the same verdicts and balances as
// if it were posted one by one in that order: with repetitions, conflicts and overdrafts.
func TestCommitterAgainstOneByOne(t *testing.T) {
	t.Parallel()
	h := &history{together: &clerk{pool: empty(t)}, alone: empty(t)}
	rapid.Check(t, h.round)
	if h.together.larger == 0 {
		t.Error("no batch had more than one entry")
	}
}

// history is the same in two books.
type history struct {
	together *clerk
	alone    *pgxpool.Pool
	refs     int64
	known    []journal.Entry
}

func (h *history) round(t *rapid.T) {
	all := h.draw(t)
	c := journal.NewCommitter(numbered.number, h.together.batch)
	verdicts := make([]error, len(all))
	var wait sync.WaitGroup
	for n, e := range all {
		wait.Go(func() { _, verdicts[n] = c.Commit(context.Background(), numbered{n, e}) })
	}
	wait.Wait()
	done, errs := h.together.done, h.together.errs
	h.together.done, h.together.errs = nil, nil
	if len(done) != len(all) {
		t.Fatalf("%d of %d were done", len(done), len(all))
	}
	for i, d := range done {
		if got, want := class(verdicts[d.n]), class(post(h.alone, d.Entry)); got != want || got != class(errs[i]) {
			t.Fatalf("%+v: %v together, %v alone", d.Entry, verdicts[d.n], want)
		}
		h.known = append(h.known, d.Entry)
	}
	if a, b := standings(t, h.together.pool), standings(t, h.alone); !maps.Equal(a, b) {
		t.Fatalf("together %v, alone %v", a, b)
	}
}

func (h *history) draw(t *rapid.T) []journal.Entry {
	b := &books{refs: h.refs, order: h.known[max(0, len(h.known)-30):]}
	all := make([]journal.Entry, rapid.IntRange(1, 40).Draw(t, "entries"))
	for i := range all {
		all[i] = b.draw(t, all[:i])
	}
	h.refs = b.refs
	return all
}

func class(err error) error {
	for _, known := range []error{journal.ErrOverdraft, journal.ErrReused, journal.ErrPending, journal.ErrMalformed} {
		if errors.Is(err, known) {
			return known
		}
	}
	return err
}

// standings are the totals of all accounts that aren't empty, and the number of transfers.
func standings(t *rapid.T, pool *pgxpool.Pool) map[journal.Account]totals {
	rows, err := pool.Query(context.Background(), `
		select kind, owner, debits_posted, credits_posted, debits_pending, credits_pending from account
		where greatest(debits_posted, credits_posted, debits_pending, credits_pending) > 0
		union all select 'transfers', 0, count(*), 0, 0, 0 from transfer
		union all select 'keys', 0, count(*), 0, 0, 0 from transfer_key`)
	if err != nil {
		t.Fatal(err)
	}
	all := map[journal.Account]totals{}
	var a journal.Account
	var v totals
	if _, err := pgx.ForEachRow(rows, []any{&a.Kind, &a.Owner, &v.debits, &v.credits, &v.debitsPending, &v.creditsPending}, func() error {
		all[a] = v
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return all
}

// TestOnlyTheUnansweredIsLost: connections are cut while many post into one account. What was answered is in the
// books, what wasn't can be asked for again, and all is there once.
func TestOnlyTheUnansweredIsLost(t *testing.T) {
	t.Parallel()
	pool, ctx := empty(t), context.Background()
	saboteur, err := pgx.Connect(ctx, pool.Config().ConnString())
	if err != nil {
		t.Fatal(err)
	}
	defer saboteur.Close(ctx)
	c := journal.NewCommitter(numbered.number, (&clerk{pool: pool}).batch)
	const writers, each = 16, 40
	var all sync.WaitGroup
	var cut sync.WaitGroup
	stop := make(chan struct{})
	failed := make([]int, writers)
	for w := range writers {
		all.Go(func() {
			for n := range each {
				ref := int64(w*each + n + 1)
				_, err := c.Commit(ctx, numbered{int(ref), move(ref, bank, alice, ref)})
				for ; err != nil; _, err = c.Commit(ctx, numbered{int(ref), move(ref, bank, alice, ref)}) {
					failed[w]++
				}
			}
		})
	}
	cut.Go(func() {
		for range 12 {
			select {
			case <-stop:
				return
			case <-time.After(5 * time.Millisecond):
				_, _ = saboteur.Exec(ctx, `
					select pg_terminate_backend(pid) from pg_stat_activity
					where datname = current_database() and pid <> pg_backend_pid()`)
			}
		}
	})
	all.Wait()
	close(stop)
	cut.Wait()
	var lost int
	for _, n := range failed {
		lost += n
	}
	if lost == 0 {
		t.Error("nothing was cut")
	}
	const sum = writers * each * (writers*each + 1) / 2
	if got := say(t, pool, alice); got != fmt.Sprintf("%d/0", sum) {
		t.Errorf("alice has %s, want %d", got, sum)
	}
}
