package journal_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/fedflattr/flattrd/ledger/journal"
	"github.com/fedflattr/flattrd/ledger/ledgertest"
)

var noon = time.Date(2026, 11, 10, 12, 0, 0, 0, time.UTC)

var (
	bank       = journal.Account{Kind: journal.Bank}
	clearing   = journal.Account{Kind: journal.Clearing}
	suspense   = journal.Account{Kind: journal.Suspense}
	alice      = journal.Account{Kind: journal.Means, Owner: 1}
	anna       = journal.Account{Kind: journal.Means, Owner: 2}
	bob        = journal.Account{Kind: journal.Earned, Owner: 3}
	payable    = journal.Account{Kind: journal.Payable, Owner: 4}
	receivable = journal.Account{Kind: journal.Receivable, Owner: 4}
)

// move is a single transfer, keyed by ref.
func move(ref int64, debit, credit journal.Account, amount int64) journal.Entry {
	return journal.Entry{Kind: "deposit", Ref: ref, Phase: journal.Single, Debit: debit, Credit: credit, Amount: amount}
}

func hold(ref int64, debit, credit journal.Account, amount int64) journal.Entry {
	return journal.Entry{Kind: "budget", Ref: ref, Phase: journal.Pending, Debit: debit, Credit: credit, Amount: amount}
}

func part(ref, amount int64) journal.Entry {
	return journal.Entry{Kind: "budget", Ref: ref, Phase: journal.Posted, Amount: amount}
}

func void(ref int64) journal.Entry {
	return journal.Entry{Kind: "budget", Ref: ref, Phase: journal.Void}
}

// empty are books without an entry, which take what is booked in November.
func empty(t *testing.T) *pgxpool.Pool {
	t.Helper()
	pool := ledgertest.DB(t)
	if err := pgx.BeginFunc(context.Background(), pool, func(tx pgx.Tx) error {
		return journal.OpenPeriod(context.Background(), tx, "2026-11")
	}); err != nil {
		t.Fatal(err)
	}
	return pool
}

// post posts in a transaction of its own.
func post(pool interface {
	Begin(ctx context.Context) (pgx.Tx, error)
}, entries ...journal.Entry) error {
	ctx := context.Background()
	tx, err := pool.Begin(ctx)
	if err != nil {
		return err
	}
	defer tx.Rollback(ctx)
	if err := journal.Post(ctx, journal.Book{Tx: tx, At: noon, Period: "2026-11", Currency: "EUR"}, entries...); err != nil {
		return err
	}
	return tx.Commit(ctx)
}

// say writes an account's standing: what is posted, and after a slash what of it is reserved.
func say(t *testing.T, pool *pgxpool.Pool, a journal.Account) string {
	t.Helper()
	b, err := journal.BalanceOf(context.Background(), pool, a, "EUR")
	if err != nil {
		t.Fatal(err)
	}
	if b.Free() != b.Posted-b.Reserved {
		t.Errorf("free %d of %+v", b.Free(), b)
	}
	return fmt.Sprintf("%d/%d", b.Posted, b.Reserved)
}

