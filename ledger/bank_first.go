package ledger

import "context"

// After a backup was put back, the bank has paid what the books no longer know (protocol §9). Until an operator has
// compared them with the bank's journal, no withdrawal is paid and no payment is ordered or sent: else the same
// would be paid out twice.

// bankFirst refuses what moves money at the bank. FieldError field: bank-first.
func (tx *Tx) bankFirst(ctx context.Context, field string) error {
	var waits bool
	err := tx.QueryRow(ctx, `select restored_at is not null from instance where id = 1`).Scan(&waits)
	if err == nil && waits {
		err = refused(field, "bank-first")
	}
	return err
}

// BankFirst tells whether payouts and payments wait for that.
func (l *Ledger) BankFirst(ctx context.Context) (waits bool, err error) {
	err = l.pool.QueryRow(ctx, `select restored_at is not null from instance where id = 1`).Scan(&waits)
	return waits, err
}

// BankCompared is an operator's word that the books have all that the bank's journal has: payouts and payments go on.
// FieldError "bank": not-restored.
func (l *Ledger) BankCompared(ctx context.Context, operator int64) error {
	return l.tx(ctx, func(tx *Tx) error {
		if err := tx.operator(ctx, operator); err != nil {
			return err
		}
		tag, err := tx.Exec(ctx, `update instance set restored_at = null where id = 1 and restored_at is not null`)
		switch {
		case err != nil:
			return err
		case tag.RowsAffected() == 0:
			return refused("bank", "not-restored")
		}
		tx.event("bank.compared", "operator", operator)
		return nil
	})
}
