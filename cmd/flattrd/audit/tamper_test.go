package audit_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/fedflattr/flattrd/cmd/flattrd/audit"
	"github.com/fedflattr/flattrd/ledger/ledgertest"
)

var tamperEvery = flag.Int("tamper.every", 29, "TestTamper tries every so manyth change; 1: all of them")

// TestTamper alters the played months behind the ledger's back, as the ledger's own test of that name does. Either
// the database refuses, or the audit names the row, or one that it was linked with.
//
//	go test ./cmd/flattrd/audit -run TestTamper$ -tamper.every 1
func TestTamper(t *testing.T) {
	t.Parallel()
	m := ledgertest.PlayMonths(t, ledgertest.MonthOptions{Uneven: true})
	notarise(t, m.Post)
	s := &tampering{t: t, outcomes: map[string]int{}}
	nth := 0
	for _, host := range slices.Sorted(maps.Keys(m.Post)) {
		s.pool = ledgertest.Superuser(t, m.Post[host].Pool)
		var some []ledgertest.Change
		for _, c := range ledgertest.Changes(ledgertest.Books(t, m.Post[host].Pool)) {
			if nth++; nth%*tamperEvery == 0 {
				some = append(some, c)
			}
		}
		s.run(some)
	}
	t.Log(s.outcomes)
}

// tampering tries changes on one instance after the other.
type tampering struct {
	t    *testing.T
	pool *pgxpool.Pool

	mu       sync.Mutex
	outcomes map[string]int
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
	report, err := audit.Run(ctx, tx, audit.Options{})
	if err != nil {
		s.t.Errorf("%s: %v", c.SQL, err)
		return "broken"
	}
	return s.judge(c, rows, report)
}

func (s *tampering) judge(c ledgertest.Change, rows []string, report *audit.Report) string {
	text := fmt.Sprintln(report.Findings)
	switch {
	case ledgertest.Names(text, rows):
		return "found by its name"
	case ledgertest.Names(text, c.Near):
		return "found by a row that it was linked with"
	case c.Table == "collection" && c.What == "deleted" && fmt.Sprint(c.Of["givers"]) == "0":
		return "exempt" // nothing came in it, and it is collected again
	case c.Table == "pledge" && (strings.HasPrefix(c.What, "amount +") || c.What == "amount swapped" || c.What == "deleted") && c.Of["state"] == "promised":
		return "exempt" // until its month is collected it is its member's own word, and nobody has signed for it
	}
	s.t.Errorf("%s: %s isn't found (%v): %s\n%v", c.Table, c.What, rows, c.SQL, text)
	return "not found"
}