// TestPost plays steps one after the other: what is posted, the error, and how alice, the bank and
// bob stand then.
func TestPost(t *testing.T) {
	t.Parallel()
	pool := empty(t)
	paidIn := move(1, bank, alice, 100)
	for n, step := range []struct {
		what             string
		post             []journal.Entry
		err              error
		alice, bank, bob string
	}{
		{"nothing", nil, nil, "0/0", "0/0", "0/0"},
		{"means before they came", []journal.Entry{move(9, alice, bob, 1)}, journal.ErrOverdraft, "0/0", "0/0", "0/0"},
		{"a bank account can't be taken from either", []journal.Entry{move(9, bob, bank, 1)}, journal.ErrOverdraft, "0/0", "0/0", "0/0"},
		{"paid in", []journal.Entry{paidIn}, nil, "100/0", "100/0", "0/0"},
		{"again", []journal.Entry{paidIn}, nil, "100/0", "100/0", "0/0"},
		{"again, twice in one batch", []journal.Entry{paidIn, paidIn}, nil, "100/0", "100/0", "0/0"},
		{"the key with another amount", []journal.Entry{move(1, bank, alice, 101)}, journal.ErrReused, "100/0", "100/0", "0/0"},
		{"the key for another account", []journal.Entry{move(1, bank, anna, 100)}, journal.ErrReused, "100/0", "100/0", "0/0"},
		{"the key from another account", []journal.Entry{move(1, suspense, alice, 100)}, journal.ErrReused, "100/0", "100/0", "0/0"},
		{"a good entry beside a bad one", []journal.Entry{move(2, bank, alice, 5), move(1, bank, alice, 7)}, journal.ErrReused, "100/0", "100/0", "0/0"},
		{"new twice in one batch", []journal.Entry{move(2, bank, alice, 5), move(2, bank, alice, 5)}, nil, "105/0", "105/0", "0/0"},
		{"new twice and not the same", []journal.Entry{move(3, bank, alice, 5), move(3, bank, alice, 6)}, journal.ErrReused, "105/0", "105/0", "0/0"},
		{"known and new together", []journal.Entry{paidIn, move(3, bank, alice, 5)}, nil, "110/0", "110/0", "0/0"},
		{"in one batch, money may pass through", []journal.Entry{move(4, alice, bob, 115), move(5, bank, alice, 5)}, nil, "0/0", "115/0", "115/0"},
		{"and back", []journal.Entry{move(6, bob, alice, 115)}, nil, "115/0", "115/0", "0/0"},
		{"one too many", []journal.Entry{hold(1, alice, bob, 116)}, journal.ErrOverdraft, "115/0", "115/0", "0/0"},
		{"all of it held", []journal.Entry{hold(1, alice, bob, 115)}, nil, "115/115", "115/0", "0/0"},
		{"held again", []journal.Entry{hold(1, alice, bob, 115)}, nil, "115/115", "115/0", "0/0"},
		{"held otherwise", []journal.Entry{hold(1, alice, bob, 114)}, journal.ErrReused, "115/115", "115/0", "0/0"},
		{"what is held can't be spent", []journal.Entry{move(7, alice, bob, 1)}, journal.ErrOverdraft, "115/115", "115/0", "0/0"},
		{"nor held again", []journal.Entry{hold(2, alice, clearing, 1)}, journal.ErrOverdraft, "115/115", "115/0", "0/0"},
		{"nor is it there for who will get it", []journal.Entry{move(7, bob, alice, 1)}, journal.ErrOverdraft, "115/115", "115/0", "0/0"},
		{"more posted than held", []journal.Entry{part(1, 116)}, journal.ErrOverdraft, "115/115", "115/0", "0/0"},
		{"a hold that isn't there", []journal.Entry{part(2, 1)}, journal.ErrPending, "115/115", "115/0", "0/0"},
		{"one of another kind", []journal.Entry{{Kind: "payment", Ref: 1, Phase: journal.Void}}, journal.ErrPending, "115/115", "115/0", "0/0"},
		{"posted and released at once", []journal.Entry{part(1, 15), void(1)}, journal.ErrPending, "115/115", "115/0", "0/0"},
		{"a part posted, the rest released", []journal.Entry{part(1, 15)}, nil, "100/0", "115/0", "15/0"},
		{"posted again", []journal.Entry{part(1, 15)}, nil, "100/0", "115/0", "15/0"},
		{"posted otherwise", []journal.Entry{part(1, 16)}, journal.ErrReused, "100/0", "115/0", "15/0"},
		{"released after it was posted", []journal.Entry{void(1)}, journal.ErrPending, "100/0", "115/0", "15/0"},
		{"held and released", []journal.Entry{hold(3, alice, bob, 40)}, nil, "100/40", "115/0", "15/0"},
		{"released", []journal.Entry{void(3), void(3)}, nil, "100/0", "115/0", "15/0"},
		{"released again", []journal.Entry{void(3)}, nil, "100/0", "115/0", "15/0"},
		{"posted after it was released", []journal.Entry{part(3, 1)}, journal.ErrPending, "100/0", "115/0", "15/0"},
		{"a smaller hold replaced by a larger one", []journal.Entry{hold(4, alice, bob, 60)}, nil, "100/60", "115/0", "15/0"},
		{"in one batch", []journal.Entry{void(4), hold(5, alice, bob, 100)}, nil, "100/100", "115/0", "15/0"},
		{"the bank's money held", []journal.Entry{void(5), hold(6, bob, bank, 15)}, nil, "100/0", "115/15", "15/15"},
		{"all but that may go", []journal.Entry{hold(7, alice, bank, 101)}, journal.ErrOverdraft, "100/0", "115/15", "15/15"},
		{"exactly", []journal.Entry{hold(7, alice, bank, 100)}, nil, "100/100", "115/115", "15/15"},
		{"a suspense account may stand on either side", []journal.Entry{move(8, suspense, alice, 9)}, nil, "109/100", "115/115", "15/15"},
	} {
		err := post(pool, step.post...)
		if !errors.Is(err, step.err) {
			t.Fatalf("step %d, %s: %v; want %v", n, step.what, err, step.err)
		}
		if a, b, c := say(t, pool, alice), say(t, pool, bank), say(t, pool, bob); a != step.alice || b != step.bank || c != step.bob {
			t.Fatalf("step %d, %s: alice %s, bank %s, bob %s; want %s, %s, %s", n, step.what, a, b, c, step.alice, step.bank, step.bob)
		}
	}
}

