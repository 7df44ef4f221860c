package journal_test

import (
	"context"
	"errors"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/fedflattr/flattrd/ledger/journal"
)

// TestLatePostings: what is posted last is judged with COMMIT, and what doesn't fit is done again from the start.
// Each case begins with 100 on alice's account and says what bob and alice have then, and how often it was run.
func TestLatePostings(t *testing.T) {
	t.Parallel()
	alice, bob := journal.Account{Kind: journal.Means, Owner: 1}, journal.Account{Kind: journal.Means, Owner: 2}
	pay := func(ref, amount int64) journal.Entry { return move(ref, alice, bob, amount) }
	var broken *pgconn.PgError
	stop := errors.New("stop")
	for name, c := range map[string]struct {
		do         func(ctx context.Context, tx pgx.Tx, post func(...journal.Entry) error) error
		want       func(error) bool
		alice, bob string
		runs       int
	}{
		"alone": {func(_ context.Context, _ pgx.Tx, post func(...journal.Entry) error) error { return post(pay(2, 30)) },
			nil, "70/0", "30/0", 1},
		"several": {func(_ context.Context, _ pgx.Tx, post func(...journal.Entry) error) error {
			return errors.Join(post(pay(2, 30)), post(pay(3, 20), pay(4, 10)))
		}, nil, "40/0", "60/0", 1},
		"after a statement": {func(ctx context.Context, tx pgx.Tx, post func(...journal.Entry) error) error {
			_, err := tx.Exec(ctx, `select $1::int`, 1)
			return errors.Join(err, post(pay(2, 30)))
		}, nil, "70/0", "30/0", 1},
		"read afterwards": {func(ctx context.Context, tx pgx.Tx, post func(...journal.Entry) error) error {
			err := post(pay(2, 30))
			if b, read := journal.BalanceOf(ctx, tx, bob, "EUR"); read != nil || b.Posted != 30 {
				err = errors.Join(err, read, errors.New("what was posted isn't read"))
			}
			return err
		}, nil, "70/0", "30/0", 1},
		"too much": {func(_ context.Context, _ pgx.Tx, post func(...journal.Entry) error) error { return post(pay(2, 101)) },
			func(err error) bool { return errors.Is(err, journal.ErrOverdraft) }, "100/0", "0/0", 2},
		"too much together": {func(_ context.Context, _ pgx.Tx, post func(...journal.Entry) error) error {
			return errors.Join(post(pay(2, 60)), post(pay(3, 60)))
		}, func(err error) bool { return errors.Is(err, journal.ErrOverdraft) }, "100/0", "0/0", 2},
		"too much, then a statement": {func(ctx context.Context, tx pgx.Tx, post func(...journal.Entry) error) error {
			if err := post(pay(2, 101)); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, `select 1; select 2`)
			return err
		}, func(err error) bool { return errors.Is(err, journal.ErrOverdraft) }, "100/0", "0/0", 2},
		"known": {func(_ context.Context, _ pgx.Tx, post func(...journal.Entry) error) error {
			return post(move(1, journal.Account{Kind: journal.Bank}, alice, 100))
		}, nil, "100/0", "0/0", 2},
		"before what fails": {func(ctx context.Context, tx pgx.Tx, post func(...journal.Entry) error) error {
			err := post(pay(2, 30))
			_, failed := tx.Exec(ctx, `select $1::int / 0`, 1)
			return errors.Join(err, failed)
		}, func(err error) bool { return errors.As(err, &broken) && broken.Code == "22012" }, "100/0", "0/0", 1},
		"given up": {func(_ context.Context, _ pgx.Tx, post func(...journal.Entry) error) error {
			return errors.Join(post(pay(2, 30)), stop)
		}, func(err error) bool { return errors.Is(err, stop) }, "100/0", "0/0", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool := empty(t)
			if err := errors.Join(post(pool, move(1, journal.Account{Kind: journal.Bank}, alice, 100)),
				post(pool, pay(9, 1)), post(pool, move(10, bob, alice, 1))); err != nil { // both have accounts
				t.Fatal(err)
			}
			runs := 0
			err := journal.Pool{Pool: pool}.Do(t.Context(), func(tx pgx.Tx) error {
				runs++
				return c.do(t.Context(), tx, func(entries ...journal.Entry) error {
					return journal.Post(t.Context(), journal.Book{Tx: tx, At: noon, Period: "2026-11", Currency: "EUR"}, entries...)
				})
			})
			if c.want == nil && err != nil || c.want != nil && !c.want(err) {
				t.Errorf("%v", err)
			}
			if a, b := say(t, pool, alice), say(t, pool, bob); a != c.alice || b != c.bob || runs != c.runs {
				t.Errorf("alice %s, bob %s, %d runs; want %s, %s, %d", a, b, runs, c.alice, c.bob, c.runs)
			}
			free(t, pool)
		})
	}
}

// free: no transaction holds a connection any more.
func free(t *testing.T, pool *pgxpool.Pool) {
	t.Helper()
	if held := pool.Stat().AcquiredConns(); held != 0 {
		t.Errorf("%d connections are held", held)
	}
}

// TestLateWithoutConnection: nothing is done, and nothing can be afterwards.
func TestLateWithoutConnection(t *testing.T) {
	t.Parallel()
	pool := empty(t)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	err := journal.Pool{Pool: pool}.Do(gone, func(tx pgx.Tx) error {
		return journal.Post(gone, journal.Book{Tx: tx, At: noon, Period: "2026-11", Currency: "EUR"},
			move(1, journal.Account{Kind: journal.Bank}, journal.Account{Kind: journal.Means, Owner: 1}, 5))
	})
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	free(t, pool)
}
