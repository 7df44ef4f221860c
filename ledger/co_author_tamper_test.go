package ledger_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/fedflattr/flattrd/ledger/ledgertest"
)

// TestTamperAuthors alters what was divided among authors as TestTamper alters the other books, and what each was asked
// and answered. Check names the row, and the hash is another.
func TestTamperAuthors(t *testing.T) {
	t.Parallel()
	p := ledgertest.PlayAuthors(t)
	s := &tampering{t: t, outcomes: map[string]int{}, exempted: make([]int, len(exempt))}
	s.i = p["a.example"]
	s.pool, s.hash = ledgertest.Superuser(t, s.i.Pool), digestOf(t, s.i)
	all := ledgertest.Books(t, s.i.Pool)
	if len(all["share_part"].Rows) == 0 || len(all["share_return"].Rows) == 0 {
		t.Fatal("nothing was divided, or came back")
	}
	s.run(ledgertest.Changes(map[string]ledgertest.Table{"share_part": all["share_part"], "share_return": all["share_return"],
		"earning": all["earning"]}))
	t.Log(s.figures())

	ctx := context.Background()
	for sql, table := range map[string]string{
		`update flattr_part set state = 'rejected', reason = 'blocked' where id = (select min(id) from flattr_part)`: "share_part",
		`delete from flattr_part where id = (select max(id) from flattr_part)`:                                       "flattr",
		`update flattr_part set period = '2026-11' where id = (select max(id) from flattr_part)`:                     "flattr_part",
		`update thing_split_part set weight = weight + 1 where id = (select min(id) from thing_split_part)`:          "share_part",
		`update thing_split_part set state = 'refused' where id = (select min(id) from thing_split_part)`:            "thing_split",
		`update thing_split set period = '2026-10' where state = 'consented' and iri like '%a.example%'`:             "thing_split",
		`update thing_split set period = '2027-10' where state = 'consented'`:                                        "flattr_part",
		`update claim_line set split = 7 where split is not null`:                                                    "claim_line",
		`update claim_line set split = null where split is not null`:                                                 "claim",
	} {
		tx, err := s.pool.Begin(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if tag, err := tx.Exec(ctx, sql); err != nil || tag.RowsAffected() == 0 {
			t.Errorf("%s: %v, %v", sql, tag, err)
		}
		found, err := s.i.CheckTx(ctx, tx)
		if err != nil || !strings.Contains(fmt.Sprint(found), table+" ") {
			t.Errorf("%s: %v, %v", sql, found, err)
		}
		if err := tx.Rollback(ctx); err != nil {
			t.Fatal(err)
		}
	}
}
