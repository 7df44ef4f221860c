package audit_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/fedflattr/flattrd/cmd/flattrd/audit"
	"github.com/fedflattr/flattrd/ledger/ledgertest"
)

// run audits an instance.
func run(t testing.TB, i *ledgertest.Instance, o audit.Options) *audit.Report {
	t.Helper()
	var report *audit.Report
	err := pgx.BeginTxFunc(context.Background(), i.Pool, audit.Transaction, func(tx pgx.Tx) (err error) {
		report, err = audit.Run(context.Background(), tx, o)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// TestPlayedMonths: months in which everything occurs give no false alarm.
func TestPlayedMonths(t *testing.T) {
	t.Parallel()
	for _, o := range []ledgertest.MonthOptions{{}, {Uneven: true}} {
		m := ledgertest.PlayMonths(t, o)
		notarise(t, m.Post)
		for host, i := range m.Post {
			report := run(t, i, audit.Options{})
			for _, f := range report.Findings {
				t.Errorf("%s: %s", host, f)
			}
		}
	}
}
