package journal

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// OpenPeriod makes the partition that a month's running business is booked in. It is made aside and
// attached, so that nobody who reads or books meanwhile has to wait. Doing it twice is fine.
func OpenPeriod(ctx context.Context, tx pgx.Tx, period string) error {
	name := Partition(period)
	var there bool
	if err := tx.QueryRow(ctx, `select to_regclass($1) is not null`, name).Scan(&there); err != nil || there {
		return err
	}
	_, err := tx.Exec(ctx, fmt.Sprintf(`
		create table %[1]s (like transfer including defaults including constraints including indexes);
		create trigger kept before truncate on %[1]s for each statement execute function refuse_change();
		alter table transfer attach partition %[1]s for values in ('%[2]s')`, name, period))
	return err
}

// Partition is the table of a batch of transfers: transfer_2026_11, transfer_2026_11_settlement.
func Partition(batch string) string {
	return "transfer_" + strings.NewReplacer("-", "_", "/", "_").Replace(batch)
}
