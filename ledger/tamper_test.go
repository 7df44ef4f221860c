package ledger_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/fedflattr/flattrd/ledger"
	"github.com/fedflattr/flattrd/ledger/ledgertest"
)

// exempt are the changes that Check can't see, because every sum and every link stays consistent.
// The hash sees them.
var exempt = []struct {
	table, what string // what: a regular expression
	when        func(r ledgertest.Record) bool
	why         string
}{
	{"claim_line", "^refused", func(r ledgertest.Record) bool { return r["member"] == nil && r["refused"] != nil },
		"why a peer refused a line is its own word: the signed answer is the evidence"},
	{"claim", `^n [+-]1$`, func(r ledgertest.Record) bool { return r["direction"] == "in" },
		"the number that a peer gave its claim; it is a key, no amount"},
	{"claim", "^supersedes swapped", func(r ledgertest.Record) bool { return r["direction"] == "in" },
		"which of its refused claims a peer replaced by which: its signed offer is the evidence"},
	{"pledge", `^amount (\+|swapped)`, func(r ledgertest.Record) bool { return r["state"] == "promised" },
		"what is promised for a month that isn't collected yet: the budget may have been lowered since"},
	{"pledge", `^deleted`, func(r ledgertest.Record) bool { return r["state"] == "promised" },
		"what was promised for a month that is over and isn't collected yet, by one who has flattred nothing in it"},
	{"collection", `^deleted`, func(r ledgertest.Record) bool { return fmt.Sprint(r["givers"]) == "0" },
		"that a part was collected in which nothing came, and another follows: it is collected again"},
}

var tamperEvery = flag.Int("tamper.every", 0, "TestTamper tries every so manyth change; 1: all of them; 0: one of each kind")

// TestTamper alters every amount, every state and every tie of every row of the books, behind the
// ledger's back, and takes out and doubles every row. Either the database itself refuses, or Check
// names the row; and the hash is another. The suite takes one change of each kind (ledgertest.Kinds); all of them:
//
//	go test ./ledger -run 'TestTamper$' -tamper.every 1
func TestTamper(t *testing.T) {
	t.Parallel()
	m := ledgertest.PlayMonths(t, ledgertest.MonthOptions{Uneven: true})
	s := &tampering{t: t, outcomes: map[string]int{}, exempted: make([]int, len(exempt))}
	seen := map[string]bool{}
	for _, host := range slices.Sorted(maps.Keys(m.Post)) {
		i := m.Post[host]
		books, before := ledgertest.Books(t, i.Pool), digestOf(t, i)
		s.i, s.pool, s.hash = i, ledgertest.Superuser(t, i.Pool), before
		s.run(someOf(ledgertest.Changes(books), books, seen))
		if after := digestOf(t, i); after != before {
			t.Errorf("%s isn't what it was before", host)
		}
	}
	t.Log(s.figures())
	for i, e := range exempt {
		later := e.table == "pledge" || e.table == "collection" // the first of their kind are found: they are sealed
		if s.exempted[i] == 0 && (*tamperEvery == 1 || *tamperEvery == 0 && !later) {
			t.Errorf("exempt %s %s: nothing needs it", e.table, e.what)
		}
	}
}

// someOf are the changes that are tried.
func someOf(all []ledgertest.Change, books map[string]ledgertest.Table, seen map[string]bool) (some []ledgertest.Change) {
	if *tamperEvery < 1 {
		return ledgertest.Kinds(all, books, seen)
	}
	for i := 0; i < len(all); i += *tamperEvery {
		some = append(some, all[i])
	}
	return some
}

// TestPlayedMonthsHaveEverything: what doesn't occur in the history that is tampered with isn't
// tested. Every table of the books has rows, and every state that a CHECK allows occurs.
func TestPlayedMonthsHaveEverything(t *testing.T) {
	t.Parallel()
	m := ledgertest.PlayMonths(t, ledgertest.MonthOptions{})
	seen := map[string]bool{}
	var books map[string]ledgertest.Table
	for _, i := range m.Post {
		books = ledgertest.Books(t, i.Pool)
		for _, tab := range books {
			seen[tab.Name] = seen[tab.Name] || len(tab.Rows) > 1
			for _, r := range tab.Rows {
				for _, c := range tab.Columns {
					seen[fmt.Sprintf("%s %s %v", tab.Name, c.Name, r[c.Name])] = true
				}
				seen[fmt.Sprintf("%s %v %v", tab.Name, r["direction"], r["state"])] = true
			}
		}
	}
	want := strings.Fields(`account transfer reservation share share_return earning claim claim_line payment
		payment_allocation line_allocation deposit withdrawal transfer_key settlement
		advance line_advance write_off write_off_line pledge collection`)
	for _, tab := range books {
		for _, c := range tab.Columns {
			if tab.Name == "settlement" {
				continue // its stages pass
			}
			for _, v := range c.Allowed {
				want = append(want, tab.Name+" "+c.Name+" "+v)
			}
		}
	}
	for _, both := range []string{"claim out offered", "claim out accepted", "claim out refused", "claim out superseded",
		"claim out confirmed", "claim in accepted", "claim in refused", "claim in superseded", "claim in confirmed",
		"payment out ordered", "payment out cancelled", "payment out sent", "payment out confirmed", "payment out not_received",
		"payment in announced", "payment in confirmed", "payment in not_received"} {
		want = append(want, both)
	}
	for _, w := range want {
		if !seen[w] {
			t.Errorf("no %s", w)
		}
	}
	t.Logf("%d tables and states", len(want))
}

