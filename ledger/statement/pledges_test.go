package statement_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/fedflattr/flattrd/ledger/ledgertest"
	"github.com/fedflattr/flattrd/ledger/statement"
)

// testPledges: a giver reads what was promised and what became of it, a payee about how much may still come, the operator
// the sums of both.
func testPledges(t *testing.T, m *ledgertest.Months) {
	g := m.Post["g.example"]
	for _, c := range []struct{ name, month, want string }{
		{"ann", "2026-11", "collected 1.220000, shares 1.220000"}, {"lea", "2026-11", "collected 1.000000, shares 1.000000"},
		{"ned", "2026-11", "void 0.500000, shares 0.000000"}, {"ida", "2026-11", "unused 0.700000, shares 0.000000"},
		{"gus", "2026-11", "void 0.300000, shares 0.000000"}, {"ned", "2026-12", "promised 0.500000, shares 0.000000"},
	} {
		d, err := statement.Given(g.Ledger, member(t, g, c.name), c.month, statement.CSV)
		rows := table(t, written(t, d, err))
		last := rows[len(rows)-1]
		got := fmt.Sprintf("%s %s, shares %d.%06d", last["state"], last["pledged"], sum(t, rows, "amount")/1_000_000, sum(t, rows, "amount")%1_000_000)
		if got != c.want || last["kind"] != "pledge" {
			t.Errorf("%s %s: %s, want %s", c.name, c.month, got, c.want)
		}
	}
	d, err := statement.Given(g.Ledger, member(t, g, "ned"), "2026-12", statement.JSON)
	if doc := written(t, d, err); !strings.Contains(doc, `"state": "promised"`) || !strings.Contains(doc, `"given": null`) {
		t.Errorf("not paid yet: %s", doc)
	}
	d, err = statement.Revenue(g.Ledger, member(t, g, "pip"), "2026-12", statement.JSON)
	if doc := written(t, d, err); !strings.Contains(doc, `"promised": "500000"`) {
		t.Errorf("what pip may still get: %s", doc)
	}
	d, err = statement.Instance(g.Ledger, "2026-11", statement.CSV)
	var said []string
	for _, row := range table(t, written(t, d, err)) {
		if row["kind"] == "pledge" || row["kind"] == "claim-out" {
			said = append(said, strings.TrimSpace(row["state"]+" "+row["count"]+" "+row["amount"]))
		}
	}
	if got, want := strings.Join(said, "; "), "5 3.720000; collected 2 2.220000; promised 0 0.000000; unused 1 0.700000; void 2 0.800000; "+
		"accepted 2 "; !strings.HasPrefix(got, want) || !strings.HasSuffix(got, "refused 1 0.500000") {
		t.Errorf("%s, want %s…", got, want)
	}
}
