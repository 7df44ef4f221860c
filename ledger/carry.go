package ledger

import (
	"context"

	"github.com/google/uuid"
)

// carry takes flattrs without a final answer into the open month, as new ones that name the old.
// A fresh click there absorbs the old one; after the third carry they expire, and those of givers who left at once.
func (tx *Tx) carry(ctx context.Context, period, open string) error {
	old, err := rows[Flattr](tx.Query(ctx, `
		select `+flattrColumns+` from flattr
		where period = $1 and state in ('sent', 'held') order by made_at, id for no key update`, period))
	if err != nil {
		return err
	}
	for _, f := range old {
		if err := tx.carryOne(ctx, f, open); err != nil {
			return err
		}
	}
	return nil
}

func (tx *Tx) carryOne(ctx context.Context, old Flattr, open string) error {
	state := Carried
	var gone bool
	if err := tx.QueryRow(ctx, `select deleted_at is not null from member where id = $1`, old.Giver).Scan(&gone); err != nil {
		return err
	}
	if old.CarryCount == maxCarries || gone {
		state = Expired
	}
	if _, err := tx.Exec(ctx, `update flattr set state = $2 where id = $1`, old.ID, state); err != nil {
		return err
	}
	if state == Expired {
		return nil
	}
	var fresh bool
	if err := tx.QueryRow(ctx, `
		select exists (select from flattr where giver = $1 and thing = $2 and period = $3 and state <> 'undone')`,
		old.Giver, old.Thing, open).Scan(&fresh); err != nil || fresh {
		return err
	}
	f := Flattr{ID: uuid.Must(uuid.NewV7()), Giver: old.Giver, Thing: old.Thing, Period: open, State: Unfunded,
		Carries: &old.ID, CarryCount: old.CarryCount + 1, MadeAt: tx.at}
	if err := tx.insertFlattr(ctx, f); err != nil {
		return err
	}
	return tx.send(ctx, open, f.Giver)
}