func digestOf(t *testing.T, i *ledgertest.Instance) string {
	t.Helper()
	hash, err := i.Hash(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return hash
}

// tampering tries changes on one instance after the other.
type tampering struct {
	t    *testing.T
	i    *ledgertest.Instance
	pool *pgxpool.Pool
	hash string

	mu       sync.Mutex
	outcomes map[string]int
	exempted []int
}

func (s *tampering) run(all []ledgertest.Change) {
	work := make(chan ledgertest.Change)
	var workers sync.WaitGroup
	for range 4 {
		workers.Go(func() {
			for c := range work {
				outcome := s.try(c)
				s.mu.Lock()
				s.outcomes[outcome]++
				s.mu.Unlock()
			}
		})
	}
	for _, c := range all {
		work <- c
	}
	close(work)
	workers.Wait()
}

func (s *tampering) figures() string {
	total := 0
	var parts []string
	for _, o := range slices.Sorted(maps.Keys(s.outcomes)) {
		total += s.outcomes[o]
		parts = append(parts, fmt.Sprintf("%d %s", s.outcomes[o], o))
	}
	return fmt.Sprintf("%d changes: %s", total, strings.Join(parts, ", "))
}

// try makes a change in a transaction that is rolled back.
func (s *tampering) try(c ledgertest.Change) string {
	ctx := context.Background()
	tx, err := s.pool.Begin(ctx)
	if err != nil {
		s.t.Error(err)
		return "broken"
	}
	defer tx.Rollback(ctx)
	rows, err := c.Apply(ctx, tx)
	refusal := new(pgconn.PgError)
	switch errors.As(err, &refusal); {
	case strings.HasPrefix(refusal.Code, "23"):
		return "refused by the database"
	case refusal.Code == "40P01": // two changes of the same rows at once
		tx.Rollback(ctx)
		return s.try(c)
	case err != nil:
		s.t.Errorf("%s: %v", c.SQL, err)
		return "broken"
	}
	return s.judge(ctx, tx, c, rows)
}

func (s *tampering) judge(ctx context.Context, tx pgx.Tx, c ledgertest.Change, rows []string) string {
	found, err := s.i.CheckTx(ctx, tx)
	if err != nil {
		s.t.Errorf("%s: %v", c.SQL, err)
		return "broken"
	}
	if len(found) == 0 && !s.hashed(ctx, tx) { // the hash is over what Check finds, too
		s.t.Errorf("%s: %s leaves the hash as it is: %s", c.Table, c.What, c.SQL)
	}
	switch {
	case names(found, rows):
		return "found by its name"
	case names(found, c.Near):
		return "found by a row that it was linked with"
	case s.exempt(c):
		return "exempt"
	}
	s.t.Errorf("%s: %s isn't found (%v): %s\n%v", c.Table, c.What, rows, c.SQL, found)
	return "not found"
}

// hashed tells whether the canonical rows show a change that Check doesn't.
func (s *tampering) hashed(ctx context.Context, tx pgx.Tx) bool {
	lines, err := s.i.LinesTx(ctx, tx)
	return err == nil && ledger.Digest(lines, nil) != s.hash
}

func (s *tampering) exempt(c ledgertest.Change) bool {
	for i, e := range exempt {
		if e.table == c.Table && regexp.MustCompile(e.what).MatchString(c.What) && e.when(c.Of) {
			s.mu.Lock()
			s.exempted[i]++
			s.mu.Unlock()
			return true
		}
	}
	return false
}

// names tells whether a violation names one of the rows.
func names(found []ledger.Violation, rows []string) bool {
	return slices.ContainsFunc(found, func(v ledger.Violation) bool { return ledgertest.Names(v.Row, rows) })
}
