package ledger_test

import (
	"context"
	"errors"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/fedflattr/flattrd/ledger/ledgertest"
)

// TestReferencesByTrigger: what stands for a foreign key refuses as one would. Each statement is undone.
func TestReferencesByTrigger(t *testing.T) {
	t.Parallel()
	i := ledgertest.New(t)
	ctx := context.Background()
	for _, c := range []struct{ sql, code string }{
		{`insert into earning (period, member, flattrs, amount) select '2026-10', max(id) + m, 1, 1 from member, generate_series(0, 1) m group by m`, "23503"},
		{`delete from member`, "23503"},
		{`update member set id = default`, "23000"},
		{`insert into claim_line (claim, payee, amount, things) values (1, 'p', 1, '[]')`, "23503"},
	} {
		tx, err := i.Pool.Begin(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Exec(ctx, `
			insert into member (name, display_name, password_hash, language, role, created_at)
			values ('payee', 'payee', 'x', 'en', 'member', '2026-10-01')`); err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Exec(ctx, `insert into earning (period, member, flattrs, amount) select '2026-09', max(id), 1, 1 from member`); err != nil {
			t.Errorf("an earning of a member: %v", err)
		}
		var refused *pgconn.PgError
		if _, err := tx.Exec(ctx, c.sql); !errors.As(err, &refused) || refused.Code != c.code {
			t.Errorf("%s: %v, want %s", c.sql, err, c.code)
		}
		if err := tx.Rollback(ctx); err != nil {
			t.Fatal(err)
		}
	}
}