// TestRefusalsNameTheAccount: the rules stand in Go, so that the refusal says more than a CHECK can.
func TestRefusalsNameTheAccount(t *testing.T) {
	t.Parallel()
	pool := empty(t)
	for _, c := range []struct {
		entry journal.Entry
		says  string
	}{
		{move(1, alice, bob, 1), "journal: overdraft: means of 1"},
		{move(1, bob, suspense, 1), "journal: overdraft: earned of 3"},
		{move(1, suspense, bank, 1), "journal: overdraft: bank of 0"},
		{part(8, 1), "journal: no such reservation: budget 8"},
		{move(1, bank, alice, 0), "journal: malformed entry: amount 0 of deposit 1"},
		{move(1, bank, alice, -5), "journal: malformed entry: amount -5 of deposit 1"},
		{move(1, bank, bank, 5), "journal: malformed entry: deposit 1 from bank of 0 to itself"},
		{move(1, bank, journal.Account{Kind: "pocket"}, 5), `journal: malformed entry: deposit 1 and an account of kind "pocket"`},
		{journal.Entry{Kind: "gift", Ref: 1, Phase: journal.Single, Debit: bank, Credit: alice, Amount: 5}, "transfer_kind_check"},
	} {
		if err := post(pool, c.entry); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%+v: %v; want %q", c.entry, err, c.says)
		}
	}
}

// TestCurrenciesDontMix: an account is of one currency; the same owner's in another is another.
func TestCurrenciesDontMix(t *testing.T) {
	t.Parallel()
	pool, ctx := empty(t), context.Background()
	if err := post(pool, move(1, bank, alice, 100)); err != nil {
		t.Fatal(err)
	}
	tx, err := pool.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(ctx)
	err = journal.Post(ctx, journal.Book{Tx: tx, At: noon, Period: "2026-11", Currency: "CHF"}, move(2, alice, bob, 1))
	if !errors.Is(err, journal.ErrOverdraft) {
		t.Errorf("francs out of euros: %v", err)
	}
	if b, err := journal.BalanceOf(ctx, tx, alice, "CHF"); err != nil || b != (journal.Balance{}) {
		t.Errorf("%+v francs, %v", b, err)
	}
}

// TestLargeAmounts: the sums of many large amounts are refused before they overflow.
func TestLargeAmounts(t *testing.T) {
	t.Parallel()
	pool := empty(t)
	const most = 999_999_999_999_999_999
	for ref := range int64(9) {
		if err := post(pool, move(ref+1, bank, alice, most)); err != nil {
			t.Fatalf("%d: %v", ref, err)
		}
	}
	for ref := range int64(3) {
		if err := post(pool, move(ref+20, bank, alice, most)); !errors.Is(err, journal.ErrOverdraft) {
			t.Errorf("more than fits: %v", err)
		}
	}
	if got := say(t, pool, alice); got != "8999999999999999991/0" {
		t.Errorf("alice has %s", got)
	}
}

