package audit_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/fedflattr/flattrd/cmd/flattrd/audit"
	"github.com/fedflattr/flattrd/ledger/ledgertest"
)

// TestTamperAuthors does to what was divided among authors what TestTamper does to the other books, and alters what each
// was asked and answered.
func TestTamperAuthors(t *testing.T) {
	t.Parallel()
	i := ledgertest.PlayAuthors(t)["a.example"]
	s := &tampering{t: t, outcomes: map[string]int{}, pool: ledgertest.Superuser(t, i.Pool)}
	all := ledgertest.Books(t, i.Pool)
	var some []ledgertest.Change
	for n, c := range ledgertest.Changes(map[string]ledgertest.Table{"share_part": all["share_part"], "share_return": all["share_return"]}) {
		if n%3 == 0 || *tamperEvery == 1 {
			some = append(some, c)
		}
	}
	s.run(some)
	t.Log(s.outcomes)

	ctx := context.Background()
	for sql, table := range map[string]string{
		`update flattr_part set state = 'rejected', reason = 'blocked' where id = (select min(id) from flattr_part)`: "share_part",
		`delete from flattr_part where id = (select max(id) from flattr_part)`:                                       "flattr",
		`update flattr_part set flattr = gen_random_uuid() where id = (select max(id) from flattr_part)`:             "flattr_part",
		`update thing_split_part set weight = weight + 1 where id = (select min(id) from thing_split_part)`:          "share_part",
		`update thing_split_part set state = 'refused' where id = (select min(id) from thing_split_part)`:            "thing_split",
		`update thing_split set period = '2027-10' where state = 'consented'`:                                        "flattr_part",
		`update claim_line set split = 7 where split is not null`:                                                    "claim_line",
	} {
		tx, err := s.pool.Begin(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if tag, err := tx.Exec(ctx, sql); err != nil || tag.RowsAffected() == 0 {
			t.Errorf("%s: %v, %v", sql, tag, err)
		}
		report, err := audit.Run(ctx, tx, audit.Options{WithoutDocuments: true})
		if err != nil || !strings.Contains(fmt.Sprint(report.Findings), table+" ") {
			t.Errorf("%s: %v, %v", sql, report, err)
		}
		if err := tx.Rollback(ctx); err != nil {
			t.Fatal(err)
		}
	}
}