// TestTheBooksAreImmutable: what is booked can't be changed, taken out or emptied, and an account
// stays what it is.
func TestTheBooksAreImmutable(t *testing.T) {
	t.Parallel()
	pool, ctx := empty(t), context.Background()
	if err := post(pool, move(1, bank, alice, 100), hold(2, alice, bob, 50)); err != nil {
		t.Fatal(err)
	}
	for _, sql := range []string{
		`update transfer set amount = amount + 1`,
		`update transfer set booked_at = booked_at`,
		`update transfer set kind = 'earning', ref = 77`,
		`delete from transfer`,
		`truncate transfer`,
		`truncate transfer cascade`,
		`truncate account cascade`,
		`delete from account`,
		`delete from account where kind = 'earned'`,
		`update account set debits_posted = debits_posted - 1 where kind = 'bank'`,
		`update account set credits_posted = 0 where kind = 'means'`,
		`update account set owner = 2 where kind = 'means'`,
		`update account set kind = 'earned', owner = 77 where kind = 'means'`,
		`update account set currency = 'CHF'`,
		`update account set normal = 'B' where kind = 'bank'`,
		`update account set id = id + 100`,
	} {
		if _, err := pool.Exec(ctx, sql); err == nil {
			t.Errorf("%s: it was done", sql)
		} else if code := codeOf(err); !strings.HasPrefix(code, "23") && code != "428C9" {
			t.Errorf("%s: %v", sql, err)
		}
	}
	if got := say(t, pool, alice); got != "100/50" {
		t.Errorf("alice has %s", got)
	}
}

func codeOf(err error) string {
	var coded interface{ SQLState() string }
	if errors.As(err, &coded) {
		return coded.SQLState()
	}
	return ""
}

// TestBatchesDontDeadlock: batches that touch the same accounts in any order wait for each other and
// don't fail, and no money is made or lost.
func TestBatchesDontDeadlock(t *testing.T) {
	t.Parallel()
	pool := empty(t)
	accounts := []journal.Account{alice, anna, bob, payable, {Kind: journal.Announced, Owner: 9}, {Kind: journal.PeerCredit, Owner: 9}}
	for i, a := range accounts {
		if err := post(pool, move(int64(i+1), bank, a, 1_000_000)); err != nil {
			t.Fatal(err)
		}
	}
	var all sync.WaitGroup
	for worker := range int64(8) {
		all.Go(func() {
			random := rand.New(rand.NewPCG(uint64(worker), 1))
			for round := range int64(25) {
				batch := make([]journal.Entry, 4)
				for i := range batch {
					from := random.IntN(len(accounts))
					to := (from + 1 + random.IntN(len(accounts)-1)) % len(accounts)
					batch[i] = move(1000*(worker+1)+10*round+int64(i), accounts[from], accounts[to], 1+random.Int64N(50))
				}
				if err := post(pool, batch...); err != nil {
					t.Errorf("worker %d, round %d: %v", worker, round, err)
				}
			}
		})
	}
	all.Wait()
	var sum, transfers int64
	err := pool.QueryRow(context.Background(), `
		select (select sum(credits_posted - debits_posted) from account where kind <> 'bank')::bigint, (select count(*) from transfer)`).
		Scan(&sum, &transfers)
	if err != nil || sum != 6_000_000 || transfers != 6+8*25*4 {
		t.Errorf("%d in %d transfers, %v", sum, transfers, err)
	}
}

// TestOneKeyManyWriters: of many that post the same key at once, one writes; the others wait and
// find it done, or fail on the unique key and find it done when they try again.
func TestOneKeyManyWriters(t *testing.T) {
	t.Parallel()
	pool := empty(t)
	var all sync.WaitGroup
	for range 12 {
		all.Go(func() {
			err := post(pool, move(1, bank, alice, 7))
			if codeOf(err) == "23505" {
				err = post(pool, move(1, bank, alice, 7))
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if got := say(t, pool, alice); got != "7/0" {
		t.Errorf("alice has %s", got)
	}
}
